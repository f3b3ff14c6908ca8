"""What an enlargement takes, known before it starts: passes, tiles, and memory.

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
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from nlcunet.imaging.resize import CUBIC_REACH_PX
from nlcunet.inference.sizes import MAX_SIDE_PX, Pass, SizeRequest, plan_passes
from nlcunet.inference.tiling.tiles import TilePlan, plan_tiles, round_up, smallest_tile
from nlcunet.models.weights import WeightsHeader

LARGEST_BAND_BYTES = 2**28
"""Size of a band of finished rows in float32 that is to be resampled; about four are in memory at a time."""

LEAST_MARGIN_PX = 32
"""How much of the opposite edge the network sees, at least, where edges continue each other."""

_BAND_CHANNELS = 3

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


@dataclass(frozen=True, kw_only=True)
class Work:
    """The passes of one enlargement and the tiles of each.

    Attributes:
        passes: in order; the last ends at the size asked for.
        tilings: the tile plan of each pass.
        scale: the network's own.
        tile: the longest side that a tile was to have.
    """

    passes: tuple[Pass, ...]
    tilings: tuple[TilePlan, ...]
    scale: int
    tile: int

    @property
    def height(self) -> int:
        """Rows of the result."""
        return self.passes[-1].target_height

    @property
    def width(self) -> int:
        """Columns of the result."""
        return self.passes[-1].target_width

    @property
    def size(self) -> tuple[int, int]:
        """Both."""
        return self.height, self.width

    @cached_property
    def tile_count(self) -> int:
        """Tiles of all passes."""
        return sum(tiling.count for tiling in self.tilings)

    @property
    def network_pixels(self) -> int:
        """Low-resolution pixels that the network sees in all; what the time is proportional to."""
        return sum(tiling.pixels for step, tiling in zip(self.passes, self.tilings, strict=True) if step.enlarges)

    def scale_of(self, step: Pass) -> int:
        """By how much tiles grow in a pass, before its resampling."""
        return self.scale if step.enlarges else 1

    def picture_bytes(self, channels: int, sample_bytes: int) -> int:
        """Main memory at the peak, without the network's: pictures before and after a pass, and one band between."""
        peaks = []
        for index, (step, tiling) in enumerate(zip(self.passes, self.tilings, strict=True)):
            before = step.height * step.width * (sample_bytes if index == 0 else max(sample_bytes, 2))
            is_last = index + 1 == len(self.passes)
            after = step.target_height * step.target_width * (sample_bytes if is_last else max(sample_bytes, 2))
            # one band in float32, blended, resampled and rounded: three copies
            scale = self.scale_of(step)
            band = 3 * 4 * tiling.rows.tile * scale * max(tiling.columns.length * scale, step.target_width)
            peaks.append(channels * (before + after + band))
        return max(peaks)

    def streamed_bytes(self, channels: int, sample_bytes: int) -> int:
        """Main memory at the peak where a picture goes from disk to disk, without the network's."""
        peaks = []
        for step, tiling in zip(self.passes, self.tilings, strict=True):
            scale = self.scale_of(step)
            network_width, rows = tiling.columns.length * scale, tiling.rows.tile * scale
            # the fade to the next row of tiles, and copies of it on their way to the disk
            fade = 4 * 4 * 2 * tiling.rows.blend * scale * network_width
            blocks = 12 * rows * tiling.columns.tile * scale * (4 + sample_bytes)
            is_resampled = (step.height * scale, step.width * scale) != (step.target_height, step.target_width)
            band = 4 * 4 * rows * max(network_width, step.target_width) if is_resampled else 0
            strips = 3 * 256 * step.target_width * sample_bytes  # the encoder's
            peaks.append(channels * (fade + blocks + band + strips))
        return max(peaks)

    def at_once(self, index: int, limit: int) -> int:
        """How many tiles of a pass are in the network at a time: those of one row of tiles, at most ``limit``."""
        return min(limit, len(self.tilings[index].columns.spans))

    def network_bytes(self, header: WeightsHeader, dtype: torch.dtype, tiles_at_once: int = 1) -> int:
        """Memory of the device at the peak: that of the largest tile, as often as tiles are worked on at a time."""
        peaks = (
            tiling.rows.tile * tiling.columns.tile * self.at_once(index, tiles_at_once)
            for index, (step, tiling) in enumerate(zip(self.passes, self.tilings, strict=True))
            if step.enlarges
        )
        return max(peaks, default=0) * bytes_per_pixel(header, dtype)


def bytes_per_pixel(header: WeightsHeader, dtype: torch.dtype) -> int:
    """Peak memory of a network per low-resolution pixel of a tile; networks not measured count as of width 64.

    Other people's networks are looked at when they are loaded; their header holds an estimate.
    """
    share = 1.0 if dtype == torch.float32 else HALF_PRECISION_SHARE
    if header.architecture == "Bicubic":
        return 3 * 4 * 3 * header.scale**2  # three float32 pictures of the result's size
    if header.is_foreign:
        return int(header.config["bytes_per_pixel"] * share)
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


def plan_work(
    height: int,
    width: int,
    request: SizeRequest,
    header: WeightsHeader,
    *,
    tile: int,
    overlap: int,
    shrink_to: float | None = None,
) -> Work:
    """Plan the enlargement of a picture of this size, where ``shrink_to`` says so after shrinking it.

    Raises:
        ConfigError: the size asked for is not possible.
    """
    target = request.resolve(height, width, header.scale)
    passes = plan_passes((height, width), target, header.scale, shrink_to=shrink_to)
    passes = tuple(_with_margins(step, request.wrap, header, overlap) for step in passes)
    is_resampled_only = not any(step.enlarges for step in passes)  # whole rows, as many as a band may hold
    tilings = tuple(_plan_pass(step, header, MAX_SIDE_PX if is_resampled_only else tile, overlap) for step in passes)
    return Work(passes=passes, tilings=tilings, scale=header.scale, tile=tile)


def _with_margins(step: Pass, wrap: str, header: WeightsHeader, overlap: int) -> Pass:
    """The pass with as much of the opposite edges around the picture as network and resampling look at."""
    if wrap == "none":
        return step
    shrinking = max(step.height / step.target_height, step.width / step.target_width, 1.0)
    margin = math.ceil(CUBIC_REACH_PX * shrinking) + 1
    if step.enlarges:
        margin = round_up(max(margin, overlap, LEAST_MARGIN_PX), header.size_multiple)
    return replace(
        step,
        margin_rows=margin if wrap in {"vertical", "both"} else 0,
        margin_columns=margin if wrap in {"horizontal", "both"} else 0,
    )


def _plan_pass(step: Pass, header: WeightsHeader, tile: int, overlap: int) -> TilePlan:
    """The tiles of a pass; where the network takes no part, they need no context and no rules of sizes."""
    return plan_tiles(
        step.height + 2 * step.margin_rows,
        step.width + 2 * step.margin_columns,
        tile=tile,
        row_tile=_row_tile(step, header.scale if step.enlarges else 1, tile),
        overlap=overlap if step.enlarges else 0,
        multiple=header.size_multiple if step.enlarges else 1,
        min_size=header.min_size if step.enlarges else 1,
    )


def _row_tile(step: Pass, scale: int, tile: int) -> int:
    """How high a tile may be: lower where a pass is resampled behind the network, which takes whole bands."""
    if (step.height * scale, step.width * scale) == (step.target_height, step.target_width):
        return tile
    row_bytes = _BAND_CHANNELS * 4 * scale * max(step.width * scale, step.target_width)
    return min(tile, max(LARGEST_BAND_BYTES // row_bytes, 1))
