"""Picture files in and out, nothing lost: depth, grey, alpha, profile, EXIF, XMP, IPTC, resolution, orientation.

What a format cannot hold is converted and told in notes, never silently. The contract is in docs/files.md.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from nlcunet.errors import ImageWriteError
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.paths import expand_home
from nlcunet.imaging.alpha import bleed_colour_under_alpha
from nlcunet.imaging.decoding import decode
from nlcunet.imaging.encoding import encode
from nlcunet.imaging.formats import (
    FORMATS,
    FileFormat,
    format_for_suffix,
    libvips_reads,
    writable_formats,
)
from nlcunet.imaging.heic import is_hevc_readable
from nlcunet.imaging.libvips import with_own_errors
from nlcunet.imaging.opening import OpenFile, bytes_of, check_size, header_of, is_larger, name_of, open_file
from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, Metadata, Picture, PictureHeader

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Metadata",
    "Picture",
    "PictureHeader",
    "bleed_colour_under_alpha",
    "encode_picture",
    "read_header",
    "read_picture",
    "readable_formats",
    "writable_formats",
    "write_picture",
]


HELD_BYTES = 64 << 20
"""Up to so many bytes of a file are held while its picture waits to be decoded; larger files are opened twice, first
for the few bytes of their header."""


def readable_formats() -> tuple[str, ...]:
    """Names of the formats that can be read here, HEIC by whichever decoder there is."""
    return tuple(name for name in FORMATS if libvips_reads(name) or (name == "heif" and is_hevc_readable()))


class OpenedPicture:
    """A picture file whose header has been read; its pixels come when they are asked for, from the same opening.

    Args:
        source: A file, or the bytes of one (as read from a pipe).

    Attributes:
        header: Size and kind of the picture.

    Raises:
        UnreadableImageError: It is no picture, or of a kind that is not read.
        AnimatedImageError: It holds several frames or pages.
        TruncatedImageError: Its header is damaged.
    """

    def __init__(self, source: Path | str | bytes) -> None:
        self._source, self._name = source, name_of(source)
        data = bytes_of(source, mapped=is_larger(source, HELD_BYTES))
        opened = with_own_errors(partial(open_file, data, self._name))
        self.header: PictureHeader = header_of(opened)
        self._opened = opened if isinstance(data, bytes) else None

    def read(self, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
        """The picture decoded; as :func:`read_picture`, whose arguments and errors these are.

        Nothing of the file is held afterwards; a second reading opens it again.
        """
        opened, self._opened = self._opened, None
        if opened is None:
            return read_picture(self._source, max_pixels=max_pixels)
        left, data = [opened], opened.data
        del opened  # as it holds what libvips keeps of the picture

        def read() -> Picture:
            return _decode(left.pop() if left else open_file(data, self._name), max_pixels)

        return with_own_errors(read)


def _decode(file: OpenFile, max_pixels: int) -> Picture:
    check_size(file, max_pixels)
    return decode(file)


def read_header(source: Path | str | bytes) -> PictureHeader:
    """Size and kind of a picture without decoding it.

    Args:
        source: A file, or the bytes of one (as read from a pipe).

    Raises:
        UnreadableImageError: It is no picture, or of a kind that is not read.
        AnimatedImageError: It holds several frames or pages.
        TruncatedImageError: Its header is damaged.
    """
    data, name = bytes_of(source, mapped=True), name_of(source)
    return with_own_errors(lambda: header_of(open_file(data, name)))


def read_picture(source: Path | str | bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Decode a picture, turned the right way up.

    RGB and grey pixels stay in the encoding of the file, with its profile beside them; CMYK and Lab become sRGB.

    Args:
        source: A file, or the bytes of one (as read from a pipe).
        max_pixels: Width × height up to which a picture is decoded, checked before.

    Raises:
        UnreadableImageError: It is no picture, or of a kind that is not read.
        AnimatedImageError: It holds several frames or pages.
        ImageTooLargeError: It has more than ``max_pixels``.
        TruncatedImageError: It ends early or is damaged.
    """
    data, name = bytes_of(source, mapped=False), name_of(source)
    return with_own_errors(lambda: _decode(open_file(data, name), max_pixels))


def write_picture(
    picture: Picture,
    target: Path | str,
    *,
    file_format: str | None = None,
    quality: int | None = None,
    strip_metadata: bool = False,
) -> tuple[str, ...]:
    """Write a picture so that the target is whole or untouched.

    Args:
        picture: What to write.
        target: Where to; its ending chooses the format.
        file_format: Name of the format, to choose one against the ending.
        quality: 1..100 for lossy formats; 100 is lossless for WebP, AVIF and JPEG XL.
        strip_metadata: Leave out EXIF, XMP, IPTC, resolution and texts. The profile stays: without it colours shift.

    Returns:
        Notes on what the format could not hold.

    Raises:
        ImageWriteError: The format cannot be written, or the file cannot; nothing is left behind.
    """
    target = expand_home(target)
    chosen = _format_named(file_format) if file_format is not None else format_for_suffix(target.suffix)
    data, notes = _encode(picture, chosen, quality, strip_metadata=strip_metadata)
    write_file_atomically(target, data)
    return notes


def encode_picture(
    picture: Picture, *, file_format: str, quality: int | None = None, strip_metadata: bool = False
) -> bytes:
    """The bytes that :func:`write_picture` would write, for pipes and web answers.

    Raises:
        ImageWriteError: The format cannot be written, or not at this size.
    """
    return _encode(picture, _format_named(file_format), quality, strip_metadata=strip_metadata)[0]


def _encode(
    picture: Picture, file_format: FileFormat, quality: int | None, *, strip_metadata: bool
) -> tuple[bytes, tuple[str, ...]]:
    if strip_metadata:
        picture = replace(picture, metadata=Metadata(icc_profile=picture.metadata.icc_profile))
    return encode(picture, file_format, quality)


def _format_named(name: str) -> FileFormat:
    """A format by its name or one of its endings."""
    lowered = name.lower().removeprefix(".")
    for file_format in FORMATS.values():
        if lowered == file_format.name or f".{lowered}" in file_format.suffixes:
            return file_format
    raise ImageWriteError(f"the format must be one of {', '.join(writable_formats())}: got '{name}'; choose one")
