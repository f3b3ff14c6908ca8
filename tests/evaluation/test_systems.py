"""Systems: networks by name and file, and pictures of other programs."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.benchmark import RunOptions, run_benchmark
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import open_set, set_on_the_fly
from nlcunet.evaluation.systems import load_systems, longest_stem, pictures_system, split_name
from nlcunet.imaging.files import read_picture, write_picture
from nlcunet.imaging.picture import Picture
from nlcunet.models.registry import make_network
from nlcunet.models.weights import WeightsHeader, save_weights

CPU = torch.device("cpu")
TINY_DAN = {"width": 16, "blocks": 1, "estimator_width": 16, "estimator_blocks": 1, "loops": 1}
OPTIONS = RunOptions(measures=find_measures())


@pytest.fixture
def kept(small_set, counting, tmp_path):
    """Pictures that a run kept, as another program would have made them, and the numbers of that run."""
    options = replace(OPTIONS, outputs=tmp_path / "kept")
    done = run_benchmark([open_set(small_set)], [counting("theirs").system], options)
    return tmp_path / "kept" / "theirs" / "small", done


def test_pictures_of_another_program_score_as_if_measured_at_once(small_set, kept):
    folder, done = kept
    measured = open_set(small_set)
    again = run_benchmark([measured], [pictures_system("theirs", folder, [measured])], OPTIONS)
    assert [one.measures for one in again.pairs] == [one.measures for one in done.pairs]
    assert again.systems[0].system_kind == "pictures"
    assert again.pairs[0].output_file == str(folder / "a_k0.png")


def test_pictures_may_have_something_behind_their_names_and_lie_by_sets(small_set, kept):
    folder, done = kept
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(path.with_stem(path.stem + ("_x4", "out", "-SRx4_final", ".out")[number]))
    measured = open_set(small_set)
    again = run_benchmark([measured], [pictures_system("theirs", folder.parent, [measured])], OPTIONS)
    assert [one.measures for one in again.pairs] == [one.measures for one in done.pairs]


def test_pictures_may_be_floating_point_or_grey_files(small_set, kept):
    folder, done = kept
    measured = open_set(small_set)
    for path in sorted(folder.glob("*.png")):
        pixels = read_picture(path).pixels
        write_picture(Picture(pixels=(pixels / 255).astype(np.float32)), path.with_suffix(".tif"))
        path.unlink()
    grey = read_picture(small_set / "HR" / "b.png").pixels[..., :1]
    write_picture(Picture(pixels=np.ascontiguousarray(grey)), folder / "b_k0.png")
    with pytest.raises(DataError, match=r"b_k0\.png and b_k0\.tif .*delete one"):
        pictures_system("theirs", folder, [measured])
    (folder / "b_k0.tif").unlink()
    again = run_benchmark([measured], [pictures_system("theirs", folder, [measured])], OPTIONS)
    found = {(one.image, one.kernel_index): one.measures["psnr_y"] for one in again.pairs}
    assert found["a.png", 0] == pytest.approx(done.pairs[0].measures["psnr_y"])
    assert found["b.png", 0] == math.inf


def test_a_name_is_not_cut_within_a_number():
    stems = ["a_k1", "a_k10", "a"]
    assert longest_stem("a_k10_x4", stems) == "a_k10"
    assert longest_stem("a_k1_x4", stems) == "a_k1"
    assert longest_stem("a_k100", stems) == "a"
    assert longest_stem("b_k1", stems) is None


def test_missing_double_and_wrong_pictures_are_refused_with_what_to_do(small_set, kept, make_original):
    folder, _ = kept
    measured = open_set(small_set)
    picture = (folder / "a_k7.png").read_bytes()
    (folder / "a_k7_x4.png").write_bytes(picture)
    (folder / "a_k7.png").rename(folder / "a_k7_out.png")
    with pytest.raises(DataError, match=r"one picture: a_k7_out\.png and a_k7_x4\.png .*delete one"):
        pictures_system("theirs", folder, [measured])
    (folder / "a_k7_out.png").unlink()
    (folder / "a_k7_x4.png").unlink()
    with pytest.raises(DataError, match=r"1 of 4 are missing in .* \(a_k7\); enlarge every file of .*LR"):
        pictures_system("theirs", folder, [measured])
    make_original("kept/theirs/small/a_k7.png", height=96, width=88)
    with pytest.raises(DataError, match=r"4 times the size .*48 × 44 .*a_k7\.png has 96 × 88; enlarge by 4"):
        pictures_system("theirs", folder, [measured])
    (folder / "a_k7.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="every picture must be readable"):
        pictures_system("theirs", folder, [measured])
    flying = set_on_the_fly((make_original(),), find_protocol("bicubic", 4), "S")
    with pytest.raises(ConfigError, match="need inputs on disk: S is made on the fly"):
        pictures_system("theirs", folder, [flying])


def test_an_exact_name_wins_over_one_with_something_behind(small_set, kept):
    folder, done = kept
    (folder / "a_k0_old.png").write_bytes((folder / "a_k7.png").read_bytes())
    measured = open_set(small_set)
    again = run_benchmark([measured], [pictures_system("theirs", folder, [measured])], OPTIONS)
    assert again.pairs[0].measures == done.pairs[0].measures


def test_bicubic_stands_first_and_facts_describe_networks():
    bicubic, ours, tiled = (
        *load_systems(["4x-NLCUnet-S"], 4, CPU),
        *load_systems(["T=4x-NLCUnet-S"], 4, CPU, tile=32)[1:],
    )
    assert (bicubic.facts.name, bicubic.facts.parameters) == ("bicubic", 0)
    assert (ours.facts.name, ours.facts.architecture, ours.facts.tile) == ("4x-NLCUnet-S", "NLCUnet", None)
    assert ours.facts.parameters == 1_579_360
    assert len(ours.facts.sha256) == 64
    assert (tiled.facts.name, tiled.facts.tile) == ("T (tiles of 32)", 32)
    assert load_systems(["4x-NLCUnet-S"], 4, CPU, with_bicubic=False)[0].facts.name == "4x-NLCUnet-S"


def test_wrong_scales_and_names_that_are_there_twice_are_refused():
    with pytest.raises(ConfigError, match="protocol's scale 4: bicubic-x2 enlarges by 2"):
        load_systems(["bicubic-x2"], 4, CPU)
    with pytest.raises(ConfigError, match="two are called bicubic-x4; say NAME="):
        load_systems(["bicubic-x4", "bicubic-x4"], 4, CPU)


def test_names_of_systems():
    assert split_name("ours=weights.safetensors") == ("ours", "weights.safetensors")
    assert split_name("4x-NLCUnet-S") == ("", "4x-NLCUnet-S")


def test_kernels_that_a_network_estimates_are_kept_beside_the_true_ones(small_set, tmp_path, blind_weights):
    measured = open_set(small_set)
    systems = load_systems([str(blind_weights)], 4, CPU)
    options = replace(OPTIONS, kernels=tmp_path / "kernels", cache=tmp_path / "cache")
    run_benchmark([measured], systems, options)
    folder = tmp_path / "kernels" / "tiny-blind" / "small"
    assert sorted(path.name for path in folder.glob("*.png")) == ["a_k0.png", "a_k7.png", "b_k0.png", "b_k7.png"]
    pair = measured.load("a.png").pairs[1]
    with np.load(folder / "a_k7.npz") as kernels, np.load(small_set / "kernels.npz") as true:
        np.testing.assert_array_equal(kernels["true"], true["a_k7"])
        expected = systems[1].model.network.forward_with_kernels(pair.low_res[None].float()).kernel[0]
        np.testing.assert_allclose(kernels["estimated"], expected.detach(), atol=1e-6)
    assert not (tmp_path / "kernels" / "bicubic").exists()


@pytest.fixture
def blind_weights(tmp_path):
    """A weights file of a network that estimates kernels."""
    network, config = tiny_blind_network()
    header = WeightsHeader(name="tiny-blind", architecture="DANv1", config=config, scale=4)
    save_weights(tmp_path / "blind.safetensors", network, header)
    return tmp_path / "blind.safetensors"


def tiny_blind_network():
    config = {"scale": 4, **TINY_DAN}
    torch.manual_seed(0)
    return make_network("DANv1", config).eval(), config
