"""What cameras and editors do to a pixel by looking around it: a colour mosaic, and smoothing that keeps edges."""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.errors import ConfigError

Images: TypeAlias = Float[Tensor, "batch 3 _ _"]


def per_picture(images: Images, values: Sequence[float]) -> Float[Tensor, "batch 1 1 1"]:
    """One number for each picture, where the pictures are."""
    numbers = torch.tensor(values, dtype=images.dtype)
    if images.device.type == "cuda":
        numbers = numbers.pin_memory()
    return numbers.to(images.device, non_blocking=True).view(-1, 1, 1, 1)


def mosaic(images: Images) -> Images:
    """Every second pixel is green, every fourth red and blue; the rest is the mean of the nearest known ones.

    Raises:
        ConfigError: If a side is a single pixel.
    """
    if min(images.shape[2:]) < 2:
        height, width = images.shape[2:]
        raise ConfigError(f"a mosaic must have at least 2 pixels on both sides: got {height} × {width}")
    rows, columns = (torch.arange(side, device=images.device) % 2 for side in images.shape[2:])
    red = (rows[:, None] == 0) & (columns == 0)
    blue = (rows[:, None] == 1) & (columns == 1)
    known = torch.stack([red, ~(red | blue), blue]).to(images.dtype)
    weights = images.new_tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]).expand(3, 1, 3, 3)

    def spread(planes: Tensor) -> Tensor:
        return F.conv2d(F.pad(planes, (1, 1, 1, 1), mode="reflect"), weights, groups=3)

    with torch.autocast(images.device.type, enabled=False):
        filled = spread(images * known) / spread(known.expand(1, -1, -1, -1))
    return torch.where(known > 0, images, filled)


def neighbours(images: Images, radius: int) -> list[tuple[int, int, Tensor]]:
    """Every shift up to the radius on both axes and the pictures so shifted, borders reflected.

    The radius is cut to what the pictures' reflected borders can give.
    """
    height, width = images.shape[2:]
    radius = min(radius, height - 1, width - 1)
    padded = F.pad(images, (radius,) * 4, mode="reflect")
    shifts = range(-radius, radius + 1)
    return [
        (down, right, padded[..., radius + down : radius + down + height, radius + right : radius + right + width])
        for down in shifts
        for right in shifts
    ]


def median(images: Images, radius: int) -> Images:
    """The median of a square window, each channel for itself."""
    return torch.stack([shifted for _, _, shifted in neighbours(images, radius)]).median(dim=0).values


def bilateral(images: Images, radius: int, strengths_8bit: Sequence[float]) -> Images:
    """Means of a square window, in which near and similar pixels weigh more (Tomasi and Manduchi, ICCV 1998)."""
    fall = 1.0 / (2.0 * per_picture(images, [strength / 255 for strength in strengths_8bit]).square())
    nearness = 1.0 / (2.0 * (radius / 1.5) ** 2)
    total, weights = torch.zeros_like(images), torch.zeros_like(images[:, :1])
    for down, right, shifted in neighbours(images, radius):
        apart = (shifted - images).square().mean(dim=1, keepdim=True)
        weight = torch.exp(-apart * fall - (down * down + right * right) * nearness)
        total.addcmul_(shifted, weight)
        weights += weight
    return total / weights
