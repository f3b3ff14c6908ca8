"""The pixel contract and the shape aliases that every module shares.

Pixels are RGB in [0, 1], sRGB-encoded (as in the file), float32, laid out batch × channel × height × width.
Rounding to 8 bits happens where a file would be written, and nowhere else. Networks may leave [0, 1]; writers clamp.

Shape legend: ``batch``, ``height``, ``width`` of the low-resolution side; ``H``, ``W`` of the high-resolution side;
``channels`` of a feature map; ``tokens`` = height · width pixels in row order.
"""

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

FeatureMap: TypeAlias = Float[Tensor, "batch channels height width"]
"""Any stack of channels, also grey pictures (one channel)."""


def round_to_8bit(image: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """What a picture becomes when it is written with 8 bits and read again: clamped to [0, 1], steps of 1/255."""
    return torch.round(image.clamp(0.0, 1.0) * 255.0) / 255.0
