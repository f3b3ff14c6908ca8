"""Blur kernels: Gaussians, the eight of Gaussian8, straight motion, discs of defocus, and ringing low-pass filters.

A kernel is a square array of odd size that sums to 1, float64, rows downwards and columns to the right. Gaussians are
sampled at pixel centres, not integrated over pixels, as in the research code that all published numbers rest on.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ConfigError

GAUSSIAN8_SIZE_PX = 21

GAUSSIAN8_SIGMA_RANGE_PX: dict[int, tuple[float, float]] = {2: (0.80, 1.60), 3: (1.35, 2.40), 4: (1.80, 3.20)}
"""First and last of the eight sigmas for each scale (Gu et al., "Blind Super-Resolution With Iterative Kernel
Correction", CVPR 2019, https://arxiv.org/abs/1904.03377)."""


def isotropic_gaussian(size: int, sigma_px: float) -> Float[Tensor, "size size"]:
    """A round Gaussian blur kernel.

    Args:
        size: Side in pixels, odd.
        sigma_px: Standard deviation in pixels of the high-resolution picture, above 0.

    Returns:
        The kernel, float64, sum 1, on the CPU.

    Raises:
        ConfigError: If the size is even or sigma is not above 0.
    """
    return anisotropic_gaussian(size, sigma_px, sigma_px, 0.0)


def anisotropic_gaussian(
    size: int,
    sigma_x_px: float,
    sigma_y_px: float,
    angle_rad: float,
    *,
    noise: Tensor | None = None,
    centre_px: float = 0.0,
) -> Float[Tensor, "size size"]:
    """An elliptic Gaussian blur kernel, turned, and roughened if asked.

    With x to the right and y downwards, `sigma_x_px` is measured along (cos angle, sin angle) and `sigma_y_px` along
    (-sin angle, cos angle): a positive angle turns the ellipse clockwise as seen on a screen.

    Args:
        size: Side in pixels, odd.
        sigma_x_px: Standard deviation along the first axis, above 0.
        sigma_y_px: Standard deviation along the second axis, above 0.
        angle_rad: Angle of the first axis, in radians.
        noise: Factors (size, size) that the kernel is multiplied by before it is normalised, such as those of
            `multiplicative_noise`; none by default.
        centre_px: Where the middle lies beside the middle pixel, downwards and to the right alike.

    Returns:
        The kernel, float64, sum 1, on the CPU.

    Raises:
        ConfigError: If the size is even, a sigma is not above 0, or the noise has another shape.
    """
    if size < 1 or size % 2 == 0:
        raise ConfigError(f"a blur kernel's size must be odd and at least 1: got {size}; use {abs(size) + 1}")
    if not (sigma_x_px > 0 and sigma_y_px > 0):
        raise ConfigError(
            f"a Gaussian's sigma must be above 0 px: got {sigma_x_px} and {sigma_y_px}; leave the blur out instead"
        )
    axis = torch.arange(size, dtype=torch.float64) - size // 2 - centre_px
    along_x = math.cos(angle_rad) * axis + math.sin(angle_rad) * axis[:, None]
    along_y = -math.sin(angle_rad) * axis + math.cos(angle_rad) * axis[:, None]
    kernel = torch.exp(-0.5 * ((along_x / sigma_x_px) ** 2 + (along_y / sigma_y_px) ** 2))
    if noise is not None:
        if noise.shape != kernel.shape:
            raise ConfigError(f"kernel noise must be {size} × {size}: got {tuple(noise.shape)}; draw it at that size")
        kernel = kernel * noise.to(torch.float64)
    return kernel / kernel.sum()


def multiplicative_noise(size: int, amount: float, generator: torch.Generator) -> Float[Tensor, "size size"]:
    """Factors uniform in [1 - amount, 1 + amount], which make a kernel look less like a formula.

    From Bell-Kligler et al., "Blind Super-Resolution Kernel Estimation using an Internal-GAN", NeurIPS 2019
    (https://arxiv.org/abs/1909.06581), where `amount` is 0.25.

    Raises:
        ConfigError: If the amount lies outside [0, 1).
    """
    if not 0 <= amount < 1:
        raise ConfigError(f"multiplicative kernel noise must lie in [0, 1): got {amount}; 0.25 is usual")
    uniform = torch.rand(size, size, dtype=torch.float64, generator=generator)
    return 1 + amount * (2 * uniform - 1)


def motion_line(size: int, length_px: float, angle_rad: float, *, centre_px: float = 0.0) -> Float[Tensor, "size size"]:
    """The blur of a steady straight motion during the exposure.

    Points lie evenly on the line, at most 1/16 px apart; each is shared among its four neighbours in proportion to how
    near it lies to them (bilinearly).

    Args:
        size: Side in pixels, odd.
        length_px: Length of the motion in pixels of the high-resolution picture, above 0.
        angle_rad: Its direction, from the right clockwise as seen on a screen.
        centre_px: Where the middle lies beside the middle pixel, downwards and to the right alike.

    Returns:
        The kernel, float64, sum 1, on the CPU.

    Raises:
        ConfigError: If the size is even, or the length is not above 0 or does not fit in.
    """
    _check_extent(size, "length", length_px, (length_px / 2 + abs(centre_px)))
    steps = math.ceil(16 * length_px) + 1
    along = torch.linspace(-length_px / 2, length_px / 2, steps, dtype=torch.float64)
    kernel = torch.zeros(size, size, dtype=torch.float64)
    middle = size // 2 + centre_px
    row, column = middle + math.sin(angle_rad) * along, middle + math.cos(angle_rad) * along
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        rows, columns = row.floor() + down, column.floor() + right
        weights = (1 - (row - rows).abs()) * (1 - (column - columns).abs())
        # A neighbour outside lies exactly one pixel away, with the weight 0.
        inside = (rows.clamp(0, size - 1).long(), columns.clamp(0, size - 1).long())
        kernel.index_put_(inside, weights, accumulate=True)
    return kernel / kernel.sum()


def defocus_disc(size: int, radius_px: float, *, centre_px: float = 0.0) -> Float[Tensor, "size size"]:
    """The blur of a lens out of focus: a disc of even brightness, its edge antialiased by 16×16 points per pixel.

    Args:
        size: Side in pixels, odd.
        radius_px: Radius in pixels of the high-resolution picture, above 0.
        centre_px: Where the middle lies beside the middle pixel, downwards and to the right alike.

    Returns:
        The kernel, float64, sum 1, on the CPU.

    Raises:
        ConfigError: If the size is even, or the radius is not above 0 or does not fit in.
    """
    _check_extent(size, "radius", radius_px, radius_px + abs(centre_px))
    axis = (torch.arange(16 * size, dtype=torch.float64) + 0.5) / 16 - size / 2 - centre_px
    covered = (axis.square() + axis.square()[:, None] <= radius_px**2).double()
    kernel = covered.view(size, 16, size, 16).mean(dim=(1, 3))
    return kernel / kernel.sum()


def ringing_lowpass(size: int, cutoff_rad: float) -> Float[Tensor, "size size"]:
    """The round low-pass filter with a hard cutoff: what it leaves of an edge swings (rings) on both sides.

    ``ω J₁(ω r) / (2π r)``, cut to the square; in the middle ω² / 4π. From Wang et al., "Real-ESRGAN", ICCVW 2021
    (https://arxiv.org/abs/2107.10833), where it stands for sharpening and compression.

    Args:
        size: Side in pixels, odd.
        cutoff_rad: Highest frequency ω that passes, in radians per pixel, above 0 and up to π.

    Returns:
        The kernel, float64, sum 1, on the CPU.

    Raises:
        ConfigError: If the size is even, or the cutoff lies outside its range.
    """
    if size < 1 or size % 2 == 0:
        raise ConfigError(f"a blur kernel's size must be odd and at least 1: got {size}; use {abs(size) + 1}")
    if not 0 < cutoff_rad <= math.pi:
        raise ConfigError(f"a cutoff must lie above 0 and up to π radians per pixel: got {cutoff_rad}")
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    distance = (axis.square() + axis.square()[:, None]).sqrt()
    away = distance.clamp(min=1.0)
    kernel = cutoff_rad * torch.special.bessel_j1(cutoff_rad * away) / (2 * math.pi * away)
    kernel[size // 2, size // 2] = cutoff_rad**2 / (4 * math.pi)
    normalised: Tensor = kernel / kernel.sum()
    return normalised


def _check_extent(size: int, what: str, value_px: float, reach_px: float) -> None:
    """Refuses a kernel that its square does not hold."""
    if size < 1 or size % 2 == 0:
        raise ConfigError(f"a blur kernel's size must be odd and at least 1: got {size}; use {abs(size) + 1}")
    if not value_px > 0:
        raise ConfigError(f"a kernel's {what} must be above 0 px: got {value_px}; leave the blur out instead")
    if reach_px > size // 2:
        raise ConfigError(
            f"a kernel must fit into its square of {size} px: got a {what} of {value_px} px; "
            f"use a size of at least {2 * math.ceil(reach_px) + 1}"
        )


def gaussian8_sigmas_px(scale: int) -> tuple[float, ...]:
    """The eight sigmas of Gaussian8, evenly spaced, smallest first.

    Raises:
        ConfigError: If the scale has no Gaussian8 protocol.
    """
    if scale not in GAUSSIAN8_SIGMA_RANGE_PX:
        raise ConfigError(f"Gaussian8 is defined for scale 2, 3 and 4: got {scale}; choose one of these")
    first, last = GAUSSIAN8_SIGMA_RANGE_PX[scale]
    return tuple(round(first + (last - first) * step / 7, 12) for step in range(8))


def gaussian8_kernels(scale: int) -> Float[Tensor, "8 21 21"]:
    """The eight kernels of Gaussian8 for a scale, in order of rising sigma; float64, each of sum 1.

    Raises:
        ConfigError: If the scale has no Gaussian8 protocol.
    """
    return torch.stack([isotropic_gaussian(GAUSSIAN8_SIZE_PX, sigma) for sigma in gaussian8_sigmas_px(scale)])
