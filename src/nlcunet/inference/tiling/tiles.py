"""Tiles of a picture as data: where each lies, which part of it counts, and how neighbours blend.

Rows and columns are planned alike and apart, each by an ``AxisPlan``; tile (i, j) is row span i × column span j.

::

    span 0   |---------------core----------)~~~~~~~|
    span 1                         |~~~~~~~(----------core---------------|
                                   start   core_start             core_stop, stop
                                       <-blend-><-blend->

The cores cover every pixel once. Beyond its core a span reads at least ``overlap`` pixels more on every side where
the picture goes on. Within ``blend`` pixels on either side of a border between cores, the two spans fade into each
other with a raised cosine; what lies further out is context that the network sees and nobody else. So a network whose
result depends on no more than ``overlap − blend`` pixels around is tiled without any difference.

All spans of an axis have the same length, and start at multiples of the network's size multiple, so that a network that
works on several resolutions sees every pixel in the same phase as in the whole picture. The weights are multiples of
1/1024: products of two of them are exact in float32, and the weights of all tiles sum to exactly 1 at every pixel.

All lengths are low-resolution pixels.
"""

from dataclasses import dataclass
from itertools import pairwise

from nlcunet.errors import ConfigError


@dataclass(frozen=True)
class Span:
    """One tile's place on one axis: it reads [start, stop) and answers for [core_start, core_stop)."""

    start: int
    stop: int
    core_start: int
    core_stop: int


@dataclass(frozen=True)
class AxisPlan:
    """All spans along one axis of a picture.

    Attributes:
        length: pixels of the picture on this axis; the last span may stop beyond it, where the picture is padded.
        tile: length that the network sees, that of every span.
        blend: how far on either side of a border the spans fade into each other.
        spans: in order.
    """

    length: int
    tile: int
    blend: int
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class TilePlan:
    """The tiles of one picture: every row span with every column span, read row by row."""

    rows: AxisPlan
    columns: AxisPlan

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return len(self.rows.spans) * len(self.columns.spans)

    @property
    def pixels(self) -> int:
        """Pixels that the network sees in all, overlaps counted as often as they are seen."""
        return self.count * self.rows.tile * self.columns.tile


def round_up(length: int, multiple: int) -> int:
    """The smallest multiple of ``multiple`` that is at least ``length``."""
    return -(-length // multiple) * multiple


def smallest_tile(multiple: int, min_size: int = 1) -> int:
    """The smallest tile side that a plan takes for a network of this size multiple and least size."""
    return max(2 * multiple, round_up(min_size, multiple))


def plan_tiles(
    height: int,
    width: int,
    *,
    tile: int,
    overlap: int,
    multiple: int = 1,
    min_size: int = 1,
    row_tile: int | None = None,
) -> TilePlan:
    """Plan the tiles of a picture.

    Args:
        height: rows of the picture.
        width: columns of the picture.
        tile: the longest side a tile may have; raised to the smallest side that works, rounded down to ``multiple``.
        overlap: how many pixels beyond its core a tile reads; at most a quarter of the tile is used.
        multiple: what the sides of every tile divide by.
        min_size: the least side that the network takes.
        row_tile: how high a tile may be, where that is less than ``tile``; as long as a side that works is left.

    Raises:
        ConfigError: a length is not possible.
    """
    if height < 1 or width < 1 or tile < 1 or overlap < 0 or multiple < 1:
        raise ConfigError(
            "a tile plan needs a picture of at least 1×1, a tile of at least 1, an overlap of at least 0: "
            f"got {width}×{height}, tile {tile}, overlap {overlap}, multiple {multiple}"
        )
    sides = (tile if row_tile is None else min(row_tile, tile), tile)
    high, wide = (max(side // multiple * multiple, smallest_tile(multiple, min_size)) for side in sides)
    high = max(high, min(wide, 4 * overlap))  # lower ones would have less overlap
    return TilePlan(
        plan_axis(height, high, overlap, multiple, min_size), plan_axis(width, wide, overlap, multiple, min_size)
    )


def plan_axis(length: int, tile: int, overlap: int, multiple: int, min_size: int) -> AxisPlan:
    """Spans of equal length, as few and then as short as ``tile`` and ``overlap`` allow, evenly spread."""
    padded = round_up(max(length, min_size), multiple)
    if padded <= tile:
        return AxisPlan(length, padded, 0, (Span(0, padded, 0, length),))
    overlap = min(overlap, tile // 4)
    shared = round_up(2 * overlap, multiple)
    count = -(-(padded - shared) // (tile - shared))
    tile = max(round_up(-(-(padded + (count - 1) * shared) // count), multiple), round_up(min_size, multiple))
    steps = (padded - tile) // multiple
    starts = [steps * index // (count - 1) * multiple for index in range(count)]
    borders = [(start + tile + after) // 2 for start, after in pairwise(starts)]
    edges = [0, *borders, length]
    spans = tuple(
        Span(start, start + tile, core_start, core_stop)
        for start, (core_start, core_stop) in zip(starts, pairwise(edges), strict=True)
    )
    shortest_core = min(span.core_stop - span.core_start for span in spans)
    return AxisPlan(length, tile, min(overlap // 2, shortest_core // 2), spans)
