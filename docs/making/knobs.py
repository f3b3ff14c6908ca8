"""Draws details of real photographs, enlarged with several settings of ``--denoise`` and of ``--strength``.

Run: ``python docs/making/knobs.py``. Writes ``docs/images/denoise.webp`` and ``docs/images/strength.webp``.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import nlcunet

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples"))

from real_photographs import DETAIL_PX, EXAMPLES, HERE, SCALE, Example, details_of  # noqa: E402

AMOUNTS = (0.0, 0.5, 1.0)
PHOTOGRAPHS = {"denoise": ("grace_hopper.jpg",), "strength": ("camera.png", "grace_hopper.jpg")}
"""By the setting that they show."""
GAP_PX, CAPTION_PX = 8, 28


def main() -> None:
    """One sheet per setting."""
    for setting, files in PHOTOGRAPHS.items():
        draw_sheet(setting, [example for file in files for example in EXAMPLES if example.file == file])


def draw_sheet(setting: str, examples: list[Example]) -> None:
    """One column per amount, one row per photograph."""
    side = SCALE * DETAIL_PX
    size = (len(AMOUNTS) * (side + GAP_PX) + GAP_PX, CAPTION_PX + len(examples) * (side + GAP_PX))
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=17)
    for column, amount in enumerate(AMOUNTS):
        left = GAP_PX + column * (side + GAP_PX)
        draw.text((left, 5), f"{setting} {amount:g}", fill="black", font=font)
        upscaler = nlcunet.load(strength=amount) if setting == "strength" else nlcunet.load(denoise=amount)
        for row, example in enumerate(examples):
            enlarged = upscaler.upscale(nlcunet.read_picture(HERE / example.file))
            sheet.paste(details_of(enlarged.pixels, example)[0], (left, CAPTION_PX + row * (side + GAP_PX)))
    sheet.save(ROOT / "docs" / "images" / f"{setting}.webp", quality=86)


if __name__ == "__main__":
    main()
