"""AlexNet and VGG16: the ImageNet networks that LPIPS and DISTS look through.

Papers: "One weird trick for parallelizing convolutional neural networks", https://arxiv.org/abs/1404.5997 (AlexNet, the
form with one column); "Very Deep Convolutional Networks for Large-Scale Image Recognition",
https://arxiv.org/abs/1409.1556, column D (VGG16). Only the convolutions are here; parameter names are those of
torchvision's published weights (``features.0.weight``, …), whose classifiers are left out.
"""

from collections.abc import Callable, Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.tensors import FeatureMap

Features = Float[Tensor, "_ _ _ _"]
"""Feature maps of one layer; sizes differ from layer to layer."""

ALEXNET_CHANNELS = (64, 192, 384, 256, 256)
"""Of the five layers that are looked at: each convolution, after its ReLU."""
VGG16_CHANNELS = (64, 128, 256, 512, 512)
"""Of the five layers that are looked at: the last convolution of each block, after its ReLU."""
VGG16_CONVOLUTIONS = (2, 2, 3, 3, 3)


class FeatureStack(nn.Module):
    """Layers one after the other, some of which are looked at."""

    def __init__(self, layers: Sequence[nn.Module], looked_at: Collection[int], min_size_px: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.looked_at = frozenset(looked_at)
        self.min_size_px = min_size_px

    def forward(self, pictures: Float[Tensor, "batch 3 height width"]) -> list[Features]:
        """Results of the layers looked at, in order; pictures normalised as the network was trained."""
        found: list[Tensor] = []
        x = pictures
        for position, layer in enumerate(self.features):
            x = layer(x)
            if position in self.looked_at:
                found.append(x)
        return found


class L2Pool(nn.Module):
    """The root of the locally averaged square, at every second pixel: pooling without aliasing.

    Source: "Geodesics of learned representations", https://arxiv.org/abs/1511.06394, as DISTS uses it: a 3×3 Hann
    window, zeros around the picture.
    """

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("window", row[:, None] * row[None, :], persistent=False)

    def forward(self, x: FeatureMap) -> Features:
        """Pool ``x``."""
        channels = x.shape[1]
        window = self.window.expand(channels, 1, 3, 3)
        return (F.conv2d(x.square(), window, stride=2, padding=1, groups=channels) + 1e-12).sqrt()


def make_alexnet() -> FeatureStack:
    """AlexNet's convolutions, untrained."""
    layers = [
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    ]
    return FeatureStack(layers, (1, 4, 7, 9, 11), min_size_px=31)


def make_vgg16(make_pooling: Callable[[], nn.Module] = lambda: nn.MaxPool2d(2)) -> FeatureStack:
    """VGG16's convolutions, untrained."""
    layers: list[nn.Module] = []
    looked_at = []
    in_channels = 3
    for channels, count in zip(VGG16_CHANNELS, VGG16_CONVOLUTIONS, strict=True):
        if layers:
            layers.append(make_pooling())
        for _ in range(count):
            layers += [nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU()]
            in_channels = channels
        looked_at.append(len(layers) - 1)
    return FeatureStack(layers, looked_at, min_size_px=16)
