"""The named degradations that pictures are trained on and measured with, and how one is drawn at random."""

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

from nlcunet.degradations.kernels import GAUSSIAN8_SIZE_PX, gaussian8_sigmas_px
from nlcunet.degradations.photo import NUMBERS, PhotoPreset, draw_steps
from nlcunet.degradations.record import SEED_LIMIT, DegradationRecord
from nlcunet.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class IsotropicRange:
    """Round Gaussians with a sigma drawn uniformly."""

    size_px: int
    """Side of the kernel, odd."""
    min_sigma_px: float
    """Smallest sigma."""
    max_sigma_px: float
    """Largest sigma."""


@dataclass(frozen=True, kw_only=True)
class AnisotropicRange:
    """Elliptic Gaussians: both sigmas, the angle in (-π, π) and the kernel's roughness are drawn uniformly."""

    size_px: int
    """Side of the kernel, odd."""
    min_sigma_px: float
    """Smallest sigma of either axis."""
    max_sigma_px: float
    """Largest sigma of either axis."""
    kernel_noise: float
    """Multiplicative noise on the kernel: factors uniform in 1 ± this."""


@dataclass(frozen=True, kw_only=True)
class FixedSigmas:
    """A fixed list of round Gaussians: every picture is measured with each; training would draw one of them."""

    size_px: int
    """Side of the kernel, odd."""
    sigmas_px: tuple[float, ...]
    """The sigmas, in the order in which they are measured."""


KernelChoice: TypeAlias = IsotropicRange | AnisotropicRange | FixedSigmas


@dataclass(frozen=True, kw_only=True)
class DegradationPreset:
    """What may happen to a picture: kernel, then bicubic downsampling, then noise, then JPEG, then 8-bit rounding."""

    scale: int
    """Factor by which both sides shrink."""
    kernels: KernelChoice | None
    """Blur kernels; None for no blur."""
    noise_probability: float = 0.0
    """Share of pictures that get Gaussian noise."""
    max_noise_std_8bit: float = 0.0
    """The noise's standard deviation is drawn uniformly from 0 to this, in steps of 1/255."""
    jpeg_probability: float = 0.0
    """Share of pictures that are compressed as JPEG, with 4:2:0 chroma."""
    min_jpeg_quality: int = 30
    """Lowest JPEG quality."""
    max_jpeg_quality: int = 95
    """Highest JPEG quality."""


Preset: TypeAlias = DegradationPreset | PhotoPreset

PRESETS: dict[str, dict[int, Preset]] = {
    # Plain bicubic downsampling: the non-blind setting of EDSR, RCAN and their like.
    "bicubic": {scale: DegradationPreset(scale=scale, kernels=None) for scale in (2, 3, 4)},
    # Gaussian8, for measuring only (IKC, CVPR 2019).
    "gaussian8": {
        scale: DegradationPreset(
            scale=scale, kernels=FixedSigmas(size_px=GAUSSIAN8_SIZE_PX, sigmas_px=gaussian8_sigmas_px(scale))
        )
        for scale in (2, 3, 4)
    },
    # Setting 1 of the blind papers (IKC, DAN, DCLS, NLCUnet): what networks measured with Gaussian8 are trained on.
    "isotropic": {
        scale: DegradationPreset(
            scale=scale, kernels=IsotropicRange(size_px=21, min_sigma_px=0.2, max_sigma_px=float(scale))
        )
        for scale in (2, 3, 4)
    },
    # Setting 2 (KernelGAN's DIV2KRK, DAN, DCLS). The papers give ×2 and ×4 only; 21 px at ×3 lies between the two.
    "anisotropic": {
        scale: DegradationPreset(
            scale=scale,
            kernels=AnisotropicRange(size_px=size, min_sigma_px=0.6, max_sigma_px=5.0, kernel_noise=0.25),
        )
        for scale, size in ((2, 11), (3, 21), (4, 31))
    },
    # Setting 1 with noise and compression as well, one at a time and together: what cameras and websites add.
    "diverse": {
        scale: DegradationPreset(
            scale=scale,
            kernels=IsotropicRange(size_px=21, min_sigma_px=0.2, max_sigma_px=float(scale)),
            noise_probability=0.5,
            max_noise_std_8bit=25.0,
            jpeg_probability=0.5,
        )
        for scale in (2, 3, 4)
    },
    # What real photographs have been through.
    "photo": {scale: PhotoPreset(scale=scale) for scale in (2, 3, 4)},
}
"""Every named degradation, by name and scale."""


