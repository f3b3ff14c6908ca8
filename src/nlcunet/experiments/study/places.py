"""Where to look: the places of an image at which the systems differ most. Nobody picks them by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, UInt8

from nlcunet.errors import DataError
from nlcunet.experiments.study.sessions import draw_number

MAX_OVERLAP = 0.25
"""Largest share of a crop that lies in another one of the same image."""

STEPS_PER_CROP = 8
"""Places are tried at distances of this part of a crop's side."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A rectangle in an image."""

    top: int
    left: int
    height: int
    width: int
    difference: float
    """Squared error within, 1 being the mean over the image; mean over pairs of systems."""


def choose_places(
    pictures: Mapping[str, UInt8[np.ndarray, "height width 3"]],
    *,
    crop_px: int,
    count: int,
    grid_px: int,
    seed: int,
    name: str,
) -> tuple[Place, ...]:
    """The places at which systems differ most, with little overlap.

    For each pair of systems the squared error is divided by its mean over the image, so that one system that is
    unlike all others does not decide alone. Tried are places on a grid whose offset the seed decides.

    Args:
        pictures: Name of a system → its picture, all of one size.
        crop_px: Side of a crop; smaller where the image is smaller.
        count: How many at most.
        grid_px: Places begin at multiples of this.
        seed: The study's.
        name: Of the image: other images, other offsets.

    Returns:
        The most different place first; fewer than asked for where the image has no more room.

    Raises:
        DataError: two systems made the same pixels everywhere, or at every place.
    """
    height, width = next(iter(pictures.values())).shape[:2]
    crop_height, crop_width = (max(grid_px, min(crop_px, side) // grid_px * grid_px) for side in (height, width))
    tops = _starts(height, crop_height, grid_px, draw_number(seed, "top", name))
    lefts = _starts(width, crop_width, grid_px, draw_number(seed, "left", name))
    scores = np.zeros((len(tops), len(lefts)))
    pairs = tuple(combinations(pictures, 2))
    for first, second in pairs:
        sums = _window_sums(_squared_error(pictures[first], pictures[second]), tops, lefts, crop_height, crop_width)
        if not sums.any():
            raise DataError(
                f"systems must differ to be compared: {first} and {second} have the same pixels in {name}; "
                "leave out one of the two, or this image"
            )
        # where two systems do not differ at all, nobody could choose
        scores = np.where(sums > 0, scores + sums / len(pairs), -np.inf)
    chosen: list[Place] = []
    for index in np.argsort(-scores, axis=None, kind="stable"):
        row, column = divmod(int(index), len(lefts))
        place = Place(
            top=int(tops[row]),
            left=int(lefts[column]),
            height=crop_height,
            width=crop_width,
            difference=float(max(scores[row, column], 0.0)),
        )
        if len(chosen) == count or not np.isfinite(scores[row, column]):
            break
        if all(_overlap(place, other) <= MAX_OVERLAP for other in chosen):
            chosen.append(place)
    if not chosen:
        raise DataError(
            f"systems must differ to be compared: at every place of {name} two of them have the same pixels"
        )
    return tuple(chosen)


def _starts(side: int, crop: int, grid_px: int, number: int) -> np.ndarray:
    """Where crops may begin along one side."""
    last = (side - crop) // grid_px
    step = max(1, crop // STEPS_PER_CROP // grid_px)
    return np.arange(number % min(step, last + 1), last + 1, step) * grid_px


def _squared_error(
    first: UInt8[np.ndarray, "height width 3"], second: UInt8[np.ndarray, "height width 3"]
) -> Float[np.ndarray, "height width"]:
    """Squared difference over the channels, divided by its mean over the image, unless that is 0."""
    error = np.square(first.astype(np.float64) - second).mean(axis=2)
    mean = error.mean()
    return np.asarray(error / mean if mean > 0 else error)


def _window_sums(
    error: Float[np.ndarray, "height width"], tops: np.ndarray, lefts: np.ndarray, height: int, width: int
) -> Float[np.ndarray, "tops lefts"]:
    """Mean over each window, from sums over all rectangles that begin in the corner."""
    table = np.zeros((error.shape[0] + 1, error.shape[1] + 1))
    table[1:, 1:] = error.cumsum(axis=0).cumsum(axis=1)
    upper, lower = table[tops], table[tops + height]
    sums = lower[:, lefts + width] - lower[:, lefts] - upper[:, lefts + width] + upper[:, lefts]
    sums[sums < 1e-9 * table[-1, -1]] = 0.0  # differences of large sums are not exactly zero
    return np.asarray(sums / (height * width))


def _overlap(one: Place, other: Place) -> float:
    """Share of the area that two places of one size have in common."""
    rows = min(one.top, other.top) + one.height - max(one.top, other.top)
    columns = min(one.left, other.left) + one.width - max(one.left, other.left)
    return max(rows, 0) * max(columns, 0) / (one.height * one.width)
