"""How much memory a tile takes, and how large a tile may be.

A network's memory grows with the pixels of a tile. What one low-resolution pixel takes at the peak was measured as the
growth of the process over one forward pass on a CPU in float32 (tiles of 128 to 512, torch 2.13):

============  =======  ===============  ======================
network       width    bytes per pixel  feature maps of width
============  =======  ===============  ======================
NLCUnet-S     32       4,300 to 6,100   34 to 47
NLCUnet-M     48       11,400           59
NLCUnet       64       15,600           61
============  =======  ===============  ======================

So 64 feature maps of the first stage's width are counted for every NLCUnet. In bfloat16 NLCUnet-S took 0.55 of it.
"""

import math

import torch

from nlcunet.inference.tiles import smallest_tile
from nlcunet.models.weights import WeightsHeader

FEATURE_MAPS = 64
"""Feature maps of the first stage's width that are alive at the peak; see the module's table."""

HALF_PRECISION_SHARE = 0.65
"""Memory in 16-bit types as a share of that in float32: 0.55 measured, and some copies in float32 stay."""

USABLE_SHARE = 0.5
"""Share of the free memory that a tile may plan on; the rest is for the picture, its result, and for others."""

LARGEST_TILE_CPU = 256
"""On a CPU larger tiles do not pay: they save overlap, but their feature maps fall out of the cache.
NLCUnet-S, one thread, µs of processor time per pixel that is kept with an overlap of 16: 58 with tiles of 64,
27 at 128, 23 at 192, 24 at 256, 25 at 384."""

LARGEST_TILE_ACCELERATOR = 1024
"""Beyond this an accelerator is busy anyway, and bands of the result grow for nothing."""

SMALLEST_AUTOMATIC_TILE = 64
"""Below this, more than half of the work is overlap."""


def bytes_per_pixel(header: WeightsHeader, dtype: torch.dtype) -> int:
    """Peak memory of a network per low-resolution pixel of a tile; networks not measured count as of width 64."""
    share = 1.0 if dtype == torch.float32 else HALF_PRECISION_SHARE
    if header.architecture == "Bicubic":
        return 3 * 4 * 3 * header.scale**2  # three float32 pictures of the result's size
    width = header.config.get("width", 64)
    return int(4 * FEATURE_MAPS * width * share)


def automatic_tile(free_bytes: int, header: WeightsHeader, device: torch.device, dtype: torch.dtype) -> int:
    """The tile side for so much free memory: a multiple of the network's size multiple, within sensible limits."""
    largest = LARGEST_TILE_CPU if device.type == "cpu" else LARGEST_TILE_ACCELERATOR
    side = math.isqrt(int(free_bytes * USABLE_SHARE) // bytes_per_pixel(header, dtype))
    side = max(min(side, largest), SMALLEST_AUTOMATIC_TILE)
    return max(
        side // header.size_multiple * header.size_multiple, smallest_tile(header.size_multiple, header.min_size)
    )
