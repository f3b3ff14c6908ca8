"""Floating point samples of any range: brought into [0, 1] for those who need it, and back, so that nothing is cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Shaped

from nlcunet.errors import ImageError
from nlcunet.imaging.picture import Picture
from nlcunet.imaging.pixel_sources import WrappedSource

FLOAT_TOLERANCE = 0.5
"""How far floats may leave [0, 1] (they are clipped) before they are taken for another range, as 0 … 255."""

LARGEST_VALUE = 1e10
"""Beyond it lie marks of missing data (±3.4e38): scaled together with them, all other values would become one."""


@dataclass(frozen=True)
class FloatRange:
    """Least and greatest colour sample of a picture."""

    low: float = 0.0
    high: float = 1.0

    @property
    def is_nominal(self) -> bool:
        """Whether all samples lie in [0, 1], so that nothing has to be scaled."""
        return self.low >= 0.0 and self.high <= 1.0

    @property
    def is_near_nominal(self) -> bool:
        """Whether clipping to [0, 1] cuts no more than the overshoot of a photograph."""
        return self.low >= -FLOAT_TOLERANCE and self.high <= 1.0 + FLOAT_TOLERANCE

    @property
    def notes(self) -> tuple[str, ...]:
        """What is done with samples outside of [0, 1]."""
        if self.is_nominal:
            return ()
        return (f"floating point values ran from {self.low:g} to {self.high:g}: scaled for the network, and back",)

    def to_unit(self, pixels: Shaped[np.ndarray, "*sizes"]) -> Shaped[np.ndarray, "*sizes"]:
        """Samples in [0, 1]; those that are there already are not copied."""
        if self.is_nominal:
            return pixels
        return np.asarray((pixels.astype(np.float64) - self.low) / self._span, np.float32)

    def from_unit(self, pixels: Shaped[np.ndarray, "*sizes"]) -> Shaped[np.ndarray, "*sizes"]:
        """The way back from :meth:`to_unit`."""
        if self.is_nominal:
            return pixels
        return np.asarray(pixels.astype(np.float64) * self._span + self.low, np.float32)

    @property
    def _span(self) -> float:
        return self.high - self.low or 1.0


def float_range_of(picture: Picture) -> FloatRange:
    """The range of a picture's colours; that of integers is nominal.

    Raises:
        ImageError: some are infinite or NaN, or too large.
    """
    if picture.pixels.dtype != np.float32:
        return FloatRange()
    return checked_range(float(picture.pixels.min()), float(picture.pixels.max()))


def checked_range(low: float, high: float) -> FloatRange:
    """The range between these.

    Raises:
        ImageError: they are infinite or NaN, or too large.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError("floating point pixels must be finite: got infinities or NaN; replace them first")
    if max(-low, high) > LARGEST_VALUE:
        raise ImageError(
            f"floating point pixels must lie within ±{LARGEST_VALUE:g}: got {low:g} to {high:g}; "
            "replace marks of missing data first"
        )
    return FloatRange(low, high)


def range_of_most(pictures: Sequence[Picture]) -> FloatRange:
    """The range that pictures are measured in: nominal, unless most samples lie outside, as heights and counts do."""
    if any(picture.pixels.dtype != np.float32 for picture in pictures):
        return FloatRange()
    samples: Float32[np.ndarray, "*sizes"] = np.concatenate([picture.pixels.ravel() for picture in pictures])
    usual = samples[np.abs(samples) <= LARGEST_VALUE]
    if not usual.size or -FLOAT_TOLERANCE <= float(np.median(usual)) <= 1.0 + FLOAT_TOLERANCE:
        return FloatRange()
    return FloatRange(float(usual.min()), float(usual.max()))


@dataclass(frozen=True)
class UnitSource(WrappedSource):
    """A source whose colours are brought into [0, 1]."""

    values: FloatRange

    def read(self, rows: slice, columns: slice) -> Picture:
        """The window of these rows and columns."""
        window = self.source.read(rows, columns)
        return replace(window, pixels=self.values.to_unit(window.pixels))
