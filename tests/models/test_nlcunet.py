from dataclasses import replace

import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.models.nlcunet import STAGES, NLCUnet, NLCUnetConfig
from nlcunet.models.registry import SIZES, make_network, size_config

TINY = NLCUnetConfig(width=8, depths=(1, 1, 1, 1, 1, 1), num_hashes=2, chunk_size=16)


def count_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def shake(network):
    """Weights that are not at rest: the last convolution starts at zero."""
    generator = torch.Generator().manual_seed(7)
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network


def test_full_network_has_the_published_number_of_parameters():
    assert count_parameters(NLCUnet(NLCUnetConfig())) == 18_113_619


@pytest.mark.parametrize(("size", "least", "most"), [("NLCUnet-M", 4.5e6, 5.5e6), ("NLCUnet-S", 1.0e6, 1.6e6)])
def test_named_sizes_have_their_promised_parameters(size, least, most):
    assert least <= count_parameters(NLCUnet(size_config(size))) <= most


@pytest.mark.parametrize("size", [size for size in SIZES if size.startswith("NLCUnet")])
def test_every_named_size_attends_at_least_in_its_latent_stage(size):
    assert SIZES[size].attention[STAGES.index("latent")] == "sparse"


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("upsampler", ["stepwise", "direct"])
def test_output_is_scale_times_the_input(scale, upsampler):
    network = NLCUnet(replace(TINY, scale=scale, upsampler=upsampler))
    assert network(torch.rand(2, 3, 8, 12)).shape == (2, 3, 8 * scale, 12 * scale)


@pytest.mark.parametrize("height", [4, 8, 12, 20, 36])
@pytest.mark.parametrize("width", [4, 16, 28])
def test_every_multiple_of_four_works(height, width):
    output = shake(NLCUnet(TINY))(torch.rand(1, 3, height, width))
    assert output.shape == (1, 3, 4 * height, 4 * width)
    assert torch.isfinite(output).all()


@pytest.mark.parametrize("kind", ["sparse", "dense", "none"])
def test_attention_is_a_choice_per_stage(kind):
    network = NLCUnet(replace(TINY, attention=("none", "none", kind, "none", "dense", "sparse")))
    has_attention = [getattr(network, stage)[0].attention is not None for stage in STAGES]
    assert has_attention == [False, False, kind != "none", False, True, True]
    assert network(torch.rand(1, 3, 8, 8)).shape == (1, 3, 32, 32)


def test_untrained_network_answers_with_its_bicubic_skip():
    x = torch.rand(1, 3, 8, 8)
    expected = torch.nn.functional.interpolate(x, scale_factor=4, mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        torch.testing.assert_close(NLCUnet(TINY)(x), expected, rtol=0, atol=1e-6)


def test_same_input_gives_the_same_bits_twice():
    network = shake(NLCUnet(TINY)).eval()
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(x), network(x))


def test_batched_pictures_do_not_see_each_other():
    network = shake(NLCUnet(TINY)).eval()
    x = torch.rand(3, 3, 16, 20)
    with torch.no_grad():
        together, alone = network(x), torch.cat([network(one[None]) for one in x])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_every_parameter_gets_a_gradient():
    network = shake(NLCUnet(TINY))
    network(torch.rand(1, 3, 16, 16)).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 5}, "scale must be 2, 3 or 4: got 5"),
        ({"width": 30}, "width must be a positive multiple of 4"),
        ({"depths": (1, 2)}, "depths must be 6 numbers"),
        ({"depths": (1, 1, 1, 1, 1, -1)}, "depths must be 6 numbers"),
        ({"attention": ("sparse",) * 5 + ("full",)}, "attention must name 6 kinds"),
        ({"num_hashes": 0}, "num_hashes must be ≥ 1"),
        ({"chunk_size": 0}, "chunk_size must be ≥ 1"),
        ({"max_buckets": 7}, "max_buckets must be even"),
    ],
)
def test_impossible_configurations_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        NLCUnetConfig(**change)


def test_unknown_architectures_and_sizes_are_refused():
    with pytest.raises(ConfigError, match="architecture must be one of"):
        make_network("UNet", {})
    with pytest.raises(ConfigError, match="does not fit NLCUnet"):
        make_network("NLCUnet", {"depth": 3})
    with pytest.raises(ConfigError, match="size must be one of"):
        size_config("NLCUnet-XL")
