"""Bicubic resizing with exactly MATLAB's ``imresize`` arithmetic: the down- and upsampling of every protocol here.

What makes it MATLAB's: cubic convolution with a = -0.5 (Keys, "Cubic convolution interpolation for digital image
processing", IEEE ASSP 1981), the kernel stretched by the factor when shrinking (antialiasing), pixel centres at
half-integers, borders mirrored with the edge pixel repeated, weights normalised per output pixel, the axis with the
smaller factor first. ``torch.nn.functional.interpolate`` differs in a, in its borders, or in both.

Weights are computed once per pair of lengths, in float64, and kept. On a CPU the resampling runs as products with
short banded matrices, elsewhere as shifted multiply-adds: those do not depend on how precise an accelerator is told
to be with matrix products (TF32), and never wait for the host.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ConfigError

CUBIC_A = -0.5
"""Keys' free parameter; -0.5 is MATLAB's, and the only one that is exact for parabolas."""

CUBIC_REACH_PX = 2
"""How far around a position the kernel takes its values from, where it is not stretched."""

BLOCK = 64
"""Output rows per matrix product: long enough for the product to be fast, short enough for few zeros in the band."""


@dataclass(frozen=True, kw_only=True)
class AxisTaps:
    """Which input positions make up each output position along one axis, and with what weights."""

    indices: np.ndarray
    """Input positions, (out_length, taps), int64, borders already mirrored."""
    weights: np.ndarray
    """Their weights, (out_length, taps), float64; each row sums to 1."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """One block of output positions as a small dense matrix over the few input positions that it needs."""

    in_start: int
    in_stop: int
    """One past the last input position."""
    matrix: Tensor
    """Weights, (outputs of the block, in_stop - in_start)."""


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel at signed distances in pixels, with a = -0.5; zero from 2 pixels on."""
    d = np.abs(distance)
    near = (CUBIC_A + 2) * d**3 - (CUBIC_A + 3) * d**2 + 1
    far = CUBIC_A * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


@lru_cache(maxsize=256)
def axis_taps(in_length: int, out_length: int, antialias: bool, margin: int = 0) -> AxisTaps:
    """Taps that take `in_length` samples to `out_length`, as MATLAB's `imresize` computes them.

    Of the `in_length` samples the first and the last `margin` are only looked at: the result shows those between.
    """
    factor = out_length / (in_length - 2 * margin)
    stretch = factor if antialias and factor < 1 else 1.0
    support = 4.0 / stretch
    centre = (np.arange(out_length) + 0.5) / factor - 0.5 + margin
    first = np.floor(centre - support / 2).astype(np.int64)
    positions = first[:, None] + np.arange(int(np.ceil(support)) + 2)
    weights = cubic(stretch * (centre[:, None] - positions))
    weights /= weights.sum(axis=1, keepdims=True)
    folded = positions % (2 * in_length)
    indices = np.where(folded < in_length, folded, 2 * in_length - 1 - folded)
    used = np.any(weights != 0, axis=0)
    return AxisTaps(indices=indices[:, used], weights=weights[:, used])


@lru_cache(maxsize=64)
def axis_bands(
    in_length: int, out_length: int, antialias: bool, dtype: torch.dtype, margin: int = 0
) -> tuple[Band, ...]:
    """The taps as dense blocks on the CPU, ready to multiply; mirrored taps are added to the ones that they hit."""
    taps = axis_taps(in_length, out_length, antialias, margin)
    bands = []
    for start in range(0, out_length, BLOCK):
        indices, weights = taps.indices[start : start + BLOCK], taps.weights[start : start + BLOCK]
        in_start, in_stop = int(indices.min()), int(indices.max()) + 1
        dense = np.zeros((len(indices), in_stop - in_start))
        np.add.at(dense, (np.arange(len(indices))[:, None], indices - in_start), weights)
        with torch.inference_mode(mode=False):
            matrix = torch.from_numpy(dense).to(dtype)
        bands.append(Band(in_start=in_start, in_stop=in_stop, matrix=matrix))
    return tuple(bands)


