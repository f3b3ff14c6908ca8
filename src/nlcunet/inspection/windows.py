"""What is measured: windows of a picture as planes of numbers on one scale, and which of their pixels count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from nlcunet.imaging.float_range import range_of_most
from nlcunet.imaging.picture import Picture, full_scale
from nlcunet.imaging.sampling import place_windows

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601, full range: also what JPEG compresses."""
WHITE = 255.0
MAX_VALUE = 100 * WHITE
"""Floating point pixels beyond this are lamps or mistakes, and count as little as those that are no numbers."""


@dataclass(frozen=True)
class Window:
    """A part of a picture.

    Attributes:
        channels: grey or RGB as encoded in the file, in steps of 1/255: white is 255 at any bit depth.
        usable: which pixels count: not those that alpha hides, wholly or in part, nor those that are no numbers; all if
            missing. What does not count is 0.
    """

    channels: Float[np.ndarray, "channels height width"]
    usable: Bool[np.ndarray, "height width"] | None = None

    @property
    def num_pixels(self) -> int:
        """Of all kinds."""
        return int(self.channels[0].size)

    @cached_property
    def luma(self) -> Float[np.ndarray, "height width"]:
        """Brightness, 0 to 255."""
        is_grey = len(self.channels) == 1
        luma: np.ndarray = self.channels[0] if is_grey else np.tensordot(LUMA_WEIGHTS, self.channels, axes=1)
        return luma

    @cached_property
    def clipped(self) -> Bool[np.ndarray, "height width"]:
        """Where a channel lies at an end of the range, or the pixel does not count."""
        ends: np.ndarray = np.any((self.channels <= 0.0) | (self.channels >= WHITE), axis=0)
        return ends if self.usable is None else ends | ~self.usable


def picture_to_window(picture: Picture) -> Window:
    """The pixels of a picture in steps of 1/255."""
    pixels, alpha = picture.pixels, picture.alpha
    step = np.float32(WHITE / full_scale(pixels.dtype))
    with np.errstate(over="ignore"):  # what becomes infinite does not count
        channels = np.multiply(pixels.transpose(2, 0, 1), step, order="C")
    usable: np.ndarray | None = None
    if alpha is not None:
        usable = alpha >= full_scale(alpha.dtype)
    if pixels.dtype == np.float32:
        is_number: np.ndarray = np.all(np.abs(channels) <= MAX_VALUE, axis=0)
        usable = is_number if usable is None else usable & is_number
    if usable is None or usable.all():
        return Window(channels)
    channels[:, ~usable] = 0.0
    return Window(channels, usable)


def windows_of(picture: Picture) -> tuple[Window, ...]:
    """The windows of a picture in memory: the same as of its file."""
    return pictures_to_windows(
        [
            Picture(
                pixels=picture.pixels[rows, columns],
                alpha=None if picture.alpha is None else picture.alpha[rows, columns],
            )
            for rows, columns in place_windows(picture.height, picture.width)
        ]
    )


def pictures_to_windows(pictures: Sequence[Picture]) -> tuple[Window, ...]:
    """All of them in steps of 1/255."""
    values = range_of_most(pictures)
    return tuple(picture_to_window(replace(picture, pixels=values.to_unit(picture.pixels))) for picture in pictures)
