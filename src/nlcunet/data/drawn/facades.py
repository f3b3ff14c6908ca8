"""Façades in mild perspective: windows, bricks, tiles, blinds, balconies, glass."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from nlcunet.data.drawn.canvas import Canvas, Colour, Pixels, over
from nlcunet.data.drawn.grids import Homography, draw_view, project
from nlcunet.data.drawn.palette import draw_ground, draw_theme, luma_of_colour, vary, with_luma
from nlcunet.data.drawn.strokes import shapes, straight, strokes

Boxes = Float[np.ndarray, "boxes 4"]
"""Left, top, width, height in the plane of the wall."""

BUILDING_THEMES = ("stone", "brick", "paper", "earth", "metal", "sky", "stone", "metal", "sign")


@dataclass
class Wall:
    """Elements on a plane seen from aside, in the order of drawing."""

    view: Homography
    size_px: int
    elements: list[str] = field(default_factory=list)

    def add(self, boxes: Boxes, colour: Colour) -> None:
        """Rectangles of one colour; those out of sight are left out."""
        left, top, width, height = boxes.T
        corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
        quads = project(np.stack([np.stack(corner, axis=1) for corner in corners], axis=1), self.view)
        seen = (quads.max(axis=1) > 0).all(axis=1) & (quads.min(axis=1) < self.size_px).all(axis=1)
        if seen.any():
            self.elements += shapes(straight(quads[seen], closed=True), colour)

    def add_lines(self, ends: Float[np.ndarray, "lines 4"], colour: Colour, width_px: float) -> None:
        """Lines from x, y to x, y."""
        points = project(ends.reshape(-1, 2, 2), self.view)
        self.elements += strokes(straight(points), colour, width_px)


def draw_facades(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A wall with windows, a glass front, brickwork, tiles, or louvres."""
    size = canvas.size_px
    theme = draw_theme(rng, BUILDING_THEMES)
    picture = draw_ground(rng, canvas, theme[0])
    view = draw_view(rng, size)
    if rng.random() < 0.85:  # buildings stand upright
        view[:2, :2] = np.eye(2) + rng.normal(0, 0.05, (2, 2))
    wall = Wall(view, size)
    builders = (build_windows, build_glass_front, build_bricks, build_tiles, build_louvres)
    builders[int(rng.choice(len(builders), p=[0.4, 0.2, 0.16, 0.12, 0.12]))](rng, wall, theme)
    return over(picture, canvas.draw(wall.elements))


def build_windows(rng: np.random.Generator, wall: Wall, theme: list[Colour]) -> None:
    """Rows of windows with frames, sills, bars and blinds, perhaps on bricks and with balconies."""
    size = wall.size_px
    if rng.random() < 0.6:
        build_bricks(rng, wall, theme, strength=0.5)
    pitch_x, pitch_y = size * rng.uniform(0.07, 0.3), size * rng.uniform(0.09, 0.3)
    places = lay_grid(size, pitch_x, pitch_y)
    width, height = pitch_x * rng.uniform(0.4, 0.8), pitch_y * rng.uniform(0.5, 0.8)
    frame, dark = vary(rng, theme[2], 0.1), with_luma(theme[3], float(rng.uniform(0.05, 0.3)))
    trim = float(rng.uniform(0.6, 4))
    boxes = np.concatenate([places, np.full((len(places), 1), width), np.full((len(places), 1), height)], axis=1)
    shadow = boxes + np.array([trim, trim, 0, 0])
    wall.add(grow_boxes(shadow, trim), with_luma(theme[0], luma_of_colour(theme[0]) * 0.55))
    wall.add(grow_boxes(boxes, trim), frame)
    fills = np.array_split(rng.permutation(len(boxes)), 5)
    for part in fills:
        wall.add(boxes[part], vary(rng, dark, 0.07))
    add_reflections(rng, wall, boxes, dark)
    add_bars(rng, wall, boxes, frame)
    if rng.random() < 0.6:
        add_blinds(rng, wall, boxes[rng.uniform(0, 1, len(boxes)) < 0.5], vary(rng, frame, 0.08))
    if rng.random() < 0.5:
        sill = np.stack([boxes[:, 0] - 2 * trim, boxes[:, 1] + height + trim, boxes[:, 2] + 4 * trim], axis=1)
        wall.add(np.concatenate([sill, np.full((len(sill), 1), trim * 1.2)], axis=1), vary(rng, frame, 0.12))
    if rng.random() < 0.4:
        add_balconies(rng, wall, boxes, vary(rng, theme[4], 0.1))


