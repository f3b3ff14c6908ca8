"""Traces that JPEG leaves in pixels, whatever file they are stored in: a grid, and coefficients in steps.

First the grid: in which of the 64 positions do the most blocks of 8×8 have the most DCT coefficients of 0? Without
compression each is as likely as any other, so the number of false alarms of a lucky one is known (T. Nikoukhah et al.,
"ZERO: a Local JPEG Grid Origin Detector Based on the Number of DCT Zeros", IPOL 11, 2021,
https://doi.org/10.5201/ipol.2021.390). Then the steps: in that grid the coefficients of every frequency lie near
multiples of one number; the quality whose steps explain them best, by likelihood, is the answer (Z. Fan and R. L. de
Queiroz, "Identification of Bitmap Compression History", IEEE Transactions on Image Processing 12, 2003; R. Neelamani et
al., "JPEG Compression History Estimation for Color Images", the same, 15, 2006).
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int

from nlcunet.inspection.dct import BLOCK_PX, blocks_of, coefficients
from nlcunet.inspection.jpeg_tables import JpegCompression, nearest_quality, standard_tables
from nlcunet.inspection.products import multiply
from nlcunet.inspection.windows import Window

MAX_FALSE_ALARMS = 1e-3
"""Grids that would be found this often by chance, in a picture without compression, are not believed."""
MAX_PLACES = 4096
"""Places of 8×8 pixels at which the grid is looked for, evenly spread over all windows."""
MIN_BLOCKS = 64
"""Whole blocks without clipped pixels that it takes to tell steps; with fewer, clipped ones count too."""
ROUNDING_STD = 0.5
"""Spread of a coefficient about its multiple: pixels and colours were rounded after decoding (0.2 to 0.3), and more."""
OUTLIERS = 0.1
"""Share of coefficients that may lie anywhere."""
_BIN = 0.125
_BINS = 8192
"""Coefficients of 8-bit blocks reach 8 × 128 = 1024."""
_MAX_STEP = 255
_LARGE_STEP = 10
"""Beyond, a size can be the rounding of its nearest multiple only: of others the density is lost in OUTLIERS."""
_STANDARD_SHARE = 0.5
"""If a standard table explains less than this of what free steps would, the steps are not standard."""
_MIN_GAIN = 20.0
"""Of log-likelihood over smooth coefficients, that the steps of one quality must bring."""
_KNOWN_GAIN = 10.0
"""Of one frequency, that makes its step count on its own."""
_MIN_KNOWN = 6
"""Steps that it takes to believe in a table that is not standard."""
_MAX_DISTANCE = 0.75
"""Mean distance of logarithms up to which such steps are like a standard table; MPEG's equal ones have 0.5."""


def find_compression(windows: Sequence[Window]) -> JpegCompression | None:
    """The JPEG compression that pixels went through; nothing where no trace of any is left.

    Args:
        windows: parts of one picture, beginning at multiples of 8 pixels from each other.

    Returns:
        The quality and whether the IJG's tables explain it. Qualities of 99 and 100 leave no steps to be told.
    """
    grid = find_grid(windows)
    return None if grid is None else _quality_in_grid(windows, grid)


