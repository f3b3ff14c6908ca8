"""Baselines that estimate blur are trained with the losses they were published with."""

import pytest
import torch

from nlcunet.data.pairs import Pairs, steps_to_pairs
from nlcunet.degradations.presets import isotropic_record
from nlcunet.degradations.record import DegradationRecord, true_kernels
from nlcunet.degradations.steps import Resize
from nlcunet.errors import ConfigError
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.blind import BlindEstimate
from nlcunet.models.registry import make_network
from nlcunet.models.weights import load_model
from nlcunet.training.blind import fidelity_terms
from nlcunet.training.loop import train
from nlcunet.training.losses import l1_loss
from nlcunet.training.trainer import make_trainer

TINY = {
    "DANv1": {"width": 8, "blocks": 1, "estimator_width": 4, "estimator_blocks": 1, "loops": 2, "upsampler": "direct"},
    "DANv2": {
        "width": 8,
        "groups": 1,
        "blocks": 1,
        "estimator_width": 4,
        "estimator_blocks": 1,
        "loops": 2,
        "upsampler": "direct",
    },
    "DCLS": {
        "width": 8,
        "groups": 1,
        "blocks": 1,
        "head_blocks": 1,
        "kernel_channels": 4,
        "code_length": 16,
        "upsampler": "direct",
    },
}


@pytest.fixture
def make_blind_recipe(make_recipe):
    def make(name, changes=None):
        network = {"network.size": name, "network.overrides": TINY[name], "data.patch_px": 32, "data.crop": "random"}
        return make_recipe({**network, **(changes or {})})

    return make


@pytest.mark.parametrize("name", TINY)
def test_a_baseline_learns_pictures_and_kernels(make_blind_recipe, processes, name):
    trainer = make_trainer(make_blind_recipe(name, {"optim.lr": 4e-3, "optim.warmup_steps": 0}), processes)
    blots = torch.randint(256, (2, 64, 64, 3), dtype=torch.uint8)
    pairs = steps_to_pairs(list(blots), [isotropic_record(21, sigma_px, scale=2) for sigma_px in (1.0, 2.0)])
    history = [trainer.step(pairs) for _ in range(25)]
    assert set(history[0]) == {"loss", "grad_norm", "pixel", "kernel"}
    torch.testing.assert_close(history[0]["loss"], history[0]["pixel"] + history[0]["kernel"])
    for term in ("pixel", "kernel"):
        assert history[-1][term] < 0.9 * history[0][term]
    assert trainer.check() is None


@pytest.mark.parametrize("name", TINY)
def test_a_resumed_baseline_equals_an_uninterrupted_one(tmp_path, make_blind_recipe, processes, name):
    whole = train(make_blind_recipe(name, {"optim.steps": 4}), tmp_path / "whole", processes=processes)
    train(make_blind_recipe(name, {"optim.steps": 2}), tmp_path / "parts", processes=processes)
    parts = train(make_blind_recipe(name, {"optim.steps": 4}), tmp_path / "parts", processes=processes, resume=True)
    first, second = load_model(whole), load_model(parts)
    assert first.header.architecture == name
    for key, value in first.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[key])


@pytest.mark.parametrize("kernel", ["estimated", "known"])
def test_a_resumed_nlcunet_that_is_told_the_kernel_equals_an_uninterrupted_one(
    tmp_path, make_recipe, processes, kernel
):
    told = {"network.kernel": kernel}
    whole = train(make_recipe({**told, "optim.steps": 4}), tmp_path / "whole", processes=processes)
    train(make_recipe({**told, "optim.steps": 2}), tmp_path / "parts", processes=processes)
    parts = train(make_recipe({**told, "optim.steps": 4}), tmp_path / "parts", processes=processes, resume=True)
    first, second = load_model(whole), load_model(parts)
    for key, value in first.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[key])


def test_a_chain_of_steps_has_no_kernel():
    chain = DegradationRecord(scale=2, steps=(Resize(),))
    with pytest.raises(ConfigError, match="the blur must be a single kernel: a picture went through a chain of steps"):
        true_kernels([chain], 21)


def test_true_kernels_are_centred():
    kernels = true_kernels([isotropic_record(5, 1.0), DegradationRecord(scale=4)], 21)
    assert kernels.shape == (2, 21, 21)
    torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(2))
    assert kernels[0, 8:13, 8:13].count_nonzero() == kernels[0].count_nonzero() == 25
    assert kernels[1, 10, 10] == 1


def test_larger_kernels_than_the_network_estimates_are_refused():
    with pytest.raises(ConfigError, match=r"kernels of 31 × 31 px.*set network\.overrides\.kernel_size"):
        true_kernels([isotropic_record(31, 1.0)], 21)


@pytest.mark.parametrize(("name", "pixel"), [("DANv1", 0.75), ("DANv2", 0.5)])
def test_the_loss_counts_every_loop_of_danv1_and_the_last_of_danv2(name, pixel):
    network = make_network(name, TINY[name] | {"scale": 2})
    records = (isotropic_record(21, 1.5, scale=2),)
    pairs = Pairs(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 16, 16), records)
    truth = true_kernels(records, 21)
    codes = network.coder.encode(truth)
    estimate = BlindEstimate(
        pictures=(torch.full((1, 3, 16, 16), 0.25), torch.full((1, 3, 16, 16), 0.5)),
        kernels=(truth, truth + 0.125),
        codes=(codes, codes + 0.125),
    )
    terms = fidelity_terms(network, estimate, pairs, l1_loss)
    assert float(terms["pixel"]) == pytest.approx(pixel)
    assert float(terms["kernel"]) == pytest.approx(0.125, rel=1e-5)


def test_dcls_learns_the_kernel_between_low_resolution_pictures():
    """Of a picture that was not blurred at all, that kernel is the delta."""
    network = make_network("DCLS", TINY["DCLS"] | {"scale": 2})
    high_res = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    low_res = resize_bicubic(high_res, 32, 32)
    delta = torch.zeros(1, 21, 21)
    delta[0, 10, 10] = 1.0
    estimate = BlindEstimate(pictures=(high_res,), kernels=(delta,))
    terms = fidelity_terms(network, estimate, Pairs(low_res, high_res), l1_loss)
    assert float(terms["pixel"]) == 0.0
    assert float(terms["kernel"]) < 1e-6
    box = torch.full((1, 21, 21), 1 / 441)
    wrong = BlindEstimate(pictures=(high_res,), kernels=(box,))
    assert float(fidelity_terms(network, wrong, Pairs(low_res, high_res), l1_loss)["kernel"]) > 1e-3
