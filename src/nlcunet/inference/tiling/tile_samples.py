"""Between the samples of a picture (uint8, uint16 or float32 in its own array) and the float tiles that networks take.

The picture is never converted as a whole: tiles are read from it, and bands of the result are written back, one by one.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.imaging.picture import Picture, full_scale
from nlcunet.imaging.pixel_sources import PixelSource
from nlcunet.inference.sizes import Pass
from nlcunet.inference.tiling.tiles import round_up
from nlcunet.models.weights import WeightsHeader

ALPHA_REACH_PX = 2
"""How far around a pixel enlarged alpha may take its values from; a cubic kernel reaches as far."""


def dtype_between(dtype: np.dtype) -> np.dtype:
    """Sample type of pictures between two passes, for results of ``dtype``: fine enough to lose nothing that shows."""
    return np.dtype(np.float32 if dtype == np.float32 else np.uint16)


def samples_to_tile(samples: Shaped[np.ndarray, "rows columns *channels"]) -> Float[Tensor, "3 rows columns"]:
    """Part of a picture as an RGB tile in [0, 1]; grey and alpha are repeated."""
    part = samples[:, :, None] if samples.ndim == 2 else samples
    values = torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32) / np.float32(full_scale(samples.dtype)))
    return values.clamp_(0.0, 1.0).permute(2, 0, 1).expand(3, -1, -1)


def padded_tiles(window: Picture, rules: WeightsHeader) -> list[Float[Tensor, "3 rows columns"]]:
    """Part of a picture as a network wants it: colour, and alpha as a picture of its own."""
    samples = [window.pixels] if window.alpha is None else [window.pixels, window.alpha]
    tiles = [samples_to_tile(part) for part in samples]
    return [pad_to_multiple(tile, rules.size_multiple, at_least=rules.min_size) for tile in tiles]


def pad_to_multiple(
    image: Shaped[Tensor, "*batch height width"], multiple: int, *, at_least: int = 1
) -> Shaped[Tensor, "*batch padded_height padded_width"]:
    """Extend a picture below and to the right until both sides are multiples of ``multiple``.

    The picture keeps its place at the top left: what a network makes of it is the first ``scale · height`` rows and
    ``scale · width`` columns of its output. New pixels mirror the picture (the edge pixel itself is not repeated); a
    side too short for that repeats its last pixel.

    Args:
        image: pictures of any number type and any number of channels.
        multiple: what both sides must divide by.
        at_least: the least length of a side after padding.

    Returns:
        The padded pictures; ``image`` itself where nothing is missing.

    Raises:
        ConfigError: ``multiple`` is below 1, or the picture is empty.
    """
    height, width = image.shape[-2:]
    if multiple < 1 or height < 1 or width < 1:
        raise ConfigError(
            f"padding needs a multiple of at least 1 and a picture of at least 1×1: got {multiple} and {width}×{height}"
        )
    padded_height = round_up(max(height, at_least), multiple)
    padded_width = round_up(max(width, at_least), multiple)
    if padded_height != height:
        image = image.index_select(-2, _mirrored_positions(height, padded_height, image.device))
    if padded_width != width:
        image = image.index_select(-1, _mirrored_positions(width, padded_width, image.device))
    return image


def _mirrored_positions(length: int, padded_length: int, device: torch.device) -> Tensor:
    """Which pixel stands at each position of a padded side."""
    positions = torch.arange(padded_length, device=device)
    if padded_length - length < length:
        return torch.where(positions < length, positions, 2 * (length - 1) - positions)
    return positions.clamp(max=length - 1)


def write_samples(
    band: Float[Tensor, "channels rows width"], dtype: np.dtype
) -> Shaped[np.ndarray, "rows width channels"]:
    """Rows of the result as samples: clamped to [0, 1] and, unless floating point, rounded."""
    values = band.clamp(0.0, 1.0).permute(1, 2, 0)
    if dtype == np.float32:
        return values.contiguous().numpy()
    return np.asarray((values * full_scale(dtype)).round_().contiguous().numpy(), dtype=dtype)


def alpha_reach(step: Pass) -> int:
    """``ALPHA_REACH_PX``, or more where the picture shrinks and a pixel of the result covers more."""
    shrinking = max(step.height / step.target_height, step.width / step.target_width, 1.0)
    return math.ceil(ALPHA_REACH_PX * shrinking)


def without_needless_channels(picture: Picture) -> Picture:
    """The same picture with what the network need not see taken away: equal colour channels, and constant alpha."""
    pixels, alpha = picture.pixels, picture.alpha
    red = pixels[:, :, 0]
    if all(np.array_equal(red, pixels[:, :, channel]) for channel in range(1, pixels.shape[2])):
        pixels = pixels[:, :, :1]
    if alpha is not None and alpha.min() == alpha.max():
        alpha = None
    return Picture(pixels=pixels, alpha=alpha)


@dataclass(frozen=True)
class AlphaBounds:
    """The least and the greatest alpha near every pixel of a block of the result.

    Enlarged alpha is held between them: what was wholly opaque or wholly transparent around stays exactly so, and edges
    do not ring. Without that a network's small errors would show as specks and fringes.

    Attributes:
        low: least alpha within reach, in [0, 1].
        high: greatest alpha within reach, in [0, 1].
    """

    low: Float[Tensor, "rows columns"]
    high: Float[Tensor, "rows columns"]

    @classmethod
    def around(cls, source: PixelSource, step: Pass, rows: slice, columns: slice) -> "AlphaBounds":
        """The bounds for these rows and columns of the result of ``step``, from the alpha of its source."""
        reach = alpha_reach(step)
        below = _sources(rows, step.height, step.target_height) + step.margin_rows
        beside = _sources(columns, step.width, step.target_width) + step.margin_columns
        window_rows = _within_reach(below, reach, source.height)
        window_columns = _within_reach(beside, reach, source.width)
        alpha = source.read(window_rows, window_columns).alpha
        if alpha is None:
            raise ValueError("only a source with alpha has bounds of alpha")
        values = torch.from_numpy(alpha.astype(np.float32) / np.float32(full_scale(alpha.dtype))).clamp_(0.0, 1.0)
        stack = F.max_pool2d(torch.stack([values, -values]).unsqueeze(0), 2 * reach + 1, stride=1, padding=reach)[0]
        stack = stack[:, below - window_rows.start][:, :, beside - window_columns.start]
        return cls(low=-stack[1], high=stack[0])

    def hold(self, alpha: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
        """The enlarged alpha of the block between its bounds."""
        return torch.minimum(torch.maximum(alpha, self.low), self.high)


def _within_reach(positions: Tensor, reach: int, length: int) -> slice:
    """The source pixels that positions in rising order lie in, and those around."""
    return slice(max(int(positions[0]) - reach, 0), min(int(positions[-1]) + reach + 1, length))


def _sources(positions: slice, source_length: int, length: int) -> Tensor:
    """Which source pixel each position of the result lies in."""
    middles = 2 * torch.arange(positions.start, positions.stop) + 1
    return (middles * source_length // (2 * length)).clamp(max=source_length - 1)
