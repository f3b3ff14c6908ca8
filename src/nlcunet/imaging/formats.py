"""The file formats that are read and written, told by their first bytes, never by their name.

Only these loaders of libvips are ever called, each by its own name. Whatever else the libvips at hand could open
(SVG, PDF, everything through ImageMagick) never reaches it.
"""

import functools
from dataclasses import dataclass
from mmap import mmap
from typing import Any, TypeAlias

import pyvips

from nlcunet.errors import ImageWriteError, UnreadableImageError
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, has_operation, libvips_says_nothing

FileBytes: TypeAlias = bytes | mmap
"""A whole file, in memory or mapped into it."""


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """One file format and what it can hold.

    Attributes:
        name: Its name in this package.
        suffixes: File name endings, the usual one first.
        loader: Name of libvips' loader, without ``_buffer``; nothing where this package reads the format itself.
        saver: Name of libvips' saver, without ``_buffer``; nothing where the format is only read.
        compression: Coder inside the container, where libvips asks for one (HEIF family).
        max_bits: Most bits per integer sample.
        floats: Whether it holds floating point samples.
        grey: Whether a grey picture stays grey.
        alpha: Whether it holds an alpha channel.
        iptc: Whether it holds IPTC records.
        max_side_px: Longest side.
        default_quality: Used where no quality is given; ``None`` for lossless formats.
    """

    name: str
    suffixes: tuple[str, ...]
    loader: str | None
    saver: str | None
    compression: str | None = None
    max_bits: int = 8
    floats: bool = False
    grey: bool = True
    alpha: bool = True
    iptc: bool = False
    max_side_px: int = 2**31 - 1
    default_quality: int | None = None


FORMATS: dict[str, FileFormat] = {
    "png": FileFormat(name="png", suffixes=(".png",), loader="pngload", saver="pngsave", max_bits=16),
    "jpeg": FileFormat(
        name="jpeg",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        loader="jpegload",
        saver="jpegsave",
        alpha=False,
        iptc=True,
        max_side_px=65_500,  # the format allows 65,535, libjpeg does not
        default_quality=95,
    ),
    "webp": FileFormat(
        name="webp",
        suffixes=(".webp",),
        loader="webpload",
        saver="webpsave",
        grey=False,
        max_side_px=16_383,
        default_quality=90,
    ),
    "tiff": FileFormat(
        name="tiff",
        suffixes=(".tif", ".tiff"),
        loader="tiffload",
        saver="tiffsave",
        max_bits=16,
        floats=True,
        iptc=True,
    ),
    "avif": FileFormat(
        name="avif",
        suffixes=(".avif",),
        loader="heifload",
        saver="heifsave",
        compression="av1",
        max_bits=12,
        grey=False,
        max_side_px=16_384,
        default_quality=90,
    ),
    "heif": FileFormat(
        name="heif",
        suffixes=(".heic", ".heif"),
        loader="heifload",
        saver="heifsave",
        compression="hevc",
        max_bits=12,
        grey=False,
        max_side_px=16_384,
        default_quality=90,
    ),
    "jxl": FileFormat(
        name="jxl",
        suffixes=(".jxl",),
        loader="jxlload",
        saver="jxlsave",
        max_bits=16,
        default_quality=90,
    ),
    "bmp": FileFormat(name="bmp", suffixes=(".bmp", ".dib"), loader=None, saver=None),
}

PICTURE_SUFFIXES = frozenset(suffix for file_format in FORMATS.values() for suffix in file_format.suffixes)
"""Endings of the names of picture files, in small letters."""
PICTURE_SUFFIXES_IN_WORDS = ", ".join(sorted(PICTURE_SUFFIXES))
"""The same, as messages name them."""

BMP_HEADER_BYTES = frozenset({12, 40, 52, 56, 64, 108, 124})
"""Sizes of the headers that a bitmap may have: OS/2, and Windows from version 1 to 5."""