def build_glass_front(rng: np.random.Generator, wall: Wall, theme: list[Colour]) -> None:
    """Panes of differing reflection between thin mullions, floors marked by bands."""
    size = wall.size_px
    pitch_x, pitch_y = size * rng.uniform(0.02, 0.09), size * rng.uniform(0.03, 0.12)
    places = lay_grid(size, pitch_x, pitch_y)
    boxes = np.concatenate([places, np.full((len(places), 1), pitch_x), np.full((len(places), 1), pitch_y)], axis=1)
    slope = np.sin(places @ rng.normal(0, 4 / size, 2) + rng.uniform(0, 6)) + rng.normal(0, 0.3, len(places))
    order = np.argsort(slope)
    for number, part in enumerate(np.array_split(order, 9)):
        share = number / 8
        wall.add(boxes[part], vary(rng, theme[1] * (1 - share) + theme[2] * share, 0.03))
    left, top = np.unique(places[:, 0]), np.unique(places[:, 1])
    metal, reach = vary(rng, theme[5], 0.1), 1.2 * size
    thin = float(rng.uniform(0.4, 1.6))
    wall.add_lines(np.stack([left, np.full_like(left, -reach), left, np.full_like(left, reach)], 1), metal, thin)
    wide = float(rng.uniform(0.5, 3))
    wall.add_lines(np.stack([np.full_like(top, -reach), top, np.full_like(top, reach), top], 1), metal, wide)
    if rng.random() < 0.5:
        band = np.stack([np.full_like(top, -reach), top, np.full_like(top, 2 * reach)], axis=1)
        wall.add(
            np.concatenate([band, np.full((len(top), 1), pitch_y * rng.uniform(0.1, 0.35))], 1), vary(rng, metal, 0.1)
        )


def build_bricks(rng: np.random.Generator, wall: Wall, theme: list[Colour], strength: float = 1.0) -> None:
    """Courses of bricks, each of its own tint, with joints."""
    size = wall.size_px
    height = max(4.5, size / 512 * float(np.exp(rng.uniform(np.log(5), np.log(22)))))
    width, joint = height * rng.uniform(1.8, 4), float(min(rng.uniform(0.5, 2), height * 0.2))
    places = lay_grid(size, width, height)
    course = np.rint(places[:, 1] / height).astype(int)
    places[:, 0] += np.where(course % 2, width / 2, 0) + rng.normal(0, joint * 0.2, len(places))
    sizes = np.tile([width - joint, height - joint], (len(places), 1))
    boxes = np.concatenate([places, sizes], axis=1)
    for part in np.array_split(rng.permutation(len(boxes)), 7):
        wall.add(boxes[part], vary(rng, theme[0] + (theme[1] - theme[0]) * 0.35, 0.045 * strength + 0.01))


def build_tiles(rng: np.random.Generator, wall: Wall, theme: list[Colour]) -> None:
    """Square tiles of a few colours, some parted in triangles or with an inner square."""
    size = wall.size_px
    pitch, joint = size * rng.uniform(0.03, 0.14), float(rng.uniform(0.5, 3))
    places = lay_grid(size, pitch, pitch)
    boxes = np.concatenate([places, np.full((len(places), 2), pitch - joint)], axis=1)
    column, row = np.rint(places / pitch).astype(int).T
    kind = (column * int(rng.integers(1, 4)) + row * int(rng.integers(1, 4))) % int(rng.integers(2, 5))
    for number in np.unique(kind):
        chosen = boxes[kind == number]
        colour = theme[1 + int(number) % 5]
        for part in np.array_split(rng.permutation(len(chosen)), 3):
            wall.add(chosen[part], vary(rng, colour, 0.03))
        if number == 0 or rng.random() < 0.5:
            wall.add(grow_boxes(chosen, -pitch * float(rng.uniform(0.08, 0.35))), vary(rng, theme[3], 0.05))
        if rng.random() < 0.4:
            left, top, side, _ = chosen.T
            lines = np.stack([left, top, left + side, top + side], axis=1)
            wall.add_lines(lines, vary(rng, theme[4], 0.05), float(rng.uniform(0.4, 2)))


