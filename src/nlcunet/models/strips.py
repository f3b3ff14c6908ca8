"""Blocks on a CPU in strips of rows: the same numbers, a fraction of the memory traffic.

The widest maps of a block have 5.3 times its channels and are looked at only once more: written to memory as a whole,
they cost more time than the arithmetic. Here a strip of rows goes through all layers while it is in the cache; only
maps of the block's own width are ever held whole. A strip reads the rows beside it that its depth-wise convolutions
reach, so that nothing changes but the rounding.

A block needs the mean of all its merged branches before its second half: so it takes two passes over the rows.

Shape legend: channels as in ``nlcunet``; hidden = int(2.66 · channels) of the feed-forward.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.models.fused_convolution import convolve, convolve_gelu, convolve_with
from nlcunet.models.layers import ChannelAttention, Convolution, GatedFeedForward, PixelLayerNorm
from nlcunet.tensors import FeatureMap

STRIP_BYTES = 6 * 2**20
"""Widest map of a strip: fits with its neighbours into a share of a server's level-3 cache. Of strips of 4 to 32 rows
the longest were fastest, and whole maps slowest, for maps of 256 and 128 pixels (docs/performance.md)."""

UPSAMPLER_BYTES = 32 * 2**20
"""Likewise for the upsampler, whose strips are computed with neighbours: longer, so that these cost little."""

LEAST_ROWS = 4
"""Shorter strips would mostly compute the rows beside them."""

StripMap: TypeAlias = Float[Tensor, "batch channels _ width"]
"""Some rows of a feature map."""


@runtime_checkable
class StripBlock(Protocol):
    """The parts of an NLCUnet block that are computed here."""

    @property
    def norm1(self) -> PixelLayerNorm:
        """Before the branches."""
        ...

    @property
    def attention(self) -> nn.Module | None:
        """Attention over the whole map, if the block has any."""
        ...

    @property
    def local(self) -> nn.Sequential:
        """Depth-wise convolution, GELU, depth-wise convolution."""
        ...

    @property
    def merge(self) -> Convolution:
        """Over both branches."""
        ...

    @property
    def channel_attention(self) -> ChannelAttention:
        """Re-weights what was merged."""
        ...

    @property
    def norm2(self) -> PixelLayerNorm:
        """Before the feed-forward."""
        ...

    @property
    def feed_forward(self) -> GatedFeedForward:
        """The second half."""
        ...


def run_in_strips(block: StripBlock, x: FeatureMap) -> FeatureMap:
    """What the block gives for ``x``.

    Args:
        block: an NLCUnet block.
        x: float32 on the CPU.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    merged = _merge_branches(block, x)
    factor = block.channel_attention.factor(merged.mean(dim=(2, 3), keepdim=True))
    hidden = block.feed_forward.contract.in_channels

    def finish(rows: "Strip") -> StripMap:
        near = torch.addcmul(x[:, :, rows.near], merged[:, :, rows.near], factor)
        return _feed_forward(block.feed_forward, block.norm2(near), near[:, :, rows.own_in_near], rows)

    return _map_strips(finish, x, 4 * x.shape[0] * hidden * x.shape[3], reach=1)


def _merge_branches(block: StripBlock, x: FeatureMap) -> FeatureMap:
    """Attention beside local convolutions, merged."""
    attended = None if block.attention is None else block.attention(block.norm1(x))
    first, second = (layer for layer in block.local if isinstance(layer, Convolution))

    def merge(rows: "Strip") -> StripMap:
        near = block.norm1(x[:, :, rows.near])
        # Where the map ends, the second convolution sees zeros, not what the first one gives beyond the end.
        branch = convolve_gelu(near, first.weight, first.bias, padding=rows.padding, groups=first.groups)
        branch = rows.cut(branch)
        branch = convolve(branch, second.weight, second.bias, padding=rows.padding, groups=second.groups)
        branch = rows.cut(branch)
        if attended is not None:
            branch = torch.cat([attended[:, :, rows.own], branch], dim=1)
        return convolve(branch, block.merge.weight, block.merge.bias)

    return _map_strips(merge, x, 4 * x.shape[0] * x.shape[1] * x.shape[3], reach=2)


