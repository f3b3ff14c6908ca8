import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.errors import ConfigError
from nlcunet.models.discriminator import DiscriminatorConfig, UNetDiscriminator

TINY = DiscriminatorConfig(width=4)


def test_width_64_has_the_parameters_of_the_original():
    # Real-ESRGAN's UNetDiscriminatorSN(3, 64): 1,792 + 131,072 + 524,288 + 2,097,152 + 1,179,648 + 294,912 + 73,728
    # + 2 · 36,864 + 577
    network = UNetDiscriminator(DiscriminatorConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_376_897


@given(rows=st.integers(1, 5), columns=st.integers(1, 5))
@settings(max_examples=10, deadline=None)
def test_every_pixel_gets_one_finite_logit(rows, columns):
    logits = UNetDiscriminator(TINY)(torch.rand(2, 3, 8 * rows, 8 * columns))
    assert logits.shape == (2, 1, 8 * rows, 8 * columns)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("size", [(4, 8), (8, 12), (15, 16), (0, 8)])
def test_sizes_that_are_no_multiple_of_8_are_refused(size):
    with pytest.raises(ConfigError, match="sides in multiples of 8: got"):
        UNetDiscriminator(TINY)(torch.zeros(1, 3, *size))


def test_width_must_be_positive():
    with pytest.raises(ConfigError, match="width must be ≥ 1: got 0"):
        DiscriminatorConfig(width=0)


def test_skip_connections_change_the_result():
    with_skips = UNetDiscriminator(TINY)
    without = UNetDiscriminator(DiscriminatorConfig(width=4, skip_connections=False))
    without.load_state_dict(with_skips.state_dict())
    picture = torch.rand(1, 3, 16, 16)
    assert not torch.allclose(with_skips(picture), without(picture))


def _normalised_layers(network):
    return {name: layer for name, layer in network.named_modules() if hasattr(layer, "parametrizations")}


def test_power_iteration_brings_every_normalised_weight_to_spectral_norm_1():
    network = UNetDiscriminator(TINY)
    layers = _normalised_layers(network)
    assert len(layers) == 8
    for _ in range(100):
        network(torch.rand(1, 3, 8, 8))
    network.eval()
    for layer in layers.values():
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() == pytest.approx(1.0, abs=1e-3)


def test_only_train_mode_moves_the_power_iteration():
    network = UNetDiscriminator(TINY)
    before = copy.deepcopy(network.state_dict())
    network.eval()(torch.rand(1, 3, 8, 8))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network.train()(torch.rand(1, 3, 8, 8))
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.endswith(("._u", "._v")) for name in moved)


def test_power_iteration_does_not_depend_on_the_pictures():
    first = UNetDiscriminator(TINY)
    second = copy.deepcopy(first)
    first(torch.rand(1, 3, 8, 8))
    second(torch.rand(3, 3, 16, 24))
    second_state = second.state_dict()
    assert all(torch.equal(value, second_state[name]) for name, value in first.state_dict().items())


def _train(network, optimizer, steps):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        real, fake = torch.rand(2, 1, 3, 16, 16, generator=generator).unbind()
        loss = network(fake).mean() - network(real).tanh().mean()  # two forwards, then one backward
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test_training_resumes_bit_for_bit_from_the_state_dict():
    network = UNetDiscriminator(TINY)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    _train(network, optimizer, range(3))
    network_state, optimizer_state = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    _train(network, optimizer, range(3, 6))

    resumed = UNetDiscriminator(TINY)
    resumed.load_state_dict(network_state)
    resumed_optimizer = torch.optim.Adam(resumed.parameters(), lr=1e-3)
    resumed_optimizer.load_state_dict(optimizer_state)
    _train(resumed, resumed_optimizer, range(3, 6))
    resumed_state = resumed.state_dict()
    assert all(torch.equal(value, resumed_state[name]) for name, value in network.state_dict().items())


def test_channels_last_gives_the_same_logits():
    network = UNetDiscriminator(TINY).eval()
    picture = torch.rand(2, 3, 16, 24)
    expected = network(picture)
    network = network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(picture.to(memory_format=torch.channels_last)), expected, atol=1e-5, rtol=1e-5)


def test_bfloat16_is_close_to_float32_and_leaves_the_power_iteration_as_it_is():
    network = UNetDiscriminator(DiscriminatorConfig(width=16))
    other = copy.deepcopy(network)
    picture = torch.rand(1, 3, 32, 32)
    expected = network(picture)
    with torch.autocast("cpu", torch.bfloat16):
        logits = other(picture)
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - expected).abs().max() < 0.05 * expected.abs().max()
    other_state = other.state_dict()
    assert all(torch.equal(value, other_state[name]) for name, value in network.state_dict().items())


def test_gradient_reaches_the_pictures_while_the_weights_are_frozen():
    network = UNetDiscriminator(TINY).requires_grad_(requires_grad=False)
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    network(picture).mean().backward()
    assert picture.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_logits_are_those_of_an_independent_rebuild():
    # the layers spelt out once more, with weights divided by their exact largest singular value
    network = UNetDiscriminator(TINY)
    for _ in range(200):
        network(torch.rand(1, 3, 8, 8))
    network.eval()

    def weight(layer):
        original = layer.parametrizations.weight.original
        return original / torch.linalg.svdvals(original.flatten(1))[0]

    def act(x):
        return torch.where(x > 0, x, 0.2 * x)

    def up(x):
        return torch.nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear")

    conv = torch.conv2d
    picture = torch.rand(1, 3, 24, 16)
    x0 = act(conv(picture, network.head.weight, network.head.bias, padding=1))
    x1 = act(conv(x0, weight(network.down1), stride=2, padding=1))
    x2 = act(conv(x1, weight(network.down2), stride=2, padding=1))
    x3 = act(conv(x2, weight(network.down3), stride=2, padding=1))
    x4 = act(conv(up(x3), weight(network.up1), padding=1)) + x2
    x5 = act(conv(up(x4), weight(network.up2), padding=1)) + x1
    x6 = act(conv(up(x5), weight(network.up3), padding=1)) + x0
    x7 = act(conv(act(conv(x6, weight(network.refine1), padding=1)), weight(network.refine2), padding=1))
    expected = conv(x7, network.tail.weight, network.tail.bias, padding=1)
    torch.testing.assert_close(network(picture), expected, atol=1e-4, rtol=1e-3)
