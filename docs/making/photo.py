"""Draws docs/images/photo-degradation.webp: what the degradation ``photo`` does to a photograph and to a drawing.

Run: ``python docs/making/photo.py``. Needs Pillow (of the development tools). All pictures may be passed on: a free
photograph of the repository, and one drawn by nlcunet.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from nlcunet.data.drawn.pictures import draw_picture
from nlcunet.degradations.photo import PhotoPreset
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import draw_record
from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.steps import Blur, Denoise, Jpeg, Noise, Resize, Sharpen, Step
from nlcunet.imaging.files import read_picture

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "anhinga_original.webp"
OUTPUT = ROOT / "docs" / "images" / "photo-degradation.webp"

SCALE, SIDE_PX = 4, 256
COLUMNS, GAP_PX = 4, 12
TEXT_PX, LINE_PX, LINES = 13, 17, 3
PAPER, INK, FAINT = "#ffffff", "#1c2226", "#5b666d"

PLACES = ((84, 330), (720, 560))
"""Top and left of the details of the photograph."""
SEEDS = (tuple(range(10, 16)), tuple(range(20, 26)), tuple(range(30, 36)))
"""Of the damaged versions of each picture."""


def find_pictures() -> list[torch.Tensor]:
    """The originals, 3 × side × side in [0, 1]."""
    photo = torch.from_numpy(read_picture(PHOTO).pixels)
    details = [photo[top : top + SIDE_PX, left : left + SIDE_PX] for top, left in PLACES]
    details.append(draw_picture("line-art", 2, SIDE_PX))
    return [detail.permute(2, 0, 1).double() / 255 for detail in details]


def draw_records(seeds: tuple[int, ...]) -> list[DegradationRecord]:
    """A clean degradation, and one that is not for each seed."""
    records = []
    for seed in (seeds[0], *seeds):
        preset = PhotoPreset(scale=SCALE, clean_share=0.0 if records else 1.0)
        records.append(draw_record(preset, torch.Generator().manual_seed(seed)))
    return records


def name_step(step: Step) -> str:
    """A step in a few words."""
    match step:
        case Blur(kernel="ringing", cutoff_rad=cutoff):
            return f"low-pass {cutoff:.1f}"
        case Blur(kernel="anisotropic", sigma_x_px=x, sigma_y_px=y):
            return f"blur {x:.1f} / {y:.1f} px"
        case Blur(sigma_x_px=sigma):
            return f"blur {sigma:.1f} px"
        case Resize(size=size, kernel=kernel):
            return kernel if size == 1 else f"{kernel} to size {size:.2g}"
        case Noise(std_8bit=std, is_grey=is_grey, correlation_px=correlation):
            return f"{'grey ' if is_grey else ''}{'coarse ' if correlation else ''}noise {std:.1f}"
        case Denoise():
            return "denoised"
        case Sharpen(amount=amount):
            return f"sharpened {amount:.1f}"
        case Jpeg(quality=quality, chroma=chroma):
            return f"JPEG {quality}{' full colour' if chroma == '4:4:4' else ''}"
    return step.kind


def to_image(pixels: torch.Tensor) -> Image.Image:
    """A picture of the sheet, its pixels enlarged to squares."""
    eight_bits = (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(eight_bits).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST)


def wrap(parts: list[str], font: ImageFont.FreeTypeFont) -> list[str]:
    """The words of a caption in lines that fit below a picture; a line ends between two steps."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]}, {part}"
        if font.getlength(longer + ",") <= SIDE_PX:
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(part)
    return lines


def draw_sheet() -> Image.Image:
    """All pictures with their captions."""
    versions = []
    for original, seeds in zip(find_pictures(), SEEDS, strict=True):
        versions.append((original, ["original"]))
        for record in draw_records(seeds):
            low_res = apply_records(original[None], [record])[0]
            versions.append((low_res, [name_step(step) for step in record.steps]))
    rows = -(-len(versions) // COLUMNS)
    across, down = SIDE_PX + GAP_PX, SIDE_PX + LINES * LINE_PX + GAP_PX
    sheet = Image.new("RGB", (COLUMNS * across + GAP_PX, rows * down + GAP_PX), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT_PX)
    for place, (pixels, words) in enumerate(versions):
        left, top = GAP_PX + place % COLUMNS * across, GAP_PX + place // COLUMNS * down
        sheet.paste(to_image(pixels), (left, top))
        for number, line in enumerate(wrap(words, font)):
            colour = INK if words == ["original"] else FAINT
            pen.text((left, top + SIDE_PX + 3 + number * LINE_PX), line, fill=colour, font=font)
    return sheet


def main() -> None:
    """Draws and writes."""
    parser = argparse.ArgumentParser(description="Draw docs/images/photo-degradation.webp.")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    draw_sheet().save(parser.parse_args().output, quality=88, method=6)


if __name__ == "__main__":
    main()
