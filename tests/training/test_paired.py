"""Training on a folder of low-resolution pictures and one of sharp ones."""

import numpy as np
import pytest
import torch

from nlcunet.data.crops import CropSettings
from nlcunet.data.loading import Share
from nlcunet.data.paired import PairedPatches, find_partners, load_pairs
from nlcunet.data.pairs import PairSettings
from nlcunet.degradations.presets import find_preset
from nlcunet.errors import ConfigError, DataError
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.models.weights import read_header
from nlcunet.training.loop import TrainingListener, train
from nlcunet.training.state import load_state


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(pixels=pixels), path)


@pytest.fixture
def folders(tmp_path):
    """Twelve pairs at ×2: every low-resolution pixel stands as four equal ones in the sharp picture."""
    random = np.random.default_rng(0)
    for index in range(12):
        low = random.integers(0, 256, (40 + index, 48, 3), dtype=np.uint8)
        save(tmp_path / "high" / "set" / f"{index:02}.png", low.repeat(2, 0).repeat(2, 1))
        save(tmp_path / "low" / "set" / (f"{index:02}.png" if index % 2 else f"{index:02}x2.png"), low)
    return tmp_path / "high", tmp_path / "low"


def photographs_of(folder):
    return sorted(folder.rglob("*.png"))


@pytest.mark.parametrize("kind", ["central", "random", "detail"])
def test_both_patches_of_a_pair_show_the_same(folders, kind):
    high, low = folders
    paths = photographs_of(high)
    sharp, partners = load_pairs(
        paths, find_partners(paths, high, low, 2), 2, central_px=60 if kind == "central" else None
    )
    if kind == "central":
        assert {picture.shape[:2] for picture in sharp.pictures} == {(60, 60)}
    settings = PairSettings(preset=find_preset("isotropic", 2), seed=1, patch_px=16, crops=CropSettings(kind=kind))
    source = PairedPatches(sharp, partners, settings, Share(batch=8), torch.device("cpu"))
    pairs = source.pairs(3)
    assert pairs.low_res.shape == (8, 3, 16, 16)
    assert torch.equal(pairs.low_res.repeat_interleave(2, -1).repeat_interleave(2, -2), pairs.high_res)
    again = PairedPatches(sharp, partners, settings, Share(batch=8, rank=1, num_ranks=2), torch.device("cpu"))
    assert torch.equal(again.pairs(3).low_res, pairs.low_res[4:])
    assert len({patch.numpy().tobytes() for patch in pairs.low_res}) == 8


def test_a_run_learns_from_pairs_and_goes_on_exactly(tmp_path, folders, make_recipe, processes):
    high, low = folders
    changes = {"data.photographs": high, "data.low_res": low, "data.validation": None, "data.crop": "random"}
    recipe, reports = make_recipe(changes), []
    whole = train(recipe, tmp_path / "whole", processes=processes, listener=TrainingListener(on_report=reports.append))
    train(recipe, tmp_path / "parts", processes=processes, max_seconds=0.0)
    train(recipe, tmp_path / "parts", processes=processes, resume=True)
    states = [load_state(tmp_path / name) for name in ("whole", "parts")]
    for name, value in states[0]["network"].items():
        assert torch.equal(value, states[1]["network"][name])
    header = read_header(whole)
    assert (header.degradation, header.data[0].pictures) == ("pairs x2", 12)
    assert all(report.psnr_y > 5 for report in reports)  # one pair of twelve is held out
    assert len(states[0]["photographs"]) == 11


def test_pairs_to_validate_on_have_folders_of_their_own(tmp_path, folders, make_recipe, processes):
    high, low = folders
    changes = {"data.photographs": high, "data.low_res": low, "data.validation": high, "data.validation_low_res": low}
    train(make_recipe(changes | {"optim.steps": 1}), tmp_path / "run", processes=processes)
    assert len(load_state(tmp_path / "run")["photographs"]) == 12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.validation_low_res": "low"}, r"needs data\.low_res beside it"),
        ({"data.low_res": "low", "data.validation": "valid"}, "must come together"),
        ({"data.low_res": "low", "data.validation": None, "data.drawn.ratio": 0.5}, "have no low-resolution partners"),
    ],
)
def test_half_of_pairs_is_refused(make_recipe, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_recipe(changes)


def test_networks_that_learn_from_known_blur_are_refused(tmp_path, folders, make_recipe, processes):
    high, low = folders
    changes = {"data.photographs": high, "data.low_res": low, "data.validation": None, "data.crop": "random"}
    small = {"width": 4, "blocks": 1, "estimator_width": 4, "estimator_blocks": 1, "loops": 2}
    with pytest.raises(ConfigError, match="DANv1 learns from known blur"):
        train(
            make_recipe(changes | {"network": {"size": "DANv1", "overrides": small}}),
            tmp_path / "run",
            processes=processes,
        )


def test_what_does_not_belong_together_is_told(folders):
    high, low = folders
    paths = photographs_of(high)
    with pytest.raises(DataError, match=r"data\.low_res must be a folder"):
        find_partners(paths, high, low / "nowhere", 2)
    (low / "set" / "01.png").unlink()
    with pytest.raises(DataError, match=r"1 of 12 have none in .* \(set/01\)"):
        find_partners(paths, high, low, 2)
    save(low / "set" / "01.png", np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(DataError, match=r"exactly 2 times as large as its partner: got 96×82 .* and 40×40"):
        load_pairs(paths, find_partners(paths, high, low, 2), 2, central_px=None)
    settings = PairSettings(preset=find_preset("isotropic", 2), seed=1, patch_px=44, crops=CropSettings(kind="random"))
    sharp, partners = load_pairs(paths[:1], [low / "set" / "00x2.png"], 2, central_px=None)
    with pytest.raises(DataError, match=r"at least 44 pixels on both sides .*: got 48×40 \(00.png\)"):
        PairedPatches(sharp, partners, settings, Share(batch=1), torch.device("cpu"))
