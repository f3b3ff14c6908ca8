"""From the bytes of a file to pixels and metadata."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Shaped

from nlcunet.errors import UnreadableImageError
from nlcunet.imaging.bmp import has_unmarked_alpha, read_bmp_header
from nlcunet.imaging.containers import has_wide_signalled_colour
from nlcunet.imaging.conversion import as_grey_or_rgb
from nlcunet.imaging.embedding import comments_in_jpeg, iptc_in_jpeg, metadata_in_tiff, png_resolution
from nlcunet.imaging.exif import exif_resolution, upright_metadata, without_prefix
from nlcunet.imaging.formats import LIBVIPS_ERRORS
from nlcunet.imaging.matrix_profile import matrix_profile, png_colour
from nlcunet.imaging.opening import OpenFile, header_of, unreadable
from nlcunet.imaging.orientation import upright
from nlcunet.imaging.part_notes import lost_parts, lost_texts
from nlcunet.imaging.photoshop import iptc_in
from nlcunet.imaging.picture import Metadata, Picture
from nlcunet.imaging.png_texts import png_texts
from nlcunet.imaging.xmp import without_claims

_MM_PER_INCH = 25.4
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
        colour, alpha, converted = as_grey_or_rgb(
            file.image, file.num_colours, file.alpha_band, is_foreign=file.is_foreign_colour
        )
        image = colour if alpha is None else colour.bandjoin(alpha)
    except LIBVIPS_ERRORS as error:
        raise unreadable(file.name, file.data, file.format, error) from error
    if converted:
        metadata = replace(metadata, icc_profile=None)
    metadata, mismatch = _without_foreign_profile(metadata, int(colour.bands))
    notes = (*notes, *converted, *mismatch, *_extra_notes(file))
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
    profile = file.field("icc-profile-data", None)
    lost = lost_parts(file.data, file.format.name)
    notes: tuple[str, ...] = ()
    if file.format.name == "tiff":
        try:
            metadata = metadata_in_tiff(file.data, profile)
        except ValueError as error:
            return Metadata(icc_profile=profile), (f"The tags are damaged ({error}) and were left out.",)
    elif file.format.name == "png":
        metadata, notes, unread = _metadata_of_png(file, profile)
        lost += unread
    else:
        metadata = _metadata_of_others(file, profile)
    if metadata.xmp is not None:
        xmp, claims = without_claims(metadata.xmp)
        metadata = replace(metadata, xmp=xmp)
        lost += (f"what XMP says of them ({', '.join(claims)})",) if claims else ()
    if lost:
        notes += (f"Parts of the file were left out: {', '.join(lost)}.",)
    metadata, turned = upright_metadata(metadata, file.orientation)
    return metadata, (*notes, *turned)


def _metadata_of_others(file: OpenFile, profile: bytes | None) -> Metadata:
    """Everything beside the pixels of a JPEG, WebP, HEIF, JPEG XL or BMP."""
    image, block = file.image, file.field("exif-data", None)
    exif = without_prefix(block) if block else None
    resolution = None
    if file.format.name == "bmp":
        resolution = read_bmp_header(file.data).dots_per_inch
    elif file.format.name == "jpeg" and image.get_typeof("resolution-unit"):
        resolution = (round(image.xres * _MM_PER_INCH, 4), round(image.yres * _MM_PER_INCH, 4))
    is_jpeg = file.format.name == "jpeg"
    return Metadata(
        icc_profile=profile,
        exif=exif,
        xmp=file.field("xmp-data", None),
        iptc=iptc_in_jpeg(file.data) if is_jpeg else None,
        dots_per_inch=resolution or exif_resolution(exif),
        texts=comments_in_jpeg(file.data) if is_jpeg else (),
    )


def _metadata_of_png(file: OpenFile, profile: bytes | None) -> tuple[Metadata, tuple[str, ...], tuple[str, ...]]:
    """Everything beside the pixels of a PNG, notes, and the names of what cannot be kept."""
    found, notes = png_texts(file.data), []
    block = file.field("exif-data", None) or found.profiles.get("exif")
    exif = without_prefix(block) if block else None
    colour = png_colour(file.data)
    if profile is None and colour is not None and not colour.is_srgb:
        profile = matrix_profile(colour, is_grey=file.num_colours == 1)
        notes.append("The exponent and primaries of the PNG (gAMA, cHRM) became a colour profile.")
    resources = found.profiles.get("iptc") or found.profiles.get("8bim") or b""
    metadata = Metadata(
        icc_profile=profile,
        exif=exif,
        xmp=file.field("xmp-data", None) or found.profiles.get("xmp"),
        iptc=iptc_in(resources) or (resources if resources.startswith(b"\x1c") else None),
        dots_per_inch=png_resolution(file.data) or exif_resolution(exif),
        texts=tuple(found.texts),
    )
    return metadata, tuple(notes), lost_texts(found)


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
    bits = file.field("bits-per-sample", 16)
    if not file.format.compression or samples.dtype != np.uint16 or not 8 < bits < 16:
        return samples
    filled: Shaped[np.ndarray, "*sizes"] = samples | (samples >> bits)
    return filled


def _extra_notes(file: OpenFile) -> tuple[str, ...]:
    """What else is not as in the file."""
    notes = []
    if (extra := file.image.bands - file.num_colours - (file.alpha_band is not None)) > 0:
        told, lost = ("1 more channel", "it was") if extra == 1 else (f"{extra} more channels", "they were")
        notes.append(f"The file has {told} beside colour and alpha, as near infrared or a mask; {lost} left out.")
    if file.image.format == "uint":
        notes.append("The samples were reduced from 32 to 16 bits.")
    if file.image.format == "double" and not file.is_foreign_colour:
        notes.append("The samples were reduced from double to single precision.")
    if file.format.compression and has_wide_signalled_colour(file.data):
        notes.append("The file signals HDR or wide-gamut colour without a profile; its pixels are taken for sRGB.")
    if file.format.name == "bmp" and has_unmarked_alpha(file.data):
        notes.append("The fourth byte of each pixel, which the file does not mark as alpha, was left out.")
    return tuple(notes)
