"""Generated pictures with the statistics of photographs: discs that cover each other, of all sizes ("dead leaves").

A. Lee, D. Mumford, J. Huang, "Occlusion models for natural images", IJCV 2001: edges, even areas, 1/f.
"""

from functools import lru_cache

import numpy as np
import torch

from nlcunet.imaging.resize import resize_bicubic


@lru_cache(maxsize=64)
def scene(seed, height=192, width=256):
    """Sharp discs, drawn at twice the size, so that their edges are smooth."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : 2 * height, 0 : 2 * width]
    picture = np.full((2 * height, 2 * width, 3), 128.0)
    for _ in range(250):
        radius = 5 / random.uniform(0.02, 1.0) ** 0.7
        top, left = random.uniform(0, 2 * height), random.uniform(0, 2 * width)
        inside = (rows - top) ** 2 + (columns - left) ** 2 < radius**2
        picture[inside] = random.uniform(20, 235) + random.uniform(-20, 20, 3)
    return resized(picture.astype(np.uint8), height, width)


def resized(pixels, height, width):
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float()
    return resize_bicubic(image, height, width).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()


def enlarged(pixels, factor):
    height, width = pixels.shape[:2]
    return resized(resized(pixels, round(height / factor), round(width / factor)), height, width)


def with_noise(pixels, std, seed=0):
    noise = np.random.default_rng(seed).normal(0, std, (*pixels.shape[:2], 1))
    return (pixels + noise).clip(0, 255).round().astype(np.uint8)
