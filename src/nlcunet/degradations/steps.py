"""The steps of a long degradation: what cameras, programs and websites do to a picture, one after the other.

Every step is a small frozen record with all that it needs but the pixels; random pixels (noise) come from the seed of
the whole record and the step's place. What a step does stands in `nlcunet.degradations.chain`.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.kernels import (
    anisotropic_gaussian,
    defocus_disc,
    motion_line,
    multiplicative_noise,
    ringing_lowpass,
)
from nlcunet.errors import ConfigError

KernelKind: TypeAlias = Literal["none", "isotropic", "anisotropic", "motion", "defocus", "ringing"]
ResizeKernel: TypeAlias = Literal["bicubic", "bilinear", "bilinear-plain", "area", "lanczos3", "mitchell", "nearest"]
JpegChroma: TypeAlias = Literal["4:2:0", "4:4:4"]

GRID_PX = 16
"""Period of a JPEG's blocks with halved chroma; offsets of the grid lie below it."""


@dataclass(frozen=True, kw_only=True)
class Blur:
    """Correlation with a kernel, borders reflected; lengths in pixels of the picture as it is then."""

    kernel: KernelKind = "isotropic"
    """Kind of blur kernel."""
    size_px: int = 21
    """Side of the kernel, odd."""
    sigma_x_px: float = 0.0
    """Standard deviation of a Gaussian along its first axis."""
    sigma_y_px: float = 0.0
    """Standard deviation along its second axis; equal to the first in an isotropic kernel."""
    angle_rad: float = 0.0
    """Angle of the first axis, or of a motion."""
    length_px: float = 0.0
    """Length of a motion."""
    radius_px: float = 0.0
    """Radius of a defocus."""
    cutoff_rad: float = 0.0
    """Highest frequency that a ringing kernel lets pass, in radians per pixel, up to π."""
    kernel_noise: float = 0.0
    """Multiplicative noise on a Gaussian kernel: its factors are uniform in 1 ± this."""
    kind: Literal["blur"] = "blur"


@dataclass(frozen=True, kw_only=True)
class Resize:
    """Resampling to a size that is told relative to the size at the end."""

    size: float = 1.0
    """Both sides of the result, as a multiple of those at the end of the whole degradation."""
    kernel: ResizeKernel = "bicubic"
    """How values between pixels are found. All but ``bilinear-plain`` and ``nearest`` are widened when shrinking."""
    kind: Literal["resize"] = "resize"

    def __post_init__(self) -> None:
        """Refuses a size that is not above 0 (ConfigError)."""
        if not self.size > 0:
            raise ConfigError(f"a resize must have a size above 0: got {self.size}")


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Normally distributed noise."""

    std_8bit: float
    """Standard deviation in steps of 1/255."""
    is_grey: bool = False
    """Whether all three channels get the same noise."""
    grows_with_brightness: bool = False
    """Whether the standard deviation is that at white and falls with the root of the brightness, as photons make it."""
    correlation_px: float = 0.0
    """Noise is blurred by a Gaussian of this sigma first, its strength kept: as demosaicing leaves it. 0 for none."""
    kind: Literal["noise"] = "noise"

    def __post_init__(self) -> None:
        """Refuses negative numbers (ConfigError)."""
        if self.std_8bit < 0 or self.correlation_px < 0:
            raise ConfigError(f"noise must have no negative numbers: got {self}; leave the step out for none")


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """One colour per pixel (Bayer's RGGB), the others filled in from the neighbours, linearly: as a plain camera."""

    kind: Literal["mosaic"] = "mosaic"


@dataclass(frozen=True, kw_only=True)
class Denoise:
    """Smoothing that keeps edges: ``bilateral`` (a camera's) or ``median`` (an editor's)."""

    filter: Literal["bilateral", "median"] = "bilateral"
    """Which filter."""
    radius_px: int = 2
    """How far its square window reaches."""
    strength_8bit: float = 10.0
    """Of the bilateral filter: differences well above this, in steps of 1/255, are kept as edges."""
    kind: Literal["denoise"] = "denoise"

    def __post_init__(self) -> None:
        """Refuses a window of one pixel, and a strength that is not above 0 (ConfigError)."""
        if self.radius_px < 1 or not self.strength_8bit > 0:
            raise ConfigError(
                f"denoising must have a radius of at least 1 px and a strength above 0: got {self.radius_px} px and "
                f"{self.strength_8bit}; leave the step out for none"
            )


@dataclass(frozen=True, kw_only=True)
class Sharpen:
    """Unsharp mask: the difference to a blurred copy is added, and the result clamped."""

    radius_px: float
    """Sigma of the blur."""
    amount: float
    """How much of the difference is added."""
    kind: Literal["sharpen"] = "sharpen"

    def __post_init__(self) -> None:
        """Refuses a radius that is not above 0 (ConfigError)."""
        if not self.radius_px > 0:
            raise ConfigError(f"sharpening must have a radius above 0 px: got {self.radius_px}")


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """Rounding to 8 bits and one JPEG compression."""

    quality: int
    """1 to 100."""
    chroma: JpegChroma = "4:2:0"
    """Chroma subsampling."""
    grid_top: int = 0
    """Where the picture begins in its first row of blocks, 0 to 15: as if it had been cut out of a larger one."""
    grid_left: int = 0
    """Where it begins in its first column of blocks."""
    kind: Literal["jpeg"] = "jpeg"

    def __post_init__(self) -> None:
        """Refuses what lies outside its range (ConfigError)."""
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"jpeg quality must be 1 to 100: got {self.quality}")
        if not (0 <= self.grid_top < GRID_PX and 0 <= self.grid_left < GRID_PX):
            raise ConfigError(f"a JPEG's grid must begin at 0 to {GRID_PX - 1}: got {self.grid_top}, {self.grid_left}")


