"""From tiles to a picture, one row of tiles after the other.

A tile is blended with its left neighbour and with the row above as soon as it is there; what no later tile touches is
final and handed on as a block. Between tiles only the fade to the right is kept, between rows only the fade below: so
what is held does not grow with the height of a picture, and hardly with its width.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.imaging.resize import axis_bands, resize_axis
from nlcunet.inference.tiling.tiles import AxisPlan, Span, TilePlan

BandRows = Float[Tensor, "channels rows width"]
EnlargeTile = Callable[[Span, Span], Tensor]
"""Enlarges the tile of a row span and a column span: (channels, scale · height, scale · width), float32 on the CPU."""


WEIGHT_STEPS = 1024


def shown_part(axis: AxisPlan, index: int) -> tuple[int, int]:
    """Where the weight of span ``index`` is not zero: its core and the fades beyond it, [start, stop)."""
    span, is_last = axis.spans[index], index + 1 == len(axis.spans)
    return (
        span.core_start - axis.blend if index else 0,
        axis.length if is_last else span.core_stop + axis.blend,
    )


def blend_weights(axis: AxisPlan, index: int, scale: int) -> Float[Tensor, " shown"]:
    """Weight of span ``index`` over what it shows, at ``scale`` times the resolution; each a multiple of 1/1024."""
    start, stop = shown_part(axis, index)
    weights = torch.ones((stop - start) * scale)
    fade = _fade(2 * axis.blend * scale)
    if index:
        weights[: len(fade)] = fade
    if index + 1 < len(axis.spans):
        weights[len(weights) - len(fade) :] = 1.0 - fade
    return weights


def _fade(length: int) -> Float[Tensor, " length"]:
    """A raised cosine from 0 to 1 in steps of 1/1024."""
    position = (torch.arange(length, dtype=torch.float64) + 0.5) / max(length, 1)
    ramp = (1.0 - torch.cos(math.pi * position)) / 2.0
    return ((ramp * WEIGHT_STEPS).round() / WEIGHT_STEPS).float()


@dataclass(frozen=True)
class BlendedBlock:
    """Part of an enlarged picture that will not change any more."""

    first_row: int
    first_column: int
    values: Float[Tensor, "channels rows columns"]


class RowBlender:
    """Blends tiles into finished blocks; what it keeps between two rows of tiles is the fade below."""

    def __init__(self, plan: TilePlan, scale: int) -> None:
        self._plan = plan
        self._scale = scale
        self.fade: Float[Tensor, "channels fade_rows width"] | None = None
        """The lowest rows of the row of tiles blended last, weighted but not final; nothing before the first."""

    def blend_row(self, index: int, tiles: Iterable[Tensor]) -> Iterator[BlendedBlock]:
        """The finished blocks of a row of tiles, from left to right; rows come from top to bottom."""
        columns, scale = self._plan.columns, self._scale
        top, bottom = (scale * (row - self._plan.rows.spans[index].start) for row in shown_part(self._plan.rows, index))
        fade_columns = 2 * columns.blend * scale
        fade: Tensor | None = None
        for column, (span, tile) in enumerate(zip(columns.spans, tiles, strict=True)):
            start, stop = shown_part(columns, column)
            left, right = (scale * (position - span.start) for position in (start, stop))
            values = tile[:, top:bottom, left:right] * blend_weights(columns, column, scale)
            if fade is not None:
                values[:, :, :fade_columns] += fade
            if column + 1 < len(columns.spans):
                finished = values.shape[2] - fade_columns
                fade = values[:, :, finished:].clone()
                values = values[:, :, :finished]
            yield self._finish(index, scale * start, values)

    def _finish(self, index: int, first_column: int, values: Tensor) -> BlendedBlock:
        """Weigh rows, add the fade of the row above, and keep that for the row below."""
        rows, scale = self._plan.rows, self._scale
        values = values * blend_weights(rows, index, scale).view(1, -1, 1)
        fade_rows = 2 * rows.blend * scale
        columns = slice(first_column, first_column + values.shape[2])
        if index and self.fade is not None:
            values[:, :fade_rows] += self.fade[:, :, columns]
        if index + 1 < len(rows.spans):
            if self.fade is None:
                self.fade = torch.zeros(values.shape[0], fade_rows, scale * self._plan.columns.length)
            finished = values.shape[1] - fade_rows
            self.fade[:, :, columns] = values[:, finished:]
            values = values[:, :finished]
        return BlendedBlock(scale * shown_part(rows, index)[0], first_column, values)


def blend_tiles(plan: TilePlan, scale: int, enlarge: EnlargeTile) -> Iterator[BandRows]:
    """Enlarge tile after tile and hand on the picture as bands of finished rows, from top to bottom."""
    blender = RowBlender(plan, scale)
    for index, row_span in enumerate(plan.rows.spans):
        tiles = (enlarge(row_span, column_span) for column_span in plan.columns.spans)
        yield torch.cat([block.values for block in blender.blend_row(index, tiles)], dim=2)


class RowResampler:
    """Brings bands of a picture of one size to bands of another: ``resize_bicubic``, as a stream.

    The width is resampled band by band; for the height as many rows are kept as the next rows of the result need.

    Args:
        size: height and width of what is pushed.
        target: height and width of what comes out.
        margins: how many rows at the top and at the bottom, and columns at both sides, of what is pushed are only
            looked at; the result shows what lies between.
    """

    def __init__(self, size: tuple[int, int], target: tuple[int, int], margins: tuple[int, int] = (0, 0)) -> None:
        self._width, self._margin = target[1], margins[1]
        self._blocks = axis_bands(size[0], target[0], True, torch.float32, margins[0])
        # rows above the earliest one that this or a later block needs can go
        self._needed_from = [block.in_start for block in self._blocks]
        for index in range(len(self._blocks) - 2, -1, -1):
            self._needed_from[index] = min(self._needed_from[index], self._needed_from[index + 1])
        self.rows: BandRows | None = None
        """Rows pushed that are still needed, resampled in width."""
        self.first_row = 0
        """Where they belong."""
        self.next_block = 0
        """The block of rows that comes out next."""

    def push(self, band: BandRows) -> Iterator[BandRows]:
        """Take more rows, and hand on what they complete."""
        band = resize_axis(band, 2, self._width, True, self._margin)
        rows = band if self.rows is None else torch.cat([self.rows, band], dim=1)
        while self.next_block < len(self._blocks):
            block, keep_from = self._blocks[self.next_block], self._needed_from[self.next_block]
            rows, self.first_row = rows[:, max(keep_from - self.first_row, 0) :], max(keep_from, self.first_row)
            if block.in_stop > self.first_row + rows.shape[1]:
                break
            yield block.matrix @ rows[:, block.in_start - self.first_row : block.in_stop - self.first_row]
            self.next_block += 1
        self.rows = rows.clone()  # a view would keep the whole band
