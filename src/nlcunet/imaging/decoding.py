"""From the bytes of a file to pixels: everything is checked on the header before any pixel is decoded."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyvips
from jaxtyping import Shaped

from nlcunet.errors import AnimatedImageError, ImageTooLargeError, TruncatedImageError, UnreadableImageError
from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.containers import (
    count_gif_frames,
    count_heif_frames,
    count_png_frames,
    has_wide_signalled_colour,
    is_monochrome_heif,
)
from nlcunet.imaging.embedding import iptc_in_jpeg, metadata_in_tiff, png_resolution
from nlcunet.imaging.exif import exif_resolution, upright_metadata, without_prefix
from nlcunet.imaging.formats import FileBytes, FileFormat, has_operation, sniff_format
from nlcunet.imaging.picture import Metadata, Picture, PictureHeader

_MM_PER_INCH = 25.4
_UNSUPPORTED = ("nsupported", "not support", "not built", "o decod", "not implemented", "out of range", "bad labq")
_INTEGER_BITS = {"uchar": 8, "ushort": 16, "uint": 32}
_GREY, _RGB, _CMYK = {"b-w", "grey16"}, {"srgb", "rgb", "rgb16", "scrgb"}, {"cmyk"}
_PROFILE_SPACES = {1: b"GRAY", 3: b"RGB "}


@dataclass(frozen=True)
class OpenFile:
    """A file whose header has been read and found fit to be decoded.

    Attributes:
        name: What to call it in messages.
        data: All of its bytes.
        format: Its format.
        image: libvips' picture, not decoded yet.
        orientation: EXIF orientation 1..8 that the pixels still need.
    """

    name: str
    data: FileBytes
    format: FileFormat
    image: Any
    orientation: int

    @property
    def num_colours(self) -> int:
        """Channels without alpha and other extras, as stored: 1 grey, 3 RGB or Lab, 4 CMYK."""
        if self.image.interpretation in _CMYK:
            return 4
        if self.image.interpretation in _GREY or self.image.bands < 3:
            return 1
        return 3


def open_file(data: FileBytes, name: str) -> OpenFile:
    """Read the header of a file.

    Raises:
        UnreadableImageError: The bytes are no picture, or of a kind that is not read.
        AnimatedImageError: There are several frames or pages.
        TruncatedImageError: The header is damaged.
    """
    if bytes(data[:4]) == b"GIF8" and (frames := count_gif_frames(data)) > 1:
        raise _animated(name, frames)
    try:
        file_format = sniff_format(data)
    except UnreadableImageError as error:
        raise UnreadableImageError(f"{name}: {error}") from None
    if not has_operation(file_format.loader):
        raise UnreadableImageError(f"{name}: this libvips cannot read {file_format.name}; convert the picture to PNG")
    _check_tiff(data, name, file_format)
    loader = getattr(pyvips.Image, f"{file_format.loader}_source")
    try:
        image = loader(pyvips.Source.new_from_memory(data), access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise _unreadable(name, data, file_format, error) from error
    frames = _count_frames(data, file_format, image)
    if frames > 1:
        raise _animated(name, frames)
    if file_format.compression and is_monochrome_heif(data):
        image = _first_and_alpha(image)
    orientation = 1 if file_format.compression else _field(image, "orientation", 1)  # HEIF comes upright
    return OpenFile(name, data, file_format, image, orientation if orientation in range(1, 9) else 1)


def _check_tiff(data: FileBytes, name: str, file_format: FileFormat) -> None:
    """Refuse several pages, and camera raw files, of which only a thumbnail would be seen."""
    if file_format.name != "tiff":
        return
    try:
        layout = tags.read_layout(data)
        pages = list(tags.directories(data))
    except ValueError as error:
        raise TruncatedImageError(
            f"{name} must be a whole file: got {len(data):,} bytes of tiff ({error}); fetch or export it again"
        ) from error
    kinds = [tags.number_in(data, layout, slots, tags.SUBFILE_TYPE) or 0 for slots in pages]
    reduced_or_mask = 0b101
    is_raw = bool(pages) and (tags.DNG_VERSION in pages[0] or kinds[0] & reduced_or_mask)
    if is_raw or bytes(data[8:10]) == b"CR":
        raise UnreadableImageError(f"{name} must be a developed photograph: got a camera raw file; develop it to TIFF")
    num_pages = sum(not kind & reduced_or_mask for kind in kinds)
    if num_pages > 1:
        raise _animated(name, num_pages)


def _count_frames(data: FileBytes, file_format: FileFormat, image: Any) -> int:
    """Frames or pages; those of a TIFF have been counted by :func:`_check_tiff`, thumbnails apart."""
    if file_format.name == "tiff":
        return 1
    if file_format.name == "png":
        return count_png_frames(data)
    in_header = int(_field(image, "n-pages", 1))
    return max(in_header, count_heif_frames(data)) if file_format.compression else in_header


def _first_and_alpha(image: Any) -> Any:
    """Grey again: libvips decodes it to three equal bands."""
    alpha = [image.extract_band(3)] if image.bands == 4 else []
    interpretation = "b-w" if image.format == "uchar" else "grey16"
    return image.extract_band(0).bandjoin(alpha).copy(interpretation=interpretation)


def header_of(file: OpenFile) -> PictureHeader:
    """What the picture will be like once it is read."""
    width, height = file.image.width, file.image.height
    if file.orientation >= 5:
        width, height = height, width
    return PictureHeader(
        width=width,
        height=height,
        channels=1 if file.num_colours == 1 else 3,
        has_alpha=file.image.bands > file.num_colours,
        bit_depth={"uchar": 8, "float": 32, "double": 32}.get(file.image.format, 16),
        format=file.format.name,
    )


def check_size(file: OpenFile, max_pixels: int) -> None:
    """Refuse pictures above a number of pixels, before they are decoded.

    Raises:
        ImageTooLargeError: There are more.
    """
    width, height = file.image.width, file.image.height
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{file.name} must have at most {max_pixels:,} pixels: got {width} × {height} = {width * height:,}; "
            "raise the limit if you trust the file"
        )


def decode(file: OpenFile) -> Picture:
    """Decode all pixels.

    Raises:
        TruncatedImageError: The file ends early or is damaged.
        UnreadableImageError: The samples are of a type that no photograph has.
    """
    metadata, notes = _metadata_of(file)
    colour, alpha, converted = _as_grey_or_rgb(file)
    try:
        samples = np.ascontiguousarray(colour.numpy() if alpha is None else colour.bandjoin(alpha).numpy())
    except pyvips.Error as error:
        raise _unreadable(file.name, file.data, file.format, error) from error
    samples = _fill_low_bits(samples.reshape(*samples.shape[:2], -1), file)
    samples = upright(samples, file.orientation)
    if converted:
        metadata = replace(metadata, icc_profile=None)
    num_colours = samples.shape[2] - (alpha is not None)
    metadata, mismatch = _without_foreign_profile(metadata, num_colours)
    return Picture(
        pixels=np.ascontiguousarray(samples[:, :, :num_colours]),
        alpha=np.ascontiguousarray(samples[:, :, -1]) if alpha is not None else None,
        metadata=metadata,
        source_format=file.format.name,
        notes=(*notes, *converted, *mismatch, *_extra_notes(file, samples)),
    )


def upright(
    samples: Shaped[np.ndarray, "rows columns channels"], orientation: int
) -> Shaped[np.ndarray, "h w channels"]:
    """Turn stored pixels the right way up, by EXIF orientation 1..8 (EXIF 2.32, section 4.6.4, tag 274)."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        samples = samples[::-1]
    if orientation in {2, 3, 6, 7}:
        samples = samples[:, ::-1]
    return samples


