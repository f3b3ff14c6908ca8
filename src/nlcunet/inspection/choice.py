"""Which weights a picture is enlarged with, what it is shrunk to before, and why, in words.

Two families of weights are chosen from: one trained on clean pictures, and one trained on noisy, compressed and
sharpened ones, which loses a little on clean ones. So a picture without traces of damage gets the first, any other the
second, and where a family lacks the scale the other serves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nlcunet.errors import ConfigError
from nlcunet.inspection.blur import BlurEstimate
from nlcunet.inspection.jpeg_tables import JpegCompression
from nlcunet.inspection.ranges import HARMLESS_JPEG_QUALITY, ModelFit, fit_models, is_too_sharp
from nlcunet.models.weights import DEFAULT_MODEL, WeightsHeader

CLEAN_FAMILY = DEFAULT_MODEL.partition("-")[2]
"""Trained on clean pictures; behind the scale in the names of its weights."""
PHOTO_FAMILY = f"{CLEAN_FAMILY}-Photo"
"""Trained on noisy, compressed and sharpened pictures as well."""
QUIET_SIGMA_PX = 0.7
"""A picture far noisier than any of the training is best shrunk until its blur measures this: the noise shrinks, the
detail still fits (docs/inspect.md)."""
FAR_NOISE_8BIT = 15.0
"""Noise that exceeds that of the training by so much is far above it; by less, shrinking costs as much as it gains."""
WORTH_SHRINKING = 0.85
LITTLE_NOISE_8BIT, SOME_NOISE_8BIT, MUCH_NOISE_8BIT = 4.0, 12.0, 25.0
"""Up to here noise is called little, some, or much."""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What a picture shows of what it has been through.

    Attributes:
        blur: its width; nothing where there are too few edges to tell.
        noise_std_8bit: its noise as measured, which for clean texture is above 0.
        is_noisy: whether it is noise.
        jpeg: its compression; nothing where there is no trace of any.
    """

    blur: BlurEstimate | None
    noise_std_8bit: float | None
    is_noisy: bool
    jpeg: JpegCompression | None

    @property
    def noise_8bit(self) -> float | None:
        """The noise if it is noise, 0 if it is texture."""
        return self.noise_std_8bit if self.is_noisy else None if self.noise_std_8bit is None else 0.0

    @property
    def has_jpeg_traces(self) -> bool:
        """Whether it was compressed by more than networks that never saw JPEG can bear."""
        return self.jpeg is not None and self.jpeg.quality < HARMLESS_JPEG_QUALITY

    @property
    def is_sharpened(self) -> bool:
        """Whether its edges are sharper than a properly shrunk photograph can have."""
        return self.blur is not None and is_too_sharp(self.blur)

    @property
    def is_damaged(self) -> bool:
        """Whether there is any trace of noise, JPEG or sharpening."""
        return self.is_noisy or self.has_jpeg_traces or self.is_sharpened


@dataclass(frozen=True, kw_only=True)
class WeightsChoice:
    """With what a picture is enlarged, and why.

    Attributes:
        model: name of the weights.
        shrink_to: share of both sides that it is shrunk to first; nothing to leave it as it is.
        found: what it shows, in words.
        taken: what is done, in words.
        expect: what comes of it, in words.
    """

    model: str
    shrink_to: float | None
    found: str
    taken: str
    expect: str

    @property
    def sentence(self) -> str:
        """All three in one sentence."""
        return f"{self.found[0].upper()}{self.found[1:]}: {self.taken}, {self.expect}."


def choose(traces: Traces, headers: Sequence[WeightsHeader], scale: float | int | None) -> WeightsChoice:
    """The weights for a picture.

    Raises:
        ConfigError: there are no weights of either family.
    """
    header = _take(headers, scale, wants_photo=traces.is_damaged)
    (fit,) = fit_models(traces.blur, traces.noise_8bit, traces.jpeg, [header])
    share = _shrink_to(traces, fit)
    taken = "enlarged" if share is None else f"shrunk to {share:.0%} first, then enlarged"
    return WeightsChoice(
        model=header.name,
        shrink_to=share,
        found=describe(traces, is_wide=fit.blur == "above"),
        taken=f"{taken} with {header.name}",
        expect=_expect(traces, fit),
    )


def clean_model(headers: Sequence[WeightsHeader], scale: float | int | None) -> str:
    """The name of the weights for a clean picture.

    Raises:
        ConfigError: there are no weights of either family.
    """
    return _take(headers, scale, wants_photo=False).name


