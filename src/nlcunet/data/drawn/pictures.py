"""Any number of drawn pictures from a seed."""

import zlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from nlcunet.data.drawn.branches import draw_branches
from nlcunet.data.drawn.canvas import Canvas, Pixels, soften
from nlcunet.data.drawn.charts import draw_charts
from nlcunet.data.drawn.curves import draw_curves
from nlcunet.data.drawn.facades import draw_facades
from nlcunet.data.drawn.grids import draw_grids
from nlcunet.data.drawn.hair import draw_hair
from nlcunet.data.drawn.halftones import draw_halftones
from nlcunet.data.drawn.lettering import draw_lettering
from nlcunet.data.drawn.line_art import draw_line_art
from nlcunet.data.drawn.scripts import list_writable_scripts
from nlcunet.data.photographs import Photographs, map_in_order
from nlcunet.errors import ConfigError

MAKERS: dict[str, Callable[[np.random.Generator, Canvas], Pixels]] = {
    "curves": draw_curves,
    "hair": draw_hair,
    "text": draw_lettering,
    "grids": draw_grids,
    "charts": draw_charts,
    "facades": draw_facades,
    "halftones": draw_halftones,
    "line-art": draw_line_art,
    "branches": draw_branches,
}
KINDS = tuple(MAKERS)
"""Kinds of pictures, in a fixed order."""

LICENCE = "drawn by nlcunet (CC0)"
MIN_SIZE_PX, MAX_SIZE_PX = 32, 4096
MAX_PER_SEED = 1_000_000
"""Pictures of a set have seeds ``seed * MAX_PER_SEED + number``, so that sets of different seeds share none."""

MIN_DEVIATION, MAX_ATTEMPTS = 0.03, 5
"""Pictures with less than this standard deviation, one in some hundred, are nearly empty and are drawn anew."""

_GOLDEN = (5**0.5 - 1) / 2


def draw_picture(kind: str, seed: int, size_px: int = 512) -> UInt8[Tensor, "height width 3"]:
    """One picture; the same arguments give the same bits on a machine, its libraries and fonts unchanged.

    Another machine draws the same but for text, which is set in the fonts found there, and for last bits.

    Returns:
        RGB, 8 bit, sRGB-encoded.

    Raises:
        ConfigError: the kind is unknown, the seed negative, or the size out of range.
        ImageError: this libvips cannot draw SVG.
    """
    pixels = draw_pixels(kind, seed, Canvas(size_px))
    return torch.from_numpy(np.rint(pixels * np.float32(255)).astype(np.uint8))


def draw_pixels(kind: str, seed: int, canvas: Canvas) -> Pixels:
    """As :func:`draw_picture`, before rounding, and enlarged as the canvas says."""
    check_kinds([kind])
    if seed < 0 or not MIN_SIZE_PX <= canvas.size_px <= MAX_SIZE_PX:
        raise ConfigError(
            f"a drawn picture needs a seed of at least 0 and a side of {MIN_SIZE_PX} … {MAX_SIZE_PX} pixels: "
            f"got seed {seed} and {canvas.size_px} pixels"
        )
    for attempt in range(MAX_ATTEMPTS):
        rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), attempt])
        sigma_px = draw_softness_px(rng)
        picture = soften(MAKERS[kind](rng, canvas), sigma_px * canvas.zoom)
        if picture.std() >= MIN_DEVIATION:
            break
    return np.asarray(np.clip(picture, 0.0, 1.0), dtype=np.float32)


def draw_softness_px(rng: np.random.Generator) -> float:
    """Standard deviation of the lens: none in most pictures, up to 0.45 pixels in a third, up to 0.9 in a few."""
    chance = rng.random()
    if chance < 0.55:
        return 0.0
    return float(rng.uniform(0.25, 0.45) if chance < 0.9 else rng.uniform(0.45, 0.9))


def check_kinds(kinds: list[str]) -> None:
    """See that all are known.

    Raises:
        ConfigError: one is not, or there is none.
    """
    unknown = [kind for kind in kinds if kind not in MAKERS]
    if unknown or not kinds:
        raise ConfigError(f"kinds of drawn pictures are {', '.join(KINDS)}: got {', '.join(unknown) or 'none'}")


def plan_set(count: int, seed: int, kinds: Mapping[str, float] | None = None) -> list[tuple[str, int]]:
    """Kind and seed of each picture of a set; the first ones of a longer set are those of a shorter one.

    Args:
        count: how many.
        seed: chooses the set.
        kinds: weight of each kind to draw; all alike by default. Any run of pictures holds them in these shares.

    Raises:
        ConfigError: the number, the seed, a kind or a weight is not possible.
    """
    weights = dict.fromkeys(KINDS, 1.0) if kinds is None else dict(kinds)
    check_kinds(list(weights))
    if any(not weight >= 0 for weight in weights.values()) or not 0 < sum(weights.values()) < float("inf"):
        raise ConfigError(f"weights of kinds must be at least 0, and one above: got {weights}")
    if not 0 < count <= MAX_PER_SEED or seed < 0:
        raise ConfigError(
            f"a set has 1 … {MAX_PER_SEED:,} pictures and a seed of at least 0: got {count} pictures and seed {seed}"
        )
    names = list(weights)
    bounds = np.cumsum([weights[name] for name in names]) / sum(weights.values())
    # Multiples of the golden ratio fill the unit interval evenly however many are taken (Weyl 1916).
    places = ((np.arange(count) + 0.5) * _GOLDEN) % 1.0
    chosen = np.minimum(np.searchsorted(bounds, places, side="right"), len(names) - 1)
    return [(names[number], seed * MAX_PER_SEED + index) for index, number in enumerate(chosen.tolist())]


def picture_name(kind: str, seed: int) -> str:
    """File name of a picture without its ending."""
    return f"{kind}-{seed:09d}"


def draw_planned(
    plan: list[tuple[str, int]], size_px: int, threads: int = 1
) -> Iterator[UInt8[Tensor, "height width 3"]]:
    """Pictures of a plan in its order, a few drawn ahead by threads."""
    list_writable_scripts()  # looked up once, before threads would do so at the same time
    return map_in_order(lambda item: draw_picture(item[0], item[1], size_px), plan, threads)


def draw_set(
    count: int, seed: int, size_px: int = 512, kinds: Mapping[str, float] | None = None, threads: int = 2
) -> Photographs:
    """Drawn pictures in memory, in the place of photographs; see ``plan_set``.

    Raises:
        ConfigError: an argument is not possible.
        ImageError: this libvips cannot draw SVG.
    """
    plan = plan_set(count, seed, kinds)
    pictures = tuple(draw_planned(plan, size_px, threads))
    return Photographs(pictures, tuple(picture_name(*item) for item in plan), f"{LICENCE} ({count})")
