"""Printed pictures: dots and lines at screen angles, rosettes of four inks, and dither."""

import numpy as np

from nlcunet.data.drawn.canvas import Canvas, Pixels, Plane, over, tint
from nlcunet.data.drawn.palette import draw_ground, draw_pair, draw_theme, rgb_of
from nlcunet.data.drawn.screens import diffuse_error, dot_screen, enlarge, ordered_dither
from nlcunet.data.drawn.strokes import circles, shapes, smooth

PRINT_ANGLES_DEG = {"cyan": 15.0, "magenta": 75.0, "yellow": 0.0, "black": 45.0}
"""Usual in offset print: 30 degrees apart, so that the dots form rosettes and no coarse moiré."""
INKS = {"cyan": "#00a0dc", "magenta": "#d6217f", "yellow": "#fdec10", "black": "#232122"}
PAPER = "#f7f4ee"
MIN_PITCH_PX, MAX_PITCH_PX = 2.8, 14.0


def draw_halftones(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """One ink in one or several screens, four inks, or dither of two or eight colours."""
    makers = (draw_screens, draw_rosettes, draw_dither)
    return makers[int(rng.choice(len(makers), p=[0.4, 0.3, 0.3]))](rng, canvas)


def draw_tone(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A picture worth printing: clouds of colour and crisp shapes over each other."""
    theme = draw_theme(rng)
    picture = draw_ground(rng, canvas, theme[0])
    size = canvas.size_px
    elements: list[str] = []
    for number in range(int(rng.integers(3, 10))):
        colour = theme[number % len(theme)]
        if rng.random() < 0.5:
            angle = np.linspace(0, 2 * np.pi, 9)[:-1]
            reach = size * rng.uniform(0.08, 0.4) * rng.uniform(0.6, 1.3, 8)
            points = np.stack([np.cos(angle) * reach, np.sin(angle) * reach], axis=1) + rng.uniform(0, 1, 2) * size
            elements += shapes(smooth(points[None], closed=True), colour, float(rng.uniform(0.5, 1)))
        else:
            x, y, radius = rng.uniform(0, size, 3), rng.uniform(0, size, 3), rng.uniform(0.02, 0.2, 3) * size
            elements += shapes(circles(x, y, radius), colour, float(rng.uniform(0.5, 1)))
    picture = over(picture, canvas.draw(elements))
    shade = np.clip(0.92 + 0.22 * canvas.clouds(rng, size / rng.uniform(1.5, 4)), 0.25, 1)
    return np.asarray(picture * shade[:, :, None], dtype=np.float32)


def draw_pitch_px(rng: np.random.Generator) -> float:
    """Distance of dots; fine ones are as frequent as coarse ones, octave by octave."""
    return float(np.exp(rng.uniform(np.log(MIN_PITCH_PX), np.log(MAX_PITCH_PX))))


def draw_screens(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """One ink; the picture may be parted into areas of different pitch and angle, as of screentones."""
    paper, ink = draw_pair(rng, dark_on_light=0.85)
    picture = draw_ground(rng, canvas, paper, 0.4)
    grey = draw_tone(rng, canvas).mean(axis=2, dtype=np.float32)
    tone = np.clip((0.85 - grey) * 1.2, 0, 1)
    parts = int(rng.integers(1, 4))
    owner = np.zeros((canvas.side, canvas.side), dtype=np.int64)
    if parts > 1:
        hills = np.stack([canvas.clouds(rng, canvas.size_px / 2.5) for _ in range(parts)])
        owner = hills.argmax(axis=0)
    for number in range(parts):
        shape = "line" if rng.random() < 0.25 else "round"
        coverage = dot_screen(canvas, tone, draw_pitch_px(rng), float(rng.uniform(0, np.pi)), shape=shape)
        picture = tint(picture, coverage * (owner == number), ink)
    return picture


def draw_rosettes(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Cyan, magenta, yellow and black at their usual angles on white paper, darkening each other as inks do."""
    wanted = draw_tone(rng, canvas)
    turn, pitch = rng.uniform(0, np.pi / 2), draw_pitch_px(rng)
    black = (1 - wanted.max(axis=2)) * np.float32(0.8)
    rest = np.maximum(1 - black, 1e-3)[:, :, None]
    amounts = np.clip((rest - wanted) / rest, 0, 1)
    tones = {name: amounts[:, :, number] for number, name in enumerate(("cyan", "magenta", "yellow"))} | {
        "black": black
    }
    picture = np.broadcast_to(rgb_of(PAPER).astype(np.float32), wanted.shape).copy()
    for name, tone in tones.items():
        angle = float(np.radians(PRINT_ANGLES_DEG[name]) + turn)
        coverage = dot_screen(canvas, tone, pitch, angle)
        picture *= 1 - coverage[:, :, None] * (1 - rgb_of(INKS[name]).astype(np.float32))
    return picture


def draw_dither(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Cells of 2 to 5 pixels of two colours, or of three inks apart, as of old screens and games."""
    cell_px = int(rng.integers(2, 6))
    cells = -(-canvas.size_px // cell_px)
    small = draw_tone(rng, Canvas(cells))
    order = int(rng.integers(1, 4))
    is_ordered = bool(rng.random() < 0.6)

    def dither(tone: Plane) -> Plane:
        return ordered_dither(tone, order) if is_ordered else diffuse_error(tone)

    side, zoomed = canvas.side, cell_px * canvas.zoom
    if rng.random() < 0.35:
        planes = [dither(np.ascontiguousarray(small[:, :, channel])) for channel in range(3)]
        low, high = rng.uniform(0, 0.25), rng.uniform(0.75, 1)
        mixed = np.stack([enlarge(plane, zoomed, side) for plane in planes], axis=2)
        return np.asarray(low + (high - low) * mixed, dtype=np.float32)
    ground, ink = draw_pair(rng)
    tone = np.clip(1.25 * (0.9 - small.mean(axis=2, dtype=np.float32)), 0, 1)
    picture = np.broadcast_to(ground.astype(np.float32), (side, side, 3))
    return tint(np.array(picture), enlarge(dither(tone), zoomed, side), ink)
