"""Writing systems: which this machine can write, with which fonts, and words made of their letters."""

import logging
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nlcunet.imaging.drawing import has_glyph, list_font_families

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Script:
    """A writing system."""

    name: str
    language: str
    """fontconfig's code of a language written in it."""
    probe: str
    """A letter that any font for it has, and that does not look like a box."""
    letters: tuple[str, ...]
    """Vowels and consonants to alternate, or one string of letters in any order."""
    capitals: bool = False
    """Whether words may be written in capitals."""
    em_per_letter: float = 0.55
    spaced: bool = True


SCRIPTS = (
    Script("Latin", "en", "e", ("aaeeeiioouyäéèöüåøê", "bbccddffgghjklmmnnprrssttttvwxzçñšß"), capitals=True),
    Script("Greek", "el", "λ", ("αεηιουωάέήίόύώ", "βγδζθκλμνξπρσςτφχψ"), capitals=True),
    Script("Cyrillic", "ru", "ж", ("аеиоуыэюяё", "бвгджзйклмнпрстфхцчшщъь"), capitals=True),
    Script("Hebrew", "he", "ש", ("אבגדהוזחטיכלמנסעפצקרשת",), em_per_letter=0.6),
    Script("Arabic", "ar", "ع", ("ابتثجحخدذرزسشصضطظعغفقكلمنهوي",), em_per_letter=0.5),
    Script("Armenian", "hy", "ձ", ("աեիոուէը", "բգդզթժլխծկհձղճմյնշչպջռսվտրցփքֆ"), capitals=True, em_per_letter=0.62),
    Script("Georgian", "ka", "ქ", ("აეიოუ", "ბგდვზთკლმნპჟრსტფქღყშჩცძწჭხჯჰ"), em_per_letter=0.58),
    Script(
        "Chinese",
        "zh-cn",
        "永",
        ("的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏兴复",),
        em_per_letter=1.0,
        spaced=False,
    ),
    Script(
        "Japanese",
        "ja",
        "あ",
        ("あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをんアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン日本人大中小上下山川田学校先生今時間行見食水火木金土",),
        em_per_letter=1.0,
        spaced=False,
    ),
    Script(
        "Korean",
        "ko",
        "한",
        ("가나다라마바사아자차카타파하고노도로모보소오조초코토포호한국말글씨안녕사람물불산강집길밤낮",),
        em_per_letter=0.95,
    ),
    Script("Devanagari", "hi", "ह", ("ािीुूेैोौ", "कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह"), em_per_letter=0.6),
    Script("Thai", "th", "ก", ("กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวศสหอ",), em_per_letter=0.6, spaced=False),
)  # fmt: skip

GENERIC_FAMILIES = ("sans-serif", "serif", "monospace")
MAX_FAMILIES = 24


@lru_cache(maxsize=1)
def list_writable_scripts() -> tuple[tuple[Script, tuple[str, ...]], ...]:
    """Scripts that this machine has glyphs for, each with its font families; empty, with a warning, without any font.

    A script counts if its probe letter does not come out as a box. The answer is kept.
    """
    families = list_font_families()
    found = []
    for script in SCRIPTS:
        if not has_glyph(script.probe):
            continue
        named = [family for family, languages in families if script.language in languages and "'" not in family]
        found.append((script, tuple(named[:MAX_FAMILIES]) or GENERIC_FAMILIES))
    if not found:
        log.warning("no font is installed: drawn text consists of invented letters; install a font to have real ones")
    return tuple(found)


def make_word(rng: np.random.Generator, script: Script) -> str:
    """An invented word, number or abbreviation."""
    if script.spaced and rng.random() < 0.07:
        return "".join(str(digit) for digit in rng.integers(0, 10, int(rng.integers(1, 6))))
    length = int(np.clip(rng.poisson(4.5), 1, 12))
    groups = script.letters
    first = int(rng.integers(2))
    if len(groups) == 2 and script.name == "Devanagari":
        first = 1  # vowel signs follow consonants
    letters = [groups[(first + place) % len(groups)] for place in range(length)]
    word = "".join(group[int(rng.integers(len(group)))] for group in letters)
    if script.capitals:
        chance = rng.random()
        word = word.upper() if chance < 0.08 else word.capitalize() if chance < 0.25 else word
    return word + str(rng.choice(["", ",", ".", "!", "?", ":"], p=[0.82, 0.08, 0.06, 0.015, 0.015, 0.01]))


def make_line(rng: np.random.Generator, script: Script, letters: int) -> str:
    """Words up to a number of letters."""
    words = [make_word(rng, script)]
    while sum(map(len, words)) + len(words) < letters:
        words.append(make_word(rng, script))
    return (" " if script.spaced else "").join(words)
