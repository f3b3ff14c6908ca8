"""Draws two details of a real photograph for the README: plainly enlarged, and by the program without any flag.

Run: ``python docs/making/before_after.py [--output FILE]``.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import nlcunet

ROOT = Path(__file__).parents[2]
PHOTOGRAPH = ROOT / "examples" / "photographs" / "grace_hopper.jpg"
DETAILS = ((150, 20, 150, 90), (150, 145, 150, 90))
"""Left, top, width and height, in pixels of the photograph."""
GAP_PX, CAPTION_PX = 8, 30


def main() -> None:
    """One row per detail: before to the left, after to the right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "before-after.webp")
    target = parser.parse_args().output
    picture = nlcunet.read_picture(PHOTOGRAPH)
    after = Image.fromarray(nlcunet.load().upscale(picture).pixels)
    before = Image.fromarray(np.asarray(picture.pixels)).resize(after.size, Image.Resampling.LANCZOS)
    scale = after.width // picture.width
    width, height = scale * DETAILS[0][2], scale * DETAILS[0][3]
    size = (2 * width + GAP_PX, CAPTION_PX + len(DETAILS) * (height + GAP_PX) - GAP_PX)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=20)
    for left, caption, pixels in ((0, "before: plainly enlarged", before), (width + GAP_PX, "after: nlcunet", after)):
        draw.text((left, 2), caption, fill="black", font=font)
        for row, (x, y, wide, high) in enumerate(DETAILS):
            box = (scale * x, scale * y, scale * (x + wide), scale * (y + high))
            sheet.paste(pixels.crop(box), (left, CAPTION_PX + row * (height + GAP_PX)))
    sheet.save(target, quality=88)


if __name__ == "__main__":
    main()
