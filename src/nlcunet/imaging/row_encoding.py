"""Pictures encoded while their rows come into being: never more than a few rows in memory.

libvips pulls pixels. It is given an uncompressed TIFF that exists nowhere: a header made here, and behind it rows that
are asked for when libvips wants them, and waited for. So any of its encoders can run beside whatever makes the rows.

Metadata goes into the finished file without moving a pixel: behind the pixels of a TIFF, and into room that was
left at the head of a PNG or JPEG.
"""

import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from nlcunet.errors import ImageWriteError
from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.containers import PNG_SIGNATURE, png_chunks
from nlcunet.imaging.embedding import embed_jpeg, png_metadata_chunks, png_resolution_chunk, tiff_directory
from nlcunet.imaging.encoding import check_writable, fit, fit_metadata, interpreted, saver_arguments
from nlcunet.imaging.exif import sized_metadata, with_prefix
from nlcunet.imaging.formats import LIBVIPS_ERRORS, FileFormat, reason_of
from nlcunet.imaging.picture import Metadata, Picture

STREAMED_FORMATS = frozenset({"png", "jpeg", "tiff", "jxl"})
"""Formats whose encoders take rows as they come; the others hold the whole picture anyway, and are small."""

TIFF_COMPRESSIONS = ("deflate", "lzw", "none")
"""How the tiles of a TIFF may be packed, the smallest first."""

STRIP_BYTES = 4 * 2**20
"""Rows are handed to libvips in strips of about this size."""

TILE_PX = 256
"""Side of the tiles of a TIFF, which viewers fetch one by one."""

LARGEST_ROW_OF_TILES_PX = 256 * 100_000
"""Pixels of a row of tiles; libvips needs about 22 bytes for each at 8 bits and three channels."""

CLASSIC_TIFF_BYTES = 4_000_000_000
"""From about here on a TIFF needs 64 bit offsets (BigTIFF); incompressible pixels, tags and smaller copies counted."""

_PNG_HEAD_BYTES = len(PNG_SIGNATURE) + 25  # the signature, and the header chunk, which must come first


@dataclass(frozen=True, kw_only=True)
class RowPicture:
    """A picture whose rows are asked for one strip after the other.

    Attributes:
        height: rows.
        width: columns.
        channels: 1 or 3.
        has_alpha: whether the rows come with alpha.
        dtype: type of the samples.
        metadata: profile, EXIF, XMP, IPTC and resolution.
        read_rows: the rows of a slice, waited for if need be; they are asked for from top to bottom.
    """

    height: int
    width: int
    channels: int
    has_alpha: bool
    dtype: np.dtype
    metadata: Metadata
    read_rows: Callable[[slice], Picture]


@dataclass(frozen=True, kw_only=True)
class TiffLayout:
    """How a TIFF is laid out; other formats take no notice.

    Attributes:
        compression: one of ``TIFF_COMPRESSIONS``.
        pyramid: whether halved copies of the picture follow it, down to a single tile.
    """

    compression: str = "deflate"
    pyramid: bool = False

    def __post_init__(self) -> None:
        if self.compression not in TIFF_COMPRESSIONS:
            raise ImageWriteError(
                f"the compression of a TIFF must be one of {', '.join(TIFF_COMPRESSIONS)}: got {self.compression!r}"
            )


def encode_rows(
    picture: RowPicture, target: Path, file_format: FileFormat, *, quality: int | None = None, layout: TiffLayout
) -> tuple[str, ...]:
    """Write a picture into a file of this name, its rows as they come; what fails midway leaves part of a file.

    Args:
        picture: what to write.
        target: where to.
        file_format: one of ``STREAMED_FORMATS``.
        quality: 1..100 for lossy formats.
        layout: of a TIFF.

    Returns:
        Notes on what the format could not hold.

    Raises:
        ImageWriteError: The format cannot be written here, or not at this size, or the disk is full.
        Exception: what ``read_rows`` raised.
    """
    check_writable(file_format, picture.height, picture.width, quality)
    fitted, metadata, notes = fit(_one_pixel(picture), file_format)
    metadata, damaged = sized_metadata(metadata, picture.width, picture.height)
    metadata, more = fit_metadata(metadata, file_format, quality)
    strips = _StripSource(picture, file_format, bands=fitted.shape[2], dtype=fitted.dtype)
    try:
        image = interpreted(strips.open(), fitted.dtype, metadata.icc_profile)
        arguments = saver_arguments(file_format, quality, image.format)
        if file_format.name == "tiff":
            arguments |= _tiff_arguments(image, layout, arguments["predictor"])
        lost = _save(image, target, file_format, arguments, metadata)
    except (*LIBVIPS_ERRORS, OSError) as error:
        if strips.error is not None:
            raise strips.error from None
        reason = error.strerror if isinstance(error, OSError) else reason_of(error)
        raise ImageWriteError(
            f"{picture.width} × {picture.height} pixels must be written as {file_format.name}: got {target.name}: "
            f"{reason}; is there room on the disk?"
        ) from error
    return (*notes, *damaged, *more, *lost)


