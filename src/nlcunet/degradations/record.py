"""The full account of one degradation: enough to repeat it bit for bit, small enough to lie beside every picture."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.degradations.steps import Blur, JpegChroma, KernelKind, Resize, Step, blur_kernel, step_from_dict
from nlcunet.errors import ConfigError

Downsampling: TypeAlias = Literal["bicubic", "plain"]
NoiseKind: TypeAlias = Literal["gaussian", "poisson"]

SEED_LIMIT = 2**48
"""Seeds lie below this, so that JSON readers with 53-bit integers keep them, and twice a seed stays a seed."""


@dataclass(frozen=True, kw_only=True)
class DegradationRecord:
    """What was done to one picture, in the order in which it was done."""

    scale: int
    """Factor by which both sides shrink, at least 1."""
    kernel: KernelKind = "none"
    """Kind of blur kernel."""
    kernel_size_px: int = 1
    """Side of the blur kernel, odd; 1 without blur."""
    sigma_x_px: float = 0.0
    """Standard deviation along the kernel's first axis, in high-resolution pixels; 0 without blur."""
    sigma_y_px: float = 0.0
    """Standard deviation along the second axis; equal to the first in an isotropic kernel."""
    angle_rad: float = 0.0
    """Angle of the first axis, or of the motion: see `nlcunet.degradations.kernels.anisotropic_gaussian`."""
    length_px: float = 0.0
    """Length of a motion, in high-resolution pixels; 0 in other kernels."""
    radius_px: float = 0.0
    """Radius of a defocus, in high-resolution pixels; 0 in other kernels."""
    kernel_noise: float = 0.0
    """Multiplicative noise on a Gaussian kernel: its factors are uniform in 1 ± this."""
    downsampling: Downsampling = "bicubic"
    """How both sides shrink: antialiased bicubic, or plain, which keeps one pixel of each block and drops the rest.
    Plain keeps the one at (scale // 2, scale // 2), and kernels are centred on the middle of the block, half a pixel
    beside it where the scale is even: so the result lies straight on the original."""
    noise: NoiseKind = "gaussian"
    """Kind of pixel noise, where `noise_std_8bit` is above 0."""
    noise_std_8bit: float = 0.0
    """Standard deviation of the pixel noise in steps of 1/255; of Poisson noise that at white. 0 for none."""
    noise_is_grey: bool = False
    """Whether all three channels get the same noise."""
    jpeg_quality: int | None = None
    """JPEG quality 1 to 100; None for no compression."""
    jpeg_chroma: JpegChroma = "4:2:0"
    """Chroma subsampling of the JPEG."""
    seed: int = 0
    """What kernel noise and pixel noise are drawn from, 0 to 2^48 - 1."""
    steps: tuple[Step, ...] = ()
    """A chain of any length (`nlcunet.degradations.chain`): then these steps are all that was done, and the fields
    above hold no more than scale and seed."""

    def __post_init__(self) -> None:
        """Refuses what lies outside its range (ConfigError); the kernel itself checks its sizes and sigmas."""
        if self.scale < 1:
            raise ConfigError(f"scale must be at least 1: got {self.scale}")
        if self.noise_std_8bit < 0:
            raise ConfigError(f"noise_std_8bit must be at least 0: got {self.noise_std_8bit}")
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality must be 1 to 100, or none: got {self.jpeg_quality}")
        if not 0 <= self.seed < SEED_LIMIT:
            raise ConfigError(f"seed must be 0 to 2^48 - 1: got {self.seed}")
        if self.steps:
            self._check_steps()

    def _check_steps(self) -> None:
        """Refuses a chain beside other fields, and one that does not end at the right size."""
        others = [
            field.name
            for field in fields(self)
            if field.name not in {"scale", "seed", "steps"} and getattr(self, field.name) != field.default
        ]
        if others:
            raise ConfigError(f"a record with steps must hold only scale and seed beside them: got {', '.join(others)}")
        sizes = [step.size for step in self.steps if isinstance(step, Resize)]
        if (sizes[-1] if sizes else float(self.scale)) != 1.0:
            raise ConfigError(f"the last resize of a chain must have the size 1: got {sizes or 'none'}")

    @property
    def sigma_px(self) -> float:
        """One number for how strong a Gaussian blur is: the geometric mean of the two sigmas."""
        return self.sigma_x_px if self.kernel == "isotropic" else float((self.sigma_x_px * self.sigma_y_px) ** 0.5)

    @property
    def has_kernel(self) -> bool:
        """Whether one kernel, or none, is all the blur there was; a chain of steps has no single one."""
        return not self.steps

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, as they come back from JSON."""
        return {**asdict(self), "steps": [asdict(step) for step in self.steps]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DegradationRecord":
        """A record from the values that `to_dict` gave.

        Raises:
            ConfigError: If a name is unknown, `scale` is missing, or a value cannot be.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown or "scale" not in values:
            what = f"unknown {', '.join(unknown)}" if unknown else "no scale"
            raise ConfigError(f"a degradation record must hold scale and no unknown names: got {what}")
        literals = {"kernel": KernelKind, "downsampling": Downsampling, "noise": NoiseKind, "jpeg_chroma": JpegChroma}
        for name, choices in literals.items():
            if name in values and values[name] not in get_args(choices):
                raise ConfigError(f"{name} must be one of {', '.join(get_args(choices))}: got {values[name]!r}")
        return cls(**{**values, "steps": tuple(step_from_dict(step) for step in values.get("steps", ()))})


def record_kernel(record: DegradationRecord) -> Float[Tensor, "size size"]:
    """The blur kernel of a record, float64 on the CPU; the single number 1 without blur, or for a chain of steps.

    Raises:
        ConfigError: If its size is even, or a sigma, length or radius cannot be.
    """
    centre_px = -0.5 if record.downsampling == "plain" and record.scale % 2 == 0 else 0.0
    blur = Blur(
        kernel=record.kernel,
        size_px=record.kernel_size_px,
        sigma_x_px=record.sigma_x_px,
        sigma_y_px=record.sigma_y_px,
        angle_rad=record.angle_rad,
        length_px=record.length_px,
        radius_px=record.radius_px,
        kernel_noise=record.kernel_noise,
    )
    return blur_kernel(blur, seed=2 * record.seed, centre_px=centre_px)


def true_kernels(records: Sequence[DegradationRecord], size: int) -> Float[Tensor, "batch size size"]:
    """The kernels of some degradations, centred in squares of one size, float32 on the CPU.

    Raises:
        ConfigError: One is larger, or a degradation has no single kernel.
    """
    kernels = []
    for record in records:
        if not record.has_kernel:
            raise ConfigError(
                "the blur must be a single kernel: a picture went through a chain of steps, which has none; choose a "
                "degradation with one, as isotropic, anisotropic or diverse"
            )
        kernel = record_kernel(record).float()
        margin = (size - kernel.shape[-1]) // 2
        if margin < 0:
            raise ConfigError(
                f"the network must estimate kernels of {kernel.shape[-1]} × {kernel.shape[-1]} px, as the degradation "
                f"has: got {size}; set network.overrides.kernel_size"
            )
        kernels.append(F.pad(kernel, (margin,) * 4))
    return torch.stack(kernels)


def pixel_noise_generator(record: DegradationRecord) -> torch.Generator:
    """A fresh generator for the pixel noise of a record, independent of the one for its kernel noise."""
    return torch.Generator().manual_seed(2 * record.seed + 1)
