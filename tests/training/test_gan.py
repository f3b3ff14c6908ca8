"""The second stage: the hand-over, a discriminator that learns, and resuming in the middle of it."""

import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.models.weights import read_header
from nlcunet.training.loop import TrainingListener, train
from nlcunet.training.sources import load_training_data, make_stage_source
from nlcunet.training.state import load_state
from nlcunet.training.trainer import make_trainer, start_gan


def copies(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def gan_trainer(recipe, processes):
    trainer = make_trainer(recipe, processes)
    trainer.progress.step = recipe.optim.steps
    start_gan(trainer)
    return trainer, make_stage_source(trainer, load_training_data(recipe))


def test_both_stages_run_from_one_recipe(tmp_path, gan_recipe, processes):
    reports, notes = [], []
    listener = TrainingListener(on_report=reports.append, on_note=notes.append)
    weights = train(gan_recipe, tmp_path / "run", processes=processes, listener=listener)
    assert [(report.stage, report.step) for report in reports] == [
        ("psnr", 0),
        ("psnr", 2),
        ("psnr", 4),
        ("gan", 6),
        ("gan", 8),
    ]
    assert {"pixel", "perceptual", "adversarial", "discriminator", "grad_norm"} <= set(reports[-1].metrics)
    assert "second stage begins" in notes[0]
    assert weights.name == "2x-Stripes-GAN.safetensors"
    header = read_header(weights)
    assert (header.name, header.steps, header.fidelity_weights) == ("2x-Stripes-GAN", 8, "2x-Stripes")
    assert read_header(tmp_path / "run" / "2x-Stripes.safetensors").steps == 4


def test_the_second_stage_begins_with_the_averaged_weights(make_recipe, gan_recipe, processes):
    trainer = make_trainer(gan_recipe, processes)
    source = make_stage_source(trainer, load_training_data(gan_recipe))
    for step in range(4):
        trainer.step(source.pairs(step))
    average = copies(trainer.average)
    assert any(not torch.equal(a, b) for a, b in zip(average, copies(trainer.network), strict=True))
    start_gan(trainer)
    assert all(torch.equal(a, b) for a, b in zip(average, copies(trainer.network), strict=True))
    assert trainer.optimizer.state == {}


def test_generator_and_discriminator_are_trained_by_optimisers_of_their_own(gan_recipe, processes):
    trainer, source = gan_trainer(gan_recipe, processes)
    adversary = trainer.adversary
    owned = {id(p) for group in adversary.optimizer.param_groups for p in group["params"]}
    assert owned == {id(p) for p in adversary.discriminator.parameters()}
    assert owned.isdisjoint(id(p) for group in trainer.optimizer.param_groups for p in group["params"])
    before = copies(trainer.network), copies(adversary.discriminator), copies(adversary.perceptual)
    trainer.step(source.pairs(0))
    trainer.step(source.pairs(1))  # the last layer of the network starts at zero, so the others move one step later
    changed = [
        [not torch.equal(a, b) for a, b in zip(old, copies(module), strict=True)]
        for old, module in zip(before, (trainer.network, adversary.discriminator, adversary.perceptual), strict=True)
    ]
    assert sum(changed[0]) > 0.9 * len(changed[0])
    assert all(changed[1])
    assert not any(changed[2])


def test_the_generator_stands_still_while_the_discriminator_has_its_head_start(gan_recipe, processes):
    ahead = gan_recipe.model_copy(update={"gan": gan_recipe.gan.model_copy(update={"discriminator_head_start": 2})})
    trainer, source = gan_trainer(ahead, processes)
    generator, judge = copies(trainer.network), copies(trainer.adversary.discriminator)
    for step in range(2):
        assert "loss" not in trainer.step(source.pairs(step))
    assert all(torch.equal(a, b) for a, b in zip(generator, copies(trainer.network), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(judge, copies(trainer.adversary.discriminator), strict=True))
    assert "loss" in trainer.step(source.pairs(2))
    assert any(not torch.equal(a, b) for a, b in zip(generator, copies(trainer.network), strict=True))


def test_the_discriminator_learns_to_tell_restored_from_real_patches(make_recipe, gan_recipe, processes):
    """The authors' never did: it was built anew at every step. Here the generator stands still, so it must win."""
    still = gan_recipe.model_copy(
        update={
            "gan": gan_recipe.gan.model_copy(
                update={"discriminator_lr": 1e-3, "optim": gan_recipe.gan.optim.model_copy(update={"lr": 1e-9})}
            )
        }
    )
    trainer, source = gan_trainer(still, processes)
    told = [trainer.step(source.pairs(step)) for step in range(60)]
    margin = [float(one["real_logit"] - one["restored_logit"]) for one in told]
    assert sum(margin[-10:]) / 10 > max(0.05, 3 * sum(map(abs, margin[:5])) / 5)
    losses = [float(one["discriminator"]) for one in told]
    assert sum(losses[-10:]) < sum(losses[:10])


def test_resuming_in_the_second_stage_is_exact(tmp_path, gan_recipe, processes):
    train(gan_recipe, tmp_path / "straight", processes=processes)
    shorter = gan_recipe.model_copy(
        update={
            "gan": gan_recipe.gan.model_copy(update={"optim": gan_recipe.gan.optim.model_copy(update={"steps": 2})})
        }
    )
    train(shorter, tmp_path / "broken", processes=processes)
    train(gan_recipe, tmp_path / "broken", processes=processes, resume=True)
    one, other = load_state(tmp_path / "straight"), load_state(tmp_path / "broken")
    for key in ("network", "average", "discriminator"):
        for name, value in one[key].items():
            assert torch.equal(value, other[key][name]), name


def test_resuming_at_the_hand_over_is_exact(tmp_path, gan_recipe, processes):
    train(gan_recipe, tmp_path / "straight", processes=processes)
    train(gan_recipe.model_copy(update={"gan": None}), tmp_path / "broken", processes=processes)
    train(gan_recipe, tmp_path / "broken", processes=processes, resume=True)
    one, other = load_state(tmp_path / "straight"), load_state(tmp_path / "broken")
    for name, value in one["discriminator"].items():
        assert torch.equal(value, other["discriminator"][name]), name


def test_the_second_stage_alone_starts_from_given_weights(tmp_path, make_recipe, gan_recipe, processes):
    first = train(make_recipe(), tmp_path / "first", processes=processes)
    alone = gan_recipe.model_copy(
        update={
            "optim": gan_recipe.optim.model_copy(update={"steps": 0}),
            "network": gan_recipe.network.model_copy(update={"init": str(first)}),
        }
    )
    weights = train(alone, tmp_path / "alone", processes=processes)
    assert (read_header(weights).steps, read_header(weights).fidelity_weights) == (12, "2x-Stripes")
    assert (tmp_path / "alone" / "2x-Stripes.safetensors").read_bytes() == first.read_bytes()
    assert load_state(tmp_path / "alone")["progress"]["step"] == 4


def test_a_failure_early_in_the_second_stage_goes_back_to_the_first(tmp_path, gan_recipe, processes, monkeypatch):
    """The last state is then that of the end of stage one, and the hand-over happens again."""
    import nlcunet.training.trainer as module

    real, calls, notes = module.discriminator_loss, [], []

    def fail_once(*arguments):
        calls.append(1)
        return real(*arguments) * (float("nan") if len(calls) == 1 else 1.0)

    monkeypatch.setattr(module, "discriminator_loss", fail_once)
    train(gan_recipe, tmp_path / "run", processes=processes, listener=TrainingListener(on_note=notes.append))
    assert "back to step 4" in notes[1]
    assert [("second stage begins" in note) for note in notes] == [True, False, True]
    assert load_state(tmp_path / "run")["progress"]["step"] == 8


def test_a_head_start_as_long_as_the_stage_is_refused(make_recipe):
    with pytest.raises(ConfigError, match=r"discriminator_head_start must be below gan\.optim\.steps, 5"):
        make_recipe({"gan.optim.steps": 5, "gan.discriminator_head_start": 5})


def test_features_and_lattice_take_part_where_the_recipe_weighs_them(gan_recipe, processes):
    settings = {"feature_matching_weight": 0.5, "phase_weight": 2.0, "adversarial": "vanilla"}
    trainer, source = gan_trainer(
        gan_recipe.model_copy(update={"gan": gan_recipe.gan.model_copy(update=settings)}), processes
    )
    trainer.step(source.pairs(0))
    told = trainer.step(source.pairs(1))
    terms = (told["pixel"], 0.1 * told["adversarial"], told["perceptual"], 0.5 * told["feature_matching"])
    assert told["phase"] > 0
    assert told["loss"].item() == pytest.approx((sum(terms) + 2.0 * told["phase"]).item(), rel=1e-5)
    plain, source = gan_trainer(gan_recipe, processes)
    assert {"phase", "feature_matching"}.isdisjoint(plain.step(source.pairs(0)))
