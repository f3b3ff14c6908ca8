"""``nlcunet train`` on a few generated pictures."""

import json

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.models.weights import read_header


@pytest.fixture
def recipe(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for index in range(3):
        pixels = random.integers(0, 256, (80, 80, 3), dtype=np.uint8)
        write_picture(Picture(pixels=pixels), tmp_path / "photos" / f"{index}.png")
    content = {
        "name": "4x-Noise",
        "network": {"overrides": {"width": 8, "depths": [0, 0, 1, 0, 0, 0]}},
        "data": {"photographs": str(tmp_path / "photos"), "patch_px": 8},
        "optim": {"steps": 4, "batch": 2},
        "validation": {"every_steps": 2},
    }
    path = tmp_path / "noise.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def nlcunet(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_recipe_is_run_and_gone_on_with(tmp_path, recipe):
    run = tmp_path / "run"
    done = nlcunet("train", recipe, "--run", run, "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert "step 4 of 4" in done.stderr
    assert read_header(run / "4x-Noise.safetensors").steps == 4
    assert yaml.safe_load((run / "recipe.yaml").read_text())["optim"]["steps"] == 4

    again = nlcunet("train", recipe, "--run", run, "--device", "cpu")
    assert again.exit_code == 2
    assert "add --resume" in again.stderr

    longer = nlcunet("train", "--run", run, "--resume", "--steps", 6, "--device", "cpu")  # the recipe is in the folder
    assert longer.exit_code == 0, longer.stderr
    header = read_header(run / "4x-Noise.safetensors")
    assert (header.steps, header.patches) == (6, 12)
    over = nlcunet("train", "--run", run, "--resume", "--device", "cpu")
    assert over.exit_code == 0
    assert read_header(run / "4x-Noise.safetensors").steps == 6


def test_without_a_terminal_there_is_a_line_a_minute(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr("nlcunet.cli.training_screen.SECONDS_BETWEEN_LINES", 0.0)
    done = nlcunet("train", recipe, "--run", tmp_path / "run", "--device", "cpu")
    lines = [line for line in done.stderr.splitlines() if line.endswith(" left")]
    assert [line.split("  ")[0] for line in lines] == [f"step {step} of 4" for step in (1, 2, 3, 4)]
    assert "patches/s" in lines[0]
    monkeypatch.setattr("nlcunet.cli.training_screen.SECONDS_BETWEEN_LINES", 60.0)
    done = nlcunet("train", recipe, "--run", tmp_path / "again", "--device", "cpu")
    assert not [line for line in done.stderr.splitlines() if line.endswith(" left")]


def test_time_limit_stops_cleanly_with_a_state(tmp_path, recipe):
    run = tmp_path / "run"
    more = ("--steps", 100_000, "--set", "validation.every_steps=100000", "--split-state", "20kB")
    stopped = nlcunet("train", recipe, "--run", run, "--max-time", "2s", "--device", "cpu", *more)
    assert stopped.exit_code == 0, stopped.stderr
    assert 0 < read_header(run / "4x-Noise.safetensors").steps < 100_000
    pieces = list(run.glob("state-*.pt.*"))
    assert len(pieces) > 1
    assert max(piece.stat().st_size for piece in pieces) <= 20_000


def test_any_value_can_be_set_on_the_command_line(tmp_path, recipe):
    done = nlcunet(
        *("train", recipe, "--run", tmp_path / "run", "--device", "cpu"),
        *("--set", "optim.lr=1e-5", "--set", "network.overrides.width=4", "--set", "seed=7"),
    )
    assert done.exit_code == 0, done.stderr
    kept = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())
    assert (kept["optim"]["lr"], kept["network"]["overrides"]["width"], kept["seed"]) == (1e-5, 4, 7)
    wrong = nlcunet("train", recipe, "--run", tmp_path / "wrong", "--set", "optim.lrr=1e-5")
    assert wrong.exit_code == 2
    assert "optim.lrr: unknown key, did you mean lr?" in wrong.stderr


def test_schema_and_recipes_are_printed():
    schema = nlcunet("train", "--schema")
    assert schema.exit_code == 0
    assert "optim" in json.loads(schema.stdout)["properties"]
    names = nlcunet("train", "--list").stdout.split()
    assert {"nlcunet_s_x4_isotropic", "paper_x4_isotropic", "paper_x2_anisotropic"} <= set(names)


def test_a_dry_run_tells_what_a_run_needs_and_writes_nothing(tmp_path, recipe):
    done = nlcunet("train", recipe, "--run", tmp_path / "run", "--dry-run", "--device", "cpu", "--steps", 1000)
    assert done.exit_code == 0, done.stderr
    for word in ("parameters", "patches/s", "state on disk", "peak memory", "time to finish"):
        assert word in done.stderr
    assert not (tmp_path / "run").exists()


def test_training_goes_on_from_weights_given_by_name_or_file(tmp_path, recipe):
    nlcunet("train", recipe, "--run", tmp_path / "first", "--device", "cpu")
    weights = tmp_path / "first" / "4x-Noise.safetensors"
    done = nlcunet("train", recipe, "--run", tmp_path / "second", "--init", weights, "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    wrong = nlcunet("train", recipe, "--run", tmp_path / "third", "--init", "4x-NLCUnet-S", "--device", "cpu")
    assert wrong.exit_code == 2
    assert "must be of the recipe's network" in wrong.stderr


def test_photographs_of_ones_own_need_no_manifest(tmp_path, recipe):
    content = yaml.safe_load(recipe.read_text())
    content["data"] |= {"photographs": str(tmp_path / "elsewhere"), "manifest": str(tmp_path / "elsewhere.csv")}
    recipe.write_text(yaml.safe_dump(content))
    done = nlcunet("train", recipe, "--photographs", tmp_path / "photos", "--run", tmp_path / "run", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())["data"]["manifest"] is None


def test_mistakes_are_told_in_a_line(tmp_path, recipe):
    for arguments, message in (
        (("nothing.yaml",), "the recipe must be a YAML file or one of"),
        ((), "a recipe must be named"),
        ((recipe, "--max-time", "soon"), "a duration must be given as"),
        ((recipe, "--split-state", "much"), "a size must be a number"),
        ((recipe, "--photographs", tmp_path / "none"), "photographs must be a folder"),
        ((recipe, "--device", "quantum"), "device must be auto, cpu, cuda"),
    ):
        refused = nlcunet("train", *arguments, "--run", tmp_path / "refused")
        assert refused.exit_code == 2
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
