"""An uncompressed TIFF that exists nowhere: how libvips is given rows that are still to come."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyvips

from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.encoding import fit
from nlcunet.imaging.float_range import FloatRange
from nlcunet.imaging.formats import FileFormat
from nlcunet.imaging.picture import Metadata, Picture

STRIP_BYTES = 4 * 2**20
"""Rows are handed to libvips in strips of about this size."""


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
        values: range of the colours, where they are floating point.
        read_rows: the rows of a slice, waited for if need be; they are asked for from top to bottom.
    """

    height: int
    width: int
    channels: int
    has_alpha: bool
    dtype: np.dtype
    metadata: Metadata
    values: FloatRange = field(default_factory=FloatRange)
    read_rows: Callable[[slice], Picture]


class StripSource:
    """The bytes of an uncompressed TIFF that is made while it is read."""

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
    return tags.Value(kind, len(numbers), struct.pack(f"<{len(numbers)}{_CODES[kind]}", *numbers))
