"""A folder with small files under the names that the pages use, so that their commands can be run as they stand."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nlcunet.imaging.files import Picture, encode_picture, read_picture, write_picture
from nlcunet.inference.loading import load
from nlcunet.models.weights import find_weights, load_model, save_weights

from .pages import ROOT

PHOTOGRAPH = ROOT / "examples" / "anhinga_original.webp"


class Sandbox:
    """Writes files into a folder.

    Args:
        folder: Where commands run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photograph = read_picture(PHOTOGRAPH).pixels

    def photo(self, name: str, width: int = 40, height: int = 30, *, has_alpha: bool = False) -> None:
        """A piece of a real photograph; where it lies depends on the name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        step = sum(name.encode()) * 37
        top, left = step % (1760 - height), (step * 3) % (1280 - width)
        pixels = np.ascontiguousarray(self.photograph[top : top + height, left : left + width])
        alpha = np.full((height, width), 200, np.uint8) if has_alpha else None
        write_picture(Picture(pixels=pixels, alpha=alpha), path)

    def cut(
        self, name: str, box: tuple[int, int, int, int], *, to: str | None = None, quality: int | None = None
    ) -> None:
        """A piece (left, top, width, height) of an example, under its own name or another one."""
        left, top, width, height = box
        pixels = read_picture(ROOT / name).pixels[top : top + height, left : left + width]
        path = self.folder / (to or name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(Picture(pixels=np.ascontiguousarray(pixels)), path, quality=quality)

    def photos(self, folder: str, count: int, width: int = 40, height: int = 30, ending: str = "png") -> None:
        for number in range(count):
            self.photo(f"{folder}/p{number}.{ending}", width, height)

    def weights(self, name: str, **changes: str) -> None:
        """The embedded weights under another name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not changes:
            shutil.copyfile(find_weights("4x-NLCUnet-S"), path)
            return
        loaded = load_model("4x-NLCUnet-S")
        save_weights(path, loaded.network, loaded.header.model_copy(update={"name": path.stem, **changes}))


def common(box: Sandbox) -> None:
    """What most pages have: a photograph. A strip, because some commands ask for thousands of pixels in width."""
    box.photo("photo.jpg", 400, 12)
    box.photo("photo.png", 400, 12)


def start(box: Sandbox) -> None:
    box.photos("photos", 2)


def start_photographer(box: Sandbox) -> None:
    """The portrait that the page enlarges, a piece of it: noise and JPEG as in the whole."""
    box.photos("photos", 2)
    box.cut("examples/photographs/grace_hopper.jpg", (152, 16, 160, 160), quality=80)


def start_researcher(box: Sandbox) -> None:
    box.photo("datasets/Set5/baby.png", 200, 200)
    for number in range(8):
        box.photo(f"results/baby_k{number}.png", 200, 200)


def start_engineer(box: Sandbox) -> None:
    box.cut("examples/anhinga.png", (60, 20, 96, 96), to="photo.png")


def upscale(box: Sandbox) -> None:
    box.photo("photos/harbour.jpg")
    box.photo("panorama.jpg")
    box.photo("texture.png")
    box.photo("photos/badge.png", 32, 32, has_alpha=True)
    box.photo("photos/2019/tower.png", 30, 30)
    damaged = box.folder / "photos" / "damaged.jpg"
    box.photo("photos/damaged.jpg", 400, 300)
    damaged.write_bytes(damaged.read_bytes()[:5000])
    box.photo("aerial.tif", 64, 48)
    box.weights("runs/portraits/4x-NLCUnet-S-GAN.safetensors", fidelity_weights="4x-NLCUnet-S")


def cluster(box: Sandbox) -> None:
    for name in ("bridge", "cut", "harbour", "tower"):
        box.photo(f"photos/{name}.png", 32, 32)
    cut = box.folder / "photos" / "cut.png"
    cut.write_bytes(cut.read_bytes()[:400])