def _map_strips(compute: Callable[["Strip"], StripMap], x: FeatureMap, bytes_per_row: int, *, reach: int) -> FeatureMap:
    """A map of the shape of ``x`` from what is computed for each strip; arguments as ``strips``."""
    found = list(strips(x.shape[2], bytes_per_row, reach=reach))
    if len(found) == 1:
        return compute(found[0])
    result = torch.empty_like(x)
    for rows in found:
        result[:, :, rows.own] = compute(rows)
    return result


def _feed_forward(layer: GatedFeedForward, near: StripMap, residual: StripMap, rows: "Strip") -> StripMap:
    """The gated feed-forward of a strip, plus its residual; gate and content apart, each with its own weights."""
    hidden = layer.contract.in_channels
    expand, depthwise = layer.expand.weight, layer.depthwise.weight
    gate = convolve(near, expand[:hidden])
    gate = convolve_gelu(gate, depthwise[:hidden], padding=rows.padding, groups=hidden)
    content = convolve(near, expand[hidden:])
    gated = convolve_with(content, gate, depthwise[hidden:], operation="mul", padding=rows.padding, groups=hidden)
    return convolve_with(rows.cut(gated), residual, layer.contract.weight, operation="add")


def upsample_in_strips(upsampler: nn.Sequential, x: FeatureMap) -> Float[Tensor, "batch 3 high_height high_width"]:
    """The RGB detail that convolutions and pixel shuffles make of ``x``, a few rows at a time.

    Rows are computed with some of their neighbours, as many as the convolutions reach, and these are cut off again: the
    zeros that a convolution puts beyond a strip's end never get into what is kept.

    Args:
        upsampler: convolutions of 3 × 3 and pixel shuffles.
        x: float32 on the CPU.
    """
    reach, scale, widest = 0.0, 1, 0
    for layer in upsampler:
        if isinstance(layer, nn.PixelShuffle):
            scale *= layer.upscale_factor
        elif isinstance(layer, Convolution):
            reach += 1 / scale
            widest = max(widest, layer.out_channels * scale * scale)
    batch, _, height, width = x.shape
    size = (batch, 3, height * scale, width * scale)
    result = torch.empty(size, memory_format=torch.channels_last)
    for rows in strips(height, 4 * batch * widest * width * STRIP_BYTES // UPSAMPLER_BYTES, reach=math.ceil(reach)):
        near = upsampler(x[:, :, rows.near])
        own = slice(scale * rows.own_in_near.start, scale * rows.own_in_near.stop)
        result[:, :, scale * rows.own.start : scale * rows.own.stop] = near[:, :, own]
    return result


class Strip:
    """Some rows of a map, and those around them that their results depend on.

    Args:
        start: first row.
        stop: one past the last.
        height: of the map.
        reach: how many rows on either side are read, where there are any.
    """

    def __init__(self, start: int, stop: int, height: int, reach: int) -> None:
        first, end = max(start - reach, 0), min(stop + reach, height)
        self.own = slice(start, stop)
        self.near = slice(first, end)
        self.own_in_near = slice(start - first, stop - first)
        is_first, is_last = start == 0, stop == height
        self.padding = (int(is_first or is_last), 1)
        """Padding of 3 × 3 convolutions over maps of the strip: rows of zeros where the whole map ends."""
        # Zeros come at both ends or at none. What they make of the inner end is cut off: that is cheaper than a copy of
        # the map with zeros at one end.
        self._kept = slice(int(is_last and not is_first), -1 if is_first and not is_last else None)

    def cut(self, maps: StripMap) -> StripMap:
        """What a 3 × 3 convolution with this padding gave, without the row that depends on zeros at an inner end."""
        return maps[:, :, self._kept]


def strips(height: int, bytes_per_row: int, *, reach: int) -> Iterator[Strip]:
    """Strips that cover every row once, from top to bottom, as equal as may be.

    Args:
        height: rows of the map.
        bytes_per_row: of the widest map computed from a row.
        reach: rows on either side that a strip reads.
    """
    rows = max(STRIP_BYTES // bytes_per_row, LEAST_ROWS, 1)
    count = -(-height // rows)
    edges = [height * index // count for index in range(count + 1)]
    for start, stop in pairwise(edges):
        yield Strip(start, stop, height, reach)
