"""Files as far as their headers: their bytes, what they are, and whether they may be decoded at all."""

import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from nlcunet.errors import AnimatedImageError, ImageError, ImageTooLargeError, TruncatedImageError, UnreadableImageError
from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.bmp import decode_bmp, read_bmp_header
from nlcunet.imaging.containers import (
    count_gif_frames,
    count_heif_frames,
    is_monochrome_heif,
)
from nlcunet.imaging.formats import FORMATS, FileBytes, FileFormat, sniff_format
from nlcunet.imaging.heic import HEVC, check_hevc, decode_hevc, libvips_decodes_hevc
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, has_operation, reason_of, samples_to_image, with_fields_of
from nlcunet.imaging.picture import PictureHeader
from nlcunet.imaging.png import MOST_CHUNKS, count_png_frames, has_many_chunks

_UNSUPPORTED = (
    "nsupported",
    "not support",
    "not built",
    "not been built",
    "o decod",
    "not implemented",
    "out of range",
)
_PHOTOMETRIC, _CIELAB, _AS_RGB = 262, 8, 2
_ALPHA_MARKS = frozenset({1, 2})  # of ExtraSamples: multiplied into the colours, or not (TIFF 6.0, section 18)


def name_of(source: Path | str | bytes) -> str:
    """What to call a source in messages."""
    return "the picture" if isinstance(source, bytes) else str(source)


def is_larger(source: Path | str | bytes, num_bytes: int) -> bool:
    """Whether a file has more bytes than these; one that is not there has none."""
    if isinstance(source, bytes):
        return len(source) > num_bytes
    try:
        return Path(source).stat().st_size > num_bytes
    except (OSError, ValueError):
        return False


def bytes_of(source: Path | str | bytes, *, mapped: bool) -> FileBytes:
    """All bytes of a source; for a look at the header only those that are touched.

    Raises:
        UnreadableImageError: There is no such file, or it cannot be read.
    """
    if isinstance(source, bytes):
        return source
    source = Path(source)
    try:
        if not mapped or not source.stat().st_size:
            return source.read_bytes()
        with source.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UnreadableImageError(f"{source} must be a picture file: got {reason}; check the path") from error


