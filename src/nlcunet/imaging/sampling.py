"""A bounded part of a picture, for those who measure: the whole of a small one, windows all over a large one.

A file is decoded once from top to bottom, a few rows at a time, so that memory does not grow with its height, and a
file that ends early is noticed. Formats whose coders hold whole pictures (WebP, AVIF, HEIC, interlaced PNG, progressive
JPEG) do so while they are decoded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyvips
from jaxtyping import Shaped

from nlcunet.imaging.decoding import DecodableFile, prepare_decoding
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, with_own_errors
from nlcunet.imaging.opening import bytes_of, check_size, header_of, name_of, open_file, unreadable
from nlcunet.imaging.orientation import stored_window, upright
from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, Metadata, Picture, PictureHeader

WindowSlices: TypeAlias = tuple[slice, slice]
"""Rows and columns of a window, of the upright picture."""

WHOLE_PIXELS = 1_500_000
"""Pictures with no more pixels are taken whole."""
WINDOW_PX = 320
MAX_WINDOWS = 16
"""Of a large picture at most 16 × 320 × 320 = 1.6 million pixels are kept."""
GRID_PX = 8
"""Windows begin at multiples of this, so that JPEG's blocks lie alike in all of them."""
_ROWS_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class SampledPicture:
    """A part of a picture file, and all that stands beside its pixels.

    Attributes:
        header: size and kind, the right way up.
        icc_profile: the colour profile in the file, also where the colours were converted to sRGB.
        orientation: EXIF orientation 1..8 in the file; 1 where there is none.
        metadata: for upright pixels.
        notes: what reading changed, one sentence each.
        windows: pixels and alpha, the right way up.
    """

    header: PictureHeader
    icc_profile: bytes | None
    orientation: int
    metadata: Metadata
    notes: tuple[str, ...]
    windows: tuple[Picture, ...]


def place_windows(height: int, width: int) -> tuple[WindowSlices, ...]:
    """Where to look at a picture of this size: everywhere, or in evenly spread windows, row by row."""
    if height * width <= WHOLE_PIXELS:
        return ((slice(0, height), slice(0, width)),)
    down, across = (min(MAX_WINDOWS, max(1, side // WINDOW_PX)) for side in (height, width))
    while down * across > MAX_WINDOWS:
        down, across = (down - 1, across) if down >= across else (down, across - 1)
    return tuple((rows, columns) for rows in _spread(height, down) for columns in _spread(width, across))


def _spread(length: int, count: int) -> list[slice]:
    """Windows along one axis, from the first sample to (nearly) the last; a single one lies in the middle."""
    size = min(length, WINDOW_PX)
    room = length - size
    starts = [room // 2] if count == 1 else [room * number // (count - 1) for number in range(count)]
    return [slice(start // GRID_PX * GRID_PX, start // GRID_PX * GRID_PX + size) for start in starts]


def sample_picture(source: Path | str | bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> SampledPicture:
    """Read the windows of a picture file, turned the right way up.

    Raises:
        UnreadableImageError: It is no picture, or of a kind that is not read.
        AnimatedImageError: It holds several frames or pages.
        ImageTooLargeError: It has more than ``max_pixels``.
        TruncatedImageError: It ends early or is damaged.
    """
    data, name = bytes_of(source, mapped=True), name_of(source)
    path = None if isinstance(source, bytes) else Path(source)

    def read() -> SampledPicture:
        file = open_file(data, name, path)
        check_size(file, max_pixels)
        prepared = prepare_decoding(file)
        header = header_of(file)
        return SampledPicture(
            header=header,
            icc_profile=file.field("icc-profile-data", None),
            orientation=file.orientation,
            metadata=prepared.metadata,
            notes=prepared.notes,
            windows=tuple(_read_windows(prepared, header)),
        )

    return with_own_errors(read)


def _read_windows(prepared: DecodableFile, header: PictureHeader) -> list[Picture]:
    turn = prepared.file.orientation
    places = [
        stored_window(rows, columns, turn, header.height, header.width)
        for rows, columns in place_windows(header.height, header.width)
    ]
    stored: list[Any] = [None] * len(places)
    for top, band in _decode_bands(prepared):
        for number, (rows, columns) in enumerate(places):
            first, last = max(rows.start, top), min(rows.stop, top + len(band))
            if first >= last:
                continue
            if stored[number] is None:
                shape = (rows.stop - rows.start, columns.stop - columns.start, band.shape[2])
                stored[number] = np.empty(shape, band.dtype)
            stored[number][first - rows.start : last - rows.start] = band[first - top : last - top, columns]
    windows = [np.ascontiguousarray(upright(prepared.as_read(samples), turn)) for samples in stored]
    colours = prepared.num_colours
    return [
        Picture(pixels=window[:, :, :colours], alpha=window[:, :, colours] if prepared.has_alpha else None)
        for window in windows
    ]


_DTYPES: dict[str, Any] = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}


def _decode_bands(prepared: DecodableFile) -> Iterator[tuple[int, Shaped[np.ndarray, "rows width bands"]]]:
    """First row and samples of a few rows at a time, from the first to the last."""
    image, file = prepared.image, prepared.file
    try:
        region = pyvips.Region.new(image)
        for top in range(0, image.height, _ROWS_AT_ONCE):
            rows = min(_ROWS_AT_ONCE, image.height - top)
            samples = np.frombuffer(region.fetch(0, top, image.width, rows), _DTYPES[image.format])
            yield top, samples.reshape(rows, image.width, image.bands)
    except LIBVIPS_ERRORS as error:
        raise unreadable(file.name, file.data, file.format, error) from error
