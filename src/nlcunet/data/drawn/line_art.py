"""Pages in the manner of manga: panels with figures, screentones, hatching, speed lines, balloons and lettering."""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from nlcunet.data.drawn.canvas import Canvas, Colour, Pixels, Plane, over, tint
from nlcunet.data.drawn.figures import brush, draw_balloon, draw_head, make_burst
from nlcunet.data.drawn.lettering import write_block
from nlcunet.data.drawn.palette import draw_theme, rgb_of, vary, with_luma
from nlcunet.data.drawn.screens import dot_screen
from nlcunet.data.drawn.strokes import shapes, straight, strokes, tapering, turned

Box = Float[np.ndarray, "4"]
"""Left, top, right, bottom."""
FIRST_TONE, SECOND_TONE, NO_TONE = (rgb_of(code) for code in ("#ff0000", "#00ff00", "#000000"))
"""Marks of areas in the layers that say where screentones are."""


@dataclass
class MangaPage:
    """Layers of a page, from the lowest to the highest; panels clip their own parts."""

    ink: Colour
    paper: Colour
    backs: list[str] = field(default_factory=list)
    """Behind figures."""
    fronts: list[str] = field(default_factory=list)
    """Figures, drawn over the tones of the background."""
    tops: list[str] = field(default_factory=list)
    """Balloons, letters, frames."""
    tones: list[str] = field(default_factory=list)
    """Red where the first tone is, green where the second, below figures."""
    shades: list[str] = field(default_factory=list)
    """The same above figures: clothes and hair."""
    clips: list[str] = field(default_factory=list)


