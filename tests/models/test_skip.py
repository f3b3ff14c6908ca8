"""The skip by phases is PyTorch's bicubic enlargement."""

import pytest
import torch
from torch.nn import functional as F

from nlcunet.models.skip import bicubic_skip


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5), (16, 24), (65, 130)])
def test_equals_interpolation(scale, size):
    x = torch.rand(2, 3, *size) * 1.2 - 0.1
    with torch.inference_mode():
        result = bicubic_skip(x, scale)
    expected = F.interpolate(x, scale_factor=scale, mode="bicubic").clamp(0, 1)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [2, 4])
def test_in_training_the_same_comes_out_in_float32(scale, monkeypatch):
    x = torch.rand(2, 3, 7, 5).to(memory_format=torch.channels_last) * 1.2 - 0.1
    expected = F.interpolate(x, scale_factor=scale, mode="bicubic").clamp(0, 1)
    monkeypatch.setattr(F, "interpolate", None)  # not by this way
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = bicubic_skip(x, scale)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


def test_passes_gradients():
    x = torch.rand(1, 3, 4, 4, requires_grad=True)
    bicubic_skip(x, 4).sum().backward()
    assert x.grad is not None