def denoising_headers(headers: Sequence[WeightsHeader]) -> tuple[WeightsHeader, ...]:
    """Those of some weights that ``denoise`` can be given for.

    Raises:
        ConfigError: there are none.
    """
    found = tuple(header for header in headers if header.clean_weights)
    if not found:
        raise ConfigError("denoise needs weights that were trained on noise: found none; leave it out")
    return found


def has_family(headers: Iterable[WeightsHeader]) -> bool:
    """Whether there is anything to choose from."""
    return bool(choosable(headers))


def choosable(headers: Iterable[WeightsHeader]) -> list[WeightsHeader]:
    """Those that are ever chosen; others are taken by name only."""
    return [header for header in headers if _family(header) in {CLEAN_FAMILY, PHOTO_FAMILY}]


def _family(header: WeightsHeader) -> str:
    if header.is_foreign:
        return ""  # whatever their files are called
    return header.name.partition("-")[2]


def _take(headers: Sequence[WeightsHeader], scale: float | int | None, *, wants_photo: bool) -> WeightsHeader:
    """Of the wanted family the smallest scale that reaches the one asked for, else of the other, else the largest.

    A larger picture of the right family, reduced, is better than one of the right scale that was not trained on it.
    """
    clean, photo = (
        {header.scale: header for header in headers if _family(header) == family}
        for family in (CLEAN_FAMILY, PHOTO_FAMILY)
    )
    if not (clean or photo):
        raise ConfigError(
            f"to choose by the picture there must be weights of {CLEAN_FAMILY} or {PHOTO_FAMILY}: "
            f"got {', '.join(header.name for header in headers) or 'none'}; name a model"
        )
    wanted = int(DEFAULT_MODEL.partition("x")[0]) if scale is None else scale
    families = [family for family in ((photo, clean) if wants_photo else (clean, photo)) if family]
    for family in families:
        if reaching := [each for each in family if each >= wanted]:
            return family[min(reaching)]
    return families[0][max(families[0])]


def _shrink_to(traces: Traces, fit: ModelFit) -> float | None:
    """The size at which the blur is as the weights like it best; to whole percents, downwards."""
    blur = traces.blur
    if blur is None or fit.range is None or blur.major_sigma_px == 0.0:
        return None
    targets = []
    if fit.blur == "above":
        targets.append(fit.range.max_sigma_px)
    if (traces.noise_8bit or 0.0) > fit.range.max_noise_std_8bit + FAR_NOISE_8BIT:
        targets.append(QUIET_SIGMA_PX)
    share = min(targets, default=blur.major_sigma_px) / blur.major_sigma_px
    return max(int(100 * share), 1) / 100 if share < WORTH_SHRINKING else None


def describe(traces: Traces, *, is_wide: bool) -> str:
    """What a picture shows, in words; its blur only where that is wide for the weights."""
    parts = []
    if traces.jpeg is not None and traces.has_jpeg_traces:
        parts.append(f"JPEG traces (about quality {traces.jpeg.quality})")
    if traces.is_noisy:
        parts.append(f"{_amount(traces.noise_std_8bit)} noise")
    if traces.is_sharpened:
        parts.append("very sharp edges")
    if traces.blur is not None and is_wide:
        parts.append(f"wide blur (about {traces.blur.major_sigma_px:.1f} px)")
    return listed(parts or ["no noise, JPEG traces or sharpening"])


def _amount(noise_8bit: float | None) -> str:
    limits: Mapping[str, float] = {"a little": LITTLE_NOISE_8BIT, "some": SOME_NOISE_8BIT, "much": MUCH_NOISE_8BIT}
    return next((word for word, most in limits.items() if (noise_8bit or 0.0) <= most), "very much")


def _expect(traces: Traces, fit: ModelFit) -> str:
    """What the weights make of it."""
    if not traces.is_damaged:
        if fit.blur == "above":
            return "whose result will be soft"
        knows_noise = fit.range is not None and fit.range.max_noise_std_8bit > 0
        return "which was trained on clean pictures" + (", too" if knows_noise else "")
    left = [word for word, verdict in (("the noise", fit.noise), ("the JPEG traces", fit.jpeg)) if verdict == "above"]
    if left:
        return f"which was not trained on so much: some of {listed(left)} will stay"
    if fit.blur == "above":
        return "whose result will be soft"
    if not (traces.is_noisy or traces.has_jpeg_traces):
        return "which was trained on such pictures" if fit.blur != "below" else "whose edges may become jagged"
    return "which cleans it" if traces.is_noisy and not traces.has_jpeg_traces else "which cleans them"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
