from dataclasses import replace

import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.evaluation.cost import count_operations
from nlcunet.models.blind import BlindNetwork
from nlcunet.models.dan_v1 import DANv1, DANv1Config
from nlcunet.models.dan_v2 import DANv2, DANv2Config
from nlcunet.models.dcls import DCLSConfig
from nlcunet.models.kernel_codes import KernelCoder
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.registry import make_network, network_from_config, size_config
from nlcunet.models.weights import describe, find_header, load_model, save_weights

TINY = (
    DANv1Config(width=8, blocks=2, estimator_width=4, estimator_blocks=1, loops=3, kernel_size=11, code_length=5),
    DANv2Config(
        width=8, groups=2, blocks=1, estimator_width=4, estimator_blocks=2, loops=3, kernel_size=11, code_length=5
    ),
)
tiny = pytest.mark.parametrize("config", TINY, ids=["v1", "v2"])
scales = pytest.mark.parametrize("scale", [2, 3, 4])
upsamplers = pytest.mark.parametrize("upsampler", ["stepwise", "direct"])


def gaussian(size, sigma_px):
    axis = torch.arange(size) - size // 2
    kernel = torch.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / sigma_px**2)
    return kernel / kernel.sum()


@pytest.mark.parametrize(("name", "parameters"), [("DANv1", 4_329_511), ("DANv2", 4_707_708)])
def test_default_is_the_published_network(name, parameters):
    network = network_from_config(size_config(name))
    assert type(network).__name__ == name
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("name", ["DANv1-S", "DANv2-S", "DCLS-S"])
def test_small_sizes_cost_what_the_small_nlcunet_costs(name):
    def flops(network):
        with torch.no_grad():
            return count_operations(lambda: network(torch.rand(1, 3, 64, 64)))

    small = network_from_config(size_config(name))
    reference = network_from_config(size_config("NLCUnet-S"))
    assert 0.95 <= flops(small) / flops(reference) <= 1.05


@pytest.mark.parametrize("name", ["DANv1-S", "DANv2-S"])
def test_small_sizes_keep_four_loops(name):
    assert size_config(name).loops == 4


@tiny
@scales
@upsamplers
def test_output_is_scale_times_the_input(config, scale, upsampler):
    network = network_from_config(replace(config, scale=scale, upsampler=upsampler))
    assert network(torch.rand(2, 3, 6, 9)).shape == (2, 3, 6 * scale, 9 * scale)


@pytest.mark.parametrize("config", [*TINY, DCLSConfig(width=8, groups=1, blocks=1, kernel_size=11)])
@upsamplers
def test_with_a_skip_an_untrained_network_answers_with_the_bicubic_enlargement(config, upsampler):
    low_res = torch.rand(1, 3, 9, 8)
    expected = torch.nn.functional.interpolate(low_res, scale_factor=4, mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        output = network_from_config(replace(config, skip="bicubic", upsampler=upsampler))(low_res)
    torch.testing.assert_close(output, expected, rtol=0, atol=0)


@tiny
@scales
@pytest.mark.parametrize("size", [(1, 1), (1, 8), (2, 3), (5, 7), (13, 4)])
def test_every_size_works(config, scale, size):
    height, width = size
    output = network_from_config(replace(config, scale=scale))(torch.rand(1, 3, height, width))
    assert output.shape == (1, 3, height * scale, width * scale)
    assert torch.isfinite(output).all()


@tiny
def test_estimate_holds_every_loop_and_ends_with_the_picture_of_forward(config):
    network = network_from_config(config)
    low_res = torch.rand(2, 3, 8, 10)
    with torch.no_grad():
        estimate = network.forward_with_kernels(low_res)
        assert torch.equal(estimate.picture, network(low_res))
    assert isinstance(network, BlindNetwork)
    assert [len(part) for part in (estimate.pictures, estimate.kernels, estimate.codes)] == [3, 3, 3]
    assert estimate.kernel.shape == (2, 11, 11)
    assert estimate.codes[0].shape == (2, 5)
    assert not torch.equal(estimate.pictures[0], estimate.picture)


def test_nlcunet_and_its_like_estimate_no_kernels():
    assert not isinstance(NLCUnet(NLCUnetConfig(width=4, depths=(0,) * 6)), BlindNetwork)


def test_kernels_of_v2_are_positive_and_sum_to_one():
    with torch.no_grad():
        kernel = DANv2(TINY[1]).forward_with_kernels(torch.rand(2, 3, 8, 10)).kernel
    assert (kernel > 0).all()
    torch.testing.assert_close(kernel.sum(dim=(1, 2)), torch.ones(2))


def test_kernels_of_v1_are_its_codes_decoded():
    network = DANv1(TINY[0])
    with torch.no_grad():
        estimate = network.forward_with_kernels(torch.rand(2, 3, 8, 10))
    assert torch.equal(estimate.kernel, network.coder.decode(estimate.codes[-1]))


@tiny
def test_restorer_and_estimator_learn_apart_and_together_every_parameter_learns(config):
    network = network_from_config(config)
    estimate = network.forward_with_kernels(torch.rand(2, 3, 9, 8))
    for losses, part in ((estimate.pictures, network.restorer), (estimate.codes, network.estimator)):
        network.zero_grad(set_to_none=True)
        sum(value.square().sum() for value in losses).backward(retain_graph=True)
        learning = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        prefix = "restorer." if part is network.restorer else "estimator."
        assert learning == {f"{prefix}{name}" for name, _ in part.named_parameters()}


@tiny
def test_same_input_gives_the_same_bits_twice(config):
    network = network_from_config(config)
    low_res = torch.rand(2, 3, 12, 10)
    with torch.no_grad():
        assert torch.equal(network(low_res), network(low_res))


@tiny
def test_batched_pictures_do_not_see_each_other(config):
    network = network_from_config(config)
    low_res = torch.rand(3, 3, 9, 12)
    with torch.no_grad():
        together, alone = network(low_res), torch.cat([network(one[None]) for one in low_res])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@tiny
def test_channels_last_changes_nothing(config):
    network = network_from_config(config)
    low_res = torch.rand(2, 3, 9, 12)
    with torch.no_grad():
        expected = network(low_res)
        channels_last = network.to(memory_format=torch.channels_last)(
            low_res.contiguous(memory_format=torch.channels_last)
        )
    torch.testing.assert_close(channels_last, expected, rtol=1e-5, atol=1e-5)


@tiny
def test_bfloat16_stays_near_float32_and_kernels_stay_float32(config):
    network = network_from_config(config)
    low_res = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        expected = network.forward_with_kernels(low_res)
        with torch.autocast("cpu", torch.bfloat16):
            estimate = network.forward_with_kernels(low_res)
    assert {kernel.dtype for kernel in (*estimate.kernels, *estimate.codes)} == {torch.float32}
    torch.testing.assert_close(estimate.picture.float(), expected.picture, rtol=0, atol=0.05)
    torch.testing.assert_close(estimate.kernel, expected.kernel, rtol=0, atol=0.05)


@tiny
def test_weights_and_principal_components_survive_a_round_trip(config, tmp_path):
    network = network_from_config(replace(config, scale=3, kernel_family="anisotropic"))
    for parameter in network.parameters():
        parameter.data.copy_(parameter.half().float())
    header = describe(network, "3x-Tiny")
    path = tmp_path / "tiny.safetensors"
    save_weights(path, network, header)
    loaded = load_model(path)
    assert find_header(path) == loaded.header == header
    assert (header.architecture, header.scale, header.size_multiple, header.min_size) == (
        type(network).__name__,
        3,
        1,
        1,
    )
    assert loaded.network.config == network.config
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], value), name


