"""Branches, twigs, leaves, ferns and veins, by recursive growth."""

import numpy as np
from jaxtyping import Float

from nlcunet.data.drawn.canvas import Canvas, Colour, Pixels, over, soften
from nlcunet.data.drawn.palette import draw_ground, draw_pair, draw_theme, luma_of_colour, vary, with_luma
from nlcunet.data.drawn.strokes import Curves, circles, shapes, smooth, straight, strokes, tapering, turned

MAX_TWIGS = 1300
Numbers = Float[np.ndarray, "twigs"]


def draw_branches(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A bare tree, ferns, foliage, or the veins of a leaf."""
    makers = (draw_bare_tree, draw_ferns, draw_foliage, draw_veins)
    return makers[int(rng.choice(len(makers), p=[0.4, 0.2, 0.25, 0.15]))](rng, canvas)


def draw_bare_tree(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Trees against the sky down to twigs of 0.3 pixels, sometimes with wires, buds or snow."""
    size = canvas.size_px
    ground, ink = draw_pair(rng, dark_on_light=0.85)
    picture = draw_ground(rng, canvas, ground)
    elements: list[str] = []
    for _ in range(int(rng.integers(2, 5))):
        root = np.array([rng.uniform(0.1, 0.9) * size, size * rng.uniform(1.02, 1.3)])
        curves, width = grow_tree(rng, root, size * rng.uniform(0.24, 0.36), size / 512 * rng.uniform(6, 18))
        elements += by_width(curves, width, vary(rng, ink, 0.03))
        if rng.random() < 0.3:
            ends = curves[width < np.quantile(width, 0.5), -1][:400]
            radius = rng.uniform(0.5, 2.2, len(ends))
            elements += shapes(circles(ends[:, 0], ends[:, 1], radius), vary(rng, draw_theme(rng)[0], 0.05))
    angle = 0.0 if rng.random() < 0.6 else float(rng.choice([90.0, 180.0, 270.0]))  # branches that reach in
    return over(picture, canvas.draw([turned(elements, angle, size / 2, size / 2)]))


def grow_tree(
    rng: np.random.Generator, root: Float[np.ndarray, "2"], length_px: float, width_px: float
) -> tuple[Curves, Numbers]:
    """Pieces of branches with their widths, from the trunk to twigs (after Lindenmayer 1968)."""
    spread, droop = rng.uniform(0.25, 0.65), rng.uniform(-0.1, 0.12)
    shrink, thin = rng.uniform(0.68, 0.82), rng.uniform(0.58, 0.72)
    place, angle = root[None], np.array([-np.pi / 2 + rng.normal(0, 0.15)])
    length, width = np.array([length_px]), np.array([width_px])
    curves, widths, total = [], [], 0
    while len(place) and total < MAX_TWIGS:
        turn = rng.normal(0, 0.18, len(place))
        middle = place + _toward(angle + turn) * (length / 2)[:, None]
        end = middle + _toward(angle - turn) * (length / 2)[:, None]
        curves.append(np.stack([place, middle, end], axis=1))
        widths.append(width)
        total += len(place)
        children = rng.choice([2, 3], len(place), p=[0.7, 0.3])
        parent = np.repeat(np.arange(len(place)), children)
        side = np.concatenate([np.linspace(-1, 1, count) for count in children])
        start = rng.uniform(0.55, 1.0, len(parent))
        start[np.abs(side) < 0.1] = 1.0
        place = middle[parent] + (end - middle)[parent] * ((start - 0.5) * 2).clip(0, 1)[:, None]
        angle = angle[parent] + side * spread * rng.uniform(0.5, 1.4, len(parent)) + droop * np.cos(angle[parent])
        length = length[parent] * shrink * rng.uniform(0.7, 1.15, len(parent))
        width = np.maximum(width[parent] * thin * rng.uniform(0.8, 1.15, len(parent)), 0.3)
        alive = (length > 3) & (rng.uniform(0, 1, len(parent)) < 0.96)
        place, angle, length, width = place[alive], angle[alive], length[alive], width[alive]
    return np.concatenate(curves), np.concatenate(widths)


def by_width(curves: Curves, width_px: Numbers, colour: Colour) -> list[str]:
    """Elements of curves sorted into widths a quarter apart, since an element has one width."""
    classes = np.rint(np.log(width_px) / np.log(1.25)).astype(int)
    elements: list[str] = []
    for number in sorted(set(classes.tolist()), reverse=True):
        chosen = classes == number
        elements += strokes(smooth(curves[chosen]), colour, float(width_px[chosen].mean()), cap="round")
    return elements


def draw_ferns(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Fronds: a bent stem with leaflets on both sides that shrink towards the tip."""
    size = canvas.size_px
    dark, light = sorted(draw_pair(rng), key=luma_of_colour)
    picture = draw_ground(rng, canvas, dark if rng.random() < 0.6 else light)
    elements: list[str] = []
    for _ in range(int(rng.integers(12, 26))):
        colour = vary(rng, light if rng.random() < 0.6 else dark, 0.08)
        length, pairs = size * rng.uniform(0.3, 0.9), int(rng.integers(14, 36))
        heading = rng.uniform(0, 2 * np.pi) + rng.uniform(-1, 1) * np.linspace(0, 1, pairs)
        steps = _toward(heading) * (length / pairs)
        stem = rng.uniform(-0.1, 1.1, 2) * size + np.cumsum(steps, axis=0)
        shape = np.sin(np.linspace(0.25, np.pi * 0.98, pairs)) * length * rng.uniform(0.12, 0.3)
        lean, plump = rng.uniform(0.8, 1.4), rng.uniform(0.12, 0.3)
        for side in (-1, 1):
            tips = stem + _toward(heading + side * lean) * shape[:, None]
            middle = (stem + tips) / 2 + _toward(heading) * (0.1 * shape)[:, None]
            leaflet = np.stack([stem, middle, tips], axis=1)
            widths = np.stack([0.2 * shape, shape, 0.05 * shape], axis=1) * plump
            elements += shapes(tapering(leaflet, widths), vary(rng, colour, 0.04))
        elements += strokes(smooth(stem[None]), vary(rng, colour, 0.1), float(rng.uniform(0.5, 2)), cap="round")
    return over(picture, canvas.draw(elements))


def draw_foliage(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Leaves over leaves, those behind darker and unsharp, with midribs."""
    size = canvas.size_px
    theme = draw_theme(rng, ("leaf", "leaf", "earth", "sky", "sign"))
    dark, light = sorted(theme[:2], key=luma_of_colour)
    dark = with_luma(dark, luma_of_colour(dark) * float(rng.uniform(0.3, 0.9)))
    picture = draw_ground(rng, canvas, with_luma(dark, luma_of_colour(dark) * 0.6))
    for depth, blur in ((0.0, 1.2), (0.5, 0.5), (1.0, 0.0)):
        elements: list[str] = []
        for _ in range(10):
            count = int(rng.integers(10, 30))
            colour = vary(rng, dark + (light - dark) * (0.25 + 0.75 * depth * rng.uniform(0.4, 1)), 0.05)
            length = size * rng.uniform(0.03, 0.14) * rng.uniform(0.7, 1.3, count)
            elements += make_leaves(rng, rng.uniform(-0.05, 1.05, (count, 2)) * size, length, colour)
        layer = canvas.draw(elements)
        picture = soften(over(picture, layer), blur * canvas.zoom)
    return picture


def make_leaves(
    rng: np.random.Generator,
    places: Float[np.ndarray, "leaves 2"],
    length_px: Float[np.ndarray, " leaves"],
    colour: Colour,
) -> list[str]:
    """Pointed leaves with a midrib."""
    angle = rng.uniform(0, 2 * np.pi, len(places))
    along = np.linspace(0, 1, 7)
    bend = rng.normal(0, 0.12, (len(places), 1)) * np.sin(np.pi * along)
    forward, aside = _toward(angle), _toward(angle + np.pi / 2)
    spine = places[:, None] + length_px[:, None, None] * (
        along[None, :, None] * forward[:, None] + bend[:, :, None] * aside[:, None]
    )
    width = length_px[:, None] * rng.uniform(0.25, 0.6) * np.sin(np.pi * along**0.8)[None] + 0.05
    rib = vary(rng, colour, 0.12)
    return [
        *shapes(tapering(spine, width), colour),
        *strokes(straight(spine[:, :-1]), rib, float(rng.uniform(0.35, 1.0))),
    ]


def draw_veins(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Veins of a leaf, or cracks: a net of lines that thin out from stem to mesh."""
    size = canvas.size_px
    ground, ink = draw_pair(rng, dark_on_light=0.4)
    picture = draw_ground(rng, canvas, ground)
    angle = rng.uniform(0, 2 * np.pi)
    start = np.array([size / 2, size / 2]) - _toward(np.array([angle]))[0] * size * 0.7
    steps = np.linspace(0, 1.4 * size, 26)
    stem = start + _toward(np.array([angle]))[0] * steps[:, None] + rng.normal(0, size * 0.004, (26, 2))
    elements = strokes_of(stem[None], ink, size * 0.008)
    for side in (-1, 1):
        heading = angle + side * rng.uniform(0.6, 1.2) + rng.normal(0, 0.06, 26)
        ribs = walk(rng, stem, heading - side * 0.02, size * 0.75, steps=16, waver=0.05)
        elements += strokes_of(ribs, ink, float(rng.uniform(1.0, 2.6)))
        for order in (1, 2):
            roots = ribs[:, 1::order].reshape(-1, 2)
            turn = rng.choice([-1, 1], len(roots)) * rng.uniform(0.7, 1.5, len(roots))
            twigs = walk(rng, roots, np.full(len(roots), angle) + turn, size * 0.05 / order, steps=5, waver=0.35)
            elements += strokes_of(twigs, ink, float(rng.uniform(0.35, 0.9)))
    return over(picture, canvas.draw(elements))


def strokes_of(curves: Curves, colour: Colour, width_px: float) -> list[str]:
    """Smooth lines with round ends."""
    return list(strokes(smooth(curves), colour, width_px, cap="round"))


def walk(
    rng: np.random.Generator,
    roots: Float[np.ndarray, "twigs 2"],
    heading: Numbers,
    length_px: float,
    *,
    steps: int,
    waver: float,
) -> Curves:
    """Paths from roots in given directions that waver."""
    angles = heading[:, None] + np.cumsum(rng.normal(0, waver, (len(roots), steps)), axis=1)
    offsets = np.cumsum(np.stack([np.cos(angles), np.sin(angles)], axis=2) * (length_px / steps), axis=1)
    return np.concatenate([roots[:, None], roots[:, None] + offsets], axis=1)


def _toward(angle: Numbers) -> Float[np.ndarray, "twigs 2"]:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
