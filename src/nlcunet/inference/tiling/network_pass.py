"""One pass of the network over a picture: tiles in, finished blocks out, one row of tiles after the other."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from nlcunet.imaging.picture import Picture
from nlcunet.imaging.pixel_sources import PixelSource, RepeatingSource
from nlcunet.inference.sizes import Pass
from nlcunet.inference.tiling.blending import BlendedBlock, RowBlender, RowResampler
from nlcunet.inference.tiling.read_ahead import map_ahead, read_ahead
from nlcunet.inference.tiling.tile_samples import AlphaBounds, padded_tiles, write_samples
from nlcunet.inference.tiling.tiles import Span, TilePlan
from nlcunet.models.weights import WeightsHeader

RunTile = Callable[[Tensor], Tensor]
"""The network over one padded tile: (3, height, width) to (3, scale · height, scale · width), float32 on the CPU."""


@dataclass(frozen=True)
class FinishedBlock:
    """Part of a result that will not change any more."""

    first_row: int
    first_column: int
    pixels: Shaped[np.ndarray, "rows columns channels"]
    alpha: Shaped[np.ndarray, "rows columns"] | None

    @property
    def end_row(self) -> int:
        """One past its last row."""
        return self.first_row + int(self.pixels.shape[0])


@dataclass(frozen=True)
class FinishedRows:
    """Some rows of a result that will not change any more."""

    first_row: int
    pixels: Shaped[np.ndarray, "rows width channels"]
    alpha: Shaped[np.ndarray, "rows width"] | None


class NetworkPass:
    """Enlarges a picture by one pass, one row of tiles after the other.

    What it keeps between two rows is little and can be taken out and put back: so a pass can go on where another one,
    perhaps of a process that is gone, has stopped, and gives the same pixels.

    Args:
        source: what to enlarge, ``step.height`` × ``step.width``; under transparent parts its colour should continue.
        step: the size to end at, and the margins of the opposite edges.
        tiling: the tiles of the source, margins among them.
        header: the network's scale and size rules.
        run_tile: the network.
        dtype: sample type of the result: uint8, uint16 or float32.
        on_tile: called after every tile.
        tiles_ahead: how many tiles are read while another one is enlarged; 0 reads when needed, in the same thread.
        tiles_at_once: how many tiles are in the network, or on the way to or from it, at a time.
        threads_per_tile: CPU threads for each of several tiles at once.
    """

    def __init__(
        self,
        source: PixelSource,
        step: Pass,
        tiling: TilePlan,
        header: WeightsHeader,
        run_tile: RunTile,
        *,
        dtype: np.dtype,
        on_tile: Callable[[], None],
        tiles_ahead: int = 0,
        tiles_at_once: int = 1,
        threads_per_tile: int = 1,
    ) -> None:
        margins = (step.margin_rows, step.margin_columns)
        self.source = RepeatingSource(source, *margins) if any(margins) else source
        self.step = step
        self.tiling = tiling
        self.dtype = dtype
        self._header = header
        self._run_tile = run_tile
        self._on_tile = on_tile
        self._tiles_ahead = tiles_ahead
        self._tiles_at_once = tiles_at_once
        self._threads_per_tile = threads_per_tile
        self._blender = RowBlender(tiling, header.scale)
        size = (step.height * header.scale, step.width * header.scale)
        target = (step.target_height, step.target_width)
        self._resampler: RowResampler | None = None
        if size != target:
            pushed = (tiling.rows.length * header.scale, tiling.columns.length * header.scale)
            self._resampler = RowResampler(pushed, target, (margins[0] * header.scale, margins[1] * header.scale))
        self._first_row = 0
        self.next_row = 0
        """The row of tiles that comes next."""
        self.seconds_waited = 0.0
        """How long the network waited for tiles to be read."""

    @property
    def is_finished(self) -> bool:
        """Whether all rows of tiles are done."""
        return self.next_row == len(self.tiling.rows.spans)

    def run_row(self) -> Iterator[FinishedBlock]:
        """The blocks that the next row of tiles finishes; all must be taken before the row after it."""
        row_span = self.tiling.rows.spans[self.next_row]
        blocks = self._blender.blend_row(self.next_row, self._enlarged(row_span))
        if self._resampler is None:
            for block in blocks:
                yield from self._without_margins(block)
        else:
            band = torch.cat([block.values for block in blocks], dim=2)
            for rows in self._resampler.push(band):
                yield self._finish(self._first_row, 0, rows)
                self._first_row += rows.shape[1]
        self.next_row += 1

    def state(self) -> dict[str, np.ndarray]:
        """What is kept between the row done last and the next, as copies."""
        state = {"next_row": np.array(self.next_row), "first_row": np.array(self._first_row)}
        if self._blender.fade is not None and not self.is_finished:
            state["fade"] = self._blender.fade.numpy().copy()
        if self._resampler is not None and self._resampler.rows is not None:
            state["rows"] = self._resampler.rows.numpy().copy()
            state["rows_at"] = np.array([self._resampler.first_row, self._resampler.next_block])
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state of a pass with the same arguments."""
        self.next_row, self._first_row = int(state["next_row"]), int(state["first_row"])
        if "fade" in state:
            self._blender.fade = torch.from_numpy(state["fade"].copy())
        if self._resampler is not None and "rows" in state:
            self._resampler.rows = torch.from_numpy(state["rows"].copy())
            self._resampler.first_row, self._resampler.next_block = (int(place) for place in state["rows_at"])

    def _enlarged(self, row_span: Span) -> Iterator[Tensor]:
        """The tiles of a row, enlarged: colour, and alpha behind it."""
        columns = self.tiling.columns.spans
        tiles = read_ahead(lambda span: self._read(row_span, span), columns, self._tiles_ahead, self._count_waiting)
        return map_ahead(self._enlarge, tiles, self._tiles_at_once, self._threads_per_tile)

    def _count_waiting(self, seconds: float) -> None:
        self.seconds_waited += seconds

    def _enlarge(self, layers: list[Tensor]) -> Tensor:
        """One tile: colour or grey, and alpha behind it."""
        colour = self._run_tile(layers[0])
        enlarged = [colour if self.source.channels == 3 else colour.mean(dim=0, keepdim=True)]
        enlarged += [self._enlarge_alpha(layer) for layer in layers[1:]]
        self._on_tile()
        return torch.cat(enlarged)

    def _read(self, rows: Span, columns: Span) -> list[Tensor]:
        """One tile of the source, padded as the network wants it: colour, and alpha as a picture of its own."""
        source = self.source
        window = source.read(
            slice(rows.start, min(rows.stop, source.height)), slice(columns.start, min(columns.stop, source.width))
        )
        return padded_tiles(window, self._header)

    def _enlarge_alpha(self, tile: Tensor) -> Tensor:
        """One channel of alpha; where it is flat no network is needed."""
        if tile.min() == tile.max():
            scale = self._header.scale
            return tile[:1, :1, :1].expand(-1, scale * tile.shape[1], scale * tile.shape[2])
        return self._run_tile(tile).mean(dim=0, keepdim=True)

    def _without_margins(self, block: BlendedBlock) -> Iterator[FinishedBlock]:
        """What of a block lies within the result, if anything does."""
        scale, step = self._header.scale, self.step
        above, beside = step.margin_rows * scale, step.margin_columns * scale
        row, column = block.first_row - above, block.first_column - beside
        rows = slice(max(-row, 0), max(step.target_height - row, 0))
        columns = slice(max(-column, 0), max(step.target_width - column, 0))
        values = block.values[:, rows, columns]
        if values.numel():
            yield self._finish(max(row, 0), max(column, 0), values)

    def _finish(self, first_row: int, first_column: int, values: Tensor) -> FinishedBlock:
        alpha = None
        if self.source.has_alpha:
            rows = slice(first_row, first_row + values.shape[1])
            columns = slice(first_column, first_column + values.shape[2])
            held = AlphaBounds.around(self.source, self.step, rows, columns).hold(values[-1])
            alpha = write_samples(held.unsqueeze(0), self.dtype)[:, :, 0]
        return FinishedBlock(first_row, first_column, write_samples(values[: self.source.channels], self.dtype), alpha)


