"""One pass of the network over a picture: tiles in, finished rows out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from nlcunet.imaging.picture import Picture
from nlcunet.inference.bands import blend_tiles, resample_bands
from nlcunet.inference.padding import pad_to_multiple
from nlcunet.inference.samples import AlphaBounds, alpha_reach, read_tile, write_samples
from nlcunet.inference.sizes import Pass
from nlcunet.inference.tiles import Span, TilePlan
from nlcunet.models.weights import WeightsHeader

RunTile = Callable[[Tensor], Tensor]
"""The network over one padded tile: (3, height, width) to (3, scale · height, scale · width), float32 on the CPU."""


@dataclass(frozen=True)
class FinishedRows:
    """Some rows of a result that will not change any more.

    Attributes:
        first_row: where they belong.
        pixels: rows × width × 1 or 3.
        alpha: rows × width, or nothing if there is none.
    """

    first_row: int
    pixels: Shaped[np.ndarray, "rows width channels"]
    alpha: Shaped[np.ndarray, "rows width"] | None


def enlarge_in_rows(
    picture: Picture,
    step: Pass,
    tiling: TilePlan,
    header: WeightsHeader,
    run_tile: RunTile,
    *,
    dtype: np.dtype,
    on_tile: Callable[[], None],
) -> Iterator[FinishedRows]:
    """Enlarge a picture by one pass and hand on its rows as they are finished, from top to bottom.

    Args:
        picture: what to enlarge, ``step.height`` × ``step.width``; under transparent parts its colour should continue.
        step: the size to end at.
        tiling: the tiles of ``picture``.
        header: the network's scale and size rules.
        run_tile: the network.
        dtype: sample type of the result: uint8, uint16 or float32.
        on_tile: called after every tile.
    """
    channels = picture.pixels.shape[2]

    def enlarge(rows: Span, columns: Span) -> Tensor:
        colour = _enlarge_samples(picture.pixels, rows, columns, header, run_tile)
        layers = [colour if channels == 3 else colour.mean(dim=0, keepdim=True)]
        if picture.alpha is not None:
            layers.append(_enlarge_samples(picture.alpha, rows, columns, header, run_tile).mean(dim=0, keepdim=True))
        on_tile()
        return torch.cat(layers)

    target = (step.target_height, step.target_width)
    bands = blend_tiles(tiling, header.scale, enlarge)
    bands = resample_bands(bands, (step.height * header.scale, step.width * header.scale), target)
    bounds = None if picture.alpha is None else AlphaBounds.around(picture.alpha, alpha_reach(step))
    first_row = 0
    for band in bands:
        alpha = None
        if bounds is not None:
            held = bounds.hold(band[channels], first_row, step.target_height)
            alpha = write_samples(held.unsqueeze(0), dtype)[:, :, 0]
        yield FinishedRows(first_row, write_samples(band[:channels], dtype), alpha)
        first_row += band.shape[1]


def _enlarge_samples(
    samples: Shaped[np.ndarray, "height width *channels"],
    rows: Span,
    columns: Span,
    header: WeightsHeader,
    run_tile: RunTile,
) -> Tensor:
    """One tile of colour, grey or alpha; flat alpha needs no network."""
    tile = read_tile(samples, rows, columns)
    tile = pad_to_multiple(tile, header.size_multiple, at_least=header.min_size)
    if samples.ndim == 2 and tile.min() == tile.max():
        return tile[:, :1, :1].expand(-1, header.scale * tile.shape[1], header.scale * tile.shape[2])
    return run_tile(tile)


def join_rows(
    finished: Iterable[FinishedRows], height: int, width: int, channels: int, *, has_alpha: bool, dtype: np.dtype
) -> Picture:
    """A whole picture from its rows."""
    pixels = np.empty((height, width, channels), dtype)
    alpha = np.empty((height, width), dtype) if has_alpha else None
    for rows in finished:
        place = slice(rows.first_row, rows.first_row + rows.pixels.shape[0])
        pixels[place] = rows.pixels
        if alpha is not None and rows.alpha is not None:
            alpha[place] = rows.alpha
    return Picture(pixels=pixels, alpha=alpha)
