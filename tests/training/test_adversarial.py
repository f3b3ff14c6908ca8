import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.models.discriminator import DiscriminatorConfig, UNetDiscriminator
from nlcunet.training.adversarial import (
    AdversarialKind,
    discriminator_loss,
    generator_loss,
    match_features,
    uses_real_logits,
)

KINDS = get_args(AdversarialKind)
REAL = torch.tensor([2.0, 0.0])
FAKE = torch.tensor([-1.0, 1.0])


def softplus(x):
    return math.log1p(math.exp(x))


# By hand from the papers' formulas; mean(REAL) = 1, mean(FAKE) = 0.
GOLDEN = {
    "vanilla": (
        (softplus(1.0) + softplus(-1.0)) / 2,
        (softplus(-2.0) + softplus(0.0)) / 2 + (softplus(-1.0) + softplus(1.0)) / 2,
    ),
    "hinge": (0.0, (0.0 + 1.0) / 2 + (0.0 + 2.0) / 2),
    "relativistic": (
        (softplus(2.0) + softplus(0.0)) / 2 + (softplus(2.0) + softplus(0.0)) / 2,
        (softplus(-2.0) + softplus(0.0)) / 2 + (softplus(-2.0) + softplus(0.0)) / 2,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_match_numbers_worked_by_hand(kind):
    generator, discriminator = GOLDEN[kind]
    assert generator_loss(kind, FAKE, REAL).item() == pytest.approx(generator, abs=1e-6)
    assert discriminator_loss(kind, REAL, FAKE).item() == pytest.approx(discriminator, abs=1e-6)


def test_golden_numbers_are_the_decimals_of_the_formulas():
    # log(1 + e) = 1.3132617, log(1 + 1/e) = 0.3132617, log 2 = 0.6931472
    # log(1 + e²) = 2.1269280, log(1 + e⁻²) = 0.1269280
    assert GOLDEN["vanilla"][0] == pytest.approx(0.8132617, abs=1e-7)
    assert GOLDEN["vanilla"][1] == pytest.approx(0.4100376 + 0.8132617, abs=1e-7)
    assert GOLDEN["relativistic"] == pytest.approx((2.8200752, 0.8200752), abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_discriminator_has_no_loss(kind):
    real, fake = torch.full((2, 1, 8, 8), 40.0), torch.full((2, 1, 8, 8), -40.0)
    assert discriminator_loss(kind, real, fake).item() == pytest.approx(0.0, abs=1e-6)
    assert discriminator_loss(kind, fake, real).item() > 40
    assert generator_loss(kind, fake, real).item() >= 40


@pytest.mark.parametrize("kind", ["vanilla", "relativistic"])
def test_a_generator_taken_for_real_has_no_loss(kind):
    assert generator_loss(kind, torch.full((4,), 40.0), torch.full((4,), -40.0)).item() == pytest.approx(0.0, abs=1e-6)


def test_an_undecided_discriminator_has_the_loss_of_a_coin():
    nothing = torch.zeros(2, 1, 8, 8)
    assert discriminator_loss("vanilla", nothing, nothing).item() == pytest.approx(2 * math.log(2))
    assert discriminator_loss("relativistic", nothing, nothing).item() == pytest.approx(2 * math.log(2))
    assert discriminator_loss("hinge", nothing, nothing).item() == pytest.approx(2.0)


@given(
    real=st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=8),
    fake=st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=8),
    kind=st.sampled_from(KINDS),
)
@settings(deadline=None)
def test_gradients_pull_real_up_and_generated_down_and_the_generator_the_other_way(real, fake, kind):
    real_logits = torch.tensor(real, requires_grad=True)
    fake_logits = torch.tensor(fake, requires_grad=True)
    to_real, to_fake = torch.autograd.grad(
        discriminator_loss(kind, real_logits, fake_logits), [real_logits, fake_logits]
    )
    assert (to_real <= 0).all()  # a descent step raises the logits of real pictures
    assert (to_fake >= 0).all()
    (to_fake,) = torch.autograd.grad(generator_loss(kind, fake_logits, real_logits), [fake_logits])
    assert (to_fake <= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_logits_give_finite_losses_and_gradients(kind):
    real = torch.tensor([-1e30, 1e4], requires_grad=True)
    fake = torch.tensor([1e30, -1e4], requires_grad=True)
    loss = discriminator_loss(kind, real, fake) + generator_loss(kind, fake, real)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(real.grad).all()
    assert torch.isfinite(fake.grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_logits_are_averaged_in_float32_under_autocast(kind):
    real, fake = torch.randn(4, 1, 64, 64).bfloat16(), torch.randn(4, 1, 64, 64).bfloat16()
    expected = discriminator_loss(kind, real.float(), fake.float()), generator_loss(kind, fake.float(), real.float())
    with torch.autocast("cpu", torch.bfloat16):
        losses = discriminator_loss(kind, real, fake), generator_loss(kind, fake, real)
    for loss, reference in zip(losses, expected, strict=True):
        assert loss.dtype == torch.float32
        assert torch.equal(loss, reference)


@pytest.mark.parametrize("kind", KINDS)
def test_real_pictures_are_constants_to_the_generator(kind):
    real = torch.randn(4, requires_grad=True)
    fake = torch.randn(4, requires_grad=True)
    generator_loss(kind, fake, real).backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0


def test_only_the_relativistic_generator_needs_real_logits():
    assert [kind for kind in KINDS if uses_real_logits(kind)] == ["relativistic"]
    assert generator_loss("vanilla", FAKE) == generator_loss("vanilla", FAKE, REAL)
    assert generator_loss("hinge", FAKE) == generator_loss("hinge", FAKE, REAL)
    with pytest.raises(ConfigError, match="needs the logits of real pictures"):
        generator_loss("relativistic", FAKE)


def _sharp_and_blurred(step):
    sharp = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(step))
    return sharp, F.avg_pool2d(sharp, 3, stride=1, padding=1, count_include_pad=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_discriminator_learns_to_tell_sharp_from_blurred(kind):
    network = UNetDiscriminator(DiscriminatorConfig(width=8))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.9, 0.99))
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    losses = []
    for step in range(20):
        sharp, blurred = _sharp_and_blurred(step)
        loss = discriminator_loss(kind, network(sharp), network(blurred))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert all(not torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())
    assert losses[-1] < 0.7 * losses[0]
    sharp, blurred = _sharp_and_blurred(1000)  # never seen
    with torch.no_grad():
        assert network.eval()(sharp).mean() > network(blurred).mean() + 1.0


def test_features_are_matched_layer_by_layer():
    fake, real = (
        [torch.zeros(1, 2, 3, 3), torch.ones(1, 4, 2, 2)],
        [torch.ones(1, 2, 3, 3), torch.full((1, 4, 2, 2), 4.0)],
    )
    fake[0].requires_grad_()
    loss = match_features(fake, real)
    assert loss.item() == pytest.approx((1.0 + 3.0) / 2)
    loss.backward()
    assert torch.allclose(fake[0].grad, torch.full_like(fake[0], -0.5 / 18))
