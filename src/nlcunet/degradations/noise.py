"""Noise as sensors make it: Gaussian (read-out) and Poisson (light), in colour or grey."""

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ConfigError
from nlcunet.imaging.colour import rgb_to_luma


def add_gaussian_noise(
    image: Float[Tensor, "3 height width"], std_8bit: float, generator: torch.Generator, *, is_grey: bool = False
) -> Float[Tensor, "3 height width"]:
    """The picture plus normally distributed noise of one strength everywhere.

    Args:
        image: RGB in [0, 1].
        std_8bit: Standard deviation in steps of 1/255, at least 0.
        generator: Source of the noise, on the CPU, so that every device gets the same noise.
        is_grey: Give the three channels the same noise.

    Returns:
        The noisy picture, not clamped.

    Raises:
        ConfigError: If the standard deviation is negative.
    """
    check_std(std_8bit)
    shape = (1 if is_grey else 3, *image.shape[1:])
    normal = torch.randn(shape, dtype=torch.float64, generator=generator)
    return image + (std_8bit / 255 * normal).to(image)


def add_poisson_noise(
    image: Float[Tensor, "3 height width"], std_8bit: float, generator: torch.Generator, *, is_grey: bool = False
) -> Float[Tensor, "3 height width"]:
    """The picture as counted photons: noise whose variance grows in proportion to the brightness.

    Args:
        image: RGB in [0, 1]; what lies outside is counted as if clamped.
        std_8bit: Standard deviation at white, in steps of 1/255, at least 0; at brightness v it is √v times that.
        generator: Source of the noise, on the CPU.
        is_grey: Count photons of the luma only, and add the difference to all channels.

    Returns:
        The noisy picture, not clamped.

    Raises:
        ConfigError: If the standard deviation is negative.
    """
    check_std(std_8bit)
    if std_8bit == 0:
        return image
    photons_at_white = (255 / std_8bit) ** 2
    clean = image.detach().to("cpu", torch.float64).clamp(0, 1)
    if is_grey:
        clean = rgb_to_luma(clean)
    counted = torch.poisson(clean * photons_at_white, generator=generator) / photons_at_white
    return image + (counted - clean).to(image)


def check_std(std_8bit: float) -> None:
    """Refuses a negative standard deviation.

    Raises:
        ConfigError: If it is below 0.
    """
    if std_8bit < 0:
        raise ConfigError(f"noise_std_8bit must be at least 0: got {std_8bit}; use 0 for none")
