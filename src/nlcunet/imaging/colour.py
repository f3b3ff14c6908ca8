"""Colour arithmetic on sRGB-encoded pixels: brightness as television defines it."""

import torch
from jaxtyping import Float
from torch import Tensor


def rgb_to_luma(image: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch 1 height width"]:
    """Luma of ITU-R BT.601, full range: 0.299 R + 0.587 G + 0.114 B, of values as encoded; [0, 1] stays [0, 1]."""
    red, green, blue = image.unbind(-3)
    return (0.299 * red + 0.587 * green + 0.114 * blue).unsqueeze(-3)


def rgb_to_y_bt601_studio(image: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch 1 height width"]:
    """Y of ITU-R BT.601 in studio range, as MATLAB's ``rgb2ycbcr`` defines it, not rounded.

    Args:
        image: RGB in [0, 1].

    Returns:
        65.481 R + 128.553 G + 24.966 B + 16: 16 for black, 235 for white, in steps of an 8-bit picture.
    """
    red, green, blue = image.unbind(-3)
    return (65.481 * red + 128.553 * green + 24.966 * blue + 16.0).unsqueeze(-3)


def grey_to_rgb(image: Float[Tensor, "*batch 1 height width"]) -> Float[Tensor, "*batch 3 height width"]:
    """The same picture with three equal channels."""
    return torch.cat([image, image, image], dim=-3)
