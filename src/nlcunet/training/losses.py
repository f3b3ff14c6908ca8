"""Losses of the first stage."""

from jaxtyping import Float
from torch import Tensor


def l1_loss(
    restored: Float[Tensor, "batch 3 height width"], high_res: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, ""]:
    """Mean absolute difference over all pixels and channels, in units of the full range [0, 1] (the paper, stage one)."""
    return (restored.float() - high_res).abs().mean()