_REFUSED = {
    b"GIF8": "a GIF, which holds at most 256 colours; convert it to PNG",
    b"%PDF": "a PDF document; export its picture first",
    b"8BPS": "a Photoshop document; save it as TIFF",
    b"FUJIFILM": "a camera raw file; develop it to TIFF first",
    b"IIU\x00": "a camera raw file; develop it to TIFF first",
    b"#?RADIANCE": "a Radiance picture; convert it to TIFF",
    b"v/1\x01": "an OpenEXR picture; convert it to TIFF",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000; convert it to TIFF",
}


def sniff_format(data: FileBytes) -> FileFormat:
    """The format that the first bytes belong to.

    Raises:
        UnreadableImageError: They belong to none of :data:`FORMATS`.
    """
    head = bytes(data[:64])
    name = _name_of(head)
    if name is not None:
        return FORMATS[name]
    for magic, what in _REFUSED.items():
        if head.startswith(magic):
            raise UnreadableImageError(f"a picture must be one of {', '.join(FORMATS)}: got {what}")
    if not head:
        raise UnreadableImageError("a picture must have content: got an empty file; fetch or export it again")
    if b"<svg" in bytes(data[:1024]).lower():
        raise UnreadableImageError(
            "a picture must have pixels: got an SVG drawing; render it to PNG at the size needed"
        )
    raise UnreadableImageError(
        f"a picture must be one of {', '.join(FORMATS)}: got a file that starts with {head[:12]!r}; "
        "check that it is a picture and not cut at its beginning"
    )


def _name_of(head: bytes) -> str | None:
    """Format name by magic bytes, or ``None``."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "tiff"
    if head.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")):
        return "jxl"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in BMP_HEADER_BYTES:
        return "bmp"
    if head[4:8] == b"ftyp":
        brands = head[8:12] + head[16 : min(64, int.from_bytes(head[:4], "big"))]
        if b"avif" in brands or b"avis" in brands:
            return "avif"
        if any(brand in brands for brand in (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"heim", b"heis")):
            return "heif"
    return None


def format_for_suffix(suffix: str) -> FileFormat:
    """The format that a file name ending asks for.

    Raises:
        ImageWriteError: No format that can be written here has this ending.
    """
    for file_format in FORMATS.values():
        if suffix.lower() in file_format.suffixes:
            return file_format
    endings = ", ".join(FORMATS[name].suffixes[0] for name in writable_formats())
    raise ImageWriteError(f"a result must end in one of {endings}: got '{suffix}'; choose one, or name the format")


def coder_arguments(file_format: FileFormat) -> dict[str, Any]:
    """Keyword arguments of the saver that choose the coder inside the container."""
    return {} if file_format.compression is None else {"compression": file_format.compression}


@functools.cache
def _works(name: str) -> tuple[bool, bool]:
    """Whether a format can be written and read here, found out by doing it with a 16×16 picture."""
    file_format = FORMATS[name]
    if file_format.loader is None:
        return False, True
    if not has_operation(file_format.loader):
        return False, False
    if file_format.saver is None or not has_operation(file_format.saver):
        return False, True
    grey_square = (pyvips.Image.black(16, 16, bands=3) + 128).cast("uchar").copy(interpretation="srgb")
    try:
        with libvips_says_nothing():
            encoded = getattr(grey_square, f"{file_format.saver}_buffer")(**coder_arguments(file_format))
            getattr(pyvips.Image, f"{file_format.loader}_buffer")(encoded).avg()
    except LIBVIPS_ERRORS:
        return False, False  # a HEIF container without the coder for it
    return True, True


def writable_formats() -> tuple[str, ...]:
    """Names of the formats that can be written with the libvips at hand."""
    return tuple(name for name in FORMATS if _works(name)[0])


def libvips_reads(name: str) -> bool:
    """Whether a format is known to be readable without decoders beside libvips."""
    return _works(name)[1]
