"""Hair, fur and grass: tapering strands that follow a field of directions."""

import numpy as np
from jaxtyping import Float

from nlcunet.data.drawn.canvas import Canvas, Colour, Pixels, over, soften
from nlcunet.data.drawn.palette import draw_ground, draw_pair, draw_theme, luma_of_colour, vary, with_luma
from nlcunet.data.drawn.strokes import Curves, shapes, tapering

Numbers = Float[np.ndarray, "strands"]


def draw_hair(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A coat of fur, locks of long hair, single hairs before a quiet ground, or grass."""
    makers = (draw_coat, draw_locks, draw_single_hairs, draw_grass)
    return makers[int(rng.choice(len(makers), p=[0.3, 0.3, 0.25, 0.15]))](rng, canvas)


def draw_coat(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Fur: short strands that cover each other, dark below and light above."""
    size = canvas.size_px
    theme = draw_theme(rng)
    dark, light = sorted(theme[:2], key=luma_of_colour)
    picture = draw_ground(rng, canvas, with_luma(dark, luma_of_colour(dark) * 0.5), 0.5)
    count = int(2200 * min(size / 512, 1.5) ** 2) + 60
    roots = rng.uniform(-0.1, 1.1, (count, 2)) * size
    length = size / 512 * rng.uniform(35, 100) * rng.uniform(0.5, 1.3, count) + 8
    strands = grow(rng, roots, length, size, steps=6, bend=rng.uniform(0.2, 0.9))
    width = rng.uniform(0.7, 3.6) * rng.uniform(0.5, 1.7, count)
    return over(picture, canvas.draw(colour_strands(rng, strands, width, dark, light, groups=24)))


def draw_locks(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Long hair in locks: strands of a lock start together and part."""
    size = canvas.size_px
    theme = draw_theme(rng)
    dark, light = sorted(theme[:2], key=luma_of_colour)
    picture = draw_ground(rng, canvas, with_luma(dark, luma_of_colour(dark) * 0.6), 0.8)
    locks, per_lock = int(rng.integers(16, 36)), int(rng.integers(20, 44))
    angle = rng.uniform(0, 2 * np.pi)
    start = np.array([np.cos(angle), np.sin(angle)]) * size * 0.6 + size / 2
    across = np.array([-np.sin(angle), np.cos(angle)])
    middles = start + across * rng.uniform(-0.9, 0.9, (locks, 1)) * size
    roots = (middles[:, None] + rng.normal(0, size * rng.uniform(0.02, 0.06), (locks, per_lock, 2))).reshape(-1, 2)
    length = size * rng.uniform(0.5, 1.5, len(roots))
    bend = rng.uniform(0.1, 0.5)
    strands = grow(rng, roots, length, size, steps=18, bend=bend, angle=angle + np.pi)
    width = rng.uniform(0.6, 2.8) * rng.uniform(0.5, 1.6, len(roots))
    return over(picture, canvas.draw(colour_strands(rng, strands, width, dark, light, groups=14)))


def draw_single_hairs(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Loose hairs, whiskers or lashes of 0.3 to 1.5 pixels before an unsharp ground."""
    size = canvas.size_px
    ground, ink = draw_pair(rng)
    picture = soften(draw_ground(rng, canvas, ground), 1.5 * canvas.zoom)
    bundles = int(rng.integers(4, 9))
    elements: list[str] = []
    for _ in range(bundles):
        count = int(rng.integers(8, 50))
        roots = rng.uniform(0.0, 1.0, 2) * size + rng.normal(0, size * rng.uniform(0.02, 0.3), (count, 2))
        length = size * rng.uniform(0.2, 1.2) * rng.uniform(0.5, 1.2, count)
        spread = rng.normal(rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.7), count)
        strands = grow(rng, roots, length, size, steps=24, bend=rng.uniform(0.15, 0.9), angle=spread)
        width = np.clip(rng.uniform(0.4, 1.8) * rng.uniform(0.6, 1.4, count), 0.3, None)
        elements += colour_strands(rng, strands, width, ink, vary(rng, ink, 0.15), groups=3)
    return over(picture, canvas.draw(elements))


def draw_grass(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Blades that grow upwards, the nearer ones lower, longer and wider."""
    size = canvas.size_px
    dark, light = sorted((draw_theme(rng)[0], draw_theme(rng)[1]), key=luma_of_colour)
    picture = draw_ground(rng, canvas, light if rng.random() < 0.5 else with_luma(dark, luma_of_colour(dark) * 0.6))
    count = int(1100 * min(size / 512, 1.5) ** 2) + 40
    nearness = np.sort(rng.uniform(0, 1, count))
    roots = np.stack([rng.uniform(-0.1, 1.1, count) * size, (0.2 + 1.0 * nearness) * size], axis=1)
    length = size * (0.06 + 0.3 * nearness) * rng.uniform(0.5, 1.3, count)
    angle = rng.normal(-np.pi / 2, 0.25, count)
    strands = grow(rng, roots, length, size, steps=6, bend=rng.uniform(0.1, 0.35), angle=angle)
    width = rng.uniform(0.9, 3.5) * (0.4 + nearness) * rng.uniform(0.6, 1.4, count)
    return over(picture, canvas.draw(colour_strands(rng, strands, width, dark, light, groups=14, in_order=True)))


def grow(
    rng: np.random.Generator,
    roots: Float[np.ndarray, "strands 2"],
    length_px: Numbers,
    size_px: int,
    *,
    steps: int,
    bend: float,
    angle: Numbers | float | None = None,
) -> Curves:
    """Strands of some steps from roots along a smooth field of directions, each a little astray; angles in radians."""
    waves = rng.normal(0, 2.2 / size_px * 3, (4, 2))
    phases, strength = rng.uniform(0, 2 * np.pi, 4), bend * rng.uniform(0.4, 1, 4)
    heading = (rng.uniform(0, 2 * np.pi) if angle is None else angle) + rng.normal(0, 0.07 + 0.1 * bend, len(roots))
    curl = rng.normal(0, 0.5 * bend / steps, len(roots))
    points = [roots]
    for step in range(steps):
        place = points[-1]
        field = (strength * np.sin(place @ waves.T + phases)).sum(axis=1)
        direction = heading + field + curl * step
        points.append(place + np.stack([np.cos(direction), np.sin(direction)], axis=1) * (length_px / steps)[:, None])
    return np.stack(points, axis=1)


def colour_strands(
    rng: np.random.Generator,
    strands: Curves,
    width_px: Numbers,
    dark: Colour,
    light: Colour,
    *,
    groups: int,
    in_order: bool = False,
) -> list[str]:
    """Elements of tapering strands, drawn from the darkest to the lightest with some disorder."""
    along = np.linspace(0, 1, strands.shape[1])
    paths = tapering(strands, width_px[:, None] * np.clip(1.02 - along, 0, 1) ** rng.uniform(0.35, 0.9))
    order = np.arange(len(paths)) if in_order else rng.permutation(len(paths))
    elements: list[str] = []
    for number, part in enumerate(np.array_split(order, groups)):
        share = float(np.clip(number / max(groups - 1, 1) + rng.normal(0, 0.2), 0, 1))
        elements += shapes([paths[index] for index in part], vary(rng, dark + (light - dark) * share, 0.03))
    return elements
