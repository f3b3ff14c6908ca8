"""Grids, meshes, fences, lattices, checkerboards and weaves, often in perspective."""

import numpy as np
from jaxtyping import Float

from nlcunet.data.drawn.canvas import Canvas, Column, Pixels, Row, Samples, over, soften, tint
from nlcunet.data.drawn.curves import draw_width_px
from nlcunet.data.drawn.palette import draw_ground, draw_pair, draw_theme, vary
from nlcunet.data.drawn.strokes import Curves, smooth, straight, strokes

Homography = Float[np.ndarray, "3 3"]


def draw_grids(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Lines, wires and bars before a ground, or a pattern of squares or threads."""
    makers = (draw_lattice, draw_fence, draw_honeycomb, draw_checks, draw_weave, draw_railing)
    return makers[int(rng.integers(len(makers)))](rng, canvas)


def draw_view(rng: np.random.Generator, size_px: int, strength: float = 1.0) -> Homography:
    """A mild view from aside of a plane whose unit is a pixel of the picture at its middle."""
    middle = size_px / 2
    angle = rng.uniform(0, np.pi) if rng.random() < 0.4 else rng.normal(0, 0.05)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    tilt = np.eye(3)
    if rng.random() < 0.65:
        tilt[2, :2] = rng.uniform(-0.36, 0.36, 2) * strength / size_px
        tilt[0, 1], tilt[1, 0] = rng.normal(0, 0.08 * strength, 2)
    move = np.array([[1, 0, middle], [0, 1, middle], [0, 0, 1.0]])
    return np.asarray(move @ tilt @ turn)


def project(points: Float[np.ndarray, "*shape 2"], view: Homography) -> Float[np.ndarray, "*shape 2"]:
    """Points of the plane, its origin in the middle, to points of the picture."""
    flat = points @ view[:, :2].T + view[:, 2]
    return np.asarray(flat[..., :2] / flat[..., 2:])


def unproject(x: Row, y: Column, view: Homography) -> tuple[Samples, Samples, Samples]:
    """Where places of the picture lie in the plane, and how many units of the plane a pixel spans there."""
    back = np.linalg.inv(view).astype(np.float32)
    scale = back[2, 0] * x + back[2, 1] * y + back[2, 2]
    u = (back[0, 0] * x + back[0, 1] * y + back[0, 2]) / scale
    v = (back[1, 0] * x + back[1, 1] * y + back[1, 2]) / scale
    extent = np.float32(np.sqrt(abs(np.linalg.det(back)))) / np.abs(scale) ** np.float32(1.5)
    return u, v, extent


def draw_lattice(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Two or three families of parallel lines: graph paper, wire mesh, tiles' joints, scaffolds."""
    size = canvas.size_px
    ground, ink = draw_pair(rng)
    picture = draw_ground(rng, canvas, ground)
    view = draw_view(rng, size)
    pitch = float(np.exp(rng.uniform(np.log(5), np.log(48))))
    elements: list[str] = []
    angles = [0.0, np.pi / 2] if rng.random() < 0.7 else [0.0, np.pi / 3, 2 * np.pi / 3]
    for angle in angles:
        width = min(draw_width_px(rng), pitch * 0.4)
        step = pitch if rng.random() < 0.7 else pitch * rng.uniform(0.6, 1.8)
        places = np.arange(-1.2 * size, 1.2 * size, step)
        ends = np.stack([np.stack([places, np.full_like(places, end)], 1) for end in (-1.2 * size, 1.2 * size)], axis=1)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        curves = project(ends @ turn, view)
        elements += strokes(straight(curves), ink, width)
        if rng.random() < 0.4:
            elements += strokes(straight(curves[::5]), ink, min(width * 2.2, pitch * 0.5))
    return over(picture, canvas.draw(elements))


def draw_fence(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Chain link: wires that zigzag and touch, with a shine, before an unsharp ground."""
    size = canvas.size_px
    ground, ink = draw_pair(rng)
    picture = soften(draw_ground(rng, canvas, ground), 2.0 * canvas.zoom)
    pitch = float(rng.uniform(10, 54))
    rows = np.arange(-1.2 * size, 1.2 * size, pitch)
    along = np.arange(-1.2 * size, 1.2 * size, pitch / 2)
    swing = np.where(np.arange(len(along)) % 2, 0.5, -0.5) * pitch * 1.04
    swing = swing * np.where(np.arange(len(rows)) % 2, 1, -1)[:, None]  # neighbours meet at their turns
    wires = np.stack([np.broadcast_to(along, swing.shape), rows[:, None] + swing], axis=2)
    curves = project(wires, draw_view(rng, size, 0.7))
    width = min(float(rng.uniform(0.7, 4)), pitch * 0.22)
    paths = straight(curves)
    shine = straight(curves - np.array([0.2, 0.25]) * width)
    elements = [*strokes(paths, ink, width, cap="round"), *strokes(shine, vary(rng, ink, 0.2), width * 0.35)]
    return over(picture, canvas.draw(elements))


def draw_honeycomb(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A net of hexagons."""
    size = canvas.size_px
    ground, ink = draw_pair(rng)
    picture = draw_ground(rng, canvas, ground)
    cell = float(rng.uniform(5, 30))
    columns, rows = np.arange(-size, size, cell * np.sqrt(3)), np.arange(-size, size, cell * 1.5)
    x, y = np.meshgrid(columns, rows)
    x = x + (np.arange(len(rows)) % 2)[:, None] * (cell * np.sqrt(3) / 2)
    angle = np.pi / 6 + np.pi / 3 * np.arange(-2, 2)
    corners = np.stack([np.cos(angle), np.sin(angle)], axis=1) * cell
    curves = project(np.stack([x.ravel(), y.ravel()], 1)[:, None] + corners, draw_view(rng, size))
    inside = (np.abs(curves.mean(axis=1) - size / 2) < 0.6 * size).all(axis=1)
    return over(picture, canvas.draw(strokes(straight(curves[inside]), ink, min(draw_width_px(rng), cell * 0.3))))


def draw_checks(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A checkerboard, stripes, or tartan in perspective."""
    ground, ink = draw_pair(rng)
    picture = draw_ground(rng, canvas, ground)
    u, v, extent = unproject(*canvas.sample_places(), draw_view(rng, canvas.size_px))
    pitch = np.float32(np.exp(rng.uniform(np.log(6), np.log(64))))
    sharpness = pitch / np.maximum(extent * np.float32(canvas.sample_px), 1e-3)
    if rng.random() < 0.6:
        signs = square_wave(u / pitch, sharpness) * square_wave(v / pitch, sharpness)
        return tint(picture, canvas.reduce(0.5 + 0.5 * signs), ink)
    for axis in (u, v):
        for _ in range(int(rng.integers(1, 4))):
            share, period = rng.uniform(0.05, 0.5), pitch * np.float32(rng.uniform(0.5, 3))
            band = stripe(axis / period + np.float32(rng.uniform(0, 1)), float(share), sharpness * (period / pitch))
            picture = tint(
                picture, canvas.reduce(band) * np.float32(rng.uniform(0.4, 1)), vary(rng, draw_theme(rng)[0], 0.05)
            )
    return picture


def square_wave(phase: Samples, samples_per_period: Samples) -> Samples:
    """−1 and 1 in turn, half a period each; the steps are straight ramps of one sample."""
    distance = np.abs((phase % 1) - np.float32(0.5)) - np.float32(0.25)
    wave: np.ndarray = np.clip(distance * samples_per_period * 2, -1, 1)
    return wave


def stripe(phase: Samples, share: float, samples_per_period: Samples) -> Samples:
    """Coverage of bands that take a share of each period."""
    distance = np.float32(share / 2) - np.abs((phase % 1) - np.float32(0.5))
    band: np.ndarray = np.clip(distance * samples_per_period + np.float32(0.5), 0, 1)
    return band


def draw_weave(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Threads over and under each other, shaded as round."""
    ground, _ = draw_pair(rng)
    theme = [vary(rng, ground, 0.08), draw_theme(rng)[0]]
    base = np.broadcast_to((0.35 * ground).astype(np.float32), (canvas.side, canvas.side, 3))
    u, v, extent = unproject(*canvas.sample_places(), draw_view(rng, canvas.size_px, 0.6))
    pitch = np.float32(np.exp(rng.uniform(np.log(7), np.log(26))))
    u, v, sharpness = u / pitch, v / pitch, pitch / np.maximum(extent * np.float32(canvas.sample_px), 1e-3)
    twill = int(rng.choice([2, 3, 4]))
    offset = (np.floor(u) + np.floor(v)) % twill
    upper = offset < (1 if twill == 2 else 2)
    share = float(rng.uniform(0.7, 0.95))
    picture = np.array(base)
    for is_warp, (across, along) in enumerate(((v, u), (u, v))):
        over_other = upper if is_warp else ~upper
        round_shade = np.sqrt(np.clip(1 - ((across % 1) * 2 - 1) ** 2, 0, 1))
        shade = 0.3 + 0.45 * round_shade + 0.25 * np.cos((along % 1 - np.float32(0.5)) * np.float32(np.pi))
        coverage = stripe(across, share, sharpness) * stripe(along, 0.95, sharpness) * over_other
        layer = canvas.reduce(coverage)[:, :, None]
        light = canvas.reduce(coverage * shade.astype(np.float32))[:, :, None]
        picture = picture * (1 - layer) + light * theme[is_warp].astype(np.float32)
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def draw_railing(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Bars of several widths with scrolls or cross-bars, as of gates, blinds and scaffolds."""
    size = canvas.size_px
    ground, ink = draw_pair(rng)
    picture = draw_ground(rng, canvas, ground)
    view = draw_view(rng, size)
    pitch = float(rng.uniform(6, 36))
    places = np.arange(-1.2 * size, 1.2 * size, pitch)
    bars = np.stack([np.stack([places, np.full_like(places, end)], 1) for end in (-1.2 * size, 1.2 * size)], axis=1)
    width = min(float(rng.uniform(0.6, 4)), 0.4 * pitch)
    elements = [*strokes(straight(project(bars, view)), ink, width)]
    shine = bars + np.array([width * 0.2, 0])
    elements += strokes(straight(project(shine, view)), vary(rng, ink, 0.15), width * 0.3)
    for level in np.arange(-1.2, 1.2, rng.uniform(0.12, 0.5)) * size:
        rail = np.array([[[-1.2 * size, level], [1.2 * size, level]]])
        elements += strokes(straight(project(rail, view)), vary(rng, ink, 0.03), width * float(rng.uniform(0.8, 2.5)))
        if rng.random() < 0.6:
            elements += strokes(smooth(project(make_scrolls(places, level, pitch), view)), ink, max(0.3, width * 0.6))
    return over(picture, canvas.draw(elements))


def make_scrolls(places: Float[np.ndarray, " bars"], level: float, pitch: float) -> Curves:
    """An S between neighbouring bars."""
    t = np.linspace(-1, 1, 13)
    shape = np.stack([np.sin(t * np.pi) * 0.32 * pitch, t * 1.2 * pitch], axis=1)
    middles = np.stack([places + pitch / 2, np.full_like(places, level + 1.4 * pitch)], axis=1)
    return middles[:, None] + shape