def faq(box: Sandbox) -> None:
    upscale(box)
    (box.folder / "photos" / "damaged.jpg").unlink()
    box.photos("my-photos", 2, 400, 300)
    box.photo("Set5/baby.png", 48, 48)


def data(box: Sandbox) -> None:
    box.photos("photos", 3, 640, 600)
    for name in ("Set5", "Set14"):
        box.photos(name, 1, 300, 300)
    rows = ["file,split,licence,sha256,source,holder"]
    rows += [f"p{number}.png,train,CC0-1.0,,,Somebody" for number in range(3)]
    (box.folder / "photos" / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    box.photos("tiles", 2, 512, 512, "webp")


def benchmark(box: Sandbox) -> None:
    for name, image in (("Set5", "baby"), ("Set14", "lenna"), ("BSD100", "a")):
        box.photo(f"{name}/{image}.png", 48, 48)
    for number in range(8):
        box.photo(f"results/baby_k{number}.png", 48, 48)
    box.weights("ours.safetensors")
    (box.folder / "kinds.csv").write_text("file,kind\nlenna.png,photo\n", encoding="utf-8")
    box.photo("holiday/beach.jpg", 40, 30)


def protocols(box: Sandbox) -> None:
    box.photo("Set5/baby.png", 48, 48)
    box.photo("DIV2KRK_public/gt/img_1_gt.png", 48, 48)
    box.photo("DIV2KRK_public/lr_x4/im_1.png", 12, 12)


def paper(box: Sandbox) -> None:
    protocols(box)
    for name in ("Set5", "Set14"):
        box.photo(f"datasets/{name}/baby.png", 48, 48)


def inspect(box: Sandbox) -> None:
    """A photograph that is blurred, and was a JPEG before it became a PNG."""
    large = load("bicubic-x2").upscale(ROOT / "examples" / "anhinga.png")
    write_picture(read_picture(encode_picture(large, file_format="jpeg", quality=85)), box.folder / "holiday.png")


def measures(box: Sandbox) -> None:
    box.photo("Set5/baby.png", 200, 200)


def study(box: Sandbox) -> None:
    for name in ("ours", "bicubic", "sharp"):
        for image in "xyzw":
            box.photo(f"{name}/{image}.png", 520, 260)


def training(box: Sandbox) -> None:
    box.photos("my-photos", 4, 400, 300)
    box.weights("runs/mine/4x-NLCUnet-S.safetensors")


FILES: dict[str, Callable[[Sandbox], None]] = {
    "docs/benchmark.md": benchmark,
    "docs/cluster.md": cluster,
    "docs/data.md": data,
    "docs/faq.md": faq,
    "docs/index.md": start,
    "docs/inspect.md": inspect,
    "docs/measures.md": measures,
    "docs/paper.md": paper,
    "docs/protocols.md": protocols,
    "docs/report.md": protocols,
    "docs/start-engineer.md": start_engineer,
    "docs/start-photographer.md": start_photographer,
    "docs/start-researcher.md": start_researcher,
    "docs/study.md": study,
    "docs/training.md": training,
    "docs/upscale.md": upscale,
}
"""What each page needs besides a photograph."""


def records_of_others(folder: Path) -> None:
    """The records of the reader's own method, as somebody else's."""
    mine = (folder / "mine.jsonl").read_text(encoding="utf-8")
    (folder / "theirs.jsonl").write_text(mine.replace('"my method"', '"their method"'), encoding="utf-8")


BEFORE: dict[str, Callable[[Path], None]] = {
    'nlcunet bench table mine.jsonl theirs.jsonl --baseline "their method"': records_of_others,
}
"""What has come from elsewhere by the time that a command is typed."""


def prepare(page: str, folder: Path) -> None:
    """Makes the files that a page's commands expect."""
    box = Sandbox(folder)
    common(box)
    FILES.get(page, lambda _: None)(box)
