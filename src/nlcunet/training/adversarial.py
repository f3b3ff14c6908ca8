"""Adversarial losses: what the generator and the discriminator of the second stage minimise.

Kinds: ``"vanilla"`` (https://arxiv.org/abs/1406.2661, non-saturating; the paper's), ``"hinge"``
(https://arxiv.org/abs/1705.02894), ``"relativistic"`` (relativistic average, https://arxiv.org/abs/1807.00734: is a
real picture more real than generated ones on average). All are means over logits of any shape, in float32 also under
autocast, and finite for any finite logit. The discriminator's two terms, and the relativistic generator's, are summed,
not averaged, as the papers have them.

The two steps of one iteration::

    discriminator.requires_grad_(False)
    loss = … + generator_loss(kind, discriminator(restored), discriminator(high_res))
    discriminator.requires_grad_(True)
    loss = discriminator_loss(kind, discriminator(high_res), discriminator(restored.detach()))
"""

from collections.abc import Sequence
from typing import Literal, assert_never

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.errors import ConfigError

AdversarialKind = Literal["vanilla", "hinge", "relativistic"]
"""How the discriminator's logits become losses."""

Logits = Float[Tensor, "..."]


def uses_real_logits(kind: AdversarialKind) -> bool:
    """Whether the generator's loss depends on the logits of real pictures; if not, their forward can be spared."""
    return kind == "relativistic"


def generator_loss(kind: AdversarialKind, fake_logits: Logits, real_logits: Logits | None = None) -> Float[Tensor, ""]:
    """How far the generator is from being taken for real; 0 at best (hinge: unbounded below).

    Raises:
        ConfigError: the kind needs the logits of real pictures and there are none.
    """
    fake = fake_logits.float()
    if kind == "vanilla":
        return _says_real(fake)
    if kind == "hinge":
        return -fake.mean()
    if kind == "relativistic":
        if real_logits is None:
            raise ConfigError("the relativistic generator loss needs the logits of real pictures: got none")
        real = real_logits.detach().float()
        return _says_real(fake - real.mean()) + _says_fake(real - fake.mean())
    assert_never(kind)


def discriminator_loss(kind: AdversarialKind, real_logits: Logits, fake_logits: Logits) -> Float[Tensor, ""]:
    """How badly the discriminator tells real from generated pictures; 0 at best."""
    real, fake = real_logits.float(), fake_logits.float()
    if kind == "vanilla":
        return _says_real(real) + _says_fake(fake)
    if kind == "hinge":
        return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()
    if kind == "relativistic":
        return _says_real(real - fake.mean()) + _says_fake(fake - real.mean())
    assert_never(kind)


def match_features(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Mean absolute difference between the discriminator's features, layer by layer.

    It gives the generator a direction where logits say only "not real". Wang et al., "High-Resolution Image Synthesis
    and Semantic Manipulation with Conditional GANs" (pix2pixHD), https://arxiv.org/abs/1711.11585, section 3.2.
    """
    distances = [F.l1_loss(one.float(), other.detach().float()) for one, other in zip(fake, real, strict=True)]
    return torch.stack(distances).mean()


def _says_real(logits: Logits) -> Float[Tensor, ""]:
    """Mean of −log σ(logit), without overflow."""
    return F.softplus(-logits).mean()


def _says_fake(logits: Logits) -> Float[Tensor, ""]:
    """Mean of −log(1 − σ(logit)), without overflow."""
    return F.softplus(logits).mean()