def find_preset(name: str, scale: int) -> Preset:
    """The preset of that name at that scale.

    Raises:
        ConfigError: If there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"a degradation must be one of {', '.join(PRESETS)}: got {name!r}")
    if scale not in PRESETS[name]:
        raise ConfigError(f"scale must be one of {', '.join(map(str, PRESETS[name]))} for {name}: got {scale}")
    return PRESETS[name][scale]


def knows_damage(preset: Preset) -> bool:
    """Whether what is trained on it learns noise or compression, too, and not blur alone."""
    return isinstance(preset, PhotoPreset) or preset.noise_probability > 0 or preset.jpeg_probability > 0


def draw_record(preset: Preset, generator: torch.Generator) -> DegradationRecord:
    """One degradation drawn from a preset. Always takes the same count of random numbers.

    Args:
        preset: What may happen.
        generator: Where the random numbers come from; on the CPU.

    Returns:
        What shall be done to one picture.
    """
    if isinstance(preset, PhotoPreset):
        steps = draw_steps(preset, torch.rand(NUMBERS, dtype=torch.float64, generator=generator).tolist())
        seed = int(torch.randint(SEED_LIMIT, (), generator=generator))
        return DegradationRecord(scale=preset.scale, steps=steps, seed=seed)
    u = torch.rand(8, dtype=torch.float64, generator=generator).tolist()
    blur = draw_kernel(preset.kernels, (u[0], u[1], u[2]))
    is_noisy, is_compressed = u[3] < preset.noise_probability, u[5] < preset.jpeg_probability
    qualities = preset.max_jpeg_quality - preset.min_jpeg_quality + 1
    return replace(
        blur,
        scale=preset.scale,
        noise_std_8bit=preset.max_noise_std_8bit * u[4] if is_noisy else 0.0,
        noise_is_grey=is_noisy and u[7] < 0.5,
        jpeg_quality=preset.min_jpeg_quality + int(qualities * u[6]) if is_compressed else None,
        seed=int(torch.randint(SEED_LIMIT, (), generator=generator)),
    )


def draw_kernel(kernels: KernelChoice | None, uniform: tuple[float, float, float]) -> DegradationRecord:
    """A record of scale 1 that holds a kernel only, chosen by three numbers in [0, 1)."""
    if kernels is None:
        return DegradationRecord(scale=1)
    if isinstance(kernels, FixedSigmas):
        return isotropic_record(kernels.size_px, kernels.sigmas_px[int(len(kernels.sigmas_px) * uniform[0])])
    width = kernels.max_sigma_px - kernels.min_sigma_px
    first, second = (kernels.min_sigma_px + width * u for u in uniform[:2])
    if isinstance(kernels, IsotropicRange):
        return isotropic_record(kernels.size_px, first)
    return DegradationRecord(
        scale=1,
        kernel="anisotropic",
        kernel_size_px=kernels.size_px,
        sigma_x_px=first,
        sigma_y_px=second,
        angle_rad=math.pi * (2 * uniform[2] - 1),
        kernel_noise=kernels.kernel_noise,
    )


def isotropic_record(size_px: int, sigma_px: float, *, scale: int = 1) -> DegradationRecord:
    """The record of a round Gaussian blur and bicubic downsampling by `scale`, with nothing random in it."""
    return DegradationRecord(
        scale=scale, kernel="isotropic", kernel_size_px=size_px, sigma_x_px=sigma_px, sigma_y_px=sigma_px
    )


def fixed_records(preset: Preset) -> tuple[DegradationRecord, ...]:
    """Every degradation of a preset that leaves nothing to chance, in order; Gaussian8's eight, or the one of bicubic.

    Raises:
        ConfigError: If the preset draws at random.
    """
    if isinstance(preset, PhotoPreset) or knows_damage(preset):
        raise ConfigError("a fixed degradation must have no random noise or JPEG: draw from the preset instead")
    if preset.kernels is None:
        return (DegradationRecord(scale=preset.scale),)
    if not isinstance(preset.kernels, FixedSigmas):
        raise ConfigError("a fixed degradation must have a list of kernels, not a range: draw from the preset instead")
    size_px, sigmas_px = preset.kernels.size_px, preset.kernels.sigmas_px
    return tuple(isotropic_record(size_px, sigma_px, scale=preset.scale) for sigma_px in sigmas_px)