def _as_grey_or_rgb(file: OpenFile) -> tuple[Any, Any | None, tuple[str, ...]]:
    """Colour bands as grey or RGB of 8 or 16 bits or float, the alpha band, and notes on colour conversion."""
    image, num_colours = file.image, file.num_colours
    if image.format not in {"uchar", "ushort", "uint", "float", "double"}:
        raise UnreadableImageError(
            f"{file.name} must have unsigned or floating point samples: got {image.format}; convert it to 16 bit TIFF"
        )
    colour = image.extract_band(0, n=num_colours)
    notes: tuple[str, ...] = ()
    if num_colours == 4:
        colour, notes = _cmyk_to_srgb(file, colour)
    elif image.interpretation not in _GREY | _RGB | {"multiband"}:
        target = "srgb" if image.interpretation == "labq" or image.format == "uchar" else "rgb16"
        colour = colour.colourspace(target)
        notes = (f"The colours were converted from {image.interpretation} to sRGB.",)
    if notes:
        bits = 8 if colour.format == "uchar" else 16
        alpha = _to_bits(image.extract_band(num_colours), bits) if image.bands > num_colours else None
        return colour, alpha, notes
    alpha = image.extract_band(num_colours) if image.bands > num_colours else None
    return _to_bits(colour, None), None if alpha is None else _to_bits(alpha, None), ()


