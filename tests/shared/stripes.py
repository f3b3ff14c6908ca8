"""Pictures of stripes in random directions: easy to learn, hard for bicubic."""

import math
from pathlib import Path

import numpy as np

from nlcunet.imaging.files import Picture, write_picture


def draw_stripes(folder: Path, count: int, side: int) -> Path:
    """Fill a folder with them; the same every time."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    for index in range(count):
        angle, period = random.uniform(0, math.pi), random.uniform(6, 12)
        wave = np.sin(2 * math.pi * (np.cos(angle) * rows + np.sin(angle) * columns) / period) > 0
        pixels = (wave[..., None] * random.integers(100, 255, 3) + 20).clip(0, 255).astype(np.uint8)
        write_picture(Picture(pixels=pixels), folder / f"{index}.png")
    return folder