def draw_line_art(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A part of a page with one to six panels; black on white mostly, sometimes toned paper or coloured."""
    size = canvas.size_px
    paper, ink = rgb_of("#fdfdfc"), rgb_of("#0b0b0d")
    if rng.random() < 0.3:
        paper, ink = with_luma(draw_theme(rng)[0], rng.uniform(0.8, 0.97)), with_luma(draw_theme(rng)[0], 0.08)
    page = MangaPage(ink, paper)
    for number, corners in enumerate(draw_layout(rng, size)):
        fill_panel(rng, page, corners, number)
    base = np.broadcast_to(paper.astype(np.float32), (canvas.side, canvas.side, 3))
    clips = f"<defs>{''.join(page.clips)}</defs>"
    picture = over(np.array(base), canvas.draw([clips, *page.backs]))
    colours = [ink, ink] if rng.random() < 0.8 else [vary(rng, colour, 0.05) for colour in draw_theme(rng)[:2]]
    picture = lay_tones(rng, canvas, picture, canvas.draw([clips, *page.tones]), colours)
    picture = over(picture, canvas.draw([clips, *page.fronts]))
    if page.shades:
        picture = lay_tones(rng, canvas, picture, canvas.draw([clips, *page.shades]), colours)
    return over(picture, canvas.draw([clips, *page.tops]))


def lay_tones(
    rng: np.random.Generator, canvas: Canvas, picture: Pixels, regions: np.ndarray, colours: list[Colour]
) -> Pixels:
    """Screentones in the red and green regions, of even or fading tone."""
    for number, colour in enumerate(colours):
        region: Plane = regions[:, :, number]
        if not region.any():
            continue
        pitch = float(np.exp(rng.uniform(np.log(2.8), np.log(11))))
        angle = float(rng.choice([np.pi / 4, np.pi / 4, rng.uniform(0, np.pi)]))
        direction, slope = rng.uniform(0, 2 * np.pi), float(rng.choice([0.0, rng.uniform(0.3, 1.0)]))
        across = np.linspace(-0.5, 0.5, canvas.side, dtype=np.float32)
        ramp = math.cos(direction) * across[None, :] + math.sin(direction) * across[:, None]
        tone = np.clip(rng.uniform(0.08, 0.5) + slope * ramp, 0, 0.95)
        if rng.random() < 0.2:
            coverage = tone  # a grey wash instead of dots
        else:
            coverage = dot_screen(canvas, tone, pitch, angle, shape="line" if rng.random() < 0.15 else "round")
        picture = tint(picture, coverage * region, colour)
    return picture


def draw_layout(rng: np.random.Generator, size_px: int) -> list[Float[np.ndarray, "4 2"]]:
    """Corners of panels: the page cut again and again, gutters between, cuts often slanted a little."""
    gutter = float(rng.uniform(2, 14))
    edge = rng.uniform(-0.3, 0.05) * size_px
    boxes: list[Box] = [np.array([edge, edge, size_px - edge, size_px - edge])]
    for _ in range(int(rng.integers(0, 6))):
        boxes.sort(key=lambda box: -float((box[2] - box[0]) * (box[3] - box[1])))
        left, top, right, bottom = boxes.pop(0).tolist()
        share = rng.uniform(0.35, 0.65)
        if right - left > (bottom - top) * rng.uniform(0.7, 1.4):
            cut = left + share * (right - left)
            boxes += [np.array([left, top, cut, bottom]), np.array([cut, top, right, bottom])]
        else:
            cut = top + share * (bottom - top)
            boxes += [np.array([left, top, right, cut]), np.array([left, cut, right, bottom])]
    slant = rng.normal(0, 0.04) if rng.random() < 0.5 else 0.0
    panels = []
    for left, top, right, bottom in boxes:
        inner = (left + gutter / 2, top + gutter / 2, right - gutter / 2, bottom - gutter / 2)
        corners = np.array([[inner[0], inner[1]], [inner[2], inner[1]], [inner[2], inner[3]], [inner[0], inner[3]]])
        panels.append(corners + np.stack([np.zeros(4), slant * (corners[:, 0] - size_px / 2)], axis=1))
    return panels


def fill_panel(rng: np.random.Generator, page: MangaPage, corners: Float[np.ndarray, "4 2"], number: int) -> None:
    """One panel: background, figure, effects, balloons, frame."""
    frame = straight(corners[None], closed=True)
    page.clips.append(f'<clipPath id="p{number}"><path d="{frame[0]}"/></clipPath>')

    def clipped(elements: list[str]) -> str:
        return f'<g clip-path="url(#p{number})">{"".join(elements)}</g>'

    low, high = corners.min(axis=0), corners.max(axis=0)
    middle = low + (high - low) * rng.uniform(0.3, 0.7, 2)
    page.backs.append(clipped(draw_background(rng, page, corners, middle)))
    if rng.random() < 0.55:
        page.tones.append(clipped(list(shapes(frame, FIRST_TONE if rng.random() < 0.5 else SECOND_TONE))))
    if number == 0 or rng.random() < 0.7:
        height = float(min(high - low)) * rng.uniform(0.4, 1.1)
        skin = page.paper if rng.random() < 0.8 else vary(rng, page.paper * 0.85, 0.05)
        head = draw_head(rng, middle, max(height, 20.0), page.ink, skin)
        page.fronts.append(clipped(head.elements))
        if rng.random() < 0.7:
            hair = FIRST_TONE if rng.random() < 0.4 else NO_TONE
            behind = [*shapes(head.clothes, SECOND_TONE), *shapes(head.hair, hair)]
            page.shades.append(clipped([*behind, *shapes(head.face, NO_TONE), *shapes(head.fringe, hair)]))
    page.tops += [clipped(draw_effects(rng, page, low, high)), *strokes(frame, page.ink, float(rng.uniform(0.8, 4)))]
    for _ in range(int(rng.integers(0, 3))):
        place = low + (high - low) * rng.uniform(0.15, 0.85, 2)
        size = float(min(high - low)) * rng.uniform(0.12, 0.3)
        page.tops.append(clipped(draw_balloon(rng, place, max(size, 14.0), page.ink, page.paper)))


def draw_background(
    rng: np.random.Generator, page: MangaPage, corners: Float[np.ndarray, "4 2"], middle: Float[np.ndarray, "2"]
) -> list[str]:
    """Nothing, black, burst lines, speed lines, hatching, or a town."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    frame = straight(corners[None], closed=True)
    span = float(np.hypot(*(high - low)))
    ink = page.ink
    match int(rng.integers(7)):
        case 0:
            return list(shapes(frame, ink))
        case 1:
            lines, widths = make_burst(rng, middle, span * rng.uniform(0.15, 0.35), span)
            return list(shapes(tapering(lines, widths), ink))
        case 2:
            return draw_speed_lines(rng, low, high, ink)
        case 3:
            return draw_hatching(rng, middle, span, ink)
        case 4:
            return draw_town(rng, page, low, high)
        case 5:
            lines, widths = make_burst(rng, middle, span * rng.uniform(0.1, 0.3), span)
            return [*shapes(frame, ink), *shapes(tapering(lines, widths * 0.6), page.paper)]
        case _:
            return []


def draw_speed_lines(
    rng: np.random.Generator, low: Float[np.ndarray, "2"], high: Float[np.ndarray, "2"], ink: Colour
) -> list[str]:
    """Parallel lines that run out at one end."""
    span, middle = float(np.hypot(*(high - low))), (low + high) / 2
    angle = float(rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]))
    count = int(np.clip(span / rng.uniform(2.5, 9), 10, 220))
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    aside = np.sort(rng.uniform(-0.6, 0.6, count)) * span
    start, end = -0.6 * span * np.ones(count), rng.uniform(-0.2, 0.7, count) * span
    points = [middle + aside[:, None] * across + reach[:, None] * along for reach in (start, end)]
    widths = np.stack([rng.uniform(0.4, 3.0, count), np.full(count, 0.15)], axis=1)
    return list(shapes(tapering(np.stack(points, axis=1), widths), ink))