def build_louvres(rng: np.random.Generator, wall: Wall, theme: list[Colour]) -> None:
    """Slats over the whole wall, lit from above, with posts."""
    size = wall.size_px
    pitch = float(np.exp(rng.uniform(np.log(3.5), np.log(24))))
    top = np.arange(-1.2 * size, 1.2 * size, pitch)
    full = np.array([-1.2 * size, 2.4 * size])
    lit, shaded = (
        vary(rng, theme[1], 0.05),
        with_luma(theme[1], luma_of_colour(theme[1]) * float(rng.uniform(0.3, 0.7))),
    )
    for start, share, colour in (
        (0.0, 0.45, lit),
        (0.45, 0.35, vary(rng, (lit + shaded) / 2, 0.02)),
        (0.8, 0.2, shaded),
    ):
        rows = np.stack([np.full_like(top, full[0]), top + start * pitch, np.full_like(top, full[1])], axis=1)
        wall.add(np.concatenate([rows, np.full((len(top), 1), share * pitch)], axis=1), colour)
    left = np.arange(-1.2 * size, 1.2 * size, size * rng.uniform(0.08, 0.4))
    posts = np.stack([left, np.full_like(left, full[0]), np.full_like(left, rng.uniform(0.8, 6))], axis=1)
    wall.add(np.concatenate([posts, np.full((len(left), 1), full[1])], axis=1), vary(rng, theme[4], 0.1))


def lay_grid(size_px: int, pitch_x: float, pitch_y: float) -> Float[np.ndarray, "places 2"]:
    """Upper left corners of cells that cover the plane as far as it can be seen."""
    columns = np.arange(-np.ceil(1.2 * size_px / pitch_x), 1.2 * size_px / pitch_x) * pitch_x
    rows = np.arange(-np.ceil(1.2 * size_px / pitch_y), 1.2 * size_px / pitch_y) * pitch_y
    x, y = np.meshgrid(columns, rows)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def grow_boxes(boxes: Boxes, by: float) -> Boxes:
    """Larger on all sides, or smaller."""
    return np.asarray(boxes + np.array([-by, -by, 2 * by, 2 * by]))


def add_reflections(rng: np.random.Generator, wall: Wall, boxes: Boxes, dark: Colour) -> None:
    """The sky in the upper part of some panes."""
    chosen = boxes[rng.uniform(0, 1, len(boxes)) < rng.uniform(0.1, 0.7)].copy()
    chosen[:, 3] *= rng.uniform(0.2, 0.8, len(chosen))
    wall.add(chosen, vary(rng, dark + (1 - dark) * float(rng.uniform(0.1, 0.5)), 0.04))


def add_bars(rng: np.random.Generator, wall: Wall, boxes: Boxes, colour: Colour) -> None:
    """Glazing bars that part each window."""
    left, top, width, height = boxes.T
    thickness = float(rng.uniform(0.5, 2.5))
    upright, level = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    for number in range(1, upright):
        x = left + width * (number / upright)
        wall.add_lines(np.stack([x, top, x, top + height], axis=1), colour, thickness)
    for number in range(1, level):
        y = top + height * (number / level)
        wall.add_lines(np.stack([left, y, left + width, y], axis=1), colour, thickness)


def add_blinds(rng: np.random.Generator, wall: Wall, boxes: Boxes, colour: Colour) -> None:
    """Slats over the upper part of windows."""
    if not len(boxes):
        return
    pitch = float(rng.uniform(2.6, 6))
    slats = int(np.clip(boxes[0, 3] / pitch, 1, 40))
    down = rng.uniform(0.3, 1.0, len(boxes))
    for number in range(slats):
        rows = boxes[down * slats > number].copy()
        rows[:, 1] += number * pitch
        rows[:, 3] = pitch * 0.6
        wall.add(rows, colour)


def add_balconies(rng: np.random.Generator, wall: Wall, boxes: Boxes, colour: Colour) -> None:
    """Slabs with railings before some windows."""
    chosen = boxes[rng.uniform(0, 1, len(boxes)) < rng.uniform(0.3, 1.0)]
    left, top, width, height = chosen.T
    slab = np.stack([left - 0.12 * width, top + height, 1.24 * width, np.maximum(0.04 * height, 1)], axis=1)
    wall.add(slab, vary(rng, colour, 0.05))
    rail = 0.38 * height
    thickness = float(rng.uniform(0.35, 1.3))
    bars = int(np.clip(boxes[0, 2] / rng.uniform(2.8, 7), 3, 30))
    for number in range(bars + 1):
        x = left - 0.1 * width + 1.2 * width * (number / bars)
        wall.add_lines(np.stack([x, top + height - rail, x, top + height], axis=1), colour, thickness)
    handrail = np.stack([left - 0.12 * width, top + height - rail, left + 1.12 * width, top + height - rail], axis=1)
    wall.add_lines(handrail, colour, thickness * 2)
