"""Losses of the first stage."""

from jaxtyping import Float
from torch import Tensor


def l1_loss(
    restored: Float[Tensor, "batch 3 height width"], high_res: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, ""]:
    """Mean absolute difference over all pixels and channels, for pictures in [0, 1] (the paper's first stage)."""
    return (restored.float() - high_res).abs().mean()
