"""Curves: spirals, rings, rays and waves of 0.3 to 4 pixels; lines, sweeps, wires and scribbles of up to 12."""

import numpy as np
from jaxtyping import Float

from nlcunet.data.drawn.canvas import Canvas, Colour, Pixels, over
from nlcunet.data.drawn.palette import draw_contrast, draw_ground, draw_pair, draw_theme, luma_of_colour, with_luma
from nlcunet.data.drawn.strokes import Curves, smooth, straight, strokes

MIN_WIDTH_PX, MAX_WIDTH_PX = 0.3, 4.0
MAX_WIDTH_APART_PX = 12.0
"""Of curves that seldom run side by side: three low-resolution pixels at ×4."""


def draw_curves(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Two to five families of curves, each of one colour, on one ground."""
    ground, ink = draw_pair(rng)
    picture = draw_ground(rng, canvas, ground)
    elements: list[str] = []
    for number in range(int(rng.integers(2, 6))):
        elements += draw_family(rng, canvas.size_px, ink if number < 2 else draw_other_ink(rng, ground))
    return over(picture, canvas.draw(elements))


def draw_other_ink(rng: np.random.Generator, ground: Colour) -> Colour:
    """Another colour that stands out from a ground."""
    have, contrast = luma_of_colour(ground), draw_contrast(rng)
    luma = have + contrast if have + contrast < 0.99 else have - contrast
    return with_luma(draw_theme(rng)[0], min(max(luma, 0.01), 0.99))


def draw_width_px(rng: np.random.Generator, *, low: float = MIN_WIDTH_PX, high: float = MAX_WIDTH_PX) -> float:
    """A width of lines; thin ones are as frequent as thick ones, octave by octave."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_family(rng: np.random.Generator, size_px: int, colour: Colour) -> list[str]:
    """Curves of one kind and colour, in one to three widths."""
    apart = (make_lines, make_beziers, make_wires, make_scribbles)
    makers = (*apart, make_rays, make_spirals, make_rings, make_waves)
    make = makers[int(rng.integers(len(makers)))]
    curves, widest_px = make(rng, size_px), MAX_WIDTH_APART_PX if make in apart else MAX_WIDTH_PX
    is_straight = curves.shape[1] == 2
    cap = str(rng.choice(["butt", "round"]))
    elements: list[str] = []
    for part in np.array_split(rng.permutation(len(curves)), int(rng.integers(1, 4))):
        if len(part):
            paths = straight(curves[part]) if is_straight else smooth(curves[part])
            elements += strokes(paths, colour, draw_width_px(rng, high=widest_px), cap=cap)
    return elements


def make_lines(rng: np.random.Generator, size_px: int) -> Curves:
    """Straight lines: parallel ones, or in all directions."""
    count = int(rng.integers(6, 40))
    angle = rng.uniform(0, np.pi) + rng.normal(0, float(rng.choice([0.0, 0.03, 1.5])), count)
    middle = rng.uniform(0, size_px, (count, 2))
    reach = size_px * rng.uniform(0.1, 1.2, count)
    step = np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
    return np.stack([middle - step, middle + step], axis=1)


def make_rays(rng: np.random.Generator, size_px: int) -> Curves:
    """Rays from a point; they start where they stand at least 2 pixels apart."""
    count = int(rng.integers(12, 120))
    centre = rng.uniform(-0.2, 1.2, 2) * size_px
    angle = (np.arange(count) + rng.uniform(-0.2, 0.2, count)) * (2 * np.pi / count)
    inner = max(rng.uniform(0, 0.3) * size_px, count * 2 / (2 * np.pi))
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outer = inner + size_px * rng.uniform(0.2, 1.5) * rng.uniform(0.6, 1, count)
    return np.stack([centre + direction * inner, centre + direction * outer[:, None]], axis=1)


def make_beziers(rng: np.random.Generator, size_px: int) -> Curves:
    """Sweeping curves through a few random points."""
    count = int(rng.integers(5, 30))
    start = rng.uniform(-0.1, 1.1, (count, 1, 2)) * size_px
    steps = rng.normal(0, size_px * rng.uniform(0.1, 0.35), (count, int(rng.integers(3, 7)), 2))
    return np.concatenate([start, start + np.cumsum(steps, axis=1)], axis=1)


def make_spirals(rng: np.random.Generator, size_px: int) -> Curves:
    """A few spirals whose turns stand 3 to 16 pixels apart."""
    count, pitch = int(rng.integers(1, 5)), rng.uniform(3, 16)
    radius = size_px * rng.uniform(0.08, 0.4)
    turns = radius / pitch
    angle = np.linspace(0, 2 * np.pi * turns, max(24, int(turns * 14)))
    reach = angle * (pitch / (2 * np.pi))
    spiral = np.stack([np.cos(angle) * reach, np.sin(angle) * reach], axis=1)
    return np.asarray(spiral[None] + rng.uniform(0.1, 0.9, (count, 1, 2)) * size_px)


def make_rings(rng: np.random.Generator, size_px: int) -> Curves:
    """Concentric ellipses 3 to 20 pixels apart."""
    pitch = rng.uniform(3, 20)
    count = int(min(40, size_px * rng.uniform(0.15, 0.6) / pitch)) + 1
    angle = np.linspace(0, 2 * np.pi, 33)
    flat, turn = rng.uniform(0.3, 1.0), rng.uniform(0, np.pi)
    unit = np.stack([np.cos(angle), np.sin(angle) * flat], axis=1) @ _rotation(turn)
    reach = (np.arange(count) + rng.uniform(0.3, 1)) * pitch
    return np.asarray(unit[None] * reach[:, None, None] + rng.uniform(0, 1, 2) * size_px)


def make_waves(rng: np.random.Generator, size_px: int) -> Curves:
    """Parallel wavy lines, as of contour maps or guilloches."""
    count, pitch = int(rng.integers(8, 50)), rng.uniform(3, 14)
    along = np.linspace(-0.8, 0.8, 48) * size_px
    period, depth = size_px * rng.uniform(0.08, 0.6), pitch * rng.uniform(0.5, 4)
    phase = np.arange(count)[:, None] * rng.uniform(-0.4, 0.4)
    offset = (np.arange(count)[:, None] - count / 2) * pitch + depth * np.sin(along * (2 * np.pi / period) + phase)
    points = np.stack([np.broadcast_to(along, offset.shape), offset], axis=2)
    return np.asarray(points @ _rotation(rng.uniform(0, np.pi)) + rng.uniform(0.2, 0.8, 2) * size_px)


def make_wires(rng: np.random.Generator, size_px: int) -> Curves:
    """Wires that sag between the edges of the picture."""
    count = int(rng.integers(3, 16))
    along = np.linspace(-0.05, 1.05, 12)
    left = rng.uniform(-0.1, 1.0, (count, 1)) * size_px
    right = left + rng.normal(0, 0.2, (count, 1)) * size_px
    sag = size_px * rng.uniform(0.02, 0.25, (count, 1)) * 4 * along * (1 - along)
    points = np.stack([np.broadcast_to(along * size_px, sag.shape), left + (right - left) * along + sag], axis=2)
    return points[:, :, ::-1].copy() if rng.random() < 0.2 else points


def make_scribbles(rng: np.random.Generator, size_px: int) -> Curves:
    """Loops as of handwriting or tangled thread."""
    count, points = int(rng.integers(1, 6)), int(rng.integers(40, 120))
    angle = np.cumsum(rng.normal(rng.uniform(0.2, 0.7), 0.5, (count, points)), axis=1)
    step = size_px * rng.uniform(0.01, 0.05)
    walk = np.cumsum(np.stack([np.cos(angle) + 0.35, np.sin(angle)], axis=2) * step, axis=1)
    return walk + rng.uniform(0, 0.8, (count, 1, 2)) * size_px


def _rotation(angle: float) -> Float[np.ndarray, "2 2"]:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