def find_grid(windows: Sequence[Window]) -> tuple[int, int] | None:
    """Row and column, 0 to 7, at which JPEG's blocks begin; nothing where that could be chance."""
    places = sum(math.prod(side // BLOCK_PX for side in window.luma.shape) for window in windows)
    every = max(1, math.ceil(math.sqrt(places / MAX_PLACES)))
    votes = np.zeros(BLOCK_PX**2, np.int64)
    for window in windows:
        votes += _votes(window, every)
    total, best = int(votes.sum()), int(votes.argmax())
    if total == 0 or _log10_false_alarms(total, int(votes[best])) > math.log10(MAX_FALSE_ALARMS):
        return None
    return best // BLOCK_PX, best % BLOCK_PX


def _votes(window: Window, every: int) -> Int[np.ndarray, "64"]:
    """How many places of 8×8 pixels have the most zeros in which position of the grid; ties do not vote."""
    luma = window.luma
    inner = tuple((side - BLOCK_PX + 1) // BLOCK_PX * BLOCK_PX for side in luma.shape)
    if min(inner) < BLOCK_PX:
        return np.zeros(BLOCK_PX**2, np.int64)
    zeros, counts = [], []
    view = np.lib.stride_tricks.sliding_window_view
    for row, column in np.ndindex(BLOCK_PX, BLOCK_PX):
        part = tuple(
            slice(first, first + side - BLOCK_PX + 1, every * BLOCK_PX)
            for first, side in zip((row, column), inner, strict=True)
        )
        blocks = view(luma, (BLOCK_PX, BLOCK_PX))[part]
        zeros.append((np.abs(coefficients(np.ascontiguousarray(blocks))) < 0.5).sum(axis=1))
        if window.usable is not None:
            counts.append(view(window.usable, (BLOCK_PX, BLOCK_PX))[part].all(axis=(2, 3)).ravel())
    stacked = np.stack(zeros)
    has_one_best = (stacked == stacked.max(axis=0)).sum(axis=0) == 1
    if counts:
        has_one_best &= np.logical_and.reduce(counts)
    return np.bincount(stacked.argmax(axis=0)[has_one_best], minlength=BLOCK_PX**2)


def _log10_false_alarms(total: int, votes: int) -> float:
    """Expected number of the 64 positions with so many votes by chance; Hoeffding's bound of the binomial tail."""
    share, chance = votes / total, 1 / BLOCK_PX**2
    if share <= chance:
        return math.log10(BLOCK_PX**2)
    divergence = share * math.log(share / chance)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - chance))
    return math.log10(BLOCK_PX**2) - total * divergence / math.log(10)


def _quality_in_grid(windows: Sequence[Window], grid: tuple[int, int]) -> JpegCompression | None:
    """The quality whose steps explain the coefficients in this grid, if any does."""
    gains = multiply(_histogram(windows, grid), _gain_of_steps())
    gains[0] = 0.0  # the mean of a block repeats in every drawing with even areas
    standard = np.take_along_axis(gains, standard_tables().reshape(100, 64).T - 1, axis=1).sum(axis=0)
    best = int(standard.argmax())
    steps, free = gains.argmax(axis=1) + 1, gains.max(axis=1)
    if standard[best] >= max(_MIN_GAIN, _STANDARD_SHARE * float(free.sum())):
        return JpegCompression(quality=best + 1, is_standard=True, chroma=None, source="pixels")
    known = (free >= _KNOWN_GAIN) & (steps > 1)
    if known.sum() < _MIN_KNOWN:
        return None
    quality, distance = nearest_quality(steps.reshape(8, 8), known.reshape(8, 8))
    if distance > _MAX_DISTANCE:  # a screen or a pattern that repeats every 8 pixels
        return None
    return JpegCompression(quality=quality, is_standard=False, chroma=None, source="pixels")


def _histogram(windows: Sequence[Window], grid: tuple[int, int]) -> Float[np.ndarray, "64 bins"]:
    """How often each frequency has a coefficient of which size; clipping moves them, so such blocks do not count."""
    found, clipped = [np.zeros((0, 64), np.float32)], [np.zeros(0, bool)]
    for blocks, is_clipped in _aligned(windows, grid):
        found.append(np.abs(coefficients(blocks - np.float32(128))))
        clipped.append(is_clipped)
    sizes, bad = np.concatenate(found), np.concatenate(clipped)
    if (~bad).sum() >= MIN_BLOCKS:
        sizes = sizes[~bad]
    bins = np.minimum(np.round(sizes / _BIN).astype(np.int64), _BINS - 1)
    counts: np.ndarray = np.stack([np.bincount(line, minlength=_BINS) for line in bins.T]).astype(np.float32)
    counts[:, -1] = 0.0
    return counts


def _aligned(
    windows: Sequence[Window], grid: tuple[int, int]
) -> Iterator[tuple[Float[np.ndarray, "blocks 8 8"], Bool[np.ndarray, " blocks"]]]:
    """The blocks of each window in the grid that hold no hidden pixel, and which of them touch clipped ones."""
    row, column = grid
    for window in windows:
        blocks = blocks_of(window.luma[row:, column:]).reshape(-1, 8, 8)
        clipped = np.asarray(blocks_of(window.clipped[row:, column:]).reshape(-1, 64).any(axis=1))
        if window.usable is None:
            yield blocks, clipped
        else:
            whole = np.asarray(blocks_of(window.usable[row:, column:]).reshape(-1, 64).all(axis=1))
            yield blocks[whole], clipped[whole]


@cache
def _gain_of_steps() -> Float[np.ndarray, "bins steps"]:
    """Log-likelihood of a coefficient's size if it is a rounded multiple of a step, over that of any size.

    Near 0 nothing is gained: there most coefficients of any picture lie. Between 0 and half a step none should lie.
    """
    gains = np.empty((_MAX_STEP, _BINS), np.float32)
    size = np.arange(_BINS) * _BIN
    below = np.where(size <= 3 * ROUNDING_STD, 0.0, math.log(OUTLIERS))
    for step in range(1, _MAX_STEP + 1):
        period = size[: round(2 * step / _BIN)]  # two steps: halves are rounded to the even multiple
        off = period - np.round(period / step) * step
        turns = range(-2, 3) if step <= _LARGE_STEP else (0,)
        density = sum(np.exp(-0.5 * ((off + turn * step) / ROUNDING_STD) ** 2) for turn in turns)
        gain = np.log((1 - OUTLIERS) * step * density / (ROUNDING_STD * math.sqrt(2 * math.pi)) + OUTLIERS)
        gains[step - 1] = np.where(size < step / 2, below, np.resize(gain, _BINS))
    return np.ascontiguousarray(gains.T)
