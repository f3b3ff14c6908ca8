"""A detector of thin lines: where a picture has one, how strong it is, and how much line there is.

A line is a place that is lighter, or darker, than both its sides, over some length. For each of 12 directions the
picture is smoothed along and a little across (Gaussians of 1.5 and 0.35 low-resolution pixels), and a pixel compared
with the pixels 0.75 and 1.5 low-resolution pixels to its left and right. The smaller of the two differences counts:
it is 0 at edges and on slopes. The strength is the largest over directions and distances: the contrast that a straight
line keeps after that smoothing.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, UInt8
from torch import Tensor

from nlcunet.errors import ConfigError

ANGLES = tuple(math.pi * number / 12 for number in range(12))
"""Directions of lines, clockwise from the x axis."""
ALONG_SIGMA_LOW_RES_PX, ACROSS_SIGMA_LOW_RES_PX = 1.5, 0.35
SIDE_DISTANCES_LOW_RES_PX = (0.75, 1.5)


@dataclass(frozen=True, kw_only=True)
class Ridges:
    """What the detector found, pixel by pixel; light lines first, then dark ones."""

    strength: Tensor
    """2 × batch × height × width: contrast of a line through this pixel, at least 0."""
    length_px: Tensor
    """2 × batch × height × width: how much of a line's centre runs through this pixel, 1 to 1.41 px; 0 elsewhere."""


def find_ridges(luma: Float[Tensor, "batch height width"], scale: int) -> Ridges:
    """Looks for lines of up to about two low-resolution pixels.

    Args:
        luma: Brightness in [0, 1]. The picture is taken as if it went on at the opposite side: what is found within
            5 low-resolution pixels of a border means nothing.
        scale: Pixels per low-resolution pixel.

    Raises:
        ConfigError: If a side is shorter than 16 low-resolution pixels.
    """
    height, width = luma.shape[-2:]
    if min(height, width) < 16 * scale:
        raise ConfigError(
            f"lines are looked for in pictures of at least {16 * scale} pixels on both sides: got {height} × {width}; "
            "use a larger picture"
        )
    strength = luma.new_zeros(2, *luma.shape)
    direction = torch.zeros(strength.shape, dtype=torch.uint8, device=luma.device)
    spectrum = torch.fft.rfft2(luma)
    for number, angle in enumerate(ANGLES):
        smooth = smooth_along(spectrum, (height, width), angle, scale)
        found = line_contrast(smooth, angle, scale)
        direction.masked_fill_(found > strength, number)
        strength = torch.maximum(strength, found)
    return Ridges(strength=strength, length_px=length_of_crests(strength, direction))


def smooth_along(
    spectrum: Complex[Tensor, "batch rows columns"], size: tuple[int, int], angle: float, scale: int
) -> Float[Tensor, "batch height width"]:
    """The picture under a Gaussian that is long in one direction; its transform is a Gaussian too."""
    height, width = size
    down = torch.fft.fftfreq(height, device=spectrum.device)[:, None]
    right = torch.fft.rfftfreq(width, device=spectrum.device)[None, :]
    along = (right * math.cos(angle) + down * math.sin(angle)) * (ALONG_SIGMA_LOW_RES_PX * scale)
    across = (down * math.cos(angle) - right * math.sin(angle)) * (ACROSS_SIGMA_LOW_RES_PX * scale)
    smooth: Tensor = torch.fft.irfft2(spectrum * torch.exp(-2 * math.pi**2 * (along**2 + across**2)), s=size)
    return smooth


def line_contrast(
    smooth: Float[Tensor, "batch height width"], angle: float, scale: int
) -> Float[Tensor, "2 batch height width"]:
    """How much each pixel stands out from both its sides, whichever is less, at the better of the distances."""
    best = smooth.new_zeros(2, *smooth.shape)
    for distance_low_res_px in SIDE_DISTANCES_LOW_RES_PX:
        reach = distance_low_res_px * scale
        down, right = round(reach * math.cos(angle)), round(-reach * math.sin(angle))
        sides = torch.stack([smooth.roll(shift, dims=(-2, -1)) for shift in ((down, right), (-down, -right))])
        light, dark = smooth - sides.amax(dim=0), sides.amin(dim=0) - smooth
        best = torch.maximum(best, torch.stack([light, dark]))
    return best


def length_of_crests(
    strength: Float[Tensor, "2 batch height width"], direction: UInt8[Tensor, "2 batch height width"]
) -> Float[Tensor, "2 batch height width"]:
    """Non-zero where a pixel is stronger than the two above and below it; of steep lines, left and right of it.

    So a line has one such pixel in each column (or row), which stands for 1 / max(|cos|, |sin|) of its length.
    """
    length = torch.zeros_like(strength)
    for number, angle in enumerate(ANGLES):
        axis = -2 if abs(math.cos(angle)) >= abs(math.sin(angle)) else -1
        before, after = strength.roll(1, dims=axis), strength.roll(-1, dims=axis)
        is_crest = (direction == number) & (strength > before) & (strength >= after)
        length.masked_fill_(is_crest, 1 / max(abs(math.cos(angle)), abs(math.sin(angle))))
    return length
