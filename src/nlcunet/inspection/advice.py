"""Which model and scale suit a picture, and what to expect of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from nlcunet.inspection.blur import BlurEstimate
from nlcunet.inspection.choice import Traces, choose, has_family, listed
from nlcunet.inspection.ranges import ModelFit
from nlcunet.models.weights import WeightsHeader

LARGE_RESULT_PIXELS = 100_000_000
"""A scale whose result would be larger is not advised: nobody looks at more than a hundred megapixels."""
LITTLE_GAIN_NOISE_8BIT = 5.0
"""Here a model trained without noise has a sixth of its gain over bicubic enlargement left (docs/inspect.md)."""
LITTLE_GAIN_JPEG_QUALITY = 80
"""Here a model trained without JPEG has a sixth left."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do with a picture.

    Attributes:
        model: name of the embedded weights.
        scale: their enlargement.
        shrink_to: share of both sides that the picture is shrunk to first, where that gives a better result: it is
            blurred beyond the model's training, or noisy or compressed beyond it and not sharp.
        reason: why this model, in a sentence.
        warnings: what is outside of its training, a sentence each.
    """

    model: str
    scale: int
    shrink_to: float | None
    reason: str
    warnings: tuple[str, ...]


def advise(traces: Traces, fits: Sequence[ModelFit], headers: Sequence[WeightsHeader], *, pixels: int) -> Advice | None:
    """The weights that ``nlcunet upscale`` chooses by itself, as large a scale as the picture's size allows.

    Returns:
        Nothing where there is nothing to choose from.
    """
    if not has_family(headers):
        return None
    scales = sorted({header.scale for header in headers if has_family([header])})
    small = [scale for scale in scales if pixels * scale**2 <= LARGE_RESULT_PIXELS] or scales[:1]
    choice = choose(traces, headers, small[-1])
    chosen = next(fit for fit in fits if fit.name == choice.model)
    return Advice(
        model=choice.model,
        scale=chosen.scale,
        shrink_to=choice.shrink_to,
        reason=_reason(chosen, is_large=len(small) < len(scales)),
        warnings=tuple(_warnings(traces, chosen)),
    )


def _reason(fit: ModelFit, *, is_large: bool) -> str:
    size = "the largest scale whose result stays below 100 megapixels" if is_large else "the largest scale there is"
    if fit.is_inside is None:
        return f"nothing could be measured or compared; {size}"
    if not fit.is_inside:
        return f"no model was trained on such pictures; {size}"
    told = [name for name, verdict in _named(fit) if verdict == "inside"]
    return f"{listed(told)} as in its training; {size}"


def _named(fit: ModelFit) -> tuple[tuple[str, str], ...]:
    return ("blur", fit.blur), ("noise", fit.noise), ("compression", fit.jpeg)


def _warnings(traces: Traces, fit: ModelFit) -> list[str]:
    """A sentence on everything that lies outside of a model's training."""
    blur, noise_std_8bit, jpeg = traces.blur, traces.noise_8bit, traces.jpeg
    told = []
    if blur is not None and fit.range is not None and fit.blur not in {"inside", "unknown"}:
        told.append(_blur_warning(blur, fit))
    if noise_std_8bit is not None and fit.noise == "above":
        effect = "little more than bicubic enlargement" if noise_std_8bit >= LITTLE_GAIN_NOISE_8BIT else "grain"
        told.append(
            f"Noise of {noise_std_8bit:.1f} steps of 255 is more than {fit.name} was trained with; "
            f"expect {effect}, or remove the noise first."
        )
    if jpeg is not None and fit.jpeg == "above":
        effect = "little more than bicubic enlargement" if jpeg.quality <= LITTLE_GAIN_JPEG_QUALITY else "JPEG's traces"
        told.append(
            f"JPEG compression of quality {jpeg.quality} is stronger than any that {fit.name} was trained with; "
            f"expect {effect}, or find a copy that is compressed less."
        )
    return told


def _blur_warning(blur: BlurEstimate, fit: ModelFit) -> str:
    if fit.blur == "above":
        width = blur.sigma_px if blur.angle_deg is None else blur.major_sigma_px
        return (
            f"A blur of {width:.2f} px is wider than any that {fit.name} was trained with; "
            "it is shrunk first, as its detail still fits then; expect a soft result."
        )
    if fit.blur == "below":
        return (
            f"Its edges are sharper than any that {fit.name} was trained with: a drawing, a sharpened picture, or one "
            "that was shrunk by dropping pixels; expect jagged edges and halos."
        )
    return (
        f"Its blur is longer in one direction, at {blur.angle_deg or 0.0:.0f}°, and {fit.name} was trained with round "
        "blur only; expect edges across it to stay soft."
    )
