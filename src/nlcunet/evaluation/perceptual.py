"""Distances between pictures as networks see them: EffNet-Lite0 distance, LPIPS, DISTS. 0 for equal pictures.

*EffNet-Lite0 distance* is ours: features of EfficientNet-Lite0 at strides 16 and 32, compared as LPIPS compares them,
but without learned weights. It needs no download and is comparable with nothing but itself.

*LPIPS*: "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", https://arxiv.org/abs/1801.03924,
version 0.1. *DISTS*: "Image Quality Assessment: Unifying Structure and Texture Similarity",
https://arxiv.org/abs/2004.07728. Both are written anew here and need their authors' published weights, which do not
come with this package. All three see pictures at their own size; nothing is resized.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.errors import ConfigError, WeightsError
from nlcunet.files.paths import expand_home
from nlcunet.models.backbones.efficientnet_lite import EfficientNetLite0
from nlcunet.models.backbones.feature_stacks import (
    ALEXNET_CHANNELS,
    VGG16_CHANNELS,
    FeatureStack,
    L2Pool,
    make_alexnet,
    make_vgg16,
)
from nlcunet.models.backbones.pretrained import fill, load_efficientnet_lite0, read_state
from nlcunet.models.backbones.vgg import IMAGENET_MEAN, IMAGENET_STD

LpipsNetwork = Literal["alex", "vgg"]
"""The network that LPIPS looks through; papers on super-resolution mostly mean ``alex``."""

EFFNET_LITE0_LAYERS = ("stage5", "stage6", "stage7")
"""Not the earlier stages: with no weights that people's judgements have set, noise of two steps in 255, which nobody
sees, counts there twice as much as a blur of 0.8 pixels where a photograph has smooth ground."""
LPIPS_SHIFT, LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation for values in [-1, 1], as LPIPS rounds them."""
NORM_EPS = 1e-10
DISTS_CHANNELS = (3, *VGG16_CHANNELS)
DISTS_EPS = 1e-6

_LPIPS_BACKBONES = {
    "alex": "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "vgg": "https://download.pytorch.org/models/vgg16-397923af.pth",
}
_LPIPS_LINEAR = (
    "it is lpips/weights/v0.1/{network}.pth in the PyPI package lpips (BSD-2-Clause; pip download --no-deps lpips and "
    "unzip it) and in https://github.com/richzhang/PerceptualSimilarity"
)
_DISTS_WEIGHTS = (
    "it is weights.pt in the PyPI package DISTS-pytorch (MIT; pip download --no-deps DISTS-pytorch and unzip it) "
    "and in https://github.com/dingkeyan93/DISTS"
)