def all_blocks(network_pass: NetworkPass) -> Iterator[FinishedBlock]:
    """All blocks of a pass, from top to bottom."""
    while not network_pass.is_finished:
        yield from network_pass.run_row()


def finished_rows(network_pass: NetworkPass) -> Iterator[FinishedRows]:
    """All rows of a pass as whole bands, from top to bottom."""
    while not network_pass.is_finished:
        for first_row, group in groupby(network_pass.run_row(), key=lambda block: block.first_row):
            blocks = list(group)
            pixels = np.concatenate([block.pixels for block in blocks], axis=1)
            alphas = [block.alpha for block in blocks if block.alpha is not None]
            yield FinishedRows(first_row, pixels, np.concatenate(alphas, axis=1) if alphas else None)


def join_blocks(
    blocks: Iterable[FinishedBlock], height: int, width: int, channels: int, *, has_alpha: bool, dtype: np.dtype
) -> Picture:
    """A whole picture from its blocks."""
    pixels = np.empty((height, width, channels), dtype)
    alpha = np.empty((height, width), dtype) if has_alpha else None
    for block in blocks:
        place = (
            slice(block.first_row, block.end_row),
            slice(block.first_column, block.first_column + block.pixels.shape[1]),
        )
        pixels[place] = block.pixels
        if alpha is not None and block.alpha is not None:
            alpha[place] = block.alpha
    return Picture(pixels=pixels, alpha=alpha)
