"""Test charts: zone plates, chirps, stars, bars and slanted edges, all of frequencies below Nyquist."""

import math

import numpy as np

from nlcunet.data.drawn.canvas import Canvas, Column, Pixels, Row, Samples, over, tint
from nlcunet.data.drawn.palette import draw_ground, draw_pair
from nlcunet.data.drawn.strokes import shapes, straight

MAX_CYCLES_PER_PX = 0.42
"""Below Nyquist's 0.5, so that what is drawn can be told from what it is mixed with."""


def draw_charts(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """One pattern over all, or four to nine in squares."""
    ground, _ = draw_pair(rng)
    picture = draw_ground(rng, canvas, ground, 0.4)
    fields = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    side = canvas.size_px // fields
    gap = 0 if fields == 1 else int(rng.integers(1, max(2, side // 12)))
    for row in range(fields):
        for column in range(fields):
            box = (column * side + gap, row * side + gap, side - 2 * gap)
            picture = draw_pattern(rng, canvas, picture, box)
    return picture


def draw_pattern(rng: np.random.Generator, canvas: Canvas, picture: Pixels, box: tuple[int, int, int]) -> Pixels:
    """One pattern in a square given by left, top and side, in whole pixels."""
    below, ink = draw_pair(rng)
    left, top, side = box
    kind = int(rng.integers(5))
    if kind >= 3:
        corners = np.array(
            [[[left, top], [left + side, top], [left + side, top + side], [left, top + side]]], dtype=float
        )
        elements = [*shapes(straight(corners, closed=True), below), *(make_star, make_edges)[kind - 3](rng, box, ink)]
        return over(picture, canvas.draw(elements))
    inner = Canvas(int(side), canvas.zoom)
    x, y = inner.sample_places()
    middle = np.float32(side / 2)
    coverage = inner.reduce((make_zone_plate, make_chirp, make_bars)[kind](rng, x - middle, y - middle, side))
    ground = np.broadcast_to(below.astype(np.float32), (inner.side, inner.side, 3))
    first_row, first_column = int(top) * canvas.zoom, int(left) * canvas.zoom
    picture[first_row : first_row + inner.side, first_column : first_column + inner.side] = tint(ground, coverage, ink)
    return picture


def make_zone_plate(rng: np.random.Generator, x: Row, y: Column, side_px: int) -> Samples:
    """Rings whose frequency grows with the radius up to the limit at the edge, or twice as far out."""
    reach = side_px / 2 * rng.uniform(0.9, 2.2)
    rate = np.float32(2 * np.pi * MAX_CYCLES_PER_PX * rng.uniform(0.5, 1.0) / (2 * reach))
    aside = rng.uniform(-0.3, 0.3, 2).astype(np.float32) * np.float32(side_px)
    radius_squared = (x - aside[0]) ** 2 + (y - aside[1]) ** 2
    frequency = np.sqrt(radius_squared) * (rate / np.float32(np.pi))
    # Where the corners reach past the limit, the rings fade away instead of folding back.
    fade = np.clip((MAX_CYCLES_PER_PX + 0.04 - frequency) / 0.04, 0, 1).astype(np.float32)
    wave: np.ndarray = 0.5 + 0.5 * fade * np.cos(rate * radius_squared)
    return wave


def make_chirp(rng: np.random.Generator, x: Row, y: Column, side_px: int) -> Samples:
    """Stripes whose frequency grows along one direction and whose contrast may fade along the other."""
    angle = rng.uniform(0, 2 * np.pi)
    along = math.cos(angle) * x + math.sin(angle) * y
    low, high = rng.uniform(0.01, 0.08), rng.uniform(0.25, MAX_CYCLES_PER_PX)
    place = np.clip(along / side_px * 0.7 + 0.5, 0, 1)
    # Phase: integral of a frequency that grows exponentially.
    growth = math.log(high / low)
    phase = 2 * np.pi * low * (side_px / 0.7) * (np.exp(growth * place) - 1) / growth
    across = (math.cos(angle) * y - math.sin(angle) * x) / side_px + 0.5
    contrast = np.clip(across, 0.1, 1) if rng.random() < 0.4 else 1.0
    wave: np.ndarray = 0.5 + 0.5 * contrast * np.cos(phase)
    return wave.astype(np.float32)


def make_bars(rng: np.random.Generator, x: Row, y: Column, side_px: int) -> Samples:
    """Square or sine stripes of several widths side by side, as on a resolution target."""
    angle = float(rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]))
    along, across = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    bands = int(rng.integers(2, 8))
    periods = np.exp(np.linspace(np.log(rng.uniform(2.6, 5)), np.log(rng.uniform(8, 30)), bands)).astype(np.float32)
    band = np.clip(((across / side_px + 0.5) * bands).astype(int), 0, bands - 1)
    wave = np.cos(along * (np.float32(2 * np.pi) / periods)[band])
    # The harmonics of stripes finer than 6 pixels lie beyond Nyquist: those stay sine waves.
    hardness = np.where((periods > 6) & bool(rng.random() < 0.7), periods / np.float32(1.25 * np.pi), 1.0).astype(
        np.float32
    )
    limited: np.ndarray = np.clip(0.5 + 0.5 * wave * hardness[band], 0, 1)
    return limited.astype(np.float32)


def make_star(rng: np.random.Generator, box: tuple[int, int, int], ink: np.ndarray) -> list[str]:
    """A Siemens star, hollow inside the radius where its sectors would be finer than the limit."""
    left, top, side = box
    sectors = int(rng.integers(12, 60))
    outer = side * rng.uniform(0.35, 0.49)
    inner = min(sectors / (2 * np.pi * MAX_CYCLES_PER_PX), 0.8 * outer)
    start = (np.arange(sectors) + rng.uniform(0, 1)) * (2 * np.pi / sectors)
    edges = [
        (inner, 0.0),
        (outer, 0.0),
        (outer, np.pi / sectors / 2),
        (outer, np.pi / sectors),
        (inner, np.pi / sectors),
    ]
    points = [np.stack([np.cos(start + turn) * r, np.sin(start + turn) * r], axis=1) for r, turn in edges]
    centre = np.array([left + side / 2, top + side / 2])
    return list(shapes(straight(np.stack(points, axis=1) + centre, closed=True), ink))


def make_edges(rng: np.random.Generator, box: tuple[int, int, int], ink: np.ndarray) -> list[str]:
    """Slanted squares, as for measuring sharpness."""
    left, top, side = box
    count = max(1, round(side / rng.uniform(40, 130)))
    cell = side / count
    column, row = (axis.ravel() for axis in np.meshgrid(np.arange(count), np.arange(count)))
    middle = np.stack([left + (column + 0.5) * cell, top + (row + 0.5) * cell], axis=1)
    angle = np.radians(rng.uniform(2, 43, len(middle)))[:, None] + np.arange(4) * (np.pi / 2)
    reach = cell * rng.uniform(0.2, 0.48, (len(middle), 1))
    corners = middle[:, None] + np.stack([np.cos(angle) * reach, np.sin(angle) * reach], axis=2)
    return list(shapes(straight(corners, closed=True), ink))
