"""Gradients of depth-wise convolutions a few samples at a time are those of the whole."""

import pytest
import torch
from torch.nn import functional as F

from nlcunet.models import depthwise
from nlcunet.models.depthwise import convolve_depthwise
from nlcunet.models.layers import Convolution


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("numbers", [1, 2 * 6 * 5 * 7, 10**6])
def test_gradients_equal_those_of_the_plain_form(monkeypatch, numbers, has_bias):
    monkeypatch.setattr(depthwise, "NUMBERS_AT_A_TIME", numbers)
    torch.manual_seed(0)
    x = torch.randn(5, 6, 5, 7, dtype=torch.float64).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(6, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(6, dtype=torch.float64, requires_grad=True) if has_bias else None
    inputs = [x, weight] if bias is None else [x, weight, bias]
    grad = torch.randn_like(x)
    results = [convolve_depthwise(x, weight, bias, (1, 1)), F.conv2d(x, weight, bias, padding=1, groups=6)]
    torch.testing.assert_close(*results, rtol=0, atol=0)
    for ours, plain in zip(*(torch.autograd.grad(result, inputs, grad) for result in results), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)


def test_a_layer_takes_it_under_autocast_where_a_batch_is_large(monkeypatch):
    layer, x = Convolution(8, 8, 3, padding=1, groups=8), torch.randn(2, 8, 6, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = layer(x)
        monkeypatch.setattr(depthwise, "NUMBERS_AT_A_TIME", 1)
        ours = layer(x)
    assert ours.dtype == torch.bfloat16
    assert type(ours.grad_fn).__name__ == "_DepthwiseConvolutionBackward"
    torch.testing.assert_close(ours, plain, rtol=0, atol=0)
    grads = [torch.autograd.grad(result.float().square().sum(), layer.weight)[0] for result in (ours, plain)]
    assert grads[0].dtype == torch.float32
    torch.testing.assert_close(*grads, rtol=2e-2, atol=2e-2 * grads[1].abs().max().item())
