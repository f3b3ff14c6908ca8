"""The sets that ``nlcunet data fetch`` knows: where they are, how large, under which terms, whom to cite.

Checksums are those that somebody has published, with the place; where there is none, none is made up. Addresses come
from the publishers' pages and from public programs that use them; the page docs/data.md says which were tried.
"""

from dataclasses import dataclass

from nlcunet.errors import DataError
from nlcunet.files.checksums import Digest
from nlcunet.files.download import WantedFile

_TFDS = "tensorflow/datasets, datasets/div2k/checksums.tsv"
_TORCHSR = "torchsr (Coloquinte/torchSR), its dataset classes"
_ETH = "data.vision.ee.ethz.ch/cvl/DIV2K"
_EDSR = "https://cv.snu.ac.kr/research/EDSR"
_HUGGING_FACE = "https://huggingface.co/datasets"


@dataclass(frozen=True, kw_only=True)
class Pick:
    """Which members of an archive are wanted, and where they go."""

    pattern: str
    """Regular expression for the whole name of a member; the file keeps its own name."""
    folder: str = ""
    """Below the set's folder."""
    split: str = "test"
    count: int | None
    """How many there must be; ``None`` for extras that are not pictures and not listed."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file to download and what to take out of it."""

    wanted: WantedFile
    picks: tuple[Pick, ...]
    about_bytes: int | None = None
    """Where the exact length is not known: what to tell people, and to ask of the disk."""
    pictures_md5: str | None = None
    """Published checksum of the unpacked pictures (``checksums.hash_pictures``)."""

    @property
    def size_bytes(self) -> int | None:
        """The length, or about."""
        return self.wanted.size_bytes or self.about_bytes


@dataclass(frozen=True, kw_only=True)
class PictureSet:
    """A set of pictures as people name it."""

    name: str
    pictures: int
    use: str
    licence: str
    """Short, for the manifest."""
    terms: str
    """A sentence for people."""
    citation: str
    homepage: str
    parts: tuple[tuple[Archive, ...], ...] = ()
    """What must all be had; of each part the first archive that can be had will do."""
    joins: tuple[str, ...] = ()
    """Instead of parts: sets whose training pictures make up this one."""
    by_hand: str = ""
    """Instead of parts: what to do where a machine may not download."""
    names: tuple[str, ...] = ()
    """The names of the pictures without ending, where they are known and few."""


def _research(holder: str) -> str:
    return f"research; {holder}"


DIV2K = PictureSet(
    name="DIV2K",
    pictures=900,
    use="training (800) and validation (100)",
    licence="academic research only",
    terms=_research("the photographs belong to their authors"),
    citation="Agustsson, Timofte: NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study. CVPRW 2017",
    homepage="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
    parts=(
        (
            Archive(
                wanted=WantedFile(
                    name="DIV2K_train_HR.zip",
                    urls=(
                        f"https://{_ETH}/DIV2K_train_HR.zip",
                        f"http://{_ETH}/DIV2K_train_HR.zip",
                        f"{_HUGGING_FACE}/goodfellowliu/DIV2K/resolve/main/DIV2K_train_HR.zip",
                    ),
                    size_bytes=3_530_603_713,
                    digest=Digest(
                        algorithm="sha256",
                        value="9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
                        origin=_TFDS,
                    ),
                ),
                picks=(Pick(pattern=r"(.*/)?\d{4}\.png", folder="DIV2K_train_HR", split="train", count=800),),
            ),
        ),
        (
            Archive(
                wanted=WantedFile(
                    name="DIV2K_valid_HR.zip",
                    urls=(f"https://{_ETH}/DIV2K_valid_HR.zip", f"http://{_ETH}/DIV2K_valid_HR.zip"),
                    size_bytes=448_993_893,
                    digest=Digest(
                        algorithm="sha256",
                        value="20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
                        origin=_TFDS,
                    ),
                ),
                picks=(Pick(pattern=r"(.*/)?\d{4}\.png", folder="DIV2K_valid_HR", split="valid", count=100),),
            ),
        ),
    ),
)

