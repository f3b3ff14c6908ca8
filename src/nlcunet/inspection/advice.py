"""Which model and scale suit a picture, and what to expect of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from nlcunet.inspection.blur import Blur
from nlcunet.inspection.jpeg_tables import JpegCompression
from nlcunet.inspection.ranges import ModelFit
from nlcunet.models.weights import DEFAULT_MODEL, WeightsHeader

LARGE_RESULT_PIXELS = 100_000_000
"""A scale whose result would be larger is not advised: nobody looks at more than a hundred megapixels."""
LITTLE_GAIN_NOISE_8BIT = 5.0
"""Here a model trained without noise has a sixth of its gain over bicubic enlargement left (docs/inspect.md)."""
LITTLE_GAIN_JPEG_QUALITY = 80
"""Here a model trained without JPEG has a sixth left."""
QUIET_SIGMA_PX = 0.7
"""A noisy or compressed picture is best shrunk until its blur measures this: the noise shrinks, the detail still fits.
Sharper ones lose more than they gain (docs/inspect.md)."""
_WORTH_SHRINKING = 0.9


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do with a picture.

    Attributes:
        model: name of the embedded weights.
        scale: their enlargement.
        shrink_to: share of both sides that the picture should be shrunk to first, where that gives a better result:
            it is blurred beyond the model's training, or noisy or compressed beyond it and not sharp.
        reason: why this model, in a sentence.
        warnings: what is outside of its training, a sentence each.
    """

    model: str
    scale: int
    shrink_to: float | None
    reason: str
    warnings: tuple[str, ...]


def advise(
    fits: Sequence[ModelFit],
    headers: Sequence[WeightsHeader],
    *,
    pixels: int,
    blur: Blur | None,
    noise_std_8bit: float | None,
    jpeg: JpegCompression | None,
) -> Advice | None:
    """A model for a picture: one whose training covers it, as large a scale as its size allows.

    Args:
        fits: how the picture fits the models.
        headers: what the models say of themselves, in the same order.
        pixels: width × height.
        blur: of the picture, as measured.
        noise_std_8bit: likewise.
        jpeg: likewise.

    Returns:
        Nothing where there are no models for fidelity.
    """
    # GAN weights invent detail: whoever wants that asks for it.
    faithful = [fit for fit, header in zip(fits, headers, strict=True) if not header.fidelity_weights]
    if not faithful:
        return None
    covering = [fit for fit in faithful if fit.is_inside is not False] or faithful
    small = [fit for fit in covering if pixels * fit.scale**2 <= LARGE_RESULT_PIXELS]
    own = DEFAULT_MODEL.partition("-")[2]
    # the largest scale of those that are not too large; of equal ones that of the default family
    pool = small or [fit for fit in covering if fit.scale == min(each.scale for each in covering)]
    chosen = max(pool, key=lambda fit: (fit.scale, fit.name.partition("-")[2] == own))
    return Advice(
        model=chosen.name,
        scale=chosen.scale,
        shrink_to=_shrink_to(blur, chosen),
        reason=_reason(chosen, is_large=len(small) < len(covering)),
        warnings=tuple(_warnings(blur, noise_std_8bit, jpeg, chosen)),
    )


def _shrink_to(blur: Blur | None, fit: ModelFit) -> float | None:
    """The size at which the blur is as the model likes it best; to whole percents, downwards."""
    if blur is None or fit.range is None or blur.major_sigma_px == 0.0:
        return None
    targets = []
    if fit.blur == "above":
        targets.append(fit.range.max_sigma_px)
    if "above" in {fit.noise, fit.jpeg}:
        targets.append(QUIET_SIGMA_PX)
    share = min(targets, default=blur.major_sigma_px) / blur.major_sigma_px
    return max(int(100 * share), 1) / 100 if share < _WORTH_SHRINKING else None


def _reason(fit: ModelFit, *, is_large: bool) -> str:
    size = "the largest scale whose result stays below 100 megapixels" if is_large else "the largest scale there is"
    if fit.is_inside is None:
        return f"nothing could be measured or compared; {size}"
    if not fit.is_inside:
        return f"no model was trained on such pictures; {size}"
    told = [name for name, verdict in _named(fit) if verdict == "inside"]
    return f"{_listed(told)} as in its training; {size}"


def _named(fit: ModelFit) -> tuple[tuple[str, str], ...]:
    return ("blur", fit.blur), ("noise", fit.noise), ("compression", fit.jpeg)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _warnings(
    blur: Blur | None, noise_std_8bit: float | None, jpeg: JpegCompression | None, fit: ModelFit
) -> list[str]:
    """A sentence on everything that lies outside of a model's training."""
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


def _blur_warning(blur: Blur, fit: ModelFit) -> str:
    if fit.blur == "above":
        width = blur.sigma_px if blur.angle_deg is None else blur.major_sigma_px
        return (
            f"A blur of {width:.2f} px is wider than any that {fit.name} was trained with; "
            "shrink the picture first, its detail will still fit, or expect a soft result."
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