@lru_cache(maxsize=64)
def axis_tap_tensors(
    in_length: int, out_length: int, antialias: bool, dtype: torch.dtype, device: torch.device, *, margin: int = 0
) -> tuple[tuple[Tensor, Tensor], ...]:
    """The taps on a device: for each tap the input position and the weight of every output position."""
    taps = axis_taps(in_length, out_length, antialias, margin)
    with torch.inference_mode(mode=False):
        return tuple(
            (torch.from_numpy(index.copy()).to(device), torch.from_numpy(weight.copy()).to(dtype).to(device))
            for index, weight in zip(taps.indices.T, taps.weights.T, strict=True)
        )


def resize_axis(
    planes: Float[Tensor, "planes height width"], axis: int, length: int, antialias: bool, margin: int = 0
) -> Float[Tensor, "planes new_height new_width"]:
    """Resizes along one axis: 1 for the height, 2 for the width. Floating point of at least 32 bits.

    The first and the last ``margin`` samples of the axis are only looked at: the result shows those between.
    """
    in_length = planes.shape[axis]
    if length == in_length - 2 * margin:
        return planes.narrow(axis, margin, length)
    if planes.device.type == "cpu":
        bands = axis_bands(in_length, length, antialias, planes.dtype, margin)
        if axis == 1:
            return torch.cat([band.matrix @ planes[:, band.in_start : band.in_stop] for band in bands], dim=1)
        return torch.cat([planes[:, :, band.in_start : band.in_stop] @ band.matrix.T for band in bands], dim=2)
    taps = axis_tap_tensors(in_length, length, antialias, planes.dtype, planes.device, margin=margin)
    return shifted_sum(planes, axis, taps)


def shifted_sum(
    planes: Float[Tensor, "planes height width"], axis: int, taps: tuple[tuple[Tensor, Tensor], ...]
) -> Float[Tensor, "planes new_height new_width"]:
    """The sum over taps of shifted copies of the input times their weights; one copy in memory at a time."""
    shape = (1, -1, 1) if axis == 1 else (1, 1, -1)
    (index, weight), *others = taps
    total = planes.index_select(axis, index) * weight.view(shape)
    for index, weight in others:
        total = torch.addcmul(total, planes.index_select(axis, index), weight.view(shape))
    return total


def resize_bicubic(
    image: Float[Tensor, "*batch height width"], height: int, width: int, *, antialias: bool = True
) -> Float[Tensor, "*batch new_height new_width"]:
    """The picture at another size, as MATLAB's ``imresize(image, [height width], 'bicubic')``.

    Args:
        image: Any values, any leading axes, on any device. 16-bit floats are computed in float32.
        height: Rows of the result; the vertical factor is `height` over the image's rows.
        width: Columns of the result, likewise.
        antialias: Widen the kernel when shrinking, as MATLAB does by default.

    Returns:
        The resized picture in the input's data type; it may leave the input's range (overshoot), nothing is clamped.

    Raises:
        ConfigError: If a side of the input or of the result is below 1 pixel.
    """
    in_height, in_width = image.shape[-2:]
    if min(in_height, in_width, height, width) < 1:
        raise ConfigError(
            "resizing needs at least 1 pixel on every side, before and after: "
            f"got {in_height} × {in_width} to {height} × {width} (height × width); check the requested size"
        )
    exact = torch.float64 if image.dtype == torch.float64 else torch.float32
    planes = image.reshape(-1, in_height, in_width).to(exact)
    sides = [(height / in_height, 1, height), (width / in_width, 2, width)]
    with torch.autocast("cpu", enabled=False):  # the products; multiply-adds are not touched by autocast
        for _factor, axis, length in sorted(sides):
            planes = resize_axis(planes, axis, length, antialias)
    return planes.to(image.dtype).reshape(*image.shape[:-2], height, width)
