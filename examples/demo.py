"""Upscale two photographs ×4 by default: one made small here, to measure, and one as it was found, to look at.

Run: ``make demo``, or ``python examples/demo.py [--output FOLDER]``.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from real_photographs import EXAMPLES, upscale_and_draw

import nlcunet
from nlcunet.imaging.files import read_picture
from nlcunet.metrics.psnr import psnr_y
from nlcunet.metrics.ssim import ssim_y

HERE = Path(__file__).parent
SCALE = 4
CROPS = ((300, 110), (700, 900), (480, 1340))
"""Top left corners (x, y) of the details shown, in pixels of the original."""
CROP_PX = 360
MARGIN_PX, CAPTION_PX = 12, 34


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    """8-bit height × width × 3 as 1 × 3 × height × width in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255.0


def score(result: np.ndarray, original: np.ndarray) -> str:
    """PSNR and SSIM on Y, by the benchmark's protocol."""
    a, b = as_tensor(result), as_tensor(original)
    return f"{psnr_y(a, b, border=SCALE).item():.2f} dB / {ssim_y(a, b, border=SCALE).item():.3f}"


def draw_comparison(columns: dict[str, np.ndarray], target: Path) -> None:
    """One row per detail, one column per version, every pixel of the result shown as a pixel."""
    font = ImageFont.load_default(size=19)
    width = MARGIN_PX + len(columns) * (CROP_PX + MARGIN_PX)
    sheet = Image.new("RGB", (width, CAPTION_PX + len(CROPS) * (CROP_PX + MARGIN_PX) + MARGIN_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (caption, pixels) in enumerate(columns.items()):
        left = MARGIN_PX + column * (CROP_PX + MARGIN_PX)
        draw.text((left, MARGIN_PX), caption, fill="black", font=font)
        for row, (x, y) in enumerate(CROPS):
            detail = Image.fromarray(pixels[y : y + CROP_PX, x : x + CROP_PX])
            sheet.paste(detail, (left, CAPTION_PX + MARGIN_PX + row * (CROP_PX + MARGIN_PX)))
    sheet.save(target)


def main() -> None:
    """Upscale, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the pictures")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)

    low_res = read_picture(HERE / "anhinga.png").pixels
    original = read_picture(HERE / "anhinga_original.webp").pixels

    upscaler = nlcunet.load()
    start = time.perf_counter()
    enlarged = upscaler.upscale(read_picture(HERE / "anhinga.png"))
    ours = enlarged.pixels
    seconds = time.perf_counter() - start
    bicubic = nlcunet.load("bicubic-x4").upscale(low_res)
    nearest = np.repeat(np.repeat(low_res, SCALE, axis=0), SCALE, axis=1)

    Image.fromarray(ours).save(folder / "anhinga_x4.png")
    draw_comparison(
        {
            "input": nearest,
            f"bicubic  {score(bicubic, original)}": bicubic,
            f"NLCUnet-S  {score(ours, original)}": ours,
            "original": original,
        },
        folder / "comparison.png",
    )
    size = f"{low_res.shape[1]}×{low_res.shape[0]} → {ours.shape[1]}×{ours.shape[0]}"
    print(f"anhinga.png, {size} in {seconds:.1f} s. {enlarged.notes[0]}")
    print(f"bicubic    {score(bicubic, original)}  (PSNR / SSIM on Y)")
    print(f"NLCUnet-S  {score(ours, original)}")
    print(*upscale_and_draw(EXAMPLES[:1], folder / "real.png"), sep="\n")
    print(f"pictures: {folder / 'anhinga_x4.png'}, {folder / 'comparison.png'}, {folder / 'real.png'}")


if __name__ == "__main__":
    main()