@pytest.mark.parametrize("family", ["isotropic", "anisotropic"])
def test_kernel_codes_are_repeatable_orthonormal_and_already_half_precision(family):
    first, second = (KernelCoder(size=21, length=10, family=family, scale=4).matrix for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first, first.half().float())
    torch.testing.assert_close(first.mT @ first, torch.eye(10), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("scale", "sigma_px"), [(2, 0.9), (3, 1.7), (4, 1.8), (4, 2.6), (4, 3.2)])
def test_ten_numbers_hold_an_isotropic_kernel(scale, sigma_px):
    coder = KernelCoder(size=21, length=10, family="isotropic", scale=scale)
    kernel = gaussian(21, sigma_px)[None]
    assert (coder.decode(coder.encode(kernel)) - kernel).abs().max() < 2e-3 * kernel.max()


def test_first_loop_believes_in_no_blur():
    coder = KernelCoder(size=21, length=10, family="isotropic", scale=4)
    delta = torch.zeros(2, 21, 21)
    delta[:, 10, 10] = 1
    assert torch.equal(coder.sharp(2), coder.encode(delta))


def test_kernels_of_another_size_are_refused():
    with pytest.raises(ConfigError, match=r"kernels must be 21 × 21 px: got 31"):
        KernelCoder(size=21, length=10, family="isotropic", scale=4).encode(torch.rand(1, 31, 31))


@pytest.mark.parametrize("config_class", [DANv1Config, DANv2Config])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 5}, "scale must be 2, 3 or 4: got 5"),
        ({"width": 0}, "width must be ≥ 1: got 0"),
        ({"blocks": 0}, "blocks must be ≥ 1: got 0"),
        ({"loops": 0}, "loops must be ≥ 1: got 0"),
        ({"kernel_size": 20}, "kernel_size must be odd and ≥ 5: got 20"),
        ({"kernel_family": "square"}, "kernel_family must be one of .*: got 'square'"),
        ({"code_length": 26, "kernel_size": 5}, "code_length must be ≤ kernel_size²: got 26"),
        ({"upsampler": "nearest"}, "upsampler must be one of .*: got 'nearest'"),
        ({"skip": "nearest"}, "skip must be one of .*: got 'nearest'"),
    ],
)
def test_impossible_configurations_are_refused(config_class, change, message):
    with pytest.raises(ConfigError, match=message):
        config_class(**change)


@pytest.mark.parametrize("architecture", ["DANv1", "DANv2"])
def test_unknown_settings_are_refused(architecture):
    with pytest.raises(ConfigError, match=f"does not fit {architecture}"):
        make_network(architecture, {"depth": 3})
