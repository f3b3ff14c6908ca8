"""VGG19: the ImageNet network whose features the super-resolution literature compares.

Paper: "Very Deep Convolutional Networks for Large-Scale Image Recognition", https://arxiv.org/abs/1409.1556, column E.
Only the convolutions are here; parameter names are those of torchvision's published weights
(``features.0.weight``, …), whose classifier is left out.

Shape legend: blocks 1 to 5 have strides 1, 2, 4, 8, 16 and 64, 128, 256, 512, 512 channels.
"""

from collections.abc import Collection, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

Features = Float[Tensor, "_ _ _ _"]
"""Feature maps of one layer; sizes differ from layer to layer."""

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions of each block; a max-pooling stands between blocks."""
LAYERS = tuple(f"conv{block}_{n}" for block, (_, count) in enumerate(BLOCKS, 1) for n in range(1, count + 1))
"""Names of the convolutions in order, as papers write them."""
# torchvision's: of ImageNet's training pictures, RGB in [0, 1]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class VGG19(nn.Module):
    """The convolutions of VGG19."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self._positions: dict[int, str] = {}
        in_channels = 3
        for block, (channels, count) in enumerate(BLOCKS, 1):
            for n in range(1, count + 1):
                self._positions[len(layers)] = f"conv{block}_{n}"
                layers += [nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU()]
                in_channels = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-2])  # nothing looks behind the last convolution
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Float[Tensor, "batch 3 height width"], layers: Collection[str]) -> dict[str, Features]:
        """Outputs of convolutions, before their ReLU.

        Args:
            pictures: RGB in [0, 1]; at least 16 pixels a side for ``conv5_…``.
            layers: names of ``LAYERS``; what lies behind the last one is not computed.
        """
        features: dict[str, Tensor] = {}
        x = (pictures.float() - self.mean) / self.std
        for position, layer in enumerate(self.features):
            if len(features) == len(layers):
                break
            x = layer(x)
            name = self._positions.get(position, "")
            if name in layers:
                features[name] = x
        return features


def vgg19_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The convolutions of torchvision's state dict, without the classifier."""
    return {name: value for name, value in state.items() if name.startswith("features.")}
