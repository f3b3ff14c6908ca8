"""Text: paragraphs, posters, signs, lists and labels in the scripts and fonts of this machine."""

import numpy as np

from nlcunet.data.drawn.canvas import Canvas, Colour, Pixels, over
from nlcunet.data.drawn.palette import draw_ground, draw_pair, draw_theme, luma_of_colour
from nlcunet.data.drawn.scripts import list_writable_scripts, make_line, make_word
from nlcunet.data.drawn.strokes import hex_of, smooth, straight, strokes, turned

MIN_SIZE_PX, MAX_SIZE_PX = 6.0, 90.0

LATIN_SHARE = 0.35
"""Of texts in Latin letters, where others can be written too."""


def draw_lettering(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A page, a poster, signs, or a list."""
    makers = (draw_page, draw_poster, draw_signs, draw_list)
    return makers[int(rng.choice(len(makers), p=[0.35, 0.3, 0.2, 0.15]))](rng, canvas)


def draw_page(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Columns of running text with headings, perhaps turned a little."""
    size = canvas.size_px
    ground, ink = draw_pair(rng, dark_on_light=0.75)
    picture = draw_ground(rng, canvas, ground, 0.6)
    columns = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    gap = size * 0.03
    elements: list[str] = []
    for column in range(columns):
        left, width = -0.05 * size + column * (1.1 * size / columns) + gap, 1.1 * size / columns - 2 * gap
        top = -size * rng.uniform(0.0, 0.1)
        while top < size * 1.05:
            heading = rng.random() < 0.25
            size_px = float(rng.uniform(16, 40) if heading else np.exp(rng.uniform(np.log(MIN_SIZE_PX), np.log(20))))
            lines = 1 if heading else int(rng.integers(4, 16))
            elements += write_block(rng, (left, top, width), lines, size_px, ink)
            top += size_px * 1.3 * lines + size_px
    angle = 0.0 if rng.random() < 0.5 else float(rng.normal(0, 4))
    return over(picture, canvas.draw([turned(elements, angle, size / 2, size / 2)]))


def draw_poster(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Words of all sizes, colours and directions over each other."""
    size = canvas.size_px
    ground, ink = draw_pair(rng)
    picture = draw_ground(rng, canvas, ground)
    elements: list[str] = []
    for number in range(int(rng.integers(18, 50))):
        size_px = float(np.exp(rng.uniform(np.log(MIN_SIZE_PX), np.log(MAX_SIZE_PX))))
        other = draw_theme(rng)[0]
        colour = ink if number % 3 or abs(luma_of_colour(other) - luma_of_colour(ground)) < 0.15 else other
        x, y = rng.uniform(-0.1, 0.9, 2) * size
        angle = float(rng.choice([0.0, 90.0, float(rng.uniform(-180, 180))], p=[0.4, 0.1, 0.5]))
        outlined = size_px > 24 and rng.random() < 0.2
        elements.append(
            turned(write_block(rng, (x, y, float(size)), 1, size_px, colour, outlined=outlined), angle, x, y)
        )
    return over(picture, canvas.draw(elements))


def draw_signs(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Boards and labels with frames, each with a few lines."""
    size = canvas.size_px
    picture = draw_ground(rng, canvas, draw_pair(rng)[0])
    elements: list[str] = []
    for _ in range(int(rng.integers(12, 26))):
        board, ink = draw_pair(rng)
        width, height = size * rng.uniform(0.2, 0.7), size * rng.uniform(0.06, 0.35)
        x, y = rng.uniform(-0.15, 0.85, 2) * size
        lines = int(rng.integers(1, 5))
        size_px = float(np.clip(height / lines / 1.35, MIN_SIZE_PX, MAX_SIZE_PX))
        frame = f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" rx="{rng.uniform(0, 8):.2f}" '
        inset = f'fill="{hex_of(board)}" stroke="{hex_of(ink)}" stroke-width="{rng.uniform(0.3, 3):.2f}"/>'
        words = write_block(rng, (x + 0.4 * size_px, y, width - 0.8 * size_px), lines, size_px, ink)
        angle = 0.0 if rng.random() < 0.4 else float(rng.normal(0, 15))
        elements.append(turned([frame + inset, *words], angle, x, y))
    return over(picture, canvas.draw(elements))


def draw_list(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """A table: hairlines between rows and columns of short texts and numbers."""
    size = canvas.size_px
    ground, ink = draw_pair(rng, dark_on_light=0.8)
    picture = draw_ground(rng, canvas, ground, 0.4)
    size_px = float(rng.uniform(MIN_SIZE_PX, 18))
    pitch, columns = size_px * rng.uniform(1.4, 2.2), int(rng.integers(2, 6))
    elements: list[str] = []
    rows = np.arange(-1, size / pitch + 1)
    for number in rows:
        for column in range(columns):
            left = (column + 0.05) * size / columns
            elements += write_block(rng, (left, number * pitch, size / columns * 0.9), 1, size_px, ink)
    level = np.stack(
        [np.full_like(rows, -size), rows * pitch - 0.1, np.full_like(rows, 2 * size), rows * pitch - 0.1], 1
    )
    places = np.arange(columns) * (size / columns)
    upright = np.stack([places, np.full_like(places, -size), places, np.full_like(places, 2 * size)], axis=1)
    lines = straight(np.concatenate([level, upright]).reshape(-1, 2, 2))
    elements += strokes(lines, ink, float(rng.uniform(0.3, 1.2)))
    angle = 0.0 if rng.random() < 0.6 else float(rng.normal(0, 5))
    return over(picture, canvas.draw([turned(elements, angle, size / 2, size / 2)]))


def write_block(
    rng: np.random.Generator,
    box: tuple[float, float, float],
    lines: int,
    size_px: float,
    colour: Colour,
    *,
    centred: bool = False,
    outlined: bool = False,
) -> list[str]:
    """Lines of one script and font below each other, in a box of left, top and width in pixels."""
    scripts = list_writable_scripts()
    if not scripts:
        return invent_block(rng, box, lines, size_px, colour)
    number = 0 if rng.random() < LATIN_SHARE else int(rng.integers(len(scripts)))
    script, families = scripts[number]
    left, top, width = box
    x = left + width / 2 if centred else left
    style = _font_style(rng, families, size_px, colour, outlined=outlined)
    letters = max(1, int(width / (script.em_per_letter * size_px)))
    anchor = ' text-anchor="middle"' if centred else ""
    rows = []
    for line in range(lines):
        text = make_word(rng, script) if letters < 8 else make_line(rng, script, letters)
        place = f'x="{x:.2f}" y="{top + size_px * (1.0 + 1.3 * line):.2f}"'
        rows.append(f'<text {place} direction="ltr">{text[: letters + 2]}</text>')
    return [f"<g {style}{anchor}>{''.join(rows)}</g>"]


def _font_style(
    rng: np.random.Generator, families: tuple[str, ...], size_px: float, colour: Colour, *, outlined: bool
) -> str:
    """Attributes of a font: family, weight, slant, size, colour."""
    family = families[int(rng.integers(len(families)))].replace("&", "&amp;").replace("<", "&lt;").replace('"', "")
    weight = int(rng.choice([200, 400, 700], p=[0.15, 0.6, 0.25]))
    slant = "italic" if rng.random() < 0.2 else "normal"
    paint = f'fill="{hex_of(colour)}"'
    if outlined:
        paint = f'fill="none" stroke="{hex_of(colour)}" stroke-width="{rng.uniform(0.4, 2):.2f}"'
    return f'font-family="\'{family}\'" font-weight="{weight}" font-style="{slant}" font-size="{size_px:.2f}" {paint}'


def invent_block(
    rng: np.random.Generator, box: tuple[float, float, float], lines: int, size_px: float, colour: Colour
) -> list[str]:
    """Lines of invented letters of one to three strokes on a grid of 3×4 points, for machines without fonts."""
    left, top, width = box
    advance = size_px * 0.55
    count = max(1, int(width / advance))
    alphabet = rng.integers(0, 3, (20, 3, 4)) * 0.5 + rng.uniform(-0.06, 0.06, (20, 3, 4))
    alphabet[:, :, 1::2] *= 1.5
    elements: list[str] = []
    for line in range(lines):
        kinds = rng.integers(0, len(alphabet), count)
        kinds = kinds[rng.uniform(0, 1, count) > 0.16]
        start = np.stack(
            [left + advance * np.arange(len(kinds)), np.full(len(kinds), top + size_px * (0.3 + 1.3 * line))], 1
        )
        points = start[:, None, None] + alphabet[kinds].reshape(len(kinds), 3, 2, 2) * size_px * 0.42
        bent = np.insert(points, 1, points.mean(axis=2) + rng.normal(0, 0.06 * size_px, (1, 3, 2)), axis=2)
        paths = smooth(bent.reshape(3 * len(kinds), 3, 2))
        elements += strokes(paths, colour, size_px * float(rng.uniform(0.05, 0.12)), cap="round")
    return elements
