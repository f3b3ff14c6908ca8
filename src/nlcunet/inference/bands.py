"""From tiles to a picture, one band of finished rows after the other.

A row of tiles is enlarged and blended before the next one is begun. All rows above the next fade are then final and are
handed on; only the fade is carried over. So no more than one row of tiles is ever held at the result's resolution,
however high the picture is.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.imaging.resize import axis_bands, resize_bicubic
from nlcunet.inference.tiles import Span, TilePlan

BandRows = Float[Tensor, "channels rows width"]
EnlargeTile = Callable[[Span, Span], Tensor]
"""Enlarges the tile of a row span and a column span: (channels, scale · height, scale · width), float32 on the CPU."""


def blend_tiles(plan: TilePlan, scale: int, enlarge: EnlargeTile) -> Iterator[BandRows]:
    """Enlarge tile after tile and hand on the picture as bands of finished rows, from top to bottom.

    Args:
        plan: where the tiles lie.
        scale: enlargement of ``enlarge``.
        enlarge: called once per tile, row by row.

    Yields:
        Bands that together are the picture, ``scale`` times as large.
    """
    carry: Tensor | None = None
    fade_rows = 2 * plan.rows.blend * scale
    for index, row_span in enumerate(plan.rows.spans):
        band = _blend_row(plan, index, row_span, scale, enlarge)
        band *= plan.rows.weights(index, scale).view(1, -1, 1)
        if carry is not None:
            band[:, :fade_rows] += carry
        is_last = index + 1 == len(plan.rows.spans)
        finished = band.shape[1] if is_last else band.shape[1] - fade_rows
        carry = band[:, finished:].clone()
        yield band[:, :finished]


def _blend_row(plan: TilePlan, index: int, row_span: Span, scale: int, enlarge: EnlargeTile) -> BandRows:
    """One row of tiles, blended from left to right; only the rows that the plan shows of it."""
    top, bottom = (scale * (row - row_span.start) for row in plan.rows.shown(index))
    band: Tensor | None = None
    for column, column_span in enumerate(plan.columns.spans):
        start, stop = plan.columns.shown(column)
        left, right = (scale * (position - column_span.start) for position in (start, stop))
        tile = enlarge(row_span, column_span)[:, top:bottom, left:right] * plan.columns.weights(column, scale)
        if band is None:
            band = tile.new_zeros(tile.shape[0], tile.shape[1], scale * plan.columns.length)
        band[:, :, scale * start : scale * stop] += tile
    if band is None:
        raise ValueError("a tile plan has at least one column")
    return band


def resample_bands(bands: Iterable[BandRows], size: tuple[int, int], target: tuple[int, int]) -> Iterator[BandRows]:
    """Bring bands of a picture of ``size`` to bands of ``target`` (height, width): ``resize_bicubic``, as a stream.

    The width is resampled band by band; for the height as many rows are kept as the next rows of the result need.
    """
    if size == target:
        yield from bands
        return
    blocks = axis_bands(size[0], target[0], True, torch.float32)
    # rows above the earliest one that this or a later block needs can go
    needed_from = [block.in_start for block in blocks]
    for index in range(len(blocks) - 2, -1, -1):
        needed_from[index] = min(needed_from[index], needed_from[index + 1])
    source = (resize_bicubic(band, band.shape[1], target[1]) for band in bands)
    rows, first_row = next(source), 0
    for block, keep_from in zip(blocks, needed_from, strict=True):
        rows, first_row = rows[:, keep_from - first_row :], keep_from
        parts = [rows]
        while first_row + sum(part.shape[1] for part in parts) < block.in_stop:
            parts.append(next(source))
        rows = torch.cat(parts, dim=1) if len(parts) > 1 else rows
        yield block.matrix @ rows[:, block.in_start - first_row : block.in_stop - first_row]
