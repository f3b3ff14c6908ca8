"""Draws details of a real photograph, enlarged with several amounts of denoising.

Run: ``python docs/making/denoise.py``. Writes ``docs/images/denoise.webp``.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import nlcunet

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples"))

from real_photographs import DETAIL_PX, EXAMPLES, HERE, SCALE, details_of  # noqa: E402

AMOUNTS = (0.0, 0.5, 1.0)
GAP_PX, CAPTION_PX = 8, 28


def main() -> None:
    """One column per amount, one row per detail."""
    example, side = EXAMPLES[0], SCALE * DETAIL_PX
    picture = nlcunet.read_picture(HERE / example.file)
    columns = [details_of(nlcunet.load(denoise=amount).upscale(picture).pixels, example)[:1] for amount in AMOUNTS]
    size = (len(AMOUNTS) * (side + GAP_PX) + GAP_PX, CAPTION_PX + len(columns[0]) * (side + GAP_PX))
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=17)
    for number, (amount, details) in enumerate(zip(AMOUNTS, columns, strict=True)):
        left = GAP_PX + number * (side + GAP_PX)
        draw.text((left, 5), f"denoise {amount:g}", fill="black", font=font)
        for row, detail in enumerate(details):
            sheet.paste(detail, (left, CAPTION_PX + row * (side + GAP_PX)))
    sheet.save(ROOT / "docs" / "images" / "denoise.webp", quality=86)


if __name__ == "__main__":
    main()
