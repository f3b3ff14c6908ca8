"""Screens of print as threshold fields, and dithering: how much ink stands at each place of a tone."""

import math

import numpy as np
from jaxtyping import Float32

from nlcunet.data.drawn.canvas import FIELD_SAMPLES, Canvas, Plane, Samples

BAYER_2 = np.array([[0, 2], [3, 1]])
EDGE_PX = 0.5
"""Half width of the ramp at the edge of a dot: as sharp as pixels allow without harmonics that fold back."""


def dot_screen(canvas: Canvas, tone: Plane, pitch_px: float, angle: float, *, shape: str = "round") -> Plane:
    """Coverage by ink of a clustered-dot or line screen.

    Args:
        canvas: where to.
        tone: share of ink in [0, 1] at each pixel.
        pitch_px: distance of dots or lines.
        angle: of the rows, in radians.
        shape: ``round`` dots that turn into holes beyond half, or ``line``.
    """
    turn = 2 * math.pi / pitch_px
    height, steepest = plane_wave(canvas, turn * math.cos(angle), turn * math.sin(angle)), 1.0
    if shape == "line":
        threshold = -np.cos(np.float32(np.pi) * tone)  # cos x lies above −threshold over the share ``tone``
    else:
        height = (height + plane_wave(canvas, -turn * math.sin(angle), turn * math.cos(angle))) * np.float32(0.5)
        threshold, steepest = spot_threshold(tone), math.sqrt(0.5)
    ramp = 2 * steepest * turn * max(EDGE_PX, canvas.sample_px)
    # The waves are flatter near their tops, where dots are small.
    gain = 1 / (np.float32(ramp) * np.sqrt(np.maximum(1 - threshold * threshold, np.float32(0.05))))
    offset = repeat(threshold * gain + np.float32(0.5))
    height *= repeat(gain)
    height += offset
    coverage: np.ndarray = np.clip(height, 0, 1, out=height)
    return canvas.reduce(coverage)


def plane_wave(canvas: Canvas, turn_x: float, turn_y: float) -> Samples:
    """cos(turn_x · x + turn_y · y) at all samples, as two products of a column with a row."""
    x, y = (places.astype(np.float64).ravel() for places in canvas.sample_places())
    columns = np.stack([np.cos(turn_y * y), -np.sin(turn_y * y)], axis=1).astype(np.float32)
    wave: np.ndarray = columns @ np.stack([np.cos(turn_x * x), np.sin(turn_x * x)]).astype(np.float32)
    return wave


def repeat(plane: Plane) -> Samples:
    """Pixels to the samples in them."""
    repeated: np.ndarray = np.repeat(np.repeat(plane, FIELD_SAMPLES, axis=0), FIELD_SAMPLES, axis=1)
    return repeated


def _tabulate_spot() -> Float32[np.ndarray, " levels"]:
    """Quantiles of (cos u + cos v) / 2 over a period."""
    places = np.cos((np.arange(256) + 0.5) * (2 * np.pi / 256))
    values = np.sort(((places[:, None] + places[None, :]) / 2).ravel())
    quantiles = np.interp(np.linspace(0, 1, 257), np.linspace(0, 1, len(values)), values)
    return np.asarray(quantiles, dtype=np.float32)


SPOT_QUANTILES = _tabulate_spot()


def spot_threshold(tone: Plane) -> Plane:
    """What to add to (cos u + cos v) / 2 so that it is positive over a share ``tone`` of the area."""
    place = np.clip(1 - tone, 0, 1) * np.float32(len(SPOT_QUANTILES) - 1)
    low = np.minimum(place.astype(np.int32), len(SPOT_QUANTILES) - 2)
    share = place - low.astype(np.float32)
    threshold: Plane = -(SPOT_QUANTILES[low] * (1 - share) + SPOT_QUANTILES[low + 1] * share)
    return threshold


def bayer_matrix(order: int) -> Float32[np.ndarray, "side side"]:
    """Thresholds in (0, 1) of ordered dither with 2^order rows (Bayer 1973)."""
    matrix = np.zeros((1, 1), dtype=int)
    for _ in range(order):
        matrix = np.block([[4 * matrix + BAYER_2[row, column] for column in range(2)] for row in range(2)])
    return ((matrix + 0.5) / matrix.size).astype(np.float32)


def ordered_dither(tone: Plane, order: int) -> Plane:
    """0 or 1 by Bayer's thresholds."""
    matrix = bayer_matrix(order)
    rows, columns = (-(-side // len(matrix)) for side in tone.shape)
    thresholds = np.tile(matrix, (rows, columns))[: tone.shape[0], : tone.shape[1]]
    return (tone > thresholds).astype(np.float32)


def diffuse_error(tone: Plane) -> Plane:
    """0 or 1 by error diffusion (Floyd and Steinberg 1976).

    All places that depend only on places done before, one per row and two columns apart, are done at once.
    """
    height, width = tone.shape
    # Row y is shifted right by 2y: a column of this table then holds places that do not depend on each other.
    table = np.zeros((width + 2 * height + 4, height + 2), dtype=np.float32)
    rows = np.arange(height)
    ink = np.zeros_like(tone)
    for step in range(width + 2 * (height - 1)):
        first, last = max(0, (step - width + 2) // 2), min(height - 1, step // 2)
        y = rows[first : last + 1]
        value = tone[y, step - 2 * y] + table[step, first : last + 1]
        chosen = value > 0.5
        ink[y, step - 2 * y] = chosen
        error = value - chosen
        table[step + 1, first : last + 1] += error * np.float32(7 / 16)
        below = slice(first + 1, last + 2)
        table[step + 1, below] += error * np.float32(3 / 16)
        table[step + 2, below] += error * np.float32(5 / 16)
        table[step + 3, below] += error * np.float32(1 / 16)
    return ink


def enlarge(cells: Plane, cell_px: int, side: int) -> Samples:
    """Each cell as a square of pixels, cut to ``side``."""
    return np.repeat(np.repeat(cells, cell_px, axis=0), cell_px, axis=1)[:side, :side]
