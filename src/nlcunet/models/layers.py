"""Layers that several networks share: pixel-wise layer norm, channel attention, gated feed-forward.

Shape legend: channels of a feature map; hidden = int(2.66 · channels) of the feed-forward.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.models.fused_convolution import can_compute_only, convolve
from nlcunet.tensors import FeatureMap


class Convolution(nn.Conv2d):
    """A convolution of stride 1; on a CPU without gradients always by oneDNN."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x``."""
        if can_compute_only(x) and isinstance(self.padding, tuple):
            rows, columns = self.padding
            return convolve(x, self.weight, self.bias, padding=(rows, columns), groups=self.groups)
        return super().forward(x)


class PixelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel; a view, not a copy, for channels-last tensors."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Normalise every pixel's channels to mean 0 and variance 1, then scale and shift."""
        rows = x.permute(0, 2, 3, 1)
        if loses_weight_gradients(rows):
            return super().forward(rows.float()).to(x.dtype).permute(0, 3, 1, 2)
        return super().forward(rows).permute(0, 3, 1, 2)


def loses_weight_gradients(x: Tensor) -> bool:
    """Whether PyTorch's own layer norm would sum the gradients of its weights, over all pixels, in half precision.

    It does so on a CPU and leaves them some 20 to 80 % off; compiled code and accelerators sum in float32.
    """
    narrow = x.device.type == "cpu" and x.dtype in {torch.bfloat16, torch.float16}
    return narrow and torch.is_grad_enabled() and not torch.compiler.is_compiling()


class ChannelAttention(nn.Module):
    """Squeeze and excitation: every channel is scaled by a factor in (0, 1) made from all channels' means."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.squeeze = Convolution(channels, squeezed, 1)
        self.excite = Convolution(squeezed, channels, 1)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Scale the channels of ``x``."""
        return x * self.factor(x.mean(dim=(2, 3), keepdim=True))

    def factor(self, mean: FeatureMap) -> FeatureMap:
        """What every channel is scaled by, from the means of all channels, 1 × 1 pixels."""
        factor: Tensor = self.excite(F.gelu(self.squeeze(mean))).sigmoid()
        return factor


class GatedFeedForward(nn.Module):
    """Two 1×1 convolutions around a depth-wise one whose first half gates the second (Restormer's GDFN), no biases."""

    def __init__(self, channels: int, expansion: float = 2.66) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.expand = Convolution(channels, 2 * hidden, 1, bias=False)
        self.depthwise = Convolution(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.contract = Convolution(hidden, channels, 1, bias=False)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Transform ``x``; the caller adds the residual."""
        gate, content = self.depthwise(self.expand(x)).chunk(2, dim=1)
        contracted: Tensor = self.contract(F.gelu(gate) * content)
        return contracted
