"""Pixel losses, for pictures in [0, 1]."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from jaxtyping import Float
from torch import Tensor

PixelLossKind: TypeAlias = Literal["l1", "l2"]


def l1_loss(restored: Float[Tensor, "*shape"], truth: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean absolute difference: of pictures over all pixels and channels (the paper's first stage), of kernels."""
    return (restored.float() - truth).abs().mean()


def l2_loss(
    restored: Float[Tensor, "batch 3 height width"], high_res: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, ""]:
    """Mean squared difference over all pixels and channels: what PSNR measures; for the end of a training."""
    return (restored.float() - high_res).square().mean()


PIXEL_LOSSES: dict[PixelLossKind, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1_loss, "l2": l2_loss}
"""Pixel losses by name."""
