"""Heads, speech balloons and burst lines for drawn pages: outlines of changing width, filled shapes."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from nlcunet.data.drawn.canvas import Colour
from nlcunet.data.drawn.lettering import write_block
from nlcunet.data.drawn.strokes import Curves, circles, shapes, smooth, straight, strokes, tapering

Point = Float[np.ndarray, "2"]


@dataclass(frozen=True)
class Figure:
    """A drawn person, from the neck up."""

    elements: list[str] = field(default_factory=list)
    """In the order of drawing."""
    clothes: list[str] = field(default_factory=list)
    """Path data of what a screentone may fill."""
    hair: list[str] = field(default_factory=list)
    """Path data of the hair behind the face."""
    face: list[str] = field(default_factory=list)
    """Path data of the face."""
    fringe: list[str] = field(default_factory=list)
    """Path data of the hair before the face."""


def brush(curves: Curves, colour: Colour, width_px: float, *, samples: int = 4) -> list[str]:
    """Lines that swell in the middle and run out at the ends, as of a pen."""
    fine = refine(curves, samples)
    along = np.linspace(0, 1, fine.shape[1])
    widths = width_px * (0.18 + 0.95 * np.sin(np.pi * along) ** 0.7)
    return list(shapes(tapering(fine, np.broadcast_to(widths, fine.shape[:2])), colour))


def refine(curves: Curves, samples: int) -> Float[np.ndarray, "curves finer 2"]:
    """More points along smooth curves through the given ones (Catmull and Rom 1974)."""
    ends = 2 * curves[:, :1] - curves[:, 1:2], 2 * curves[:, -1:] - curves[:, -2:-1]
    p = np.concatenate([ends[0], curves, ends[1]], axis=1)
    t = (np.arange(samples) / samples)[:, None]
    a, b, c, d = (p[:, start : p.shape[1] - 3 + start, None] for start in range(4))
    fine = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([fine.reshape(len(curves), fine.shape[1] * samples, 2), curves[:, -1:]], axis=1)


@dataclass(frozen=True)
class FigurePlace:
    """Where a head stands: its own unit is half its height, its origin between the eyes."""

    middle: Point
    unit_px: float
    lean: float
    """Angle."""

    def at(self, points: Float[np.ndarray, "*shape 2"]) -> Float[np.ndarray, "*shape 2"]:
        """Points of the head to points of the picture."""
        turn = np.array([[np.cos(self.lean), np.sin(self.lean)], [-np.sin(self.lean), np.cos(self.lean)]])
        return np.asarray(points @ turn * self.unit_px + self.middle)


BODY = np.array([[-0.25, 0.7], [-0.3, 1.1], [-1.3, 1.5], [-1.6, 3], [1.6, 3], [1.3, 1.5], [0.3, 1.1], [0.25, 0.7]])
JAW = np.array([[-0.62, -0.3], [-0.6, 0.2], [-0.42, 0.62], [0.0, 0.95], [0.42, 0.62], [0.6, 0.2], [0.62, -0.3]])
CROWN = np.array([[0.4, -0.85], [-0.4, -0.85]])


def draw_head(rng: np.random.Generator, middle: Point, height_px: float, ink: Colour, skin: Colour) -> Figure:
    """A face with large eyes, hair in tapering locks, neck and shoulders."""
    place = FigurePlace(middle, height_px / 2, float(rng.normal(0, 0.25)))
    pen = float(np.clip(height_px * rng.uniform(0.005, 0.018), 0.5, 3.5))
    figure = Figure()
    body = place.at(BODY)
    figure.clothes.extend(smooth(body[None], closed=True))
    figure.elements.extend(shapes(figure.clothes, skin))
    figure.elements.extend(brush(np.stack([body[:4], body[:3:-1]]), ink, pen))
    hair_colour = ink if rng.random() < 0.45 else skin
    figure.hair.extend(straight(place.at(make_hair(rng, rng.uniform(0.8, 2.2)))[None], closed=True))
    figure.elements.extend([*shapes(figure.hair, hair_colour), *strokes(figure.hair, ink, pen)])
    figure.face.extend(smooth(place.at(np.concatenate([JAW, CROWN]))[None], closed=True))
    figure.elements.extend(shapes(figure.face, skin))
    figure.elements.extend(brush(place.at(JAW)[None], ink, pen * 1.3))
    figure.elements.extend(draw_face(rng, place, ink, skin, pen))
    figure.fringe.extend(straight(place.at(make_fringe(rng, int(rng.integers(5, 13))))[None], closed=True))
    figure.elements.extend([*shapes(figure.fringe, hair_colour), *strokes(figure.fringe, ink, pen)])
    roots = np.stack([rng.uniform(-0.6, 0.6, 30), rng.uniform(-1.0, -0.6, 30)], axis=1)
    ends = roots * np.array([1.25, 1.0]) + np.stack([rng.normal(0, 0.03, 30), rng.uniform(0.1, 0.4, 30)], axis=1)
    locks = np.stack([roots, (roots + ends) / 2 + np.array([0.02, 0.0]), ends], axis=1)
    figure.elements.extend(brush(place.at(locks), skin if hair_colour is ink else ink, max(0.35, pen * 0.5)))
    return figure


def make_hair(rng: np.random.Generator, length: float) -> Float[np.ndarray, "points 2"]:
    """The outline of hair behind the face: a cap above, pointed locks below."""
    tips = int(rng.integers(9, 16))
    angle = np.linspace(0.62 * np.pi, -1.62 * np.pi, 2 * tips + 1)
    reach = np.where(np.arange(len(angle)) % 2, rng.uniform(1.0, 1.35, len(angle)), rng.uniform(0.78, 0.95, len(angle)))
    points = np.stack([np.cos(angle) * reach * 0.85, -np.sin(angle) * reach * 1.05], axis=1)
    below = points[:, 1] > 0.1
    points[below, 1] *= length
    return points


def make_fringe(rng: np.random.Generator, locks: int) -> Float[np.ndarray, "points 2"]:
    """The outline of hair before the forehead, in points."""
    x = np.linspace(-0.68, 0.68, 2 * locks + 1)
    low = rng.uniform(-0.28, 0.08, len(x))
    y = np.where(np.arange(len(x)) % 2, low, -0.42 + 0.1 * np.abs(x))
    arch = np.linspace(0, np.pi, 12)
    top = np.stack([0.74 * np.cos(arch), -0.35 - 0.72 * np.sin(arch)], axis=1)
    return np.concatenate([np.stack([x, y], axis=1), top])


def draw_face(rng: np.random.Generator, place: FigurePlace, ink: Colour, skin: Colour, pen: float) -> list[str]:
    """Eyes with lashes and lights, brows, nose and mouth."""
    elements: list[str] = []
    wide, tall = rng.uniform(0.13, 0.2), rng.uniform(0.1, 0.22)
    iris = (ink + skin) * 0.5
    t = np.linspace(np.pi, 0, 5)
    for side in (-1, 1):
        eye = np.array([0.3 * side, 0.12])
        lid = eye + np.stack([1.25 * wide * np.cos(t), -tall * np.sin(t) + 0.03], axis=1)
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        for scale, colour in ((0.95, ink), (0.8, iris), (0.45, ink)):
            ball = eye + np.stack([0.7 * wide * np.cos(angle), tall * np.sin(angle)], axis=1) * scale
            elements += shapes(smooth(place.at(ball)[None], closed=True), colour)
        lights = place.at(eye + np.array([[-0.25 * wide, -0.4 * tall], [0.3 * wide, 0.35 * tall]]))
        sizes = np.array([0.22, 0.12]) * wide * place.unit_px
        elements += shapes(circles(lights[:, 0], lights[:, 1], sizes), skin)
        elements += brush(place.at(lid)[None], ink, pen * 2.2)
        lash = lid[[0, 1, 3, 4]]
        elements += brush(place.at(np.stack([lash, lash + (lash - eye) * 0.35], axis=1)), ink, pen * 0.8)
        elements += brush(place.at(lid * np.array([1.0, 0.7]) - np.array([0, 0.22]))[None], ink, pen * 1.2)
    nose = np.array([[0.02, 0.3], [0.06, 0.48], [0.0, 0.5]])
    bow = rng.uniform(-0.06, 0.08)
    mouth = np.array([[-0.16, 0.68], [0.0, 0.68 + bow], [0.16, 0.68]])
    return [*elements, *brush(place.at(np.stack([nose, mouth])), ink, pen)]


def draw_balloon(rng: np.random.Generator, middle: Point, size_px: float, ink: Colour, paper: Colour) -> list[str]:
    """A balloon with a tail, or a jagged one for cries, and text in it."""
    points = 22
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    is_cry = rng.random() < 0.3
    wobble = np.where(np.arange(points) % 2, 1.25, 0.95) if is_cry else rng.uniform(0.97, 1.03, points)
    outline = middle + np.stack([np.cos(angle) * wobble, np.sin(angle) * wobble * 0.8], axis=1) * size_px
    toward = rng.uniform(0.2, 0.8) * np.pi
    tail = middle + np.array([[np.cos(a), np.sin(a) * 0.8] for a in (toward - 0.12, toward + 0.12)]) * size_px * 0.97
    tip = middle + np.array([np.cos(toward), np.sin(toward)]) * size_px * 1.45
    pen = float(rng.uniform(0.6, 2.4))
    body = straight(outline[None], closed=True) if is_cry else smooth(outline[None], closed=True)
    pointed = straight(np.stack([tail[0], tip, tail[1]])[None], closed=True)
    size = float(np.clip(size_px * rng.uniform(0.13, 0.3), 6.0, 40.0))
    lines = int(np.clip(size_px * 1.1 / (1.3 * size), 1, 6))
    box = (middle[0] - 0.7 * size_px, middle[1] - lines * 0.65 * size, 1.4 * size_px)
    words = write_block(rng, box, lines, size, ink, centred=True)
    outlines = strokes([*body, *pointed], ink, 2 * pen)
    return [*outlines, *shapes([*body, *pointed], paper), *words]


def make_burst(rng: np.random.Generator, middle: Point, hollow_px: float, reach_px: float) -> tuple[Curves, np.ndarray]:
    """Wedges that point at a middle and leave it free, in bundles; and their widths."""
    count = int(np.clip(2 * np.pi * hollow_px / rng.uniform(2.5, 6), 30, 260))
    angle = np.sort(rng.uniform(0, 2 * np.pi, count) if rng.random() < 0.5 else np.linspace(0, 2 * np.pi, count))
    start = hollow_px * rng.uniform(0.9, 1.5, count)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ends = np.stack([middle + direction * start[:, None], middle + direction * reach_px], axis=1)
    base = rng.uniform(0.2, 1.0) * 2 * np.pi * reach_px / count * rng.uniform(0.2, 1.0, count)
    return ends, np.stack([np.full(count, 0.1), base], axis=1)