def draw_hatching(rng: np.random.Generator, middle: Float[np.ndarray, "2"], span: float, ink: Colour) -> list[str]:
    """Patches of short parallel pen strokes, crossed in places."""
    elements: list[str] = []
    pitch, pen = rng.uniform(2.8, 7), float(rng.uniform(0.35, 1.4))
    for _ in range(int(rng.integers(5, 16))):
        angle = float(rng.choice([np.pi / 4, -np.pi / 4, rng.uniform(0, np.pi)]))
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        count = int(rng.integers(8, 36))
        patch = middle + rng.normal(0, 0.25 * span, 2)
        centres = patch + ((np.arange(count) - count / 2) * pitch)[:, None] * across
        reach = span * rng.uniform(0.03, 0.12) * rng.uniform(0.6, 1.2, (count, 1))
        bow = across * span * 0.01
        curves = np.stack([centres - along * reach, centres + bow, centres + along * reach], axis=1)
        elements += brush(curves, ink, pen, samples=2)
    return elements


def draw_town(
    rng: np.random.Generator, page: MangaPage, low: Float[np.ndarray, "2"], high: Float[np.ndarray, "2"]
) -> list[str]:
    """Blocks of houses with windows, ruled with a thin pen."""
    elements: list[str] = []
    pen = float(rng.uniform(0.4, 1.3))
    for _ in range(int(rng.integers(4, 10))):
        width, height = (high - low) * rng.uniform([0.1, 0.3], [0.35, 0.9])
        left, top = low[0] + rng.uniform(-0.1, 1.0) * (high[0] - low[0]), high[1] - height
        wall = straight(
            np.array([[[left, top], [left + width, top], [left + width, high[1]], [left, high[1]]]]), closed=True
        )
        step = rng.uniform(6, 18)
        columns, rows = (
            np.arange(left + step * 0.4, left + width - step * 0.7, step),
            np.arange(top + 5, high[1], step * 1.3),
        )
        x, y = (axis.ravel() for axis in np.meshgrid(columns, rows))
        w, h = step * 0.55, step * rng.uniform(0.5, 0.9)
        panes = np.stack([np.stack(c, axis=1) for c in ((x, y), (x + w, y), (x + w, y + h), (x, y + h))], axis=1)
        elements += [*shapes(wall, page.paper), *strokes(wall, page.ink, pen * 1.5)]
        if len(panes):
            paths = straight(panes, closed=True)
            elements += shapes(paths, page.ink) if rng.random() < 0.4 else strokes(paths, page.ink, pen)
    return elements


def draw_effects(
    rng: np.random.Generator, page: MangaPage, low: Float[np.ndarray, "2"], high: Float[np.ndarray, "2"]
) -> list[str]:
    """Large outlined letters as of sounds."""
    if rng.random() < 0.6:
        return []
    size = float(np.clip(min(high - low) * rng.uniform(0.15, 0.4), 12, 90))
    x, y = low + (high - low) * rng.uniform(0.0, 0.6, 2)
    words = write_block(rng, (x, y, 3 * size), 1, size, page.ink, outlined=bool(rng.random() < 0.5))
    return [turned(words, float(rng.normal(0, 25)), float(x), float(y))]
