"""Resampling as programs really do it: the common kernels as one matrix for each axis.

Pixel centres lie at half-integers, borders are mirrored with the edge pixel repeated, weights are normalised. A kernel
is widened by the factor when shrinking (antialiasing), except for ``bilinear-plain`` and ``nearest``, which look at the
nearest pixels only, as fast previews and old scripts do. ``area`` weights every pixel by how much of it is covered.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.steps import ResizeKernel
from nlcunet.imaging.resize import cubic


def triangle(distance: np.ndarray) -> np.ndarray:
    """Linear interpolation."""
    distance = np.abs(distance)
    return np.where(distance < 1, 1.0 - distance, 0.0)


def lanczos3(distance: np.ndarray) -> np.ndarray:
    """A sinc under a wider sinc, three lobes on each side."""
    return np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0.0)


def mitchell(distance: np.ndarray) -> np.ndarray:
    """The cubic of Mitchell and Netravali with B = C = 1/3 (SIGGRAPH 1988)."""
    d = np.abs(distance)
    near = 7 * d**3 - 12 * d**2 + 16 / 3
    far = -7 / 3 * d**3 + 12 * d**2 - 20 * d + 32 / 3
    return np.where(d < 1, near, np.where(d < 2, far, 0.0)) / 6


FILTERS = {
    "bicubic": (cubic, 2.0),
    "bilinear": (triangle, 1.0),
    "bilinear-plain": (triangle, 1.0),
    "lanczos3": (lanczos3, 3.0),
    "mitchell": (mitchell, 2.0),
}
"""Kernels as functions of the distance, and how far they reach."""


@lru_cache(maxsize=512)
def resampling_matrix(
    in_length: int, out_length: int, kernel: ResizeKernel, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "out_length in_length"]:
    """The weights of all input positions in every output position.

    Args:
        in_length: Samples before.
        out_length: Samples after.
        kernel: How values between samples are found.
        dtype: Of the result.
        device: Where it shall be.
    """
    factor = out_length / in_length
    centre = ((np.arange(out_length) + 0.5) / factor - 0.5)[:, None]
    if kernel == "nearest":
        positions = np.floor(centre + 0.5).astype(np.int64)
        weights = np.ones(positions.shape)
    elif kernel == "area":
        half = max(0.5 / factor, 0.5)
        positions = np.floor(centre - half).astype(np.int64) + np.arange(int(np.ceil(2 * half)) + 3)
        weights = np.clip(half + 0.5 - np.abs(centre - positions), 0.0, 1.0)
    else:
        function, reach = FILTERS[kernel]
        stretch = factor if factor < 1 and kernel != "bilinear-plain" else 1.0
        half = reach / stretch
        positions = np.floor(centre - half).astype(np.int64) + np.arange(int(np.ceil(2 * half)) + 2)
        weights = function(stretch * (centre - positions))
    weights = weights / weights.sum(axis=1, keepdims=True)
    folded = positions % (2 * in_length)
    inside = np.where(folded < in_length, folded, 2 * in_length - 1 - folded)
    dense = np.zeros((out_length, in_length))
    np.add.at(dense, (np.arange(out_length)[:, None], inside), weights)
    with torch.inference_mode(mode=False):
        return torch.from_numpy(dense).to(device, dtype)


def resample(
    images: Float[Tensor, "batch 3 height width"], height: int, width: int, kernel: ResizeKernel
) -> Float[Tensor, "batch 3 new_height new_width"]:
    """Pictures at another size; the result may leave [0, 1].

    Args:
        images: RGB in [0, 1], float32 or float64.
        height: Rows of the result.
        width: Columns of the result.
        kernel: How values between pixels are found.
    """
    rows = resampling_matrix(images.shape[2], height, kernel, images.dtype, images.device)
    columns = resampling_matrix(images.shape[3], width, kernel, images.dtype, images.device)
    with torch.autocast(images.device.type, enabled=False):
        return rows @ (images @ columns.T)