@dataclass(frozen=True, kw_only=True)
class WebP:
    """Rounding to 8 bits and one lossy WebP compression."""

    quality: int
    """1 to 100."""
    kind: Literal["webp"] = "webp"

    def __post_init__(self) -> None:
        """Refuses a quality outside its range (ConfigError)."""
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"WebP quality must be 1 to 100: got {self.quality}")


Step: TypeAlias = Blur | Resize | Noise | Mosaic | Denoise | Sharpen | Jpeg | WebP

STEPS: dict[str, type[Step]] = {step.kind: step for step in get_args(Step)}
"""Every kind of step, by the name that stands in records."""


def step_from_dict(values: dict[str, Any]) -> Step:
    """A step from the values that ``dataclasses.asdict`` gave.

    Raises:
        ConfigError: If its kind or a name is unknown, or a value cannot be.
    """
    kind = STEPS.get(values.get("kind", ""))
    if kind is None:
        raise ConfigError(f"a step must be one of {', '.join(STEPS)}: got {values.get('kind')!r}")
    unknown = sorted(set(values) - {field.name for field in fields(kind)})
    if unknown:
        raise ConfigError(f"a step {kind.kind} must hold no unknown names: got {', '.join(unknown)}")
    for name, choices in get_type_hints(kind).items():
        if get_origin(choices) is Literal and name in values and values[name] not in get_args(choices):
            expected = ", ".join(get_args(choices))
            raise ConfigError(f"{name} of a step {kind.kind} must be one of {expected}: got {values[name]!r}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"a step {kind.kind} must be complete: {error}") from error


def blur_kernel(blur: Blur, *, seed: int = 0, centre_px: float = 0.0) -> Float[Tensor, "size size"]:
    """The kernel of a blur, float64 on the CPU, sum 1; the single number 1 without blur.

    Args:
        blur: What kernel.
        seed: Of the noise on the kernel, where it has some.
        centre_px: Where its middle lies beside the middle pixel, downwards and to the right alike.

    Raises:
        ConfigError: If its size is even, or a sigma, length, radius or cutoff cannot be.
    """
    if blur.kernel == "none":
        return torch.ones(1, 1, dtype=torch.float64)
    if blur.kernel == "motion":
        return motion_line(blur.size_px, blur.length_px, blur.angle_rad, centre_px=centre_px)
    if blur.kernel == "defocus":
        return defocus_disc(blur.size_px, blur.radius_px, centre_px=centre_px)
    if blur.kernel == "ringing":
        return ringing_lowpass(blur.size_px, blur.cutoff_rad)
    roughness = None
    if blur.kernel_noise != 0:
        roughness = multiplicative_noise(blur.size_px, blur.kernel_noise, torch.Generator().manual_seed(seed))
    return anisotropic_gaussian(
        blur.size_px, blur.sigma_x_px, blur.sigma_y_px, blur.angle_rad, noise=roughness, centre_px=centre_px
    )
