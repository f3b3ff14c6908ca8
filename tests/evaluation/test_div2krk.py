"""DIV2KRK: a folder laid out as its authors publish it, taken byte for byte."""

import pytest

from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.benchmark import RunOptions, run_benchmark
from nlcunet.evaluation.div2krk import make_div2krk
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import open_set

PROTOCOL = find_protocol("div2krk", 4)


@pytest.fixture
def published(make_original, tmp_path):
    """Two pairs; one original is larger than four times its input, by less than a pixel of it."""
    for folder in ("gt", "lr_x4", "gt_k_x4"):
        (tmp_path / "DIV2KRK" / folder).mkdir(parents=True)
    (tmp_path / "DIV2KRK" / "gt_k_x4" / "kernel_1.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    make_original("DIV2KRK/gt/img_2_gt.png", height=48, width=44, seed=1)
    make_original("DIV2KRK/gt/img_10_gt.png", height=50, width=47, seed=2)
    for number in (2, 10):
        make_original(f"DIV2KRK/lr_x4/im_{number}.png", height=12, width=11, seed=number)
    return tmp_path / "DIV2KRK"


def test_inputs_are_theirs_and_originals_are_cropped(published, tmp_path, counting):
    target = tmp_path / "set"
    manifest = make_div2krk(published, PROTOCOL, target, "DIV2KRK")
    assert [one.image for one in manifest.originals] == ["img_2_gt.png", "img_10_gt.png"]
    for number in (2, 10):
        ours, theirs = target / "LR" / f"im_{number}_k0.png", published / "lr_x4" / f"im_{number}.png"
        assert ours.read_bytes() == theirs.read_bytes()
    assert (target / "HR" / "img_2_gt.png").read_bytes() == (published / "gt" / "img_2_gt.png").read_bytes()
    measured = open_set(target)
    assert measured.sizes == {"img_2_gt.png": (48, 44), "img_10_gt.png": (48, 44)}
    done = run_benchmark([measured], [counting().system], RunOptions(measures=find_measures()))
    assert [one.degradation for one in done.pairs] == [{}, {}]
    assert done.sets[0].key == "DIV2KRK div2krk x4"
    with pytest.raises(ConfigError, match="consistency needs to know the degradation"):
        run_benchmark([measured], [counting().system], RunOptions(measures=find_measures(("consistency",))))


def test_made_again_it_stays_and_with_other_inputs_it_is_refused(published, tmp_path, make_original):
    target = tmp_path / "set"
    manifest = make_div2krk(published, PROTOCOL, target, "DIV2KRK")
    assert make_div2krk(published, PROTOCOL, target, "DIV2KRK") == manifest
    make_original("DIV2KRK/lr_x4/im_2.png", height=12, width=11, seed=77)
    with pytest.raises(DataError, match="holds another set"):
        make_div2krk(published, PROTOCOL, target, "DIV2KRK")


def test_folders_that_are_not_div2krk_are_refused(published, tmp_path, make_original):
    target = tmp_path / "set"
    with pytest.raises(DataError, match=r"found no folder .*lr_x2"):
        make_div2krk(published, find_protocol("div2krk", 2), target, "DIV2KRK")
    make_original("DIV2KRK/lr_x4/im_11.png", height=12, width=11)
    with pytest.raises(DataError, match="number 11 is only in one of gt and lr_x4"):
        make_div2krk(published, PROTOCOL, target, "DIV2KRK")
    make_original("DIV2KRK/gt/img_11_gt.png", height=60, width=44)
    with pytest.raises(DataError, match=r"4 times the size of its input: .*img_11_gt\.png has \(60, 44, 3\)"):
        make_div2krk(published, PROTOCOL, target, "DIV2KRK")
    make_original("DIV2KRK/gt/poem.png")
    with pytest.raises(DataError, match=r"a number of their own in their names, as im_7\.png"):
        make_div2krk(published, PROTOCOL, target, "DIV2KRK")