FLICKR2K = PictureSet(
    name="Flickr2K",
    pictures=2650,
    use="training",
    licence="no licence stated",
    terms=_research("photographs from Flickr that belong to their authors; no licence is stated"),
    citation="Lim et al.: Enhanced Deep Residual Networks for Single Image Super-Resolution. CVPRW 2017",
    homepage="https://github.com/limbee/NTIRE2017",
    parts=(
        (
            Archive(  # sharp pictures only, about half of the authors' archive, so it comes first
                wanted=WantedFile(
                    name="Flickr2K.zip", urls=(f"{_HUGGING_FACE}/goodfellowliu/Flickr2K/resolve/main/Flickr2K.zip",)
                ),
                picks=(Pick(pattern=r"(.*/)?\d{6}\.png", folder="Flickr2K_HR", split="train", count=2650),),
                about_bytes=11_600_000_000,
                pictures_md5="21fc3b64443fba44d6f0ad8a8c171b1e",
            ),
            Archive(
                wanted=WantedFile(
                    name="Flickr2K.tar",
                    urls=(f"{_EDSR}/Flickr2K.tar", "http://cv.snu.ac.kr/research/EDSR/Flickr2K.tar"),
                    digest=Digest(algorithm="md5", value="5d3f39443d5e9489bff8963f8f26cb03", origin=_TORCHSR),
                ),
                picks=(Pick(pattern=r"(.*/)?Flickr2K_HR/\d{6}\.png", folder="Flickr2K_HR", split="train", count=2650),),
                about_bytes=20_000_000_000,
            ),
        ),
    ),
)

DF2K = PictureSet(
    name="DF2K",
    pictures=3450,
    use="training: DIV2K's 800 and Flickr2K's 2650",
    licence="see DIV2K and Flickr2K",
    terms=_research("as DIV2K and Flickr2K"),
    citation="as DIV2K and Flickr2K",
    homepage="https://github.com/limbee/NTIRE2017",
    joins=("DIV2K", "Flickr2K"),
)


def _benchmark(
    name: str,
    pictures: int,
    *,
    in_edsr: str,
    about_bytes: int,
    pictures_md5: str,
    md5: str | None = None,
    licence: str,
    terms: str,
    citation: str,
    homepage: str,
) -> PictureSet:
    """One of the small test sets: packed by eugenesiow on Hugging Face, or by the authors of EDSR with its sisters."""
    digest = Digest(algorithm="md5", value=md5, origin="deepinv, its examples") if md5 is not None else None
    packed = Archive(
        wanted=WantedFile(
            name=f"{name}_HR.tar.gz",
            urls=(f"{_HUGGING_FACE}/eugenesiow/{name}/resolve/main/data/{name}_HR.tar.gz",),
            digest=digest,
        ),
        picks=(Pick(pattern=rf"(.*/)?{name}_HR/[^/]+\.png", count=pictures),),
        about_bytes=about_bytes,
        pictures_md5=pictures_md5,
    )
    sisters = Archive(
        wanted=WantedFile(
            name="benchmark.tar",
            urls=(f"{_EDSR}/benchmark.tar", "http://cv.snu.ac.kr/research/EDSR/benchmark.tar"),
            digest=Digest(algorithm="md5", value="4ace41d33c2384b97e6b320cd0afd6ba", origin=_TORCHSR),
        ),
        picks=(Pick(pattern=rf"(.*/)?{in_edsr}/HR/[^/]+\.png", count=pictures),),
        about_bytes=250_000_000,
    )
    return PictureSet(
        name=name,
        pictures=pictures,
        use="measuring",
        licence=licence,
        terms=terms,
        citation=citation,
        homepage=homepage,
        parts=((packed, sisters),),
    )


SET5 = _benchmark(
    "Set5",
    5,
    in_edsr="Set5",
    about_bytes=850_000,
    pictures_md5="e128ede786dabb7ebeee99e5fa1ad985",
    licence="no licence stated",
    terms=_research("no licence is stated"),
    citation="Bevilacqua et al.: Low-Complexity Single-Image Super-Resolution Based on Nonnegative Neighbor Embedding. "
    "BMVC 2012",
    homepage="https://huggingface.co/datasets/eugenesiow/Set5",
)
SET14 = _benchmark(
    "Set14",
    14,
    in_edsr="Set14",
    about_bytes=5_000_000,
    pictures_md5="3fce01c3dfe9760194e8a22f6bc032c5",
    licence="no licence stated",
    terms=_research("no licence is stated"),
    citation="Zeyde, Elad, Protter: On Single Image Scale-Up Using Sparse-Representations. Curves and Surfaces 2010",
    homepage="https://huggingface.co/datasets/eugenesiow/Set14",
)
BSD100 = _benchmark(
    "BSD100",
    100,
    in_edsr="B100",
    about_bytes=20_000_000,
    pictures_md5="2288d442262c1c26343fda3b36f05b03",
    licence="non-commercial research and education only",
    terms="non-commercial research and education",
    citation="Martin et al.: A Database of Human Segmented Natural Images and its Application to Evaluating "
    "Segmentation Algorithms and Measuring Ecological Statistics. ICCV 2001",
    homepage="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds/",
)
URBAN100 = _benchmark(
    "Urban100",
    100,
    in_edsr="Urban100",
    about_bytes=140_000_000,
    pictures_md5="6e0640850d436a359e0a9baf5eabd27b",
    md5="65d9d84a34b72c6f7ca1e26a12df1e4c",
    licence="CC-BY-4.0 according to the Hugging Face card",
    terms="CC-BY-4.0 by its Hugging Face card; photographs from Flickr that belong to their authors",
    citation="Huang, Singh, Ahuja: Single Image Super-Resolution from Transformed Self-Exemplars. CVPR 2015",
    homepage="https://github.com/jbhuang0604/SelfExSR",
)

