"""What a recipe trains and validates on: folders, manifests, shards, files read by workers; all give the same run."""

import csv

import pytest
import torch

from nlcunet.data.pack_sources import PackSettings
from nlcunet.data.packing import pack
from nlcunet.data.photographs import Photographs
from nlcunet.data.pools import PhotographFiles
from nlcunet.training import sources
from nlcunet.training.loop import train
from nlcunet.training.sources import load_training_data
from nlcunet.training.state import load_state


def test_workers_reading_files_give_the_same_run_as_photographs_in_memory(tmp_path, make_recipe, processes):
    for placement in ("device", "workers"):
        changes = {"data.placement": placement, "data.workers": 1}
        train(make_recipe(changes), tmp_path / placement, processes=processes)
    one, other = (load_state(tmp_path / placement)["network"] for placement in ("device", "workers"))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_files_are_left_on_disk_where_memory_is_too_small(make_recipe, monkeypatch):
    assert isinstance(load_training_data(make_recipe()).training, Photographs)
    monkeypatch.setattr(sources, "free_system_memory_bytes", lambda: 100_000)
    data = load_training_data(make_recipe())
    assert isinstance(data.training, PhotographFiles)
    assert data.source.pictures == 6


def test_a_manifest_says_what_to_train_and_validate_on(tmp_path, photographs, make_recipe):
    with (tmp_path / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "split", "licence"))
        writer.writerows((f"{index}.png", "valid" if index == 5 else "train", "CC0-1.0") for index in range(6))
    data = load_training_data(make_recipe({"data.manifest": str(tmp_path / "list.csv"), "data.validation": None}))
    assert len(data.training) == 5
    assert data.validation is not None
    assert data.validation.names == ("5.png",)
    assert data.source.licence == "CC0-1.0 (5)"


def test_shards_are_trained_on_and_validated_with_what_they_hold_back(tmp_path, photographs, make_recipe, processes):
    settings = PackSettings(tile_px=64, keep_share=1.0, flat_db=100.0, valid_share=0.5, seed=2)
    pack(photographs, tmp_path / "packed", settings)
    recipe = make_recipe({"data.photographs": str(tmp_path / "packed"), "data.validation": None})
    data = load_training_data(recipe)
    assert data.validation is not None
    assert len(data.training) > 0
    from_tiles = {name.split("/")[-1] for name in data.training.names}
    assert from_tiles.isdisjoint(name.split("/")[-1] for name in data.validation.names)
    train(recipe, tmp_path / "run", processes=processes)
    train(
        make_recipe({**recipe_changes(recipe), "data.placement": "workers", "data.workers": 0}),
        tmp_path / "workers",
        processes=processes,
    )
    one, other = (load_state(tmp_path / run)["network"] for run in ("run", "workers"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def recipe_changes(recipe):
    return {"data.photographs": str(recipe.data.photographs), "data.validation": None}


def test_drawn_pictures_take_their_share(make_recipe):
    drawing = pytest.importorskip("nlcunet.data.drawn.pictures")
    recipe = make_recipe({"data.drawn.ratio": 0.5, "data.drawn.pictures": 4, "data.drawn.size_px": 64})
    data = load_training_data(recipe)
    assert data.drawn is not None
    assert len(data.drawn) == 4
    assert "50% of the patches from 4 drawn pictures" in data.source.name
    again = drawing.draw_set(4, seed=recipe.seed, size_px=64)
    assert all(torch.equal(a, b) for a, b in zip(again.pictures, data.drawn.pictures, strict=True))


def test_the_second_stage_sees_other_patches(make_recipe, gan_recipe, processes):
    from nlcunet.training.trainer import make_trainer, start_gan

    data = load_training_data(gan_recipe)
    trainer = make_trainer(gan_recipe, processes)
    first = sources.make_stage_source(trainer, data).pairs(0)
    start_gan(trainer)
    second = sources.make_stage_source(trainer, data).pairs(0)
    assert not torch.equal(first.high_res, second.high_res)
