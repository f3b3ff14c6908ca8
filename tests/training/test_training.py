"""Training end to end on a folder of generated pictures: it learns, resumes exactly, and refuses what cannot be."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from nlcunet.errors import ConfigError, TrainingError
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.models.nlcunet import NLCUnet
from nlcunet.models.weights import load_model
from nlcunet.training.loop import LOG_FILE, STATE_FILE, make_trainer, train
from nlcunet.training.recipe import OptimRecipe, embedded_recipes, read_recipe
from nlcunet.training.schedule import learning_rate
from nlcunet.training.state import Progress, load_state, save_state

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Six pictures of stripes in random directions: easy to learn, hard for bicubic."""
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:128, :128]
    for index in range(6):
        angle, period = random.uniform(0, math.pi), random.uniform(6, 12)
        wave = np.sin(2 * math.pi * (np.cos(angle) * rows + np.sin(angle) * columns) / period) > 0
        pixels = (wave[..., None] * random.integers(100, 255, 3) + 20).clip(0, 255).astype(np.uint8)
        write_picture(Picture(pixels=pixels), folder / f"{index}.png")
    return folder


def recipe_file(folder, photographs, **changes):
    content = {
        "name": "2x-Stripes",
        "scale": 2,
        "seed": 3,
        "network": {
            "size": "NLCUnet-S",
            "overrides": {"width": 8, "depths": [1, 0, 1, 0, 1, 0], "chunk_size": 16},
        },
        "data": {
            "photographs": str(photographs),
            "validation": str(photographs),
            "patch_px": 16,
            "central_px": 96,
        },
        "optim": {"steps": 8, "batch": 2, "learning_rate": 2e-3, "warmup_steps": 2, "clip_norm": 1.0},
        "validation": {"every_steps": 4, "pictures": 3, "crop_px": 64},
    }
    for key, value in changes.items():
        section, name = key.split("__")
        content[section][name] = value
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def recipe(tmp_path, photographs):
    return read_recipe(recipe_file(tmp_path, photographs))


def weights_of(path):
    return load_model(path).network.state_dict()


def test_training_learns_and_says_so_in_the_header(tmp_path, photographs):
    recipe = read_recipe(recipe_file(tmp_path, photographs, optim__steps=60, optim__batch=4))
    reports = []
    path = train(recipe, tmp_path / "run", device=CPU, on_report=reports.append)
    assert reports[-1].step == 60
    assert reports[-1].psnr_y > reports[0].psnr_y + 0.3
    header = load_model(path).header
    assert (header.name, header.scale, header.steps, header.patches) == ("2x-Stripes", 2, 60, 240)
    assert header.degradation == "isotropic x2"
    assert header.data[0].pictures == 6
    assert header.scores["validation"]["psnr_y"] == pytest.approx(reports[-1].psnr_y, abs=1e-3)
    lines = [json.loads(line) for line in (tmp_path / "run" / LOG_FILE).read_text().splitlines()]
    assert [line["step"] for line in lines] == [report.step for report in reports]


def test_resumed_training_equals_uninterrupted_training_bit_for_bit(tmp_path, recipe):
    straight = train(recipe, tmp_path / "straight", device=CPU)
    train(recipe, tmp_path / "broken", device=CPU, max_seconds=0.0)  # stops after its first step
    resumed = train(recipe, tmp_path / "broken", device=CPU, resume=True)
    states = [torch.load(tmp_path / run / STATE_FILE, weights_only=True) for run in ("straight", "broken")]
    for name, value in states[0]["network"].items():
        assert torch.equal(value, states[1]["network"][name]), name
    for name, value in weights_of(straight).items():
        assert torch.equal(value, weights_of(resumed)[name]), name


def test_runs_of_one_seed_agree_and_of_two_seeds_differ(tmp_path, recipe):
    paths = [train(r, tmp_path / f"run{i}", device=CPU) for i, r in enumerate((recipe, recipe))]
    other = train(recipe.model_copy(update={"seed": 4}), tmp_path / "other", device=CPU)
    assert paths[0].read_bytes()[-1000:] == paths[1].read_bytes()[-1000:]
    assert paths[0].read_bytes()[-1000:] != other.read_bytes()[-1000:]


def test_bfloat16_trains_weights_in_float32(tmp_path, recipe):
    fast = recipe.model_copy(update={"precision": "bfloat16"})
    train(fast, tmp_path / "run", device=CPU)
    state = torch.load(tmp_path / "run" / STATE_FILE, weights_only=True)
    assert {v.dtype for v in state["network"].values()} == {torch.float32}