_MANGA109 = """
    AisazuNihaIrarenai AkkeraKanjinchou Akuhamu AosugiruHaru AppareKappore Arisa ARMS BakuretsuKungFuGirl Belmondo
    BEMADER_P BokuHaSitatakaKun BurariTessenTorimonocho ByebyeC-BOY Count3DeKimeteAgeru DollGun Donburakokko
    DualJustice EienNoWith EvaLady EverydayOsakanaChan GakuenNoise GarakutayaManta GinNoChimera GOOD_KISS_Ver2
    Hamlet HanzaiKousyouninMinegishiEitarou HaruichibanNoFukukoro HarukaRefrain HealingPlanet HeiseiJimen
    HighschoolKimengumi_vol01 HighschoolKimengumi_vol20 HinagikuKenzan HisokaReturns JangiriPonpon JijiBabaFight
    Joouari Jyovolley KarappoHighschool KimiHaBokuNoTaiyouDa KoukouNoHitotachi KuroidoGanka KyokugenCyclone
    LancelotFullThrottle LoveHina_vol01 LoveHina_vol14 MAD_STONE MadouTaiga MagicianLoad MagicStarGakuin
    MariaSamaNihaNaisyo MayaNoAkaiKutsu MemorySeijin MeteoSanStrikeDesu MiraiSan MisutenaideDaisy
    MoeruOnisan_vol01 MoeruOnisan_vol19 MomoyamaHaikagura MukoukizuNoChonbo MutekiBoukenSyakuma Nekodama
    NichijouSoup Ningyoushi OhWareraRettouSeitokai OL_Lunch ParaisoRoad PikaruGenkiDesu PLANET7 PlatinumJungle
    PrayerHaNemurenai PrismHeart PsychoStaff Raphael ReveryEarth RinToSiteSippuNoNaka RisingGirl Saisoku
    SaladDays_vol01 SaladDays_vol18 SamayoeruSyonenNiJunaiWo SeisinkiVulnus ShimatteIkouze_vol01
    ShimatteIkouze_vol26 SonokiDeABC SyabondamaKieta TaiyouNiSmash TapkunNoTanteisitsu TasogareTsushin
    TennenSenshiG TensiNoHaneToAkumaNoShippo TetsuSan That'sIzumiko TotteokiNoABC ToutaMairimasu TouyouKidan
    TsubasaNoKioku UchiNoNyan'sDiary UchuKigekiM774 UltraEleven UnbalanceTokyo WarewareHaOniDearu YamatoNoHane
    YasasiiAkuma YouchienBoueigumi YoumaKourin YukiNoFuruMachi YumeiroCooking YumeNoKayoiji
"""
"""Its volumes, as its ``books.txt`` names them; the page measured of each carries its name."""


MANGA109 = PictureSet(
    name="Manga109",
    pictures=109,
    use="measuring drawings",
    licence="academic use only, no redistribution",
    terms="academic use after an application; never to be passed on",
    citation="Matsui et al.: Sketch-based Manga Retrieval Using Manga109 Dataset. Multimedia Tools and Applications "
    "2017",
    homepage="http://www.manga109.org/en/",
    by_hand=(
        "Manga109 may not be downloaded by a program: its authors grant each user a permission. Do this:\n"
        "  1. Read the terms at http://www.manga109.org/en/ and apply there, or at\n"
        "     https://huggingface.co/datasets/hal-utokyo/Manga109; an answer takes two or three days.\n"
        "  2. Super-resolution is measured on 109 pages, one of each volume, a choice that papers have handed on; ask\n"
        "     the authors of the paper that you compare with which ones.\n"
        "  3. Put the 109 pages into {folder},\n"
        "     each named after its volume, as ARMS.png.\n"
        "  4. Run nlcunet data fetch Manga109 again: it checks number and names and writes the manifest."
    ),
    names=tuple(_MANGA109.split()),
)

