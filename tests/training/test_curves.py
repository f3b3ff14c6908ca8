"""Curves of a run at Weights & Biases, which is stood in for: it is no part of the tests' environment."""

import sys
from types import SimpleNamespace

import pytest

from nlcunet.errors import ConfigError
from nlcunet.training.loop import train


@pytest.fixture
def wandb(monkeypatch):
    """Notes what it is called with."""
    told = SimpleNamespace(inits=[], logs=[], finished=0)

    def finish():
        told.finished += 1

    def init(**settings):
        told.inits.append(settings)
        return SimpleNamespace(log=lambda values, step: told.logs.append((step, values)), finish=finish)

    told.Error, told.Image, told.init = (
        type("Error", (Exception,), {}),
        lambda sheet: ("image", tuple(sheet.shape)),
        init,
    )
    monkeypatch.setitem(sys.modules, "wandb", told)
    return told


def test_a_run_is_drawn_at_weights_and_biases_and_goes_on_there(tmp_path, make_recipe, processes, wandb):
    recipe = make_recipe({"log.wandb": "super-resolution", "optim.steps": 4})
    train(recipe, tmp_path / "run", processes=processes, max_seconds=0.0)
    train(recipe, tmp_path / "run", processes=processes, resume=True)
    first, second = wandb.inits
    assert (first["project"], first["name"], first["dir"]) == ("super-resolution", "2x-Stripes", str(tmp_path / "run"))
    assert first["config"]["optim"]["steps"] == 4
    assert (first["resume"], first["id"]) == ("allow", second["id"])
    assert [step for step, _ in wandb.logs] == [0, 1, 4]
    values = wandb.logs[-1][1]
    assert {"psnr/loss", "psnr/psnr_y", "psnr/learning_rate"} <= set(values)
    assert values["bicubic, result, original"][0] == "image"
    assert wandb.finished == 2


def test_without_being_asked_for_it_is_not_imported(tmp_path, make_recipe, processes, wandb):
    train(make_recipe({"optim.steps": 1}), tmp_path / "run", processes=processes)
    assert wandb.inits == []
    assert not (tmp_path / "run" / "wandb-id").exists()


def test_where_it_is_missing_the_way_to_get_it_is_told(tmp_path, make_recipe, processes, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"needs Weights & Biases: install it with pip install '\.\[wandb\]'"):
        train(make_recipe({"log.wandb": "mine"}), tmp_path / "run", processes=processes)


def test_where_it_does_not_start_the_ways_out_are_told(tmp_path, make_recipe, processes, wandb):
    def refuse(**_):
        raise wandb.Error("api_key not configured")

    wandb.init = refuse
    with pytest.raises(ConfigError, match=r"could not be started: api_key not configured; log in with wandb login"):
        train(make_recipe({"log.wandb": "mine"}), tmp_path / "run", processes=processes)
