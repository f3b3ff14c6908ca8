"""Vector drawings to pixels, and what the fonts of this machine can write.

SVG is rendered by librsvg and cairo inside libvips, text in it by Pango with the fonts that fontconfig finds.
"""

import shutil
import subprocess
from functools import lru_cache

import numpy as np
import pyvips
from jaxtyping import Float32

from nlcunet.errors import ImageError
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, has_operation, reason_of

OVERSAMPLE = 2
"""Cairo places edges on 1/256 of a pixel across and 1/15 down; drawn at twice the size it is 1/30 down, so that the
coverage of a line of 0.3 pixels is right to about 1%."""

_NAMESPACE = "http://www.w3.org/2000/svg"
_FONT_LIST_SECONDS = 20


def render_svg(elements: str, size_px: int, zoom: int = 1) -> Float32[np.ndarray, "side side 4"]:
    """A square drawing as red, green, blue and coverage, the colours multiplied by coverage, all in [0, 1].

    Every pixel holds the exact mean over its area (a box filter), taken on sRGB values as they are in files.

    Returns:
        A layer of ``size_px * zoom`` pixels a side.

    Raises:
        ImageError: the elements are no SVG, or this libvips cannot draw SVG.
    """
    if not has_operation("svgload_buffer"):
        raise ImageError("drawing needs a libvips with librsvg: this one has none; install pyvips[binary]")
    side = size_px * zoom * OVERSAMPLE
    head = f'<svg xmlns="{_NAMESPACE}" viewBox="0 0 {size_px} {size_px}" width="{side}" height="{side}">'
    try:
        image = pyvips.Image.svgload_buffer(f"{head}{elements}</svg>".encode(), unlimited=True)
        reduced = (image.premultiply() / 255.0).shrink(OVERSAMPLE, OVERSAMPLE)
        pixels: np.ndarray = reduced.cast("float").numpy()
    except LIBVIPS_ERRORS as error:
        raise ImageError(f"elements must be valid SVG: {reason_of(error)}") from error
    return pixels


@lru_cache(maxsize=1)
def list_font_families() -> tuple[tuple[str, frozenset[str]], ...]:
    """Font families with the languages (codes as ``en``, ``zh-cn``) that each can write, in order of their names.

    As told by fontconfig's ``fc-list``; empty where that program is missing. The answer is kept.
    """
    program = shutil.which("fc-list")
    if program is None:
        return ()
    command = [program, "--format", "%{family[0]}\t%{lang}\t%{scalable}\t%{color}\n"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_FONT_LIST_SECONDS, check=True)  # noqa: S603 - fixed arguments
    except (OSError, subprocess.SubprocessError):
        return ()
    families: dict[str, frozenset[str]] = {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        family, languages, scalable, colour = [*line.split("\t"), "", "", ""][:4]
        if family and scalable != "False" and colour != "True":
            families[family] = families.get(family, frozenset()) | frozenset(languages.split("|"))
    return tuple(sorted(families.items()))


@lru_cache(maxsize=256)
def has_glyph(letter: str, family: str = "sans-serif") -> bool:
    """Whether a letter can be written, in this family or in one that fontconfig puts in its place.

    A letter that no font has is drawn by Pango as a box; the letter must therefore not look like one. The answer is
    kept.
    """
    text = f'<text x="8" y="48" font-size="40" font-family="{family}">&#{ord(letter)};</text>'
    ink = render_svg(text, 64)[:, :, 3] > 0.2
    if not ink.any():
        return False
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    glyph = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    sides = [edge.mean() for edge in (glyph[:2].any(0), glyph[-2:].any(0), glyph[:, :2].any(1), glyph[:, -2:].any(1))]
    return bool(min(sides) < 0.9)
