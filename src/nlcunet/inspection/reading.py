"""All that can be told of a picture before it is enlarged: what its file says, and what its pixels show."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nlcunet.files.paths import expand_home
from nlcunet.imaging.formats import FileBytes
from nlcunet.imaging.opening import bytes_of
from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, Picture
from nlcunet.imaging.sampling import sample_picture
from nlcunet.inspection.advice import Advice, advise
from nlcunet.inspection.blur import BlurEstimate, estimate_blur
from nlcunet.inspection.choice import Traces
from nlcunet.inspection.colour_profile import profile_name
from nlcunet.inspection.grain import is_noisy
from nlcunet.inspection.jpeg_tables import JpegCompression, compression_of_file
from nlcunet.inspection.jpeg_traces import find_compression
from nlcunet.inspection.noise import estimate_noise
from nlcunet.inspection.ranges import ModelFit, embedded_headers, fit_models
from nlcunet.inspection.windows import Window, pictures_to_windows, windows_of

_STEPS_8BIT = {8: 1.0, 16: 255 / 65535, 32: 0.0}
"""Distance of neighbouring sample values by bit depth, in steps of 1/255."""

SAME_QUALITY = 3
"""Of two qualities that differ by no more, the pixels are believed to tell the same as the file's tables."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a picture is, and what was measured on it. Nothing stands for unknown.

    Attributes:
        width: columns, the right way up.
        height: rows, the right way up.
        file_format: name of the file format; empty for a picture in memory.
        bit_depth: bits per sample as read: 8, 16 or 32 (floating point).
        channels: 1 grey, 3 colour.
        has_alpha: whether there is an alpha channel.
        colour_profile: name of the ICC profile; nothing if there is none, which means sRGB.
        orientation: EXIF orientation 1 to 8 in the file; nothing for a picture in memory.
        blur: width and direction of its blur, in pixels of the picture.
        noise_std_8bit: standard deviation of the noise in a channel, in steps of 1/255; of texture a little, too.
        is_noisy: whether it is noise, and not texture.
        jpeg: the JPEG compression of the file or of its pixels before; nothing if there is no trace of any.
        models: whether it lies within the training range of the models.
        advice: which model and scale to use.
        notes: what reading changed, a sentence each.
    """

    width: int
    height: int
    file_format: str
    bit_depth: int
    channels: int
    has_alpha: bool
    colour_profile: str | None
    orientation: int | None
    blur: BlurEstimate | None = None
    noise_std_8bit: float | None = None
    is_noisy: bool = False
    jpeg: JpegCompression | None = None
    models: tuple[ModelFit, ...] = ()
    advice: Advice | None = None
    notes: tuple[str, ...] = ()

    @property
    def traces(self) -> Traces:
        """What it shows of what it has been through."""
        return Traces(blur=self.blur, noise_std_8bit=self.noise_std_8bit, is_noisy=self.is_noisy, jpeg=self.jpeg)

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded to what was measured; for each model also ``is_inside``."""
        values: dict[str, Any] = _rounded(asdict(self))
        for fit, entry in zip(self.models, values["models"], strict=True):
            entry["is_inside"] = fit.is_inside
        return values


def read(source: Path | str | bytes | Picture, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Reading:
    """Look at a picture: size, format, blur, noise, compression, and which embedded model suits it.

    Args:
        source: a file, the bytes of one, or a picture in memory.
        max_pixels: width × height up to which a file is decoded.

    Raises:
        ImageError: as ``measure``.
    """
    reading = measure(source, max_pixels=max_pixels)
    traces, headers = reading.traces, embedded_headers()
    fits = fit_models(traces.blur, traces.noise_8bit, traces.jpeg, headers)
    advice = advise(traces, fits, headers, pixels=reading.width * reading.height)
    return replace(reading, models=fits, advice=advice)


def measure(
    source: Path | str | bytes | Picture, *, max_pixels: int = DEFAULT_MAX_PIXELS, decoded: Picture | None = None
) -> Reading:
    """The same without models and advice.

    Large pictures are measured in windows, so that time and memory have a bound; see
    :mod:`nlcunet.imaging.sampling`.

    Raises:
        UnreadableImageError: It is no picture, or of a kind that is not read.
        AnimatedImageError: It holds several frames or pages.
        ImageTooLargeError: It has more than ``max_pixels``.
        TruncatedImageError: It ends early or is damaged.
    """
    if isinstance(source, Picture):
        return _measure(_describe(source), windows_of(source), None)
    if isinstance(source, str | Path):
        source = expand_home(source)
    if decoded is not None:
        tables = bytes_of(source, mapped=True) if decoded.source_format == "jpeg" else None
        return _measure(_describe(decoded), windows_of(decoded), tables)
    sample = sample_picture(source, max_pixels=max_pixels)
    header = sample.header
    described = Reading(
        width=header.width,
        height=header.height,
        file_format=header.format,
        bit_depth=header.bit_depth,
        channels=header.channels,
        has_alpha=header.has_alpha,
        colour_profile=_name_profile(sample.icc_profile),
        orientation=sample.orientation,
        notes=sample.notes,
    )
    data = bytes_of(source, mapped=True) if header.format == "jpeg" else None
    return _measure(described, pictures_to_windows(sample.windows), data)


def _describe(picture: Picture) -> Reading:
    return Reading(
        width=picture.width,
        height=picture.height,
        file_format=picture.source_format,
        bit_depth=8 * picture.pixels.dtype.itemsize,
        channels=int(picture.pixels.shape[2]),
        has_alpha=picture.alpha is not None,
        colour_profile=_name_profile(picture.metadata.icc_profile),
        orientation=None,
        notes=picture.notes,
    )


def _measure(described: Reading, windows: tuple[Window, ...], jpeg_file: FileBytes | None) -> Reading:
    noise = estimate_noise(windows, _STEPS_8BIT[described.bit_depth])
    return replace(
        described,
        blur=estimate_blur(windows, noise or 0.0),
        noise_std_8bit=noise,
        is_noisy=is_noisy(windows, noise),
        jpeg=_compression(windows, jpeg_file),
    )


def _compression(windows: tuple[Window, ...], jpeg_file: FileBytes | None) -> JpegCompression | None:
    """That of the file, unless the pixels tell of a stronger one before."""
    last = None if jpeg_file is None else compression_of_file(jpeg_file)
    found = find_compression(windows)
    if last is None or found is None or found.quality + SAME_QUALITY >= last.quality:
        return last or found
    return replace(found, chroma=last.chroma)


def _name_profile(profile: bytes | None) -> str | None:
    """The name of a profile; a profile without one is still not sRGB."""
    return None if profile is None else profile_name(profile) or "unnamed"


def _rounded(value: Any) -> Any:
    """Numbers to three digits after the point, tuples as lists, all the way down."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
