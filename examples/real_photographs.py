"""Upscale real photographs ×4 with the default, and draw details beside plain enlarging (Lanczos).

Run: ``python examples/real_photographs.py [--output FILE]``. ``make demo`` does it with the first of them.
"""

import argparse
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import nlcunet

HERE = Path(__file__).parent / "photographs"
SCALE = 4
DETAIL_PX = 88
"""Side of a detail, in pixels of the photograph."""
GAP_PX, CAPTION_PX = 8, 44


@dataclass(frozen=True, kw_only=True)
class Example:
    """A photograph and where to look at it."""

    file: str
    details: tuple[tuple[int, int], ...]
    """Top left corners (x, y) of squares of ``DETAIL_PX``, in pixels of the photograph."""


EXAMPLES = (
    Example(file="grace_hopper.jpg", details=((185, 150),)),
    Example(file="rocket.jpg", details=((280, 140),)),
    Example(file="coins.png", details=((140, 85),)),
    Example(file="camera.png", details=((200, 80),)),
    Example(file="china.jpg", details=((290, 110),)),
    Example(file="flower.jpg", details=((280, 180),)),
)


def details_of(pixels: np.ndarray, example: Example) -> list[Image.Image]:
    """The details of an enlarged photograph, every pixel shown as a pixel."""
    side = SCALE * DETAIL_PX
    corners = [(SCALE * x, SCALE * y) for x, y in example.details]
    colours = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    return [Image.fromarray(colours[y : y + side, x : x + side]) for x, y in corners]


def upscale_and_draw(examples: tuple[Example, ...], target: Path) -> list[str]:
    """Two details in a row, each with Lanczos to the left and the default to the right.

    Returns:
        What the program said of each photograph.
    """
    upscaler = nlcunet.load()
    font = ImageFont.load_default(size=15)
    cells: list[tuple[str, Image.Image, Image.Image]] = []
    said = []
    for example in examples:
        picture = nlcunet.read_picture(HERE / example.file)
        enlarged = upscaler.upscale(picture)
        note = enlarged.notes[0]
        said.append(f"{example.file}: {note}")
        samples = picture.pixels[:, :, 0] if picture.pixels.shape[2] == 1 else picture.pixels
        size = (SCALE * picture.pixels.shape[1], SCALE * picture.pixels.shape[0])
        plain = np.asarray(Image.fromarray(samples).resize(size, Image.Resampling.LANCZOS))
        plain = plain.reshape(*plain.shape[:2], -1)
        pairs = zip(details_of(plain, example), details_of(enlarged.pixels, example), strict=True)
        cells += [(f"{example.file}.  {note}", *pair) for pair in pairs]
    side = SCALE * DETAIL_PX
    width, height = 2 * side + 3 * GAP_PX, side + CAPTION_PX + GAP_PX
    sheet = Image.new("RGB", (min(2, len(cells)) * width, -(-len(cells) // 2) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (caption, plain_detail, our_detail) in enumerate(cells):
        top, left = number // 2 * height, number % 2 * width
        lines = textwrap.wrap(caption, 88)
        draw.multiline_text((left + GAP_PX, top + 2), "\n".join(lines), fill="black", font=font, spacing=2)
        sheet.paste(plain_detail, (left + GAP_PX, top + CAPTION_PX))
        sheet.paste(our_detail, (left + 2 * GAP_PX + side, top + CAPTION_PX))
    sheet.save(target)
    return said


def main() -> None:
    """All photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("real-photographs.png"))
    target = parser.parse_args().output
    for line in upscale_and_draw(EXAMPLES, target):
        print(line)
    print(f"details beside Lanczos: {target}")


if __name__ == "__main__":
    main()
