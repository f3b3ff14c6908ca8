"""Parts of networks in forms that exporters can draw; the numbers are those of the originals."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.imaging.resize import resize_bicubic
from nlcunet.tensors import FeatureMap

REACH = 2
"""How far a bicubic enlargement by a whole number looks, in low-resolution pixels."""


class DrawableBicubic(nn.Module):
    """``Bicubic`` for any size: one small convolution per phase of the result, and a pixel shuffle."""

    kernels: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("kernels", _phase_kernels(scale), persistent=False)

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge; the result may leave [0, 1] beside edges."""
        padded = _mirror(_mirror(low_res, 2), 3)
        batch, channels, height, width = padded.shape
        planes = padded.reshape(batch * channels, 1, height, width)
        enlarged = F.pixel_shuffle(F.conv2d(planes, self.kernels), self.scale)
        return enlarged.reshape(batch, channels, *enlarged.shape[-2:])


def _mirror(x: FeatureMap, axis: int) -> Tensor:
    """``x`` continued by ``REACH`` pixels at both ends of an axis, mirrored at its edge as MATLAB does."""
    length = x.shape[axis]
    position = torch.arange(length + 2 * REACH, device=x.device) - REACH
    position = torch.where(position < 0, -1 - position, position)
    position = torch.where(position >= length, 2 * length - 1 - position, position)
    return x.index_select(axis, position.clamp_min(0))


def _phase_kernels(scale: int) -> Float[Tensor, "phases 1 taps taps"]:
    """What ``resize_bicubic`` does, read off its answer to a single bright pixel."""
    taps = 2 * REACH + 1
    dot = torch.zeros(1, 1, 2 * taps - 1, 2 * taps - 1, dtype=torch.float64)
    dot[0, 0, taps - 1, taps - 1] = 1.0
    side = (2 * taps - 1) * scale
    answer = resize_bicubic(dot, side, side)
    spread = F.pixel_unshuffle(answer, scale)[0]  # phase, pixel of the result ÷ scale
    window = slice(taps - 1 - REACH, taps + REACH)
    return spread[:, None, window, window].flip((-2, -1)).float()


class HalfConvolution(nn.Module):
    """A convolution in half precision between parts in float32."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().half(), requires_grad=False)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().half(), requires_grad=False)
        self.stride, self.padding, self.groups = layer.stride, layer.padding, layer.groups

    def forward(self, x: FeatureMap) -> Float[Tensor, "batch out_channels out_height out_width"]:
        """Convolve; float32 in and out."""
        return F.conv2d(x.half(), self.weight, self.bias, self.stride, self.padding, groups=self.groups).float()
