"""NLCUnet that is told the kernel: at the start it is NLCUnet; then it goes by what it is told."""

import math
from dataclasses import replace

import pytest
import torch

from nlcunet.degradations.presets import isotropic_record
from nlcunet.degradations.record import DegradationRecord, true_kernels
from nlcunet.errors import ConfigError
from nlcunet.models.blind import BlindNetwork
from nlcunet.models.kernel_conditioned import (
    EstimatingNLCUnet,
    KernelConditionedConfig,
    KernelEstimator,
    NonBlindNLCUnet,
    decode_kernels,
    encode_kernels,
)
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.registry import network_from_config, size_config
from nlcunet.models.weights import describe, load_model, save_weights

TINY = KernelConditionedConfig(
    scale=2, width=8, depths=(1, 1, 1, 0, 1, 1), num_hashes=1, chunk_size=16, upsampler="direct"
)


def make(config: NLCUnetConfig) -> torch.nn.Module:
    torch.manual_seed(5)
    return network_from_config(config).eval()


def plain(config: KernelConditionedConfig) -> NLCUnetConfig:
    return NLCUnetConfig(**{name: getattr(config, name) for name in vars(NLCUnetConfig())})


def wake(network: torch.nn.Module) -> None:
    """Fresh networks answer with the bicubic skip, whatever they see: give the last layers weights."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in network.parameters():
            if not value.any():
                value.copy_(0.05 * torch.randn(value.shape, generator=generator))
    assert all(value.any() for value in network.parameters())


@torch.no_grad()
def test_all_three_start_as_the_same_network() -> None:
    generator = torch.Generator().manual_seed(1)
    low_res = torch.rand(2, 3, 12, 16, generator=generator)
    networks = [make(plain(TINY)), make(TINY), make(replace(TINY, kernel="known"))]
    backbones = [networks[0], *(network.conditioning.backbone for network in networks[1:])]
    for name, value in backbones[0].state_dict().items():
        assert all(torch.equal(value, one.state_dict()[name]) for one in backbones), name
    for backbone in backbones:
        backbone.upsampler[0].weight.copy_(
            torch.linspace(-0.1, 0.1, backbone.upsampler[0].weight.numel()).view_as(backbone.upsampler[0].weight)
        )
    expected = networks[0](low_res)
    assert not torch.equal(expected, make(plain(TINY))(low_res))
    assert torch.equal(networks[1](low_res), expected)
    assert torch.equal(networks[2](low_res, torch.rand(2, 31, 31)), expected)


@torch.no_grad()
def test_another_kernel_gives_another_picture() -> None:
    network = make(replace(TINY, kernel="known"))
    wake(network)
    low_res = torch.rand(1, 3, 8, 8).expand(2, -1, -1, -1)
    kernels = true_kernels([isotropic_record(21, 1.0), isotropic_record(21, 2.0)], 31)
    first, second = network(low_res, kernels)
    assert (first - second).abs().max() > 1e-4
    assert torch.equal(network(low_res, kernels.flip(0))[0], second)


def test_the_true_kernel_must_be_given() -> None:
    with pytest.raises(ConfigError, match="these weights must be given the true blur kernel of every picture"):
        NonBlindNLCUnet(replace(TINY, kernel="known"))(torch.rand(1, 3, 8, 8))


def test_the_kernel_loss_trains_the_estimator_alone_and_the_picture_everything_else() -> None:
    network = make(TINY)
    wake(network)
    assert isinstance(network, BlindNetwork)
    estimate = network.forward_with_kernels(torch.rand(2, 3, 16, 16))
    truth = encode_kernels(true_kernels([isotropic_record(21, 1.0), isotropic_record(21, 2.0)], 31), 2)
    (estimate.codes[-1] - truth).abs().mean().backward(retain_graph=True)
    assert all(value.grad is not None and value.grad.any() for value in network.estimator.parameters())
    assert all(value.grad is None for value in network.conditioning.parameters())
    network.zero_grad()
    estimate.picture.square().mean().backward()
    assert all(value.grad is None for value in network.estimator.parameters())
    assert all(value.grad is not None for value in network.conditioning.modulation.parameters())


@pytest.mark.parametrize(("sigmas", "angle"), [((2.0, 2.0), 0.0), ((3.0, 1.0), 0.5), ((1.5, 2.5), -1.2)])
def test_codes_are_the_axes_and_the_angle(sigmas: tuple[float, float], angle: float) -> None:
    record = DegradationRecord(
        scale=4,
        kernel="anisotropic",
        kernel_size_px=31,
        sigma_x_px=sigmas[0],
        sigma_y_px=sigmas[1],
        angle_rad=angle,
    )
    kernels = true_kernels([record], 31)
    code = encode_kernels(kernels, 4)
    longer = sigmas[0] - sigmas[1]
    expected = [sum(sigmas) / 4, longer * math.cos(2 * angle) / 4, longer * math.sin(2 * angle) / 4]
    torch.testing.assert_close(code[0], torch.tensor(expected), atol=2e-3, rtol=0)
    torch.testing.assert_close(decode_kernels(code, 4, 31), kernels, atol=2e-5, rtol=0)


def test_no_blur_is_nought_and_estimates_that_cannot_be_make_kernels_all_the_same() -> None:
    delta = NonBlindNLCUnet(replace(TINY, kernel="known")).no_blur(2)
    assert encode_kernels(delta, 2).abs().max() < 1e-5
    kernels = decode_kernels(torch.tensor([[-1.0, 0.0, 0.0], [0.1, 2.0, -3.0]]), 4, 31)
    torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(2))
    assert torch.isfinite(kernels).all()


@torch.no_grad()
def test_the_estimate_depends_on_blur_and_not_on_contrast() -> None:
    torch.manual_seed(0)
    estimator, low_res = KernelEstimator(), torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(estimator(0.5 + 0.3 * low_res), estimator(low_res), atol=1e-4, rtol=0)
    blurred = torch.nn.functional.avg_pool2d(low_res, 3, 1, 1)
    assert (estimator(blurred) - estimator(low_res)).abs().max() > 0.01
    assert torch.isfinite(estimator(torch.full((1, 3, 4, 4), 0.5))).all()


def test_parameters_and_shapes_are_nearly_those_of_the_same_size() -> None:
    config = size_config("NLCUnet-S")
    networks = [
        network_from_config(KernelConditionedConfig(**vars(config), kernel=kernel)) for kernel in ("estimated", "known")
    ]
    parameters = [sum(value.numel() for value in network.parameters()) for network in (NLCUnet(config), *networks)]
    assert parameters[0] < parameters[2] < parameters[1] < 1.08 * parameters[0]


@pytest.mark.parametrize("kernel", ["estimated", "known"])
@torch.no_grad()
def test_weights_come_back(tmp_path, kernel: str) -> None:
    network = make(replace(TINY, kernel=kernel))
    wake(network)
    path = tmp_path / "tiny.safetensors"
    save_weights(path, network, describe(network, "tiny"), half=False)
    loaded = load_model(path)
    assert type(loaded.network) is {"estimated": EstimatingNLCUnet, "known": NonBlindNLCUnet}[kernel]
    inputs = (torch.rand(1, 3, 8, 12), *((true_kernels([isotropic_record(21, 1.2)], 31),) if kernel == "known" else ()))
    assert torch.equal(loaded.network(*inputs), network(*inputs))


@pytest.mark.parametrize(
    ("change", "told"), [({"kernel": "guessed"}, "kernel must be one of"), ({"kernel_size": 4}, "odd")]
)
def test_what_cannot_be_built_is_refused(change: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        replace(TINY, **change)
