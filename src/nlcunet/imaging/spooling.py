"""A picture file decoded band by band into raw samples on disk, with what only a look at every pixel can tell.

One pass through the file by regions of libvips; no more than one band is in memory. Formats whose coders hold whole
pictures (WebP, AVIF, HEIC, interlaced PNG, progressive JPEG) do so while they are decoded.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from jaxtyping import Shaped

from nlcunet.imaging.decoding import DecodableFile, prepare_decoding
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, with_own_errors
from nlcunet.imaging.opening import bytes_of, check_size, header_of, name_of, open_file, unreadable
from nlcunet.imaging.picture import Metadata, PictureHeader
from nlcunet.imaging.pixel_sources import RawPixels, RawSource

BAND_BYTES = 8 * 2**20
"""Decoded at a time: much more than a call costs, little beside 2 GiB."""


@dataclass(frozen=True, kw_only=True)
class PictureFacts:
    """What only a look at every pixel can tell.

    Attributes:
        is_grey: whether all colours of every pixel are equal.
        flat_alpha: the alpha of all pixels, if it is the same everywhere; none if it differs or there is none.
        low: least sample of the colours.
        high: greatest sample of the colours; both are NaN if any is.
        checksum: of all samples, in order.
    """

    is_grey: bool
    flat_alpha: float | None
    low: float
    high: float
    checksum: int


@dataclass(frozen=True, kw_only=True)
class SpooledPicture:
    """A decoded picture on disk.

    Attributes:
        header: size and kind, the right way up.
        metadata: for upright pixels.
        notes: what reading changed, one sentence each.
        raw: the samples, as stored.
        orientation: EXIF orientation 1..8 that they still need.
        facts: what a look at every pixel told.
    """

    header: PictureHeader
    metadata: Metadata
    notes: tuple[str, ...]
    raw: RawPixels
    orientation: int
    facts: PictureFacts

    def needful(self) -> RawSource:
        """What a network needs to see of it: one of equal colours, and alpha only where it differs."""
        channels = 1 if self.facts.is_grey else self.header.channels
        has_alpha = self.header.has_alpha and self.facts.flat_alpha is None
        return RawSource(self.raw, channels, has_alpha, self.orientation)


def spool_picture(
    source: Path | bytes, target: Path, *, max_pixels: int, on_rows: Callable[[int, int], None] = lambda *_: None
) -> SpooledPicture:
    """Decode a picture into a file of raw samples.

    Args:
        source: a file, or the bytes of one.
        target: the file of raw samples; replaced if it is there.
        max_pixels: width × height up to which a picture is decoded, checked before.
        on_rows: called after every band with the rows decoded and all rows.

    Raises:
        UnreadableImageError: It is no picture, or of a kind that is not read.
        ImageTooLargeError: It has more than ``max_pixels``.
        TruncatedImageError: It ends early or is damaged.
        ImageWriteError: The samples cannot be written.
    """
    data, name = bytes_of(source, mapped=True), name_of(source)
    path = source if isinstance(source, Path) else None

    def spool() -> SpooledPicture:
        file = open_file(data, name, path)
        check_size(file, max_pixels)
        return _spool(prepare_decoding(file), target, on_rows)

    return with_own_errors(spool)


def _spool(prepared: DecodableFile, target: Path, on_rows: Callable[[int, int], None]) -> SpooledPicture:
    image = prepared.image
    first = prepared.as_read(np.empty(0, _DTYPES[image.format]))
    target.unlink(missing_ok=True)
    raw = RawPixels(target, image.height, image.width, image.bands, first.dtype)
    look = _Look(prepared.num_colours, has_alpha=prepared.has_alpha)
    try:
        for first_row, samples in _decode_in_bands(prepared):
            look.at(samples)
            raw.write(first_row, 0, samples)
            on_rows(first_row + samples.shape[0], image.height)
    except BaseException:
        raw.close()
        raise
    return SpooledPicture(
        header=header_of(prepared.file),
        metadata=prepared.metadata,
        notes=prepared.notes,
        raw=raw,
        orientation=prepared.file.orientation,
        facts=look.facts(),
    )


_DTYPES: dict[str, Any] = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}


def _decode_in_bands(prepared: DecodableFile) -> Iterator[tuple[int, Shaped[np.ndarray, "rows width bands"]]]:
    """First row and samples of each band, from top to bottom."""
    image, file = prepared.image, prepared.file
    dtype = np.dtype(_DTYPES[image.format])
    rows_at_once = max(16, min(256, BAND_BYTES // (image.width * image.bands * dtype.itemsize) // 16 * 16))
    try:
        region = pyvips.Region.new(image)
        for top in range(0, image.height, rows_at_once):
            rows = min(rows_at_once, image.height - top)
            band = np.frombuffer(region.fetch(0, top, image.width, rows), dtype)
            yield top, prepared.as_read(band.reshape(rows, image.width, image.bands))
    except LIBVIPS_ERRORS as error:
        raise unreadable(file.name, file.data, file.format, error) from error


class _Look:
    """Facts gathered band by band."""

    def __init__(self, num_colours: int, *, has_alpha: bool) -> None:
        self._num_colours = num_colours
        self._has_alpha = has_alpha
        self._is_grey = True
        self._alpha: list[float] = []
        self._colours: list[float] = []
        self._checksum = 0

    def at(self, samples: Shaped[np.ndarray, "rows width bands"]) -> None:
        """Take one more band into account."""
        colours = samples[:, :, : self._num_colours]
        if self._is_grey:
            red = colours[:, :, 0]
            others = range(1, self._num_colours)
            self._is_grey = all(np.array_equal(red, colours[:, :, channel]) for channel in others)
        if samples.dtype == np.float32:
            self._colours = _extended(self._colours, colours)
        if self._has_alpha:
            self._alpha = _extended(self._alpha, samples[:, :, -1])
        self._checksum = zlib.crc32(np.ascontiguousarray(samples).data, self._checksum)

    def facts(self) -> PictureFacts:
        """What all bands together say."""
        is_flat = len(self._alpha) == 2 and self._alpha[0] == self._alpha[1]
        low, high = self._colours or (0.0, 1.0)
        return PictureFacts(
            is_grey=self._is_grey,
            flat_alpha=self._alpha[0] if is_flat else None,
            low=low,
            high=high,
            checksum=self._checksum,
        )


def _extended(bounds: list[float], samples: Shaped[np.ndarray, "*sizes"]) -> list[float]:
    if not bounds:
        return [float(samples.min()), float(samples.max())]
    return [float(np.minimum(bounds[0], samples.min())), float(np.maximum(bounds[1], samples.max()))]