@dataclass(frozen=True)
class OpenFile:
    """A file whose header has been read and found fit to be decoded.

    Attributes:
        name: What to call it in messages.
        data: All of its bytes.
        format: Its format.
        image: libvips' picture, not decoded yet.
        orientation: EXIF orientation 1..8 that the pixels still need.
        decode_elsewhere: what makes the same picture with its pixels, where libvips has only its header.
    """

    name: str
    data: FileBytes
    format: FileFormat
    image: Any
    orientation: int
    decode_elsewhere: Callable[[], Any] | None = None

    @property
    def num_colours(self) -> int:
        """Channels without alpha and other extras, as stored: 1 grey, 3 RGB or Lab, 4 CMYK."""
        if self.image.interpretation == "cmyk":
            return 4
        return 1 if self.image.interpretation in {"b-w", "grey16"} or self.image.bands < 3 else 3

    @property
    def alpha_band(self) -> int | None:
        """The band of alpha: in a TIFF the first that is marked as such, elsewhere the one behind the colours."""
        if self.image.bands == self.num_colours:
            return None
        if self.format.name != "tiff":
            return self.num_colours
        marks = _extra_samples(self.data)
        found = next((index for index, mark in enumerate(marks) if mark in _ALPHA_MARKS), self.image.bands)
        return self.num_colours + found if self.num_colours + found < self.image.bands else None

    @property
    def is_foreign_colour(self) -> bool:
        """Whether the colours are neither grey nor RGB, so that they have to be converted."""
        kept = {"b-w", "grey16", "srgb", "rgb", "rgb16", "scrgb", "multiband"}
        return self.image.interpretation not in kept

    def with_pixels(self) -> "OpenFile":
        """The same file with a picture that libvips can take pixels from.

        Raises:
            pyvips.Error: The file is damaged.
        """
        if self.decode_elsewhere is None:
            return self
        return replace(self, image=with_fields_of(self.image, self.decode_elsewhere()), decode_elsewhere=None)

    def blobs(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Colour profile, EXIF block and XMP packet, as libvips found them."""
        return self.field("icc-profile-data", None), self.field("exif-data", None), self.field("xmp-data", None)

    def field(self, name: str, default: Any) -> Any:
        """A field of libvips' header, or a default where the file has none."""
        return self.image.get(name) if self.image.get_typeof(name) else default


def open_file(data: FileBytes, name: str, path: Path | None = None) -> OpenFile:
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
    if file_format.name == "bmp":
        return _open_bmp(data, name)
    if file_format.loader is not None and not has_operation(file_format.loader):
        raise UnreadableImageError(f"{name}: this libvips cannot read {file_format.name}; convert the picture to PNG")
    if file_format.name == "tiff":
        _check_pages(data, name)
    if file_format.name == "png":
        _check_chunks(data, name)
    try:
        image = _load_tiff(data, path) if file_format.name == "tiff" else _load(data, file_format, path)
    except LIBVIPS_ERRORS as error:
        raise unreadable(name, data, file_format, error) from error
    frames = _count_frames(data, file_format, image)
    if frames > 1:
        raise _animated(name, frames)
    if file_format.compression:  # libvips has turned it upright, and made it RGB
        return _open_heif(data, name, file_format, image)
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    return OpenFile(name, data, file_format, image, orientation if orientation in range(1, 9) else 1)


def _open_heif(data: FileBytes, name: str, file_format: FileFormat, image: Any) -> OpenFile:
    """A HEIF picture, whose pixels come from elsewhere where libvips has no decoder for them."""

    def as_stored(decoded: Any) -> Any:
        return _grey_again(decoded) if is_monochrome_heif(data) else decoded

    coder = image.get("heif-compression") if image.get_typeof("heif-compression") else file_format.compression
    if coder != HEVC or libvips_decodes_hevc():
        return OpenFile(name, data, file_format, as_stored(image), 1)
    check_hevc(name)
    return OpenFile(name, data, file_format, as_stored(image), 1, lambda: as_stored(decode_hevc(data, image)))


def _open_bmp(data: FileBytes, name: str) -> OpenFile:
    """A bitmap, which is read here."""
    try:
        header = read_bmp_header(data)
    except NotImplementedError as error:
        raise UnreadableImageError(f"{name} must be a usual BMP: got {error}; convert it to PNG") from error
    except ValueError as error:
        raise damaged(name, data, FORMATS["bmp"], str(error)) from error

    def decode() -> Any:
        try:
            return samples_to_image(decode_bmp(data, header))
        except ValueError as error:
            raise pyvips.Error("bmp", str(error)) from error

    image = samples_to_image(np.zeros((1, 1, header.bands), header.dtype)).embed(0, 0, header.width, header.height)
    if header.icc_profile is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", header.icc_profile)
    return OpenFile(name, data, FORMATS["bmp"], image, 1, decode)


def _load(data: FileBytes, file_format: FileFormat, path: Path | None) -> Any:
    """The picture as libvips sees it, its header read, no pixel decoded; ``data`` has to outlive it."""
    loader = getattr(pyvips.Image, f"{file_format.loader}_source")
    source = pyvips.Source.new_from_memory(data) if path is None else pyvips.Source.new_from_file(os.fsencode(path))
    return loader(source, access="sequential", fail_on="error")


def _load_tiff(data: FileBytes, path: Path | None) -> Any:
    """A TIFF; 8 bit CIELAB, which libvips 8.18 fails on («bad labq format»), goes by it as if it were RGB."""
    layout = tags.read_layout(data)
    slots = next(iter(tags.directories(data)))
    bits = tags.number_in(data, layout, slots, tags.BITS_PER_SAMPLE)
    if tags.number_in(data, layout, slots, _PHOTOMETRIC) != _CIELAB or bits != 8:
        return _load(data, FORMATS["tiff"], path)
    disguised = bytearray(data)
    struct.pack_into(layout.order + "H", disguised, slots[_PHOTOMETRIC].value_at, _AS_RGB)
    return _signed_lab(pyvips.Image.tiffload_buffer(bytes(disguised), access="sequential", fail_on="error"))


def _signed_lab(image: Any) -> Any:
    """8 bit CIELAB as stored in a TIFF (TIFF 6.0, section 23): L is unsigned, a and b are signed."""
    lightness = image.extract_band(0) * (100 / 255)
    chroma = image.extract_band(1, n=2).copy(format="char").cast("float")
    extra = [image.extract_band(3, n=image.bands - 3) / 255] if image.bands > 3 else []
    return lightness.bandjoin([chroma, *extra]).copy(interpretation="lab")


def _extra_samples(data: FileBytes) -> tuple[int, ...]:
    """What the bands behind the colours of a TIFF's first page are, in numbers of its tag ExtraSamples."""
    return tags.numbers_in(data, tags.read_layout(data), next(iter(tags.directories(data))), tags.EXTRA_SAMPLES)


def _check_pages(data: FileBytes, name: str) -> None:
    """Refuse a TIFF of several pages, and camera raw files, of which only a thumbnail would be seen."""
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


def _check_chunks(data: FileBytes, name: str) -> None:
    """Refuse an animated PNG, of which libvips would show the first frame, and one made to keep a reader busy."""
    if has_many_chunks(data):
        raise UnreadableImageError(
            f"{name} must have at most {MOST_CHUNKS:,} chunks before its pixels: got more; export it again"
        )
    frames = count_png_frames(data)
    if frames > 1:
        raise _animated(name, frames)


def _count_frames(data: FileBytes, file_format: FileFormat, image: Any) -> int:
    """Frames or pages; those of a PNG and a TIFF have been counted before."""
    if file_format.name in {"png", "tiff"}:
        return 1
    in_header = int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
    return max(in_header, count_heif_frames(data)) if file_format.compression else in_header


def _grey_again(image: Any) -> Any:
    """One band of three equal ones, and alpha."""
    alpha = [image.extract_band(3)] if image.bands == 4 else []
    interpretation = "b-w" if image.format == "uchar" else "grey16"
    return image.extract_band(0).bandjoin(alpha).copy(interpretation=interpretation)


def header_of(file: OpenFile) -> PictureHeader:
    """What the picture will be like once it is read."""
    width, height = file.image.width, file.image.height
    if file.orientation >= 5:
        width, height = height, width
    bits = 16 if file.image.format in {"uint", "ushort", "short"} or file.is_foreign_colour else 32
    return PictureHeader(
        width=width,
        height=height,
        channels=1 if file.num_colours == 1 else 3,
        has_alpha=file.alpha_band is not None,
        bit_depth=8 if file.image.format == "uchar" else bits,
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


def _animated(name: str, frames: int) -> AnimatedImageError:
    return AnimatedImageError(f"{name} must hold one picture: got {frames} frames or pages; export each as a file")


def unreadable(name: str, data: FileBytes, file_format: FileFormat, error: Exception) -> ImageError:
    """A file of a known kind that cannot be decoded: either of a variant that is not supported, or damaged."""
    reason = reason_of(error)
    if any(word in reason for word in _UNSUPPORTED):
        remedy = "save it as TIFF of 8, 16 or floating 32 bits" if file_format.name == "tiff" else "convert it to PNG"
        return UnreadableImageError(
            f"{name} must be of a kind that this libvips reads: got {file_format.name} ({reason}); {remedy}"
        )
    return damaged(name, data, file_format, reason)


def damaged(name: str, data: FileBytes, file_format: FileFormat, reason: str) -> TruncatedImageError:
    """A file that ends early, or makes no sense."""
    return TruncatedImageError(
        f"{name} must be a whole file: got {len(data):,} bytes of {file_format.name} that end early or are damaged "
        f"({reason}); fetch or export it again"
    )