def _to_bits(band: Any, bits: int | None) -> Any:
    """Bring bands to 8 or 16 bits, or by ``None`` to the nearest type that a picture can have."""
    if bits is None:
        narrowed = {"uint": lambda: (band >> 16).cast("ushort"), "double": lambda: band.cast("float")}
        return narrowed.get(band.format, lambda: band)()
    if band.format in {"float", "double"}:
        return (band * (2**bits - 1)).rint().cast("uchar" if bits == 8 else "ushort")
    have = _INTEGER_BITS[band.format]
    return band.cast("uint").linear((2**bits - 1) / (2**have - 1), 0).rint().cast("uchar" if bits == 8 else "ushort")


def _cmyk_to_srgb(file: OpenFile, colour: Any) -> tuple[Any, tuple[str, ...]]:
    """Ink to light, by the file's own profile or by a usual one for coated paper."""
    depth = 8 if colour.format == "uchar" else 16
    profile = _field(file.image, "icc-profile-data", b"")
    has_own = profile[16:20] == b"CMYK"
    converted = colour.icc_transform(
        "srgb", embedded=has_own, input_profile="cmyk", depth=depth, intent="relative", black_point_compensation=True
    )
    by = "the profile in the file" if has_own else "a general profile, since the file has none of its own"
    return converted, (f"The colours were converted from CMYK to sRGB by {by}.",)


def _metadata_of(file: OpenFile) -> tuple[Metadata, tuple[str, ...]]:
    """Everything beside the pixels, with orientation tags that fit upright pixels."""
    image, data = file.image, file.data
    profile = _field(image, "icc-profile-data", None)
    if file.format.name == "tiff":
        return upright_metadata(metadata_in_tiff(data, profile))
    block = _field(image, "exif-data", None)
    exif = without_prefix(block) if block else None
    resolution = None
    if file.format.name == "png":
        resolution = png_resolution(data)
    elif file.format.name == "jpeg" and "resolution-unit" in image.get_fields():
        resolution = (round(image.xres * _MM_PER_INCH, 4), round(image.yres * _MM_PER_INCH, 4))
    metadata = Metadata(
        icc_profile=profile,
        exif=exif,
        xmp=_field(image, "xmp-data", None),
        iptc=iptc_in_jpeg(data) if file.format.name == "jpeg" else None,
        dots_per_inch=resolution or exif_resolution(exif),
    )
    return upright_metadata(metadata)


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
    bits = _field(file.image, "bits-per-sample", 16)
    if not file.format.compression or samples.dtype != np.uint16 or not 8 < bits < 16:
        return samples
    filled: Shaped[np.ndarray, "*sizes"] = samples | (samples >> bits)
    return filled


def _extra_notes(file: OpenFile, samples: Shaped[np.ndarray, "height width channels"]) -> tuple[str, ...]:
    """What else is not as in the file."""
    notes = []
    if (extra := file.image.bands - file.num_colours - 1) > 0:
        notes.append(f"The file has {extra} more channels than colour and alpha; they were left out.")
    if file.image.format == "uint":
        notes.append("The samples were reduced from 32 to 16 bits.")
    if samples.dtype == np.float32:
        notes.append("Floating point samples are kept as they are, without clipping.")
    if file.format.compression and has_wide_signalled_colour(file.data):
        notes.append("The file signals HDR or wide-gamut colour without a profile; its pixels are taken for sRGB.")
    if "gainmap-data" in file.image.get_fields():
        notes.append("The HDR gain map was left out.")
    return tuple(notes)


def _field(image: Any, name: str, default: Any) -> Any:
    """A header field, or a default where the file has none."""
    return image.get(name) if name in image.get_fields() else default


def _animated(name: str, frames: int) -> AnimatedImageError:
    return AnimatedImageError(f"{name} must hold one picture: got {frames} frames or pages; export each as a file")


def _unreadable(name: str, data: FileBytes, file_format: FileFormat, error: Exception) -> Exception:
    """A file of a known kind that cannot be decoded: either of a variant that is not supported, or damaged."""
    lines = dict.fromkeys(line.strip() for line in str(error).splitlines()[1:])
    reason = "; ".join(line for line in lines if line and "bad seek" not in line) or "libvips cannot decode it"
    if any(word in reason for word in _UNSUPPORTED):
        return UnreadableImageError(
            f"{name} must be of a kind that this libvips reads: got {file_format.name} ({reason}); convert it to PNG"
        )
    return TruncatedImageError(
        f"{name} must be a whole file: got {len(data):,} bytes of {file_format.name} that end early or are damaged "
        f"({reason}); fetch or export it again"
    )
