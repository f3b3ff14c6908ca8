"""Networks of other packages: named in a recipe, trained, saved, loaded and used like those here."""

import sys

import numpy as np
import pytest
import torch

import nlcunet
from nlcunet.errors import ConfigError
from nlcunet.models.own import find_class
from nlcunet.models.weights import read_header
from nlcunet.training.loop import train
from nlcunet.training.trainer import make_trainer

MODULE = """
import torch
from torch import nn


class MyNetwork(nn.Module):
    size_multiple, tile_overlap = 2, 8

    def __init__(self, scale, width=4):
        super().__init__()
        self.scale = scale
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.up = nn.Sequential(nn.Conv2d(width, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x):
        return self.up(self.body(x))


class Identity(MyNetwork):
    def forward(self, x):
        return x


class Failing(MyNetwork):
    def forward(self, x):
        raise RuntimeError("sizes of tensors must match")


def no_class(scale):
    return MyNetwork(scale)
"""
NAME = "their_networks.mine:MyNetwork"


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    folder = tmp_path / "code" / "their_networks"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder.parent)
    yield
    for name in ("their_networks", "their_networks.mine"):
        sys.modules.pop(name, None)


@pytest.fixture
def recipe(make_recipe):
    return make_recipe({"network": {"size": NAME, "overrides": {"width": 6}}})


def test_it_is_trained_goes_on_exactly_and_enlarges(tmp_path, recipe, processes):
    straight = train(recipe, tmp_path / "straight", processes=processes)
    train(recipe, tmp_path / "broken", processes=processes, max_seconds=0.0)
    resumed = train(recipe, tmp_path / "broken", processes=processes, resume=True)
    loaded = nlcunet.load_model(straight)
    for name, value in loaded.network.state_dict().items():
        assert torch.equal(value, nlcunet.load_model(resumed).network.state_dict()[name]), name
    header = read_header(straight)
    assert (header.architecture, header.scale, header.size_multiple, header.min_size) == ("OwnNetwork", 2, 2, 4)
    assert (header.tile_overlap, header.config["arguments"]) == (8, {"width": 6})
    assert nlcunet.load(straight, device="cpu")(np.zeros((9, 7, 3), np.uint8)).shape == (18, 14, 3)


def test_the_average_has_the_latest_means_and_deviations(recipe, processes):
    trainer = make_trainer(recipe, processes)
    trainer.network.network.body[1].running_mean.fill_(3.0)
    trainer._update_average()
    assert trainer.average.network.body[1].running_mean.tolist() == [3.0] * 6


def test_weights_do_not_run_code_that_nobody_here_has_named(tmp_path, recipe, processes, monkeypatch):
    path = train(recipe, tmp_path / "run", processes=processes)
    del sys.modules["their_networks.mine"]
    with pytest.raises(
        ConfigError, match=f"must be trusted before weights may ask for it: set NLCUNET_NETWORKS={NAME}"
    ):
        nlcunet.load(path)
    assert "their_networks.mine" not in sys.modules
    monkeypatch.setenv("NLCUNET_NETWORKS", f"another:Network, {NAME}")
    assert nlcunet.load(path, device="cpu").header.scale == 2


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("no_such_package:MyNetwork", {}, r"must be named as package.module:Class and be importable: .*PYTHONPATH"),
        ("their_networks.mine:Nothing", {}, r"importable: got 'their_networks.mine:Nothing' \(AttributeError"),
        ("their_networks.mine:no_class", {}, "must be a subclass of torch.nn.Module"),
        (NAME, {"depth": 3}, r"must take scale and what network.overrides names as arguments: .*'depth'"),
        (
            "their_networks.mine:Identity",
            {},
            r"must give a tensor of shape \(1, 3, 48, 64\) for ×2: got \(1, 3, 24, 32\)",
        ),
        ("their_networks.mine:Failing", {}, "it failed with RuntimeError: sizes of tensors must match"),
        ("NLCUnet-XS", {}, "did you mean NLCUnet-S?"),
    ],
)
def test_what_is_no_network_is_refused(make_recipe, processes, name, overrides, message):
    with pytest.raises(ConfigError, match=message):
        make_trainer(make_recipe({"network": {"size": name, "overrides": overrides}}), processes)


def test_a_module_that_breaks_when_it_is_imported_is_told(tmp_path):
    (tmp_path / "code" / "their_networks" / "broken.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match=r"\(ZeroDivisionError: division by zero\)"):
        find_class("their_networks.broken:MyNetwork")
