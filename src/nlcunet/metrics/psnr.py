"""Peak signal-to-noise ratio, per picture, in decibels, on Y or on RGB."""

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.metrics.planes import PEAK, check_same_shape, rgb_planes, y_planes


def psnr_y(
    result: Float[Tensor, "*batch 3 height width"],
    original: Float[Tensor, "*batch 3 original_height original_width"],
    *,
    border: int,
) -> Float[Tensor, "*batch"]:
    """PSNR of the luma, the number in most tables of super-resolution papers.

    Args:
        result: RGB in [0, 1]; clamped and rounded to 8 bits here.
        original: The true picture, likewise.
        border: Pixels left out at each side; by protocol the scale.

    Returns:
        10 · log10(255² / mean squared difference of Y in studio range), float64; infinite for equal pictures.

    Raises:
        ConfigError: If shapes differ or the border leaves nothing.
    """
    check_same_shape(result, original)
    return psnr_of_planes(y_planes(result, border), y_planes(original, border))


def psnr_rgb(
    result: Float[Tensor, "*batch 3 height width"],
    original: Float[Tensor, "*batch 3 original_height original_width"],
    *,
    border: int,
) -> Float[Tensor, "*batch"]:
    """PSNR over all three channels together; arguments, result and errors as of `psnr_y`.

    Raises:
        ConfigError: If shapes differ or the border leaves nothing.
    """
    check_same_shape(result, original)
    return psnr_of_planes(rgb_planes(result, border), rgb_planes(original, border))


def psnr_of_planes(
    result: Float[Tensor, "*batch channels height width"], original: Float[Tensor, "*batch channels height width"]
) -> Float[Tensor, "*batch"]:
    """PSNR of values from 0 to 255 as they are, over all channels and pixels."""
    mean_square = (result - original).square().mean(dim=(-3, -2, -1))
    return 10 * torch.log10(PEAK**2 / mean_square)
