"""How sharp, quiet and clean one picture is: four numbers from its luma, without any reference.

All are measured on the central part (at most ``MEASURED_PX`` a side), so that time and memory have a bound.
How often they err, on which pictures, is in docs/data.md.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8

from nlcunet.data.tiling import error_to_db, luma_of, round_trip_error
from nlcunet.imaging.resize import resize_bicubic

Luma: TypeAlias = Float[np.ndarray, "height width"]

MEASURED_PX = 2048
GRID_PX = 8
"""JPEG's blocks."""
STEP_CAP = 8.0
"""Steps between neighbours count up to this many 8-bit units, so that real edges do not drown those of blocks."""
NOISE_BLOCK_PX = 16
WHITE_NOISE_LOST = 0.8
"""Part of the variance of white noise that halving and doubling takes away, measured."""
QUIETEST_BIAS = 0.90
"""The quietest tenth of blocks of equal noise looks this much quieter than it is, measured on flat grey."""
MEAN_DEVIATION_TO_STD = 1.2533
"""Of a normal distribution: the root of π/2."""


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Of one picture, or of its central part if it is large."""

    detail_db: float
    """PSNR of halving and doubling it, on luma; lower means more detail."""
    structure_db: float
    """The same, of the coarsest of three octaves with most structure; high where there is nothing to see."""
    sharpness_db: float
    """Energy of the finest octave against that of the next two: natural pictures have -8 dB and more, enlarged and
    blurred ones less."""
    noise_std_8bit: float
    """Standard deviation of the noise in the quietest tenth, in 8-bit units."""
    blockiness: float
    """Steps at the lines of an 8-pixel grid against those beside it; 1.0 without blocks."""


def measure(pixels: UInt8[np.ndarray, "height width 3"]) -> Measures:
    """All measures of a picture of at least 32 × 32 pixels; smaller ones have neither noise nor blocks to speak of."""
    top, left = (max(0, (side - MEASURED_PX) // 2) for side in pixels.shape[:2])
    luma = full_range_luma(pixels[top : top + MEASURED_PX, left : left + MEASURED_PX])
    noise = noise_std(luma)
    octaves = octave_energies(luma)
    studio = (219 / 255) ** 2  # detail is measured in studio range, as tiles are
    return Measures(
        detail_db=round(error_to_db(octaves[0] * studio), 2),
        structure_db=round(error_to_db(max(octaves) * studio), 2),
        sharpness_db=round(sharpness_db(octaves, noise), 2),
        noise_std_8bit=round(noise, 2),
        blockiness=round(blockiness(luma), 3),
    )


def full_range_luma(pixels: UInt8[np.ndarray, "height width 3"]) -> Luma:
    """Y of BT.601 from 0 to 255, float32."""
    luma: np.ndarray = (luma_of(pixels) - np.float32(16)) * np.float32(255 / 219)
    return luma


def octave_energies(luma: Luma, octaves: int = 3) -> tuple[float, ...]:
    """Mean square of what each halving loses, finest first; as many octaves as the picture is large enough for."""
    energies = []
    for _ in range(octaves):
        if min(luma.shape) < 8:
            break
        energies.append(float(round_trip_error(luma).mean(dtype=np.float64)))
        height, width = (side // 2 for side in luma.shape)
        luma = resize_bicubic(torch.from_numpy(luma[: 2 * height, : 2 * width].copy()), height, width).numpy()
    return tuple(energies) or (0.0,)


def sharpness_db(octaves: tuple[float, ...], noise_std_8bit: float) -> float:
    """Finest octave without its noise against the next ones; 0 where there is no structure to compare with."""
    coarse = max(octaves[1:], default=0.0)
    if coarse < 0.01:
        return 0.0
    fine = max(octaves[0] - WHITE_NOISE_LOST * noise_std_8bit**2, 1e-3)
    return 10 * math.log10(fine / coarse)


def noise_std(luma: Luma) -> float:
    """Estimate from the diagonal differences (HH of the Haar wavelet) in the quietest tenth of the blocks.

    In each block the mean absolute difference, over the blocks its median: robust against the few with structure in
    them, and without the steps that the median of 8-bit differences would have. Blocks at the ends of the range, where
    clipping hides noise, do not count. Texture everywhere reads as noise.
    """
    high = np.abs(luma[:-1, :-1] - luma[1:, :-1] - luma[:-1, 1:] + luma[1:, 1:]) / 2
    deviations, means = _blocks(high).mean(axis=1), _blocks(luma[:-1, :-1]).mean(axis=1)
    deviations = np.sort(deviations[(means > 4) & (means < 251)])
    if len(deviations) < 10:
        return 0.0
    return float(np.median(deviations[: len(deviations) // 10]) * MEAN_DEVIATION_TO_STD / QUIETEST_BIAS)


def blockiness(luma: Luma) -> float:
    """Mean step at the most striking of the eight possible grids over the second; geometric mean of both axes.

    The grid is looked for, since a picture may have been cropped after it was compressed. Against the second grid, not
    the mean of all others, since enlargement by 2 or 4 repeats every 2 or 4 pixels and makes several of them strike.
    And in the half of the picture where it strikes less, since blocks are everywhere and a lucky edge is not. Blocks of
    a picture that was resized after compression have another size and are not found.
    """
    if min(luma.shape) < 4 * GRID_PX:
        return 1.0
    return max(1.0, math.sqrt(_grid_ratio(luma) * _grid_ratio(luma.T)))


def _grid_ratio(luma: Luma) -> float:
    steps = np.minimum(np.abs(np.diff(luma, axis=1)), STEP_CAP)
    halves = [_mean_by_phase(half) for half in np.array_split(steps, 2)]
    best = int(np.argmax(halves[0] + halves[1]))
    return min(float(phases[best] / np.delete(phases, best).max()) for phases in halves)


def _mean_by_phase(steps: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "8"]:
    columns = steps.mean(axis=0, dtype=np.float64)
    floor = 0.05  # 8-bit units; a flat picture has no steps at all
    return np.array([columns[phase::GRID_PX].mean() + floor for phase in range(GRID_PX)])


def _blocks(plane: Luma) -> Float[np.ndarray, "blocks samples"]:
    """Whole blocks, one per row."""
    side = NOISE_BLOCK_PX
    rows, columns = (length // side for length in plane.shape)
    cut = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    blocks: np.ndarray = cut.swapaxes(1, 2).reshape(rows * columns, side * side)
    return blocks
