"""Attention checks: the original against a copy of it that nobody who looks would prefer."""

import numpy as np
import torch
from jaxtyping import UInt8

from nlcunet.imaging.files import Picture, encode_picture, read_picture
from nlcunet.imaging.resize import resize_bicubic

SHRINK = 6
"""How many times smaller the degraded copy is made before it is enlarged again: well beyond the ×4 of the systems."""

JPEG_QUALITY = 10

MIN_DAMAGE_8BIT = 8.0
"""Root mean square difference, in steps of 255, below which a check might honestly be missed."""


def degrade_heavily(pixels: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """The picture shrunk, enlarged again and compressed until anybody sees it."""
    height, width = pixels.shape[:2]
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).to(torch.float32)
    small = resize_bicubic(image, max(1, height // SHRINK), max(1, width // SHRINK))
    large = resize_bicubic(small, height, width).round().clamp(0, 255).to(torch.uint8)
    picture = Picture(pixels=large.permute(1, 2, 0).contiguous().numpy())
    return np.asarray(read_picture(encode_picture(picture, file_format="jpeg", quality=JPEG_QUALITY)).pixels)


def measure_damage_8bit(
    pixels: UInt8[np.ndarray, "height width 3"], degraded: UInt8[np.ndarray, "height width 3"]
) -> float:
    """Root mean square difference in steps of 255."""
    return float(np.sqrt(np.square(pixels.astype(np.float64) - degraded).mean()))
