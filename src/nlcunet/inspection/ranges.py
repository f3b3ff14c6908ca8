"""What models were trained to undo, in the units in which pictures are measured, and whether a picture lies within.

Training pictures are sharp ones, blurred by a Gaussian whose sigma is given in pixels of the high resolution, and
shrunk by the scale. What can be measured is the blur of the small picture, in its own pixels:
``√((sigma / scale)² + SHRUNK_SIGMA_PX²)``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot
from typing import Literal, TypeAlias

from nlcunet.degradations.photo import PhotoPreset
from nlcunet.degradations.presets import (
    AnisotropicRange,
    FixedSigmas,
    KernelChoice,
    Preset,
    find_preset,
)
from nlcunet.errors import ConfigError
from nlcunet.inspection.blur import BlurEstimate
from nlcunet.inspection.jpeg_tables import JpegCompression
from nlcunet.models.weights import WeightsHeader, embedded_models, find_header

Verdict: TypeAlias = Literal["inside", "below", "above", "elongated", "unknown"]
"""Of blur, noise or compression. Blur can be below the range (sharper than any training picture), and longer in one
direction than any; noise and compression can only be above."""

SHRUNK_SIGMA_PX = 0.43
"""What sharp photographs measure after bicubic shrinking, at any scale (docs/inspect.md). The bicubic kernel alone
makes 0.25 of an ideal step; the rest are edges that are soft by themselves."""
BLUR_TOLERANCE_PX = 0.2
"""How far the longer axis may lie above a range: nine of ten measurements err by no more."""
SHARP_TOLERANCE_PX = 0.3
"""How far the blur may lie below: fine texture looks sharper than it is. Of sharp photographs that were shrunk properly
1 in 88 is then called too sharp; two thirds of the sharpened ones, and a quarter of those that were shrunk by dropping
pixels, are noticed (docs/inspect.md)."""
ELONGATED_PX2 = 0.4
"""Difference of the squared axes from which on round blur cannot be the cause."""
NOISE_TOLERANCE_8BIT = 0.5
"""How much more noise a picture may have than any of the training."""
HARMLESS_JPEG_QUALITY = 98
"""From here on models trained without JPEG keep more than half of their gain."""


@dataclass(frozen=True, kw_only=True)
class TrainingRange:
    """What a model has seen in training.

    Attributes:
        min_sigma_px: sharpest blur, in pixels of the low resolution, as :mod:`nlcunet.inspection.blur` measures it.
        max_sigma_px: strongest blur, likewise.
        is_round: whether all blurs were alike in all directions.
        max_noise_std_8bit: strongest noise; 0 if there was none.
        min_jpeg_quality: strongest compression; nothing if there was none.
    """

    min_sigma_px: float
    max_sigma_px: float
    is_round: bool
    max_noise_std_8bit: float
    min_jpeg_quality: int | None


@dataclass(frozen=True, kw_only=True)
class ModelFit:
    """Whether a picture lies within a model's training range."""

    name: str
    scale: int
    range: TrainingRange | None
    blur: Verdict
    noise: Verdict
    jpeg: Verdict

    @property
    def is_inside(self) -> bool | None:
        """Whether all that could be told lies within; nothing if nothing could."""
        verdicts = {self.blur, self.noise, self.jpeg}
        if verdicts == {"unknown"}:
            return None
        return verdicts <= {"inside", "unknown"}


def fit_models(
    blur: BlurEstimate | None,
    noise_std_8bit: float | None,
    jpeg: JpegCompression | None,
    headers: Iterable[WeightsHeader],
) -> tuple[ModelFit, ...]:
    """How a picture fits each model, in the order of the headers; texture counts as a noise of 0."""
    fits = []
    for header in headers:
        known = training_range(header)
        fits.append(
            ModelFit(
                name=header.name,
                scale=header.scale,
                range=known,
                blur=_judge_blur(blur, known),
                noise=_judge_noise(noise_std_8bit, known),
                jpeg=_judge_jpeg(jpeg, known),
            )
        )
    return tuple(fits)


def embedded_headers() -> tuple[WeightsHeader, ...]:
    """What the weights in the package say of themselves."""
    return tuple(find_header(name) for name in embedded_models())


def training_range(header: WeightsHeader) -> TrainingRange | None:
    """What a model was trained to undo, if its header names a preset for its scale, such as ``isotropic x4``."""
    words = header.degradation.split()
    try:
        return None if not words else preset_range(find_preset(words[0], header.scale))
    except ConfigError:
        return None  # words of another maker, not one of our presets


def preset_range(preset: Preset) -> TrainingRange:
    """A preset in the units of measured pictures."""
    if isinstance(preset, PhotoPreset):
        return TrainingRange(
            min_sigma_px=0.0,  # its sharpened samples have edges as hard as any
            max_sigma_px=low_res_sigma_px(preset.max_elliptic_sigma_px * preset.scale / 4, preset.scale),
            is_round=False,
            max_noise_std_8bit=preset.max_noise_std_8bit,
            min_jpeg_quality=preset.min_jpeg_quality,
        )
    low, high = _sigmas_px(preset.kernels)
    return TrainingRange(
        min_sigma_px=low_res_sigma_px(low, preset.scale),
        max_sigma_px=low_res_sigma_px(high, preset.scale),
        is_round=not isinstance(preset.kernels, AnisotropicRange),
        max_noise_std_8bit=preset.max_noise_std_8bit if preset.noise_probability > 0 else 0.0,
        min_jpeg_quality=preset.min_jpeg_quality if preset.jpeg_probability > 0 else None,
    )


def is_too_sharp(blur: BlurEstimate) -> bool:
    """Whether edges are sharper than those of a properly shrunk photograph: sharpened, drawn, or of dropped pixels."""
    return blur.sigma_px < SHRUNK_SIGMA_PX - SHARP_TOLERANCE_PX


def low_res_sigma_px(sigma_px: float, scale: int) -> float:
    """The blur that a shrunk photograph measures."""
    return hypot(sigma_px / scale, SHRUNK_SIGMA_PX)


def _sigmas_px(kernels: KernelChoice | None) -> tuple[float, float]:
    """Least and greatest sigma, in pixels of the high resolution."""
    if kernels is None:
        return 0.0, 0.0
    if isinstance(kernels, FixedSigmas):
        return min(kernels.sigmas_px), max(kernels.sigmas_px)
    return kernels.min_sigma_px, kernels.max_sigma_px


def _judge_blur(blur: BlurEstimate | None, known: TrainingRange | None) -> Verdict:
    if blur is None or known is None:
        return "unknown"
    if blur.major_sigma_px > known.max_sigma_px + BLUR_TOLERANCE_PX:
        return "above"
    if blur.sigma_px < known.min_sigma_px - SHARP_TOLERANCE_PX:
        return "below"
    difference = blur.major_sigma_px**2 - blur.minor_sigma_px**2
    is_elongated = blur.angle_deg is not None and difference > ELONGATED_PX2
    return "elongated" if known.is_round and is_elongated else "inside"


def _judge_noise(noise_std_8bit: float | None, known: TrainingRange | None) -> Verdict:
    if noise_std_8bit is None or known is None:
        return "unknown"
    return "inside" if noise_std_8bit <= known.max_noise_std_8bit + NOISE_TOLERANCE_8BIT else "above"


def _judge_jpeg(jpeg: JpegCompression | None, known: TrainingRange | None) -> Verdict:
    if known is None:
        return "unknown"
    limit = HARMLESS_JPEG_QUALITY if known.min_jpeg_quality is None else known.min_jpeg_quality
    return "inside" if jpeg is None or jpeg.quality >= limit else "above"