class EffNetLite0Distance(nn.Module):
    """Squared difference of features that are scaled to unit length at each pixel: means over pixels and layers."""

    def __init__(self, backbone: EfficientNetLite0) -> None:
        super().__init__()
        self.backbone = backbone
        self.eval().requires_grad_(requires_grad=False)

    def forward(
        self, pictures: Float[Tensor, "batch 3 height width"], others: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """The distance of each pair, RGB in [0, 1]."""
        features = self.backbone(torch.cat([pictures, others]), EFFNET_LITE0_LAYERS)
        return sum_over_layers([features[layer] for layer in EFFNET_LITE0_LAYERS]) / len(EFFNET_LITE0_LAYERS)


class Lpips(nn.Module):
    """LPIPS v0.1: squared differences of unit-length features, weighted by channel as people judged."""

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: FeatureStack, channels: Sequence[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.linear = nn.ParameterList([torch.zeros(1, count, 1, 1) for count in channels])
        self.register_buffer("shift", torch.tensor(LPIPS_SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(LPIPS_SCALE).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(requires_grad=False)

    def forward(
        self, pictures: Float[Tensor, "batch 3 height width"], others: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """The distance of each pair, RGB in [0, 1]."""
        check_size(pictures, self.backbone.min_size_px)
        both = torch.cat([pictures, others])
        return sum_over_layers(self.backbone((2 * both - 1 - self.shift) / self.scale), list(self.linear))


class Dists(nn.Module):
    """DISTS: 1 less the weighted similarity of features' means (texture) and correlations (structure)."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.backbone = make_vgg16(L2Pool)
        self.alpha = nn.Parameter(torch.zeros(1, sum(DISTS_CHANNELS), 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, sum(DISTS_CHANNELS), 1, 1))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(requires_grad=False)

    def forward(
        self, pictures: Float[Tensor, "batch 3 height width"], others: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """The distance of each pair, RGB in [0, 1]."""
        check_size(pictures, self.backbone.min_size_px)
        both = torch.cat([pictures, others])
        layers = [both, *self.backbone((both - self.mean) / self.std)]
        texture, structure = (torch.cat(parts, dim=1) for parts in zip(*map(similarities, layers), strict=True))
        alpha, beta = self.alpha.flatten(), self.beta.flatten()
        different: Tensor = (1 - texture) @ alpha + (1 - structure) @ beta  # exactly 0 for equal pictures
        return different / (alpha.sum() + beta.sum())


def similarities(
    features: Float[Tensor, "both channels height width"],
) -> tuple[Float[Tensor, "pairs channels"], Float[Tensor, "pairs channels"]]:
    """How alike the two halves of a batch are in each channel: their means, and what varies around them."""
    first, second = features.flatten(2).chunk(2)
    mean_a, mean_b = first.mean(dim=2), second.mean(dim=2)
    spread_a, spread_b = first - mean_a[..., None], second - mean_b[..., None]
    texture = (2 * mean_a * mean_b + DISTS_EPS) / (mean_a.square() + mean_b.square() + DISTS_EPS)
    variances = spread_a.square().mean(dim=2) + spread_b.square().mean(dim=2)
    structure = (2 * (spread_a * spread_b).mean(dim=2) + DISTS_EPS) / (variances + DISTS_EPS)
    return texture, structure


def sum_over_layers(
    layers: Sequence[Float[Tensor, "both _ _ _"]], weights: Sequence[Tensor] | None = None
) -> Float[Tensor, " pairs"]:
    """Squared distances between the halves of a batch of unit-length features: mean over pixels, sum over the rest."""
    total: list[Tensor] = []
    for number, features in enumerate(layers):
        first, second = (features / (features.norm(dim=1, keepdim=True) + NORM_EPS)).chunk(2)
        square = (first - second).square()
        if weights is not None:
            square = square * weights[number]
        total.append(square.sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(total).sum(dim=0)


def check_size(pictures: Float[Tensor, "batch 3 height width"], min_size_px: int) -> None:
    """Refuses pictures that a network cannot look through.

    Raises:
        ConfigError: a side is too short.
    """
    height, width = pictures.shape[-2:]
    if min(height, width) < min_size_px:
        raise ConfigError(
            f"this distance needs at least {min_size_px} pixels on both sides: got {height} × {width}; "
            "measure a larger picture"
        )


def load_effnet_lite0_distance(weights: Path | None = None) -> EffNetLite0Distance:
    """The distance that needs no download; files as in `nlcunet.evaluation.measures.MeasureOptions`.

    Raises:
        WeightsError: package or file is missing or damaged.
    """
    return EffNetLite0Distance(load_efficientnet_lite0(weights))


def load_lpips(backbone_weights: Path, linear_weights: Path, network: LpipsNetwork = "alex") -> Lpips:
    """LPIPS from its two published files; see `nlcunet.evaluation.measures.MeasureOptions`.

    Raises:
        ConfigError: unknown network.
        WeightsError: a file is missing, damaged, or of another network.
    """
    if network not in _LPIPS_BACKBONES:
        raise ConfigError(f"LPIPS looks through one of {', '.join(_LPIPS_BACKBONES)}: got {network!r}")
    is_alex = network == "alex"
    distance = Lpips(make_alexnet() if is_alex else make_vgg16(), ALEXNET_CHANNELS if is_alex else VGG16_CHANNELS)
    load_backbone(distance.backbone, backbone_weights, _LPIPS_BACKBONES[network])
    state = read_state(expand_home(linear_weights), _LPIPS_LINEAR.format(network=network))
    for number, weight in enumerate(distance.linear):
        take(state, f"lin{number}.model.1.weight", weight, linear_weights)
    return distance


def load_dists(backbone_weights: Path, dists_weights: Path) -> Dists:
    """DISTS from its two published files; see `nlcunet.evaluation.measures.MeasureOptions`.

    Raises:
        WeightsError: a file is missing, damaged, or of another network.
    """
    distance = Dists()
    load_backbone(distance.backbone, backbone_weights, _LPIPS_BACKBONES["vgg"])
    state = read_state(expand_home(dists_weights), _DISTS_WEIGHTS)
    take(state, "alpha", distance.alpha, dists_weights)
    take(state, "beta", distance.beta, dists_weights)
    return distance


def load_backbone(backbone: FeatureStack, path: Path, url: str) -> None:
    """Fill a backbone from torchvision's file."""
    state = read_state(expand_home(path), f"fetch {url}")
    fill(backbone, {name: value for name, value in state.items() if name.startswith("features.")}, path)


def take(state: Mapping[str, Tensor], name: str, target: Tensor, path: Path) -> None:
    """Copy one tensor of a file."""
    value = state.get(name)
    if value is None or value.shape != target.shape:
        got = "none" if value is None else f"shape {tuple(value.shape)}"
        raise WeightsError(f"{path} must hold {name} of shape {tuple(target.shape)}: got {got}; take another file")
    with torch.no_grad():
        target.copy_(value)
