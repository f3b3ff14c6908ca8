"""Perceptual loss: pictures are compared by what an ImageNet network sees in them.

Source: "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", https://arxiv.org/abs/1603.08155; as in
ESRGAN (https://arxiv.org/abs/1809.00219) and NLCUnet, by the L1 distance of features before activation.

Backbones: ``"vgg19"`` with the paper's layers and weights; its published file (548 MB) is fetched at first use.
``"efficientnet-lite0"`` (19 MB, Apache-2.0) comes with the extra ``train``, works offline, and is many
times faster; the ends of its stages at strides 2, 4, 8 and 16 are compared.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.errors import ConfigError
from nlcunet.models.backbones import efficientnet_lite, vgg
from nlcunet.models.backbones.pretrained import load_efficientnet_lite0, load_vgg19

Backbone = Literal["vgg19", "efficientnet-lite0"]
"""The network whose features are compared."""

VGG19_LAYER_WEIGHTS: Mapping[str, float] = {
    "conv1_2": 0.1,
    "conv2_2": 0.1,
    "conv3_4": 1.0,
    "conv4_4": 1.0,
    "conv5_4": 1.0,
}
"""The paper's."""

EFFICIENTNET_LITE0_LAYER_WEIGHTS: Mapping[str, float] = {
    "stage1": 0.19,
    "stage2": 0.084,
    "stage3": 0.079,
    "stage5": 0.11,
}
"""Chosen so that each layer contributes a quarter, and the loss is 1, between the example photograph and its bicubic
enlargement: their features differ by 1.32, 2.99, 3.23 and 2.36 there (mean of 30 patches of 256×256;
``python benchmarks/perceptual.py``, 2026-11-24). With 4x-NLCUnet-S in place of bicubic: 1.16, 2.56, 2.67, 1.92, so 0.86
in all."""


class PerceptualLoss(nn.Module):
    """Weighted L1 distance of the features of two pictures; see ``make_perceptual_loss``.

    The backbone is frozen and stays in evaluation mode. The loss has no parameters to train: keep it out of optimisers,
    state files and distributed wrappers, and move it with ``.to``.
    """

    def __init__(self, backbone: nn.Module, layer_weights: Mapping[str, float]) -> None:
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(requires_grad=False)
        self.layer_weights = dict(layer_weights)

    def train(self, mode: bool = True) -> "PerceptualLoss":
        """Change nothing below: batch norms must not learn from generated pictures."""
        self.training = mode
        return self

    def forward(
        self, restored: Float[Tensor, "batch 3 height width"], high_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, ""]:
        """How differently the backbone sees two batches of RGB in [0, 1]; 0 for equal ones.

        Gradients go to ``restored``, whose values may lie outside; ``high_res`` is taken as constant.
        """
        with torch.no_grad():
            expected = self.backbone(high_res, self.layer_weights)
        seen = self.backbone(restored, self.layer_weights)
        distances = [
            weight * (seen[layer].float() - expected[layer].float()).abs().mean()
            for layer, weight in self.layer_weights.items()
        ]
        return torch.stack(distances).sum()


def make_perceptual_loss(
    backbone: Backbone = "vgg19",
    weights: str | Path | None = None,
    layer_weights: Mapping[str, float] | None = None,
) -> PerceptualLoss:
    """The loss with an ImageNet backbone.

    Args:
        backbone: which one; see the module's docstring.
        weights: file of the backbone's weights (``vgg19``: or an address); None takes the usual source.
        layer_weights: weight by layer (of ``vgg.LAYERS`` or ``efficientnet_lite.STAGES``); None takes the defaults
            above.

    Raises:
        ConfigError: unknown backbone or layer, or a weight that is not positive.
        WeightsError: the backbone's weights are missing or damaged, or cannot be fetched.
    """
    if backbone == "vgg19":
        chosen = _check_layers(VGG19_LAYER_WEIGHTS if layer_weights is None else layer_weights, vgg.LAYERS)
        return PerceptualLoss(load_vgg19(weights), chosen)
    if backbone == "efficientnet-lite0":
        known = tuple(efficientnet_lite.STAGES)
        chosen = _check_layers(EFFICIENTNET_LITE0_LAYER_WEIGHTS if layer_weights is None else layer_weights, known)
        return PerceptualLoss(load_efficientnet_lite0(weights), chosen)
    raise ConfigError(f"the perceptual backbone must be vgg19 or efficientnet-lite0: got {backbone!r}")


def _check_layers(layer_weights: Mapping[str, float], known: tuple[str, ...]) -> Mapping[str, float]:
    unknown = [layer for layer in layer_weights if layer not in known]
    if unknown or not layer_weights:
        got = ", ".join(unknown) or "none"
        raise ConfigError(f"perceptual layers must be among {', '.join(known)}: got {got}")
    for layer, weight in layer_weights.items():
        if not (math.isfinite(weight) and weight > 0):
            raise ConfigError(f"the weight of a perceptual layer must be a positive number: got {weight} for {layer}")
    return layer_weights
