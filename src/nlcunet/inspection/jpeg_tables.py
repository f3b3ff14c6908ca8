"""JPEG's quantisation tables: those of a file, those of the IJG's quality scale, and which of them are alike.

The quality of a JPEG stands nowhere in it; what does are the steps that its coefficients were rounded to. The
Independent JPEG Group's library, and most programs since, make them from one table (ITU-T T.81, annex K.1) by a factor
that the quality, 1 to 100, gives. Tables made otherwise (by cameras, Photoshop, mozjpeg) are compared with these.
"""

import struct
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from nlcunet.imaging.containers import jpeg_segments
from nlcunet.imaging.formats import FileBytes

JpegSource: TypeAlias = Literal["tables", "pixels"]

ANNEX_K_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.int64,
)
"""ITU-T T.81, table K.1: what quality 50 uses for brightness."""

_TABLES, _SCAN = 0xDB, range(0xC0, 0xD0)
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)
_SUBSAMPLING = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1", (4, 2): "4:1:0"}


@dataclass(frozen=True, kw_only=True)
class JpegCompression:
    """What JPEG did to a picture.

    Attributes:
        quality: on the IJG's scale, 1 to 100.
        is_standard: whether the steps are the IJG's for this quality; else it is the nearest.
        chroma: how the colours were stored: ``4:2:0``, ``4:4:4``, ``grey``, …; nothing where only pixels tell.
        source: ``tables`` of a JPEG file, or ``pixels`` that were stored otherwise since.
    """

    quality: int
    is_standard: bool
    chroma: str | None
    source: JpegSource


@cache
def standard_tables() -> Int[np.ndarray, "100 8 8"]:
    """The IJG's tables for brightness at the qualities 1 to 100 (``jcparam.c``: ``jpeg_set_quality``)."""
    qualities = np.arange(1, 101)
    percent = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    tables: np.ndarray = np.clip((ANNEX_K_LUMA * percent[:, None, None] + 50) // 100, 1, 255)
    return tables


def nearest_quality(
    steps: Float[np.ndarray, "8 8"] | Int[np.ndarray, "8 8"], known: Bool[np.ndarray, "8 8"] | None = None
) -> tuple[int, float]:
    """The quality whose table is most like these steps, and the mean distance of the logarithms: 0 if it is equal."""
    chosen = np.ones((8, 8), bool) if known is None else known
    tables = standard_tables()[:, chosen]
    distance = np.abs(np.log(tables) - np.log(steps[chosen])).mean(axis=1)
    best = int(distance.argmin())
    return best + 1, float(distance[best])


def compression_of_file(data: FileBytes) -> JpegCompression | None:
    """How a JPEG file was compressed; nothing where its header has no frame or no table for it."""
    tables: dict[int, Int[np.ndarray, "8 8"]] = {}
    frame = b""
    for marker, start, length in jpeg_segments(data):
        if marker == _TABLES:
            tables |= _read_tables(bytes(data[start : start + length]))
        elif marker in _SCAN and marker not in _NOT_FRAMES and not frame:
            frame = bytes(data[start : start + length])
    components = [frame[at : at + 3] for at in range(6, len(frame) - 2, 3)]
    if not components or components[0][2] not in tables:
        return None
    quality, distance = nearest_quality(np.maximum(tables[components[0][2]], 1))
    return JpegCompression(quality=quality, is_standard=distance == 0.0, chroma=_chroma(components), source="tables")


def _read_tables(content: bytes) -> dict[int, Int[np.ndarray, "8 8"]]:
    """The tables of a DQT segment, by number, rows downwards (T.81, section B.2.4.1). What is cut off is left out."""
    found = {}
    while content:
        is_wide, number = content[0] >> 4, content[0] & 15
        size = 128 if is_wide else 64
        if len(content) < 1 + size:
            break
        found[number] = from_zigzag(struct.unpack(">64H" if is_wide else ">64B", content[1 : 1 + size]))
        content = content[1 + size :]
    return found


def from_zigzag(values: tuple[int, ...]) -> Int[np.ndarray, "8 8"]:
    """64 values in the order of a JPEG file as a square: along the antidiagonals, every other one upwards."""
    places = sorted(
        ((row, column) for row in range(8) for column in range(8)),
        key=lambda place: (sum(place), place[0] if sum(place) % 2 else place[1]),
    )
    square = np.zeros((8, 8), np.int64)
    for place, value in zip(places, values, strict=True):
        square[place] = value
    return square


def _chroma(components: list[bytes]) -> str:
    """How much smaller the colours are stored than the brightness, from the sampling factors of a frame."""
    if len(components) == 1:
        return "grey"
    (across, down), *others = [(component[1] >> 4, component[1] & 15) for component in components]
    widest = (max(other[0] for other in others[:2]), max(other[1] for other in others[:2]))
    ratio = (across // max(widest[0], 1), down // max(widest[1], 1))
    return _SUBSAMPLING.get(ratio, f"{ratio[0]}×{ratio[1]}")