def test_average_forgets_the_random_start(recipe):
    trainer = make_trainer(recipe, CPU)
    with torch.no_grad():
        for parameter in trainer.network.parameters():
            parameter.fill_(1.0)
    for step in range(1, 40):
        trainer.progress.step = step
        trainer._update_average()
    assert all((parameter - 1.0).abs().max() < 1e-3 for parameter in trainer.average.parameters())


def test_training_goes_on_from_given_weights(tmp_path, recipe):
    first = train(recipe, tmp_path / "first", device=CPU)
    trainer = make_trainer(recipe, CPU, initial_weights=first)
    for name, value in weights_of(first).items():
        assert torch.equal(value, trainer.network.state_dict()[name])
    wider = recipe.model_copy(update={"scale": 3})
    with pytest.raises(ConfigError, match="must be of the recipe's network"):
        make_trainer(wider, CPU, initial_weights=first)


def test_a_run_folder_is_never_overwritten(tmp_path, recipe):
    train(recipe, tmp_path / "run", device=CPU)
    with pytest.raises(ConfigError, match="already holds a run"):
        train(recipe, tmp_path / "run", device=CPU)
    with pytest.raises(ConfigError, match="to resume: found none"):
        train(recipe, tmp_path / "empty", device=CPU, resume=True)


def test_non_finite_loss_stops_before_weights_are_touched(tmp_path, photographs, monkeypatch):
    recipe = read_recipe(recipe_file(tmp_path, photographs))
    monkeypatch.setattr(NLCUnet, "forward", lambda _, x: x.repeat(1, 1, 2, 2) * math.nan)
    with pytest.raises(TrainingError, match="loss must be finite"):
        train(recipe, tmp_path / "run", device=CPU)
    assert not (tmp_path / "run" / STATE_FILE).exists()


def test_a_damaged_state_is_refused_and_a_failed_save_keeps_the_last_one(tmp_path, recipe, monkeypatch):
    trainer = make_trainer(recipe, CPU)
    parts = trainer.network, trainer.average, trainer.optimizer
    path = tmp_path / "state.pt"
    save_state(path, *parts, Progress(step=7))
    good = path.read_bytes()

    def fail(state, target):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(TrainingError, match="No space left on device"):
        save_state(path, *parts, Progress(step=8))
    assert path.read_bytes() == good
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []
    assert load_state(path, *parts).step == 7
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(TrainingError, match="cannot be resumed"):
        load_state(path, *parts)


def test_rate_rises_halves_and_falls():
    optim = OptimRecipe(steps=100, learning_rate=1.0, warmup_steps=4, milestones=(20, 40), decay_steps=9)
    rates = [learning_rate(optim, step) for step in range(100)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert (rates[19], rates[20], rates[40]) == (1.0, 0.5, 0.25)
    assert rates[-1] == pytest.approx(0.025)
    assert min(rates) > 0


def test_embedded_recipes_are_valid():
    assert embedded_recipes()
    for name in embedded_recipes():
        recipe = read_recipe(name)
        assert recipe.network_config().scale == recipe.scale


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optim__learning_rat": 1e-4}, "optim.learning_rat"),
        ({"optim__steps": 0}, "optim.steps"),
        ({"data__patch_px": 15}, "data.patch_px"),
        ({"network__overrides": {"depth": 3}}, "overrides must name fields"),
        ({"network__size": "NLCUnet-XL"}, "size must be one of"),
    ],
)
def test_impossible_recipes_are_refused(tmp_path, photographs, change, message):
    with pytest.raises(ConfigError, match=message):
        read_recipe(recipe_file(tmp_path, photographs, **change)).network_config()


def test_values_can_be_replaced_by_dotted_key(tmp_path, photographs):
    recipe = read_recipe(recipe_file(tmp_path, photographs), {"optim.steps": 123, "data.name": "stripes"})
    assert (recipe.optim.steps, recipe.data.name) == (123, "stripes")


def test_missing_and_broken_recipes_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"found no nothing\.yaml"):
        read_recipe("nothing.yaml")
    for content, message in (("a: [", "must be a YAML file"), ("- 1", "must hold keys")):
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(ConfigError, match=message):
            read_recipe(tmp_path / "bad.yaml")
