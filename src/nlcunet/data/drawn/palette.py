"""Colours and grounds: natural and grey, from mild to strong contrast, flat, shaded and textured."""

import numpy as np

from nlcunet.data.drawn.canvas import Canvas, Colour, Pixels

NATURAL = {
    "sky": ("#9fc5e8", "#c9d6df", "#5b8fc7", "#e8edf2", "#3e6a99", "#f0d9c0"),
    "leaf": ("#3d5a2a", "#6b8e3a", "#27401f", "#a3b86c", "#86794a", "#c8cf8f"),
    "earth": ("#5c4433", "#8a6a4d", "#b59874", "#3a2c22", "#d2bea0", "#7d5036"),
    "stone": ("#8d8a84", "#b9b4aa", "#5e5d5b", "#dcd8ce", "#3c3b3a", "#a59a8c"),
    "brick": ("#8f4a36", "#a8604a", "#6e382b", "#c58b6c", "#d9b99b", "#54302a"),
    "skin": ("#e8beac", "#c68642", "#8d5524", "#f1d3c2", "#5a3825", "#d9a384"),
    "paper": ("#f4efe4", "#fbfaf6", "#e6dcc6", "#d8c9a8", "#efe9dc", "#cfc4b0"),
    "sign": ("#b3262a", "#20558a", "#1f7a4a", "#e0b62c", "#d9662b", "#5b2f73"),
    "metal": ("#6f7880", "#a4adb5", "#40474d", "#cfd5da", "#8b8177", "#22272b"),
}
"""Themes of sRGB colours as they occur in photographs and print."""

LUMA = np.array([0.299, 0.587, 0.114])


def rgb_of(text: str) -> Colour:
    """A colour from ``#rrggbb``."""
    return np.array([int(text[start : start + 2], 16) / 255 for start in (1, 3, 5)])


def luma_of_colour(colour: Colour) -> float:
    """Luma in [0, 1]."""
    return float(colour @ LUMA)


def draw_theme(rng: np.random.Generator, names: tuple[str, ...] = tuple(NATURAL)) -> list[Colour]:
    """Six related colours of one of the named themes, varied; one theme in four is made grey."""
    name = str(rng.choice(names))
    colours = [vary(rng, rgb_of(text), 0.05) for text in NATURAL[name]]
    if rng.random() < 0.25:
        colours = [np.full(3, luma_of_colour(colour)) for colour in colours]
    return [colours[number] for number in rng.permutation(len(colours))]


def vary(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """A colour near another: lighter or darker, and a little of another hue."""
    changed = colour + rng.normal(0, amount) + rng.normal(0, amount / 2, 3)
    return np.asarray(np.clip(changed, 0.02, 0.98))


def draw_contrast(rng: np.random.Generator) -> float:
    """Difference of luma between ink and ground: strong in half of the pictures, down to 0.12 in the others."""
    return float(rng.uniform(0.55, 0.95) if rng.random() < 0.5 else rng.uniform(0.12, 0.55))


def with_luma(colour: Colour, luma: float) -> Colour:
    """The colour made lighter or darker towards white or black, until its luma is as given."""
    have = luma_of_colour(colour)
    if luma <= have:
        return np.asarray(colour * (luma / max(have, 1e-6)))
    return np.asarray(colour + (1 - colour) * ((luma - have) / max(1 - have, 1e-6)))


def draw_pair(rng: np.random.Generator, *, dark_on_light: float = 0.5) -> tuple[Colour, Colour]:
    """Colours of ground and ink, in that order; the ink is the darker one with the given probability."""
    contrast = draw_contrast(rng)
    low = rng.uniform(0.02, 0.98 - contrast)
    lumas = (low + contrast, low) if rng.random() < dark_on_light else (low, low + contrast)
    themes = (draw_theme(rng), draw_theme(rng))
    ground, ink = (with_luma(theme[0], float(luma)) for theme, luma in zip(themes, lumas, strict=True))
    return ground, ink


def draw_ground(rng: np.random.Generator, canvas: Canvas, colour: Colour, texture: float = 1.0) -> Pixels:
    """A ground around a colour: flat, shaded, clouded, finely textured, or of unsharp colours."""
    base = np.broadcast_to(colour.astype(np.float32), (canvas.side, canvas.side, 3)).copy()
    mode = str(rng.choice(["flat", "shaded", "clouded", "grain", "unsharp"], p=[0.25, 0.2, 0.2, 0.2, 0.15]))
    luma = luma_of_colour(colour)
    room = np.float32(texture * min(0.3, 0.1 + 0.5 * min(luma, 1 - luma)))
    if mode == "shaded":
        angle = rng.uniform(0, 2 * np.pi)
        ramp = ((np.arange(canvas.side) + 0.5) / canvas.side - 0.5).astype(np.float32)
        slope = np.float32(np.cos(angle)) * ramp[None, :] + np.float32(np.sin(angle)) * ramp[:, None]
        base += room * slope[:, :, None]
    elif mode == "clouded":
        base += room * np.float32(0.35) * canvas.clouds(rng, canvas.size_px / rng.uniform(1.5, 5))[:, :, None]
    elif mode == "grain":
        finest = float(rng.uniform(1.5, 4))
        for octave in range(4):
            strength = room * np.float32(rng.uniform(0.03, 0.12))
            base += strength * canvas.clouds(rng, finest * 2.5**octave)[:, :, None]
    elif mode == "unsharp":
        for other in draw_theme(rng)[:3]:
            hills = canvas.clouds(rng, canvas.size_px / rng.uniform(3, 9))
            weight = np.clip(hills * np.float32(0.6) - np.float32(0.2), 0, 1)[:, :, None]
            base += (other.astype(np.float32) - base) * (weight * np.float32(0.5 * texture))
    return np.asarray(np.clip(base, 0.0, 1.0))
