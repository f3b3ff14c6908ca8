"""EfficientNet-Lite0: a small ImageNet classifier under a free licence, here for its features.

Paper: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", https://arxiv.org/abs/1905.11946.
The Lite form (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite) has ReLU6 instead of
swish and no squeeze-and-excitation. Layer names are those of the published weights without their leading underscores.

Two conventions do not stand in the weights, and were settled by measuring (2026-11-24). Inputs are
(255 · x − 127) / 128: then the stem's outputs on 60 photographs have 0.89 times the variance that its batch norm
remembers (median over channels; 0.23 with x in [0, 1], 4.4 with ImageNet's mean and deviation). Padding is
TensorFlow's: a heron-like bird is a heron at 67 %, and at 30 % with symmetric padding.

Shape legend: stages 1 to 7 have strides 2, 4, 8, 16, 16, 32, 32 and 16, 24, 40, 80, 112, 192, 320 channels.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Features = Float[Tensor, "_ _ _ _"]
"""Feature maps of one layer; sizes differ from layer to layer."""

BATCH_NORM_EPS = 1e-3
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
MEAN_8BIT, STD_8BIT = 127.0, 128.0


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """One row of table 1 of the paper, with the Lite form's channels."""

    channels: int
    blocks: int
    kernel: int
    stride: int
    expansion: int = 6


STAGES = {
    "stage1": _Stage(channels=16, blocks=1, kernel=3, stride=1, expansion=1),
    "stage2": _Stage(channels=24, blocks=2, kernel=3, stride=2),
    "stage3": _Stage(channels=40, blocks=2, kernel=5, stride=2),
    "stage4": _Stage(channels=80, blocks=3, kernel=3, stride=2),
    "stage5": _Stage(channels=112, blocks=3, kernel=5, stride=1),
    "stage6": _Stage(channels=192, blocks=4, kernel=5, stride=2),
    "stage7": _Stage(channels=320, blocks=1, kernel=3, stride=1),
}
"""The stages in order; each name is a layer whose features can be asked for."""


class SamePadConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads: ⌈size / stride⌉ pixels out, an odd pixel of padding at the end."""

    def forward(
        self, x: Float[Tensor, "batch in_channels in_height in_width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Convolve."""
        padding: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            padding += [total // 2, total - total // 2]
        if padding[0::2] == padding[1::2]:  # symmetric: the convolution pads without a copy
            return F.conv2d(x, self.weight, None, self.stride, (padding[2], padding[0]), 1, self.groups)
        return F.conv2d(F.pad(x, padding), self.weight, None, self.stride, 0, 1, self.groups)


class InvertedBottleneck(nn.Module):
    """Expand by a 1×1 convolution, filter depth-wise, project by a 1×1 convolution; the result is linear."""

    def __init__(self, in_channels: int, channels: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.has_residual = stride == 1 and in_channels == channels
        self.expand_conv = nn.Conv2d(in_channels, hidden, 1, bias=False) if expansion > 1 else None
        self.bn0 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS) if expansion > 1 else None
        self.depthwise_conv = SamePadConv(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self.project_conv = nn.Conv2d(hidden, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)

    def forward(
        self, x: Float[Tensor, "batch in_channels in_height in_width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Transform ``x``; no activation at the end."""
        hidden = x
        if self.expand_conv is not None and self.bn0 is not None:
            hidden = F.relu6(self.bn0(self.expand_conv(hidden)))
        hidden = F.relu6(self.bn1(self.depthwise_conv(hidden)))
        result: Tensor = self.bn2(self.project_conv(hidden))
        return x + result if self.has_residual else result


class EfficientNetLite0(nn.Module):
    """The network; ``forward`` gives features, ``classify`` the scores of the 1000 classes of ImageNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SamePadConv(3, STEM_CHANNELS, 3, 2, bias=False)
        self.bn0 = nn.BatchNorm2d(STEM_CHANNELS, eps=BATCH_NORM_EPS)
        stages, in_channels = [], STEM_CHANNELS
        for stage in STAGES.values():
            stages.append(_make_stage(in_channels, stage))
            in_channels = stage.channels
        self.stages = nn.ModuleList(stages)
        self.conv_head = nn.Conv2d(in_channels, HEAD_CHANNELS, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(HEAD_CHANNELS, eps=BATCH_NORM_EPS)
        self.fc = nn.Linear(HEAD_CHANNELS, 1000)

    def forward(self, pictures: Float[Tensor, "batch 3 height width"], layers: Collection[str]) -> dict[str, Features]:
        """Features at the ends of stages, linear (no activation behind the last projection)."""
        features: dict[str, Tensor] = {}
        x = self._stem(pictures)
        for name, stage in zip(STAGES, self.stages, strict=True):
            if len(features) == len(layers):
                break
            x = stage(x)
            if name in layers:
                features[name] = x
        return features

    def classify(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1000"]:
        """Logits of the 1000 classes of ImageNet; trained on 224×224 pixels, RGB in [0, 1]."""
        x = self._stem(pictures)
        for stage in self.stages:
            x = stage(x)
        x = F.relu6(self.bn1(self.conv_head(x)))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits

    def _stem(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 32 rows columns"]:
        x = (pictures.float() * 255.0 - MEAN_8BIT) / STD_8BIT
        return F.relu6(self.bn0(self.conv_stem(x)))


def _make_stage(in_channels: int, stage: _Stage) -> nn.Sequential:
    blocks = [
        InvertedBottleneck(
            in_channels if index == 0 else stage.channels,
            stage.channels,
            kernel=stage.kernel,
            stride=stage.stride if index == 0 else 1,
            expansion=stage.expansion,
        )
        for index in range(stage.blocks)
    ]
    return nn.Sequential(*blocks)


def efficientnet_lite0_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict under our names: no leading underscores, blocks counted within their stage."""
    places = [(stage, block) for stage, row in enumerate(STAGES.values()) for block in range(row.blocks)]

    def rename(name: str) -> str:
        name = re.sub(r"(^|\.)_", r"\1", name)
        return re.sub(r"^blocks\.(\d+)\.", lambda match: "stages.{}.{}.".format(*places[int(match[1])]), name)

    return {rename(name): value for name, value in state.items()}
