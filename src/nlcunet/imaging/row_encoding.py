"""Pictures encoded while their rows come into being: never more than a few rows in memory.

libvips pulls pixels. It is given an uncompressed TIFF that exists nowhere: a header made here, and behind it rows that
are asked for when libvips wants them, and waited for. So any of its encoders can run beside whatever makes the rows.

Metadata goes into the finished file without moving a pixel: behind the pixels of a TIFF, and into room that was
left at the head of a PNG or JPEG.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from nlcunet.errors import ImageWriteError
from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.embedding import embed_jpeg, tiff_directory
from nlcunet.imaging.encoding import check_writable, fit, fit_metadata, saver_arguments
from nlcunet.imaging.exif import with_prefix
from nlcunet.imaging.formats import FileFormat
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, interpreted, reason_of
from nlcunet.imaging.picture import Metadata, Picture, TiffLayout
from nlcunet.imaging.png import PNG_SIGNATURE, png_chunks, png_metadata_chunks, png_resolution_chunk
from nlcunet.imaging.strip_source import RowPicture, StripSource

STREAMED_FORMATS = frozenset({"png", "jpeg", "tiff", "jxl"})
"""Formats whose encoders take rows as they come; the others hold the whole picture anyway, and are small."""

TILE_PX = 256
"""Side of the tiles of a TIFF, which viewers fetch one by one."""

LARGEST_ROW_OF_TILES_PX = 256 * 100_000
"""Pixels of a row of tiles; libvips needs about 22 bytes for each at 8 bits and three channels."""

CLASSIC_TIFF_BYTES = 4_000_000_000
"""From about here on a TIFF needs 64 bit offsets (BigTIFF); incompressible pixels, tags and smaller copies counted."""

_PNG_HEAD_BYTES = len(PNG_SIGNATURE) + 25  # the signature, and the header chunk, which must come first


def encode_rows(
    picture: RowPicture, target: Path, file_format: FileFormat, *, quality: int | None = None, layout: TiffLayout
) -> tuple[str, ...]:
    """Write a picture into a file of this name, its rows as they come; what fails midway leaves part of a file.

    Returns:
        Notes on what the format could not hold.

    Raises:
        ImageWriteError: The format cannot be written here, or not at this size, or the disk is full.
        Exception: what ``read_rows`` raised.
    """
    check_writable(file_format, picture.height, picture.width, quality)
    fitted, metadata, notes = fit(_extremes(picture), file_format)
    metadata, more = fit_metadata(metadata, (picture.width, picture.height), file_format, quality)
    strips = StripSource(picture, file_format, bands=fitted.shape[2], dtype=fitted.dtype)
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
    return (*notes, *more, *lost)


def _extremes(picture: RowPicture) -> Picture:
    """Two pixels of the same kind, of the least and the greatest sample, to see what a format makes of them."""
    pixels = np.zeros((1, 2, picture.channels), picture.dtype)
    if picture.dtype == np.float32:
        pixels[:, 0], pixels[:, 1] = picture.values.low, picture.values.high
    alpha = np.ones((1, 2), picture.dtype) if picture.has_alpha else None
    return Picture(pixels=pixels, alpha=alpha, metadata=picture.metadata)


def _save(
    image: Any, target: Path, file_format: FileFormat, arguments: dict[str, Any], metadata: Metadata
) -> tuple[str, ...]:
    """Encode, and put the metadata in place; notes tell what did not fit."""
    if file_format.name == "tiff":
        image.tiffsave(os.fsencode(target), **arguments)
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
    getattr(image, str(file_format.saver))(os.fsencode(target), **arguments)
    rebuilt = f"{file_format.name}: libvips rebuilt the EXIF block, so that unusual tags may be lost."
    return (rebuilt,) if metadata.exif is not None else ()
