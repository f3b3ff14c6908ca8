"""Layers that the networks with a kernel estimator share: channel attention, upsampler.

Shape legend: channels of a feature map.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.tensors import FeatureMap

UPSAMPLERS = ("stepwise", "direct")


class LeakyChannelAttention(nn.Module):
    """Squeeze and excitation with a leaky rectifier between its two 1×1 convolutions.

    Args:
        channels: channels in and out.
        reduction: so many times fewer channels in the middle, at least one.
        negative_slope: of the rectifier; 0 is a plain one.
    """

    def __init__(self, channels: int, *, reduction: int, negative_slope: float) -> None:
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.negative_slope = negative_slope
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Scale every channel by a factor in (0, 1) made from all channels' means."""
        squeezed = F.leaky_relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True)), self.negative_slope)
        factor: Tensor = self.excite(squeezed).sigmoid()
        return x * factor


def make_upsampler(width: int, scale: int, kind: str) -> nn.Sequential:
    """From ``width`` channels to RGB, ``scale`` times larger.

    Args:
        width: channels in.
        scale: 2, 3 or 4.
        kind: ``"stepwise"``, as published: 3×3 convolution and pixel shuffle (twice ×2 for ×4), 3×3 convolution to RGB;
            ``"direct"``, for small networks: one 3×3 convolution to 3 · scale² channels and a pixel shuffle.
    """
    if kind == "direct":
        return nn.Sequential(nn.Conv2d(width, 3 * scale * scale, 3, padding=1), nn.PixelShuffle(scale))
    layers: list[nn.Module] = []
    for step in (2, 2) if scale == 4 else (scale,):
        layers += [nn.Conv2d(width, step * step * width, 3, padding=1), nn.PixelShuffle(step)]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))


def leaky_pair(channels: int, kernel_size: int, negative_slope: float) -> nn.Sequential:
    """Two convolutions of equal width with a leaky rectifier between them."""
    padding = kernel_size // 2
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel_size, padding=padding),
        nn.LeakyReLU(negative_slope),
        nn.Conv2d(channels, channels, kernel_size, padding=padding),
    )
