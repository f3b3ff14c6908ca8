"""Blocks in strips of rows give what blocks over whole maps give."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.models import fused_convolution, strips
from nlcunet.models.layers import Convolution
from nlcunet.models.nlcunet import Block, NLCUnet, NLCUnetConfig, make_upsampler
from nlcunet.models.strips import run_in_strips, upsample_in_strips

TINY = NLCUnetConfig(width=8, depths=(1, 1, 1, 1, 1, 1), attention=("none", "sparse", "sparse", "none", "none", "none"))


def make_block(channels=8, attention="none"):
    torch.manual_seed(0)
    return Block(channels, TINY, attention, 0).eval()


def whole(block, x):
    """The block with gradients allowed: layer by layer, over whole maps."""
    return block(x).detach()


@given(height=st.integers(1, 40), rows=st.integers(1, 12), reach=st.sampled_from([1, 2]))
@settings(max_examples=60, deadline=None)
def test_strips_cover_every_row_once_and_see_their_neighbours(height, rows, reach):
    covered = []
    for strip in strips.strips(height, strips.STRIP_BYTES // rows, reach=reach):
        covered += range(height)[strip.own]
        assert strip.near.start == max(strip.own.start - reach, 0)
        assert strip.near.stop == min(strip.own.stop + reach, height)
        assert range(height)[strip.near][strip.own_in_near] == range(height)[strip.own]
    assert covered == list(range(height))


@pytest.mark.parametrize("height", [1, 2, 4, 5, 9, 23])
@pytest.mark.parametrize("strip_bytes", [1, 8_000, 10**9])
def test_a_block_in_strips_equals_the_block(monkeypatch, height, strip_bytes):
    monkeypatch.setattr(strips, "STRIP_BYTES", strip_bytes)
    block, x = make_block(), torch.randn(2, 8, height, 11)
    with torch.inference_mode():
        result = run_in_strips(block, x)
    torch.testing.assert_close(result, whole(block, x), rtol=0, atol=2e-6)


def test_a_block_with_attention_in_strips_equals_the_block(monkeypatch):
    monkeypatch.setattr(strips, "STRIP_BYTES", 6_000)
    block, x = make_block(attention="sparse"), torch.randn(1, 8, 16, 20)
    with torch.inference_mode():
        torch.testing.assert_close(block(x), whole(block, x), rtol=0, atol=2e-6)


def test_without_fused_operators_the_same_comes_out(monkeypatch):
    block, x = make_block(attention="sparse"), torch.randn(1, 8, 16, 20)
    with torch.inference_mode():
        fused = block(x)
        monkeypatch.setattr(fused_convolution, "HAS_OPERATORS", False)
        torch.testing.assert_close(block(x), fused, rtol=0, atol=2e-6)


def test_this_pytorch_has_the_fused_operators():
    assert torch.backends.mkldnn.is_available() == fused_convolution.HAS_OPERATORS


def test_missing_operators_are_noticed(monkeypatch):
    def missing(*_):
        raise AttributeError

    monkeypatch.setattr(fused_convolution, "_unary", missing)
    assert not fused_convolution._find_operators()


def test_wrong_operators_are_noticed(monkeypatch):
    monkeypatch.setattr(fused_convolution, "_binary", lambda x, *_: 0 * x)
    assert not fused_convolution._find_operators()


def test_no_map_of_a_strip_is_larger_than_planned(monkeypatch):
    largest = []
    kept = strips.convolve_gelu

    def watch(x, *arguments, **keywords):
        largest.append(x.numel() * 4)
        return kept(x, *arguments, **keywords)

    monkeypatch.setattr(strips, "convolve_gelu", watch)
    monkeypatch.setattr(strips, "STRIP_BYTES", 20_000)
    block = make_block()
    for height in (64, 256):
        largest.clear()
        with torch.inference_mode():
            block(torch.randn(1, 8, height, 32))
        assert max(largest) < 2 * 20_000


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", ["stepwise", "direct"])
@pytest.mark.parametrize("height", [1, 5, 12, 31])
def test_the_upsampler_in_strips_equals_the_upsampler(monkeypatch, scale, kind, height):
    monkeypatch.setattr(strips, "UPSAMPLER_BYTES", 4 * 128 * 11 * 5)
    torch.manual_seed(0)
    upsampler = make_upsampler(NLCUnetConfig(width=8, scale=scale, upsampler=kind))
    for layer in upsampler:
        if isinstance(layer, Convolution):
            torch.nn.init.normal_(layer.weight, std=0.2)
    x = torch.randn(2, 8, height, 11)
    with torch.inference_mode():
        result = upsample_in_strips(upsampler, x)
    torch.testing.assert_close(result, upsampler(x).detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_network_gives_the_same_with_and_without_gradients(scale):
    torch.manual_seed(1)
    network = NLCUnet(NLCUnetConfig(width=8, depths=(1,) * 6, scale=scale, upsampler="direct")).eval()
    torch.nn.init.normal_(network.upsampler[0].weight, std=0.1)
    x = torch.rand(1, 3, 24, 32)
    with torch.inference_mode():
        result = network(x)
    torch.testing.assert_close(result, network(x).detach(), rtol=0, atol=1e-5)
