"""Structural similarity, per picture, on Y or on RGB.

Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
IEEE TIP 2004, with the settings of the authors' MATLAB code: an 11 × 11 Gaussian window of sigma 1.5, population
variances, only windows that lie wholly inside the picture, no downsampling beforehand.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ConfigError
from nlcunet.imaging.correlation import correlate_separable
from nlcunet.metrics.planes import PEAK, check_same_shape, rgb_planes, y_planes

WINDOW_PX = 11
WINDOW_SIGMA_PX = 1.5
C1 = (0.01 * PEAK) ** 2
C2 = (0.03 * PEAK) ** 2


def ssim_y(
    result: Float[Tensor, "*batch 3 height width"],
    original: Float[Tensor, "*batch 3 original_height original_width"],
    *,
    border: int,
) -> Float[Tensor, "*batch"]:
    """SSIM of the luma.

    Args:
        result: RGB in [0, 1]; clamped and rounded to 8 bits here.
        original: The true picture, likewise.
        border: Pixels left out at each side; by protocol the scale.

    Returns:
        The mean over all windows, float64, -1 to 1; 1 for equal pictures.

    Raises:
        ConfigError: If shapes differ or fewer than 11 pixels are left between the borders.
    """
    check_same_shape(result, original)
    return ssim_of_planes(y_planes(result, border), y_planes(original, border))


def ssim_rgb(
    result: Float[Tensor, "*batch 3 height width"],
    original: Float[Tensor, "*batch 3 original_height original_width"],
    *,
    border: int,
) -> Float[Tensor, "*batch"]:
    """Mean of the SSIM of the three channels; arguments, result and errors as of `ssim_y`.

    Raises:
        ConfigError: If shapes differ or fewer than 11 pixels are left between the borders.
    """
    check_same_shape(result, original)
    return ssim_of_planes(rgb_planes(result, border), rgb_planes(original, border))


def ssim_of_planes(
    result: Float[Tensor, "*batch channels height width"], original: Float[Tensor, "*batch channels height width"]
) -> Float[Tensor, "*batch"]:
    """SSIM of values from 0 to 255 as they are, mean over windows and channels.

    Raises:
        ConfigError: If a side is shorter than the window.
    """
    height, width = result.shape[-2:]
    if min(height, width) < WINDOW_PX:
        raise ConfigError(
            f"SSIM needs at least {WINDOW_PX} pixels on both sides, borders not counted: got {height} × {width}; "
            "measure a larger picture"
        )
    moments = torch.stack([result, original, result**2, original**2, result * original])
    mean_a, mean_b, square_a, square_b, product = windowed_mean(moments).unbind(0)
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    structure = (2 * covariance + C2) / (variance_a + variance_b + C2)
    return (luminance * structure).mean(dim=(-3, -2, -1))


def windowed_mean(
    planes: Float[Tensor, "*batch height width"],
) -> Float[Tensor, "*batch inner_height inner_width"]:
    """The Gaussian-weighted mean around each pixel whose window lies wholly inside."""
    offsets = torch.arange(WINDOW_PX, dtype=planes.dtype, device=planes.device) - WINDOW_PX // 2
    window = torch.exp(-0.5 * (offsets / WINDOW_SIGMA_PX) ** 2)
    window /= window.sum()
    flat = planes.reshape(-1, *planes.shape[-2:])
    inner = correlate_separable(flat, window[None], window[None])
    return inner.reshape(*planes.shape[:-2], *inner.shape[-2:])