def _one_pixel(picture: RowPicture) -> Picture:
    """A picture of the same kind, to see what a format makes of it."""
    alpha = np.zeros((1, 1), picture.dtype) if picture.has_alpha else None
    return Picture(pixels=np.zeros((1, 1, picture.channels), picture.dtype), alpha=alpha, metadata=picture.metadata)


class _StripSource:
    """The bytes of an uncompressed TIFF that is made while it is read.

    Args:
        picture: where the rows come from.
        file_format: what they have to fit.
        bands: of a row that fits.
        dtype: of a row that fits.
    """

    def __init__(self, picture: RowPicture, file_format: FileFormat, *, bands: int, dtype: np.dtype) -> None:
        self._picture = picture
        self._format = file_format
        self._row_bytes = picture.width * bands * dtype.itemsize
        self._strip_rows = max(8, min(256, STRIP_BYTES // self._row_bytes // 8 * 8))
        self._header = self._make_header(bands, dtype)
        self._size = len(self._header) + picture.height * self._row_bytes
        self._at = 0
        self._strip = (-1, b"")
        self._source: Any = None
        self.error: BaseException | None = None
        """What went wrong while rows were read."""

    def open(self) -> Any:
        """The picture for libvips, to be read from top to bottom once."""
        self._source = pyvips.SourceCustom()
        self._source.on_read(self._read)
        self._source.on_seek(self._seek)
        return pyvips.Image.tiffload_source(self._source, access="sequential", fail_on="error")

    def _read(self, length: int) -> bytes:
        try:
            piece = self._piece(length)
        except BaseException as error:  # noqa: BLE001 - kept, and raised again behind libvips
            self.error = error
            return b""
        self._at += len(piece)
        return piece

    def _seek(self, offset: int, whence: int) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def _piece(self, length: int) -> bytes:
        """At most so many bytes from where the source stands."""
        if self._at < len(self._header):
            return self._header[self._at : self._at + length]
        index, inside = divmod(self._at - len(self._header), self._strip_rows * self._row_bytes)
        first_row = index * self._strip_rows
        if first_row >= self._picture.height:
            return b""
        if self._strip[0] != index:
            rows = slice(first_row, min(first_row + self._strip_rows, self._picture.height))
            samples = fit(self._picture.read_rows(rows), self._format)[0]
            self._strip = (index, samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes())
        return self._strip[1][inside : inside + length]

    def _make_header(self, bands: int, dtype: np.dtype) -> bytes:
        """A little-endian BigTIFF up to its pixels (TIFF 6.0, section 8)."""
        empty = self._directory(bands, dtype, 0)
        base = 16 + len(tags.serialise_directory(empty, _BIG, 16))
        directory = tags.serialise_directory(self._directory(bands, dtype, base), _BIG, 16)
        return b"II+\x00" + struct.pack("<HHQ", 8, 0, 16) + directory

    def _directory(self, bands: int, dtype: np.dtype, base: int) -> tags.Directory:
        height, width = self._picture.height, self._picture.width
        starts = range(0, height, self._strip_rows)
        lengths = [min(self._strip_rows, height - start) * self._row_bytes for start in starts]
        kind = 3 if dtype.kind == "f" else 1
        values = {
            256: _numbers(tags.LONG, width),
            257: _numbers(tags.LONG, height),
            tags.BITS_PER_SAMPLE: _numbers(tags.SHORT, *[8 * dtype.itemsize] * bands),
            259: _numbers(tags.SHORT, 1),  # no compression
            262: _numbers(tags.SHORT, 2 if bands >= 3 else 1),  # RGB, or grey with black as 0
            273: _numbers(_LONG8, *(base + start * self._row_bytes for start in starts)),
            277: _numbers(tags.SHORT, bands),
            278: _numbers(tags.LONG, self._strip_rows),
            279: _numbers(_LONG8, *lengths),
            284: _numbers(tags.SHORT, 1),  # samples of a pixel beside each other
            339: _numbers(tags.SHORT, *[kind] * bands),  # unsigned or floating point
        }
        if bands in {2, 4}:
            values[338] = _numbers(tags.SHORT, 2)  # alpha, not multiplied in
        return tags.Directory(values)


_LONG8 = 16
_BIG = tags.Layout("<", big=True)
_CODES = {tags.SHORT: "H", tags.LONG: "I", _LONG8: "Q"}


def _numbers(kind: int, *numbers: int) -> tags.Value:
    """A tag's value from whole numbers."""
    return tags.Value(kind, len(numbers), struct.pack(f"<{len(numbers)}{_CODES[kind]}", *numbers))


def _save(
    image: Any, target: Path, file_format: FileFormat, arguments: dict[str, Any], metadata: Metadata
) -> tuple[str, ...]:
    """Encode, and put the metadata in place; notes tell what did not fit."""
    if file_format.name == "tiff":
        image.tiffsave(str(target), **arguments)
        return _append_to_tiff(target, metadata)
    if file_format.name == "png":
        _save_behind(image, target, file_format, arguments, room=len(png_metadata_chunks(metadata)))
        _fill_head_of_png(target, metadata)
        return ()
    if file_format.name == "jpeg":
        head, lost = embed_jpeg(_JPEG_START, metadata)
        _save_behind(image, target, file_format, arguments, room=len(head) - len(_JPEG_START))
        with target.open("r+b") as file:
            file.write(head)
        return lost
    return _save_with_blobs(image, target, file_format, arguments, metadata)


_JPEG_START = b"\xff\xd8"


def _tiff_arguments(image: Any, layout: TiffLayout, predictor: str) -> dict[str, Any]:
    num_bytes = image.width * image.height * image.bands * {"uchar": 1, "ushort": 2, "float": 4}[image.format]
    return {
        "tile": True,
        "tile_width": TILE_PX,
        "tile_height": tile_height(image.width),
        "pyramid": layout.pyramid,
        "bigtiff": layout.pyramid or num_bytes > CLASSIC_TIFF_BYTES,
        "compression": layout.compression,
        "predictor": "none" if layout.compression == "none" else predictor,
    }


def tile_height(width: int) -> int:
    """Rows of a tile: fewer where a picture is very wide, since libvips holds some rows of tiles at a time."""
    rows = TILE_PX
    while rows > 16 and rows * width > LARGEST_ROW_OF_TILES_PX:
        rows //= 2
    return rows


def _append_to_tiff(target: Path, metadata: Metadata) -> tuple[str, ...]:
    """Write a new main directory behind everything else, and point the file's first bytes to it."""
    with target.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            layout = tags.read_layout(data)
            base = len(data) + len(data) % 2
            directory, notes = tiff_directory(data, layout, metadata, base)
        file.seek(base)
        file.write(directory)
        file.seek(layout.first_offset_at)
        file.write(struct.pack(layout.offset, base))
    return notes


def _save_behind(image: Any, target: Path, file_format: FileFormat, arguments: dict[str, Any], *, room: int) -> None:
    """Encode into a file behind so many bytes, which are left for others."""
    with target.open("wb", buffering=0) as file:
        file.seek(room)
        getattr(image, f"{file_format.saver}_target")(pyvips.Target.new_to_descriptor(file.fileno()), **arguments)
        if os.fstat(file.fileno()).st_size <= room:
            raise OSError(0, "nothing was written")


def _fill_head_of_png(target: Path, metadata: Metadata) -> None:
    """Move signature and header to the front, put chunks into the room behind them, and set the resolution."""
    chunks, resolution = png_metadata_chunks(metadata), png_resolution_chunk(metadata)
    with target.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        data[: _PNG_HEAD_BYTES + len(chunks)] = data[len(chunks) : len(chunks) + _PNG_HEAD_BYTES] + chunks
        for kind, start, _ in png_chunks(data):
            if kind == b"pHYs":
                data[start - 8 : start - 8 + len(resolution)] = resolution
            if kind == b"IDAT":
                break


def _save_with_blobs(
    image: Any, target: Path, file_format: FileFormat, arguments: dict[str, Any], metadata: Metadata
) -> tuple[str, ...]:
    """Encode with EXIF and XMP as libvips writes them."""
    blobs = {"exif": metadata.exif and with_prefix(metadata.exif), "xmp": metadata.xmp}
    for name, content in blobs.items():
        if content is not None:
            image.set_type(pyvips.GValue.blob_type, f"{name}-data", content)
            arguments["keep"] += f":{name}"
    getattr(image, file_format.saver)(str(target), **arguments)
    rebuilt = f"{file_format.name}: libvips rebuilt the EXIF block, so that unusual tags may be lost."
    return (rebuilt,) if metadata.exif is not None else ()
