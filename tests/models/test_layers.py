"""Layers that several networks share."""

import pytest
import torch

from nlcunet.models.layers import PixelLayerNorm


@pytest.mark.parametrize("channels", [32, 128])
def test_the_weights_of_a_layer_norm_learn_as_well_in_half_precision(channels: int) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, channels, 96, 96, generator=generator).bfloat16()
    slope = (0.01 * torch.randn(x.shape, generator=generator)).bfloat16()
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        norm = PixelLayerNorm(channels)
        normed = norm(x.to(dtype))
        assert normed.dtype == dtype
        normed.backward(slope.to(dtype))
        gradients.append((norm.weight.grad, norm.bias.grad))
    for exact, narrow in zip(*gradients, strict=True):
        assert exact is not None
        assert narrow is not None
        assert (narrow - exact).norm() < 0.01 * exact.norm()
