"""Where to look in a picture: found by a rule that the page states, never picked by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class CropWindow:
    """A rectangle of an original."""

    top: int
    left: int
    height: int
    width: int
    """All in pixels of the original, multiples of the scale."""
    value: float
    """By how much the mean squared error of Y differs there."""


def crop_size(height: int, width: int, crop_px: int, scale: int) -> tuple[int, int]:
    """Sides of a crop: as asked for, but whole pixels of the input, and no larger than the picture."""
    rows, columns = (max(scale, min(crop_px, side) // scale * scale) for side in (height, width))
    return rows, columns


def window_means(
    plane: Float[np.ndarray, "height width"], size: tuple[int, int], step: int
) -> Float[np.ndarray, "rows columns"]:
    """Mean over every window of that size that begins at multiples of ``step``."""
    height, width = size
    sums = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1))
    np.cumsum(plane, axis=0, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    totals = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    means: np.ndarray = totals[::step, ::step] / (height * width)
    return means


def find_disagreement(
    errors: Mapping[str, Float[np.ndarray, "height width"]],
    *,
    crop_px: int,
    scale: int,
    taken: Sequence[CropWindow] = (),
) -> CropWindow | None:
    """Where the worst system's mean squared error exceeds the best one's the most.

    Args:
        errors: squared error of each system at each pixel, at least two systems.
        crop_px: side of the windows that are compared.
        scale: places begin at multiples of this.
        taken: places of the same original that must not be overlapped.

    Returns:
        The first such place from the top; nothing if no window is free or all systems agree everywhere.
    """
    shape = next(iter(errors.values())).shape
    size = crop_size(shape[0], shape[1], crop_px, scale)
    means = np.stack([window_means(plane, size, scale) for plane in errors.values()])
    return _largest(means.max(axis=0) - means.min(axis=0), size, scale, taken)


def find_excess(
    error: Float[np.ndarray, "height width"],
    reference: Float[np.ndarray, "height width"],
    *,
    crop_px: int,
    scale: int,
) -> CropWindow:
    """Where a squared error exceeds another one the most, in windows; where it does so nowhere, the nearest to it."""
    size = crop_size(error.shape[0], error.shape[1], crop_px, scale)
    excess = window_means(error - reference, size, scale)
    row, column = divmod(int(excess.argmax()), excess.shape[1])
    return _place(row, column, size, scale, float(excess[row, column]))


def _largest(
    values: Float[np.ndarray, "rows columns"], size: tuple[int, int], scale: int, taken: Sequence[CropWindow]
) -> CropWindow | None:
    free = values.copy()
    for one in taken:
        rows = slice(max(0, (one.top - size[0]) // scale + 1), -(-(one.top + one.height) // scale))
        columns = slice(max(0, (one.left - size[1]) // scale + 1), -(-(one.left + one.width) // scale))
        free[rows, columns] = -np.inf
    row, column = divmod(int(free.argmax()), free.shape[1])
    # sums of many numbers leave rounding errors where pictures agree exactly
    if not free[row, column] > 1e-6:
        return None
    return _place(row, column, size, scale, float(free[row, column]))


def _place(row: int, column: int, size: tuple[int, int], scale: int, value: float) -> CropWindow:
    return CropWindow(top=row * scale, left=column * scale, height=size[0], width=size[1], value=value)