DIV2KRK = PictureSet(
    name="DIV2KRK",
    pictures=100,
    use="measuring blind methods: 100 originals, inputs for ×2 and ×4, kernels",
    licence="academic research only",
    terms=_research("made from DIV2K's validation pictures"),
    citation="Bell-Kligler, Shocher, Irani: Blind Super-Resolution Kernel Estimation using an Internal-GAN. "
    "NeurIPS 2019",
    homepage="http://www.wisdom.weizmann.ac.il/~vision/kernelgan/",
    parts=(
        (
            Archive(
                wanted=WantedFile(
                    name="DIV2KRK_public.zip",
                    urls=(
                        "https://www.wisdom.weizmann.ac.il/~vision/kernelgan/DIV2KRK_public.zip",
                        "https://www.dropbox.com/s/gkx5abm90ij74nc/DIV2KRK_public.zip?dl=1",
                    ),
                ),
                picks=(
                    Pick(pattern=r"(.*/)?gt/[^/]+\.png", folder="gt", split="test", count=100),
                    Pick(pattern=r"(.*/)?lr_x2/[^/]+\.png", folder="lr_x2", split="lr_x2", count=100),
                    Pick(pattern=r"(.*/)?lr_x4/[^/]+\.png", folder="lr_x4", split="lr_x4", count=100),
                    Pick(pattern=r"(.*/)?gt_k_x2/[^/]+\.mat", folder="gt_k_x2", count=None),
                    Pick(pattern=r"(.*/)?gt_k_x4/[^/]+\.mat", folder="gt_k_x4", count=None),
                ),
            ),
        ),
    ),
)

CID22 = PictureSet(
    name="CID22",
    pictures=250,
    use="training: the reference pictures; the embedded weights were trained on 211 of them",
    licence="CC-BY-SA-4.0",
    terms="free: CC-BY-SA-4.0, Cloudinary is to be named",
    citation="Sneyers, Ben Baruch, Vaxman: CID22, Large-Scale Subjective Quality Assessment for High Fidelity Image "
    "Compression. IEEE MultiMedia 2023",
    homepage="https://cloudinary.com/labs/cid22",
    parts=(
        (
            Archive(
                wanted=WantedFile(
                    name="CID22.zip",
                    urls=("https://cloudinary-marketing-res.cloudinary.com/raw/upload/v1682032119/CID22.zip",),
                ),
                picks=(Pick(pattern=r"(.*/)?CID22/original/[^/]+\.png", split="train", count=250),),
                about_bytes=7_300_000_000,
            ),
        ),
    ),
)

OPEN_PHOTOS = PictureSet(
    name="open-photos",
    pictures=490,
    use="training: free photographs out of Debian packages",
    licence="free; by picture in the manifest",
    terms="free: public domain, CC0, CC-BY, CC-BY-SA and others, by picture in the manifest",
    citation="each picture's holder, in the manifest",
    homepage="https://packages.debian.org",
)

SETS = {
    found.name: found
    for found in (DIV2K, FLICKR2K, DF2K, SET5, SET14, BSD100, URBAN100, MANGA109, DIV2KRK, OPEN_PHOTOS, CID22)
}
"""All sets, in the order of ``--list``."""


def find_set(name: str) -> PictureSet:
    """A set by its name, capitals or not.

    Raises:
        DataError: There is none of this name.
    """
    for known, found in SETS.items():
        if known.casefold() == name.casefold():
            return found
    raise DataError(f"the set must be one of {', '.join(SETS)}: got {name!r}; choose one, or see --list")


def download_bytes(found: PictureSet) -> int | None:
    """How much comes over the network, as far as known; open-photos and joined sets add up theirs elsewhere."""
    sizes = [alternatives[0].size_bytes for alternatives in found.parts]
    sizes += [download_bytes(SETS[name]) for name in found.joins]
    known = [size for size in sizes if size is not None]
    return sum(known) if sizes and len(known) == len(sizes) else None
