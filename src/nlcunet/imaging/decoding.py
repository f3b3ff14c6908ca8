"""From the bytes of a file to pixels and metadata."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Shaped

from nlcunet.errors import UnreadableImageError
from nlcunet.imaging.bmp import has_unmarked_alpha, read_bmp_header
from nlcunet.imaging.containers import has_wide_signalled_colour
from nlcunet.imaging.embedding import comments_in_jpeg, iptc_in_jpeg, metadata_in_tiff
from nlcunet.imaging.exif import exif_resolution, upright_metadata, without_prefix
from nlcunet.imaging.libvips import LIBVIPS_ERRORS
from nlcunet.imaging.opening import OpenFile, header_of, unreadable
from nlcunet.imaging.orientation import upright
from nlcunet.imaging.part_notes import lost_parts
from nlcunet.imaging.picture import Metadata, Picture
from nlcunet.imaging.png import metadata_in_png
from nlcunet.imaging.xmp import without_claims

_MM_PER_INCH = 25.4
_INTEGER_BITS = {"uchar": 8, "ushort": 16, "uint": 32}
_PROFILE_SPACES = {1: b"GRAY", 3: b"RGB "}


@dataclass(frozen=True)
class DecodableFile:
    """A file ready to be decoded: all that is known of its picture but the samples.

    Attributes:
        file: what was opened.
        image: libvips' picture of colour bands and alpha, as stored, not decoded yet.
        has_alpha: whether the last band is alpha.
        metadata: for upright pixels.
        notes: what reading changes, one sentence each.
    """

    file: OpenFile
    image: Any
    has_alpha: bool
    metadata: Metadata
    notes: tuple[str, ...]

    @property
    def num_colours(self) -> int:
        """Bands before alpha: 1 or 3."""
        return int(self.image.bands) - self.has_alpha

    def as_read(self, samples: Shaped[np.ndarray, "*sizes"]) -> Shaped[np.ndarray, "*sizes"]:
        """Samples of ``image`` as :class:`Picture` holds them."""
        return _fill_low_bits(samples, self.file)


def prepare_decoding(file: OpenFile) -> DecodableFile:
    """Everything before the first pixel.

    Raises:
        TruncatedImageError: The file is damaged.
        UnreadableImageError: The samples are of a type that no photograph has.
    """
    if file.image.format not in {"uchar", "ushort", "uint", "float", "double"} and not file.is_foreign_colour:
        raise UnreadableImageError(
            f"{file.name} must have unsigned or floating point samples: got {file.image.format}; "
            "convert it to 16 bit TIFF"
        )
    metadata, notes = _metadata_of(file)
    header = header_of(file)
    metadata = replace(metadata, size_px=(header.width, header.height))
    try:
        file = file.with_pixels()
        num_colours, alpha_band, is_foreign = file.num_colours, file.alpha_band, file.is_foreign_colour
        colour, alpha, converted = _as_grey_or_rgb(file.image, num_colours, alpha_band, is_foreign=is_foreign)
        image = colour if alpha is None else colour.bandjoin(alpha)
    except LIBVIPS_ERRORS as error:
        raise unreadable(file.name, file.data, file.format, error) from error
    if converted:
        metadata = replace(metadata, icc_profile=None)
    metadata, mismatch = _without_foreign_profile(metadata, int(colour.bands))
    extra = file.image.bands - num_colours - (alpha_band is not None)
    notes = (*notes, *converted, *mismatch, *_extra_notes(file, is_foreign=is_foreign, extra=extra))
    return DecodableFile(file, image, alpha is not None, metadata, notes)


def decode(file: OpenFile) -> Picture:
    """Decode all pixels.

    Raises:
        TruncatedImageError: The file ends early or is damaged.
        UnreadableImageError: The samples are of a type that no photograph has.
    """
    prepared = prepare_decoding(file)
    try:
        samples = np.ascontiguousarray(prepared.image.numpy())
    except LIBVIPS_ERRORS as error:
        raise unreadable(file.name, file.data, file.format, error) from error
    samples = prepared.as_read(samples.reshape(*samples.shape[:2], -1))
    if file.orientation != 1:
        samples = upright(samples, file.orientation)
    return Picture(
        pixels=np.ascontiguousarray(samples[:, :, : prepared.num_colours]),
        alpha=np.ascontiguousarray(samples[:, :, -1]) if prepared.has_alpha else None,
        metadata=prepared.metadata,
        source_format=file.format.name,
        notes=prepared.notes,
    )


def _metadata_of(file: OpenFile) -> tuple[Metadata, tuple[str, ...]]:
    """Everything beside the pixels, with orientation tags that fit upright pixels."""
    notes: tuple[str, ...] = ()
    profile, exif, xmp = file.blobs()
    if file.format.name == "png":
        metadata, notes, lost = metadata_in_png(file.data, profile, exif, xmp, is_grey=file.num_colours == 1)
    else:
        lost = lost_parts(file.data, file.format.name)
        try:
            metadata = _metadata_of_others(file, profile, exif, xmp)
        except ValueError as error:
            return Metadata(icc_profile=profile), (f"The tags are damaged ({error}) and were left out.",)
    if metadata.xmp is not None:
        xmp, claims = without_claims(metadata.xmp)
        metadata = replace(metadata, xmp=xmp)
        lost += (f"what XMP says of them ({', '.join(claims)})",) if claims else ()
    if lost:
        notes += (f"Parts of the file were left out: {', '.join(lost)}.",)
    if metadata.exif is None and metadata.xmp is None:
        return metadata, notes
    metadata, turned = upright_metadata(metadata, file.orientation)
    return metadata, (*notes, *turned)


def _metadata_of_others(file: OpenFile, profile: bytes | None, exif_block: bytes | None, xmp: bytes | None) -> Metadata:
    """Everything beside the pixels of a TIFF, JPEG, WebP, HEIF, JPEG XL or BMP."""
    image, name = file.image, file.format.name
    if name == "tiff":
        return metadata_in_tiff(file.data, profile)
    exif = without_prefix(exif_block) if exif_block else None
    resolution = None
    if name == "bmp":
        resolution = read_bmp_header(file.data).dots_per_inch
    elif name == "jpeg" and image.get_typeof("resolution-unit"):
        resolution = (round(image.xres * _MM_PER_INCH, 4), round(image.yres * _MM_PER_INCH, 4))
    return Metadata(
        icc_profile=profile,
        exif=exif,
        xmp=xmp,
        iptc=iptc_in_jpeg(file.data) if name == "jpeg" else None,
        dots_per_inch=resolution or exif_resolution(exif),
        texts=comments_in_jpeg(file.data) if name == "jpeg" else (),
    )


def _without_foreign_profile(metadata: Metadata, num_colours: int) -> tuple[Metadata, tuple[str, ...]]:
    """Drop a profile that is for pixels of another kind: it could only mislead."""
    profile = metadata.icc_profile
    if profile is None or profile[16:20] == _PROFILE_SPACES[num_colours]:
        return metadata, ()
    space = profile[16:20].decode("latin-1").strip()
    return replace(metadata, icc_profile=None), (
        f"The colour profile is for {space} pixels and does not fit this picture; it was left out.",
    )


def _fill_low_bits(samples: Shaped[np.ndarray, "*sizes"], file: OpenFile) -> Shaped[np.ndarray, "*sizes"]:
    """Spread 10 and 12 bit samples over the whole 16 bit range: libvips leaves the low bits empty, so white is grey."""
    if not file.format.compression or samples.dtype != np.uint16:
        return samples
    bits = file.field("bits-per-sample", 16)
    if not 8 < bits < 16:
        return samples
    filled: Shaped[np.ndarray, "*sizes"] = samples | (samples >> bits)
    return filled


def _extra_notes(file: OpenFile, *, is_foreign: bool, extra: int) -> tuple[str, ...]:
    """What else is not as in the file, which has so many bands beside colour and alpha."""
    notes = []
    if extra > 0:
        told, lost = ("1 more channel", "it was") if extra == 1 else (f"{extra} more channels", "they were")
        notes.append(f"The file has {told} beside colour and alpha, as near infrared or a mask; {lost} left out.")
    if file.image.format == "uint":
        notes.append("The samples were reduced from 32 to 16 bits.")
    if file.image.format == "double" and not is_foreign:
        notes.append("The samples were reduced from double to single precision.")
    if file.format.compression and has_wide_signalled_colour(file.data):
        notes.append("The file signals HDR or wide-gamut colour without a profile; its pixels are taken for sRGB.")
    if file.format.name == "bmp" and has_unmarked_alpha(file.data):
        notes.append("The fourth byte of each pixel, which the file does not mark as alpha, was left out.")
    return tuple(notes)


def _as_grey_or_rgb(
    image: Any, num_colours: int, alpha_band: int | None, *, is_foreign: bool
) -> tuple[Any, Any | None, tuple[str, ...]]:
    """Colour bands as grey or RGB of 8 or 16 bits or float, the alpha band, and notes on colour conversion."""
    colour = image.extract_band(0, n=num_colours)
    alpha = None if alpha_band is None else image.extract_band(alpha_band)
    if not is_foreign:
        return _narrowed(colour), None if alpha is None else _narrowed(alpha), ()
    if num_colours == 4:
        colour, notes = _cmyk_to_srgb(image, colour)
    else:
        notes = (f"The colours were converted from {image.interpretation} to sRGB.",)
        colour = colour.colourspace("srgb" if image.format == "uchar" else "rgb16")
    return colour, None if alpha is None else _to_bits(alpha, 8 if colour.format == "uchar" else 16), notes


def _narrowed(band: Any) -> Any:
    """Bands of 32 bit integers as 16, of double precision as single; others as they are."""
    if band.format == "uint":
        return (band >> 16).cast("ushort")
    return band.cast("float") if band.format == "double" else band


def _to_bits(band: Any, bits: int) -> Any:
    """Bring a band to 8 or 16 bits over its whole range."""
    if band.format in {"float", "double"}:
        return (band * (2**bits - 1)).rint().cast("uchar" if bits == 8 else "ushort")
    have = _INTEGER_BITS[band.format]
    return band.cast("uint").linear((2**bits - 1) / (2**have - 1), 0).rint().cast("uchar" if bits == 8 else "ushort")


def _cmyk_to_srgb(image: Any, colour: Any) -> tuple[Any, tuple[str, ...]]:
    """Ink to light, by the file's own profile or by a usual one for coated paper."""
    depth = 8 if colour.format == "uchar" else 16
    profile = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b""
    has_own = profile[16:20] == b"CMYK"
    converted = colour.icc_transform(
        "srgb", embedded=has_own, input_profile="cmyk", depth=depth, intent="relative", black_point_compensation=True
    )
    by = "the profile in the file" if has_own else "a general profile, since the file has none of its own"
    return converted, (f"The colours were converted from CMYK to sRGB by {by}.",)
