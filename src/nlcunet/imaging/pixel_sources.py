"""Pictures that are read one window at a time: in memory, or as raw samples in a file.

A window is a :class:`Picture` of its own. Whoever reads windows never needs to know where the rest of the picture is.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from nlcunet.errors import ImageWriteError
from nlcunet.imaging.orientation import stored_window, upright
from nlcunet.imaging.picture import Picture


@runtime_checkable
class PixelSource(Protocol):
    """A picture whose samples are handed out window by window."""

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        ...

    @property
    def has_alpha(self) -> bool:
        """Whether windows come with alpha."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Type of the samples."""
        ...

    def read(self, rows: slice, columns: slice) -> Picture:
        """The window of these rows and columns; both within the picture and not empty."""
        ...


class PictureSource:
    """A picture in memory as a source; its windows are views."""

    def __init__(self, picture: Picture) -> None:
        self.height, self.width, self.channels = picture.pixels.shape
        self.has_alpha = picture.alpha is not None
        self.dtype = picture.pixels.dtype
        self._picture = picture

    def read(self, rows: slice, columns: slice) -> Picture:
        """The window of these rows and columns."""
        pixels, alpha = self._picture.pixels, self._picture.alpha
        return Picture(pixels=pixels[rows, columns], alpha=None if alpha is None else alpha[rows, columns])


@dataclass(frozen=True)
class WrappedSource:
    """What a source has that hands out the samples of another one, changed; all else is as there unless it says so."""

    source: PixelSource

    @property
    def height(self) -> int:
        """Rows."""
        return self.source.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.source.width

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.source.channels

    @property
    def has_alpha(self) -> bool:
        """Whether windows come with alpha."""
        return self.source.has_alpha

    @property
    def dtype(self) -> np.dtype:
        """Type of the samples."""
        return self.source.dtype


@dataclass(frozen=True)
class RepeatingSource(WrappedSource):
    """A source as it looks where it is laid beside itself: strips of the opposite edges around it.

    Attributes:
        source: the picture itself.
        margin_rows: how many rows of its lower edge lie above it, and of its upper edge below it.
        margin_columns: how many columns of its right edge lie left of it, and of its left edge right of it.
    """

    margin_rows: int
    margin_columns: int

    @property
    def height(self) -> int:
        """Rows, the strips among them."""
        return self.source.height + 2 * self.margin_rows

    @property
    def width(self) -> int:
        """Columns, the strips among them."""
        return self.source.width + 2 * self.margin_columns

    def read(self, rows: slice, columns: slice) -> Picture:
        """The window of these rows and columns, put together from parts of the picture."""
        beside = _parts(columns, self.margin_columns, self.source.width)
        strips = [
            [self.source.read(row_part, column_part) for column_part in beside]
            for row_part in _parts(rows, self.margin_rows, self.source.height)
        ]
        pixels = np.concatenate([np.concatenate([part.pixels for part in strip], axis=1) for strip in strips])
        if not self.has_alpha:
            return Picture(pixels=pixels)
        return Picture(pixels=pixels, alpha=np.block([[part.alpha for part in strip] for strip in strips]))


def _parts(window: slice, margin: int, length: int) -> list[slice]:
    """Which stretches of one axis of a picture make up a window of the picture laid beside itself."""
    parts, position = [], window.start
    while position < window.stop:
        start = (position - margin) % length
        stop = min(length, start + window.stop - position)
        parts.append(slice(start, stop))
        position += stop - start
    return parts


class RawPixels:
    """Samples of a picture in a file of nothing else, row by row; any window of it can be read and written.

    Files are read and written by position and never mapped into memory: mapped pages would count as memory of this
    process. Every object has its own handle; reading and writing through several of them at a time is fine.

    Raises:
        ImageWriteError: the file cannot be opened.
    """

    def __init__(self, path: Path, height: int, width: int, bands: int, dtype: np.dtype) -> None:
        self.path = path
        self.height = height
        self.width = width
        self.bands = bands
        self.dtype = dtype
        self._pixel_bytes = bands * dtype.itemsize
        self._lock = threading.Lock()
        try:
            path.touch()
            self._file = path.open("r+b", buffering=0)
            if path.stat().st_size != self.num_bytes:
                self._file.truncate(self.num_bytes)
        except OSError as error:
            raise ImageWriteError(
                f"unfinished rows must be kept in a file: got {path}: {error.strerror}; choose another folder with -o"
            ) from error

    @property
    def num_bytes(self) -> int:
        """Size of the file."""
        return self.height * self.width * self._pixel_bytes

    def read(self, rows: slice, columns: slice) -> Shaped[np.ndarray, "rows columns bands"]:
        """The samples of a window."""
        window = np.empty((rows.stop - rows.start, columns.stop - columns.start, self.bands), self.dtype)
        lines = window.reshape(1, -1) if window.shape[1] == self.width else window.reshape(window.shape[0], -1)
        with self._lock:
            for index, line in enumerate(lines):
                self._file.seek(self._position(rows.start + index, columns.start))
                _read_fully(self._file, line.data.cast("B"))
        return window

    def write(self, first_row: int, first_column: int, samples: Shaped[np.ndarray, "rows columns bands"]) -> None:
        """Write a window whose upper left pixel lies at this row and column.

        Raises:
            ImageWriteError: the disk is full, or failed.
        """
        samples = np.ascontiguousarray(samples, self.dtype)
        lines = samples.reshape(1, -1) if samples.shape[1] == self.width else samples.reshape(samples.shape[0], -1)
        try:
            with self._lock:
                for index, line in enumerate(lines):
                    self._file.seek(self._position(first_row + index, first_column))
                    rest = line.data.cast("B")
                    while rest:
                        rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise ImageWriteError(
                f"rows must be kept on the disk until all are finished: got {self.path}: {error.strerror}; "
                "free some room"
            ) from error

    def close(self) -> None:
        """Close the handle; the file stays."""
        self._file.close()

    def __enter__(self) -> "RawPixels":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _position(self, row: int, column: int) -> int:
        return (row * self.width + column) * self._pixel_bytes


def _read_fully(file: "object", target: memoryview) -> None:
    """Fill ``target`` from an unbuffered file."""
    while target:
        count = file.readinto(target)  # type: ignore[attr-defined]
        if not count:
            raise OSError("a file of raw samples ended early")
        target = target[count:]


@dataclass(frozen=True)
class RawSource:
    """Raw samples in a file as a source.

    Attributes:
        raw: the samples as stored: colours first, then alpha if there is any.
        channels: how many colours to hand out; 1 of 3 where all are equal.
        has_alpha: whether to hand out the last band as alpha.
        orientation: EXIF orientation 1..8 that the stored samples still need.
    """

    raw: RawPixels
    channels: int
    has_alpha: bool
    orientation: int = 1

    @property
    def height(self) -> int:
        """Rows, the right way up."""
        return self.raw.height if self.orientation < 5 else self.raw.width

    @property
    def width(self) -> int:
        """Columns, the right way up."""
        return self.raw.width if self.orientation < 5 else self.raw.height

    @property
    def dtype(self) -> np.dtype:
        """Type of the samples."""
        return self.raw.dtype

    def read(self, rows: slice, columns: slice) -> Picture:
        """The window of these rows and columns, the right way up."""
        stored = self.raw.read(*stored_window(rows, columns, self.orientation, self.height, self.width))
        samples = upright(stored, self.orientation)
        return Picture(pixels=samples[:, :, : self.channels], alpha=samples[:, :, -1] if self.has_alpha else None)
