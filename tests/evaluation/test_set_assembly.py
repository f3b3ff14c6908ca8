"""Sets on disk: the same bytes every time, whole or not there, and nothing else in the folder."""

import json
import shutil

import numpy as np
import pytest
import torch

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import record_kernel
from nlcunet.errors import DataError
from nlcunet.evaluation import set_assembly as making
from nlcunet.evaluation.manifests import read_set_manifest
from nlcunet.evaluation.originals import read_original
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.set_assembly import make_set
from nlcunet.evaluation.sets import open_set
from nlcunet.imaging.files import read_picture

BLURS = find_protocol("gaussian8", 4, (1.8, 3.2))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "protocol",
    [BLURS, find_protocol("anisotropic", 2, seed=5), find_protocol("bicubic", 3)],
    ids=lambda protocol: protocol.name,
)
def test_the_same_set_is_the_same_to_the_byte(originals, tmp_path, protocol):
    first = make_set(originals, protocol, tmp_path / "one", "Small")
    assert first == make_set(originals, protocol, tmp_path / "two", "Small")
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one == two
    assert {"manifest.json", "kernels.npz", "HR/a.png", "LR/b_k0.png"} <= one.keys()


def test_a_set_holds_what_its_protocol_says(originals, small_set):
    manifest = read_set_manifest(small_set)
    truth = read_original(originals / "a.png", 4)
    np.testing.assert_array_equal(read_picture(small_set / "HR" / "a.png").pixels, (truth[0] * 255).permute(1, 2, 0))
    assert [pair.file for pair in manifest.pairs] == ["LR/a_k0.png", "LR/a_k7.png", "LR/b_k0.png", "LR/b_k7.png"]
    with np.load(small_set / "kernels.npz") as kernels:
        assert set(kernels) == {pair.stem for pair in manifest.pairs}
        for pair in manifest.pairs[:2]:
            expected = (apply_records(truth, [pair.degradation])[0] * 255).round().permute(1, 2, 0)
            np.testing.assert_array_equal(read_picture(small_set / pair.file).pixels, expected)
            np.testing.assert_array_equal(kernels[pair.stem], record_kernel(pair.degradation))
    document = json.loads((small_set / "manifest.json").read_text(encoding="utf-8"))
    assert document["description"][0].startswith("Protocol gaussian8 ×4, version 1")
    assert document["package_version"]


def test_another_seed_draws_another_set(originals, tmp_path):
    makes = (make_set(originals, find_protocol("anisotropic", 4, seed=s), tmp_path / str(s), "S") for s in (0, 1))
    first, second = makes
    assert first.content_sha256 != second.content_sha256
    assert first.pairs[0].degradation == find_protocol("anisotropic-standin", 4).records("a.png")[0][1]


def test_sixteen_bits_and_grey_become_rgb_of_the_same_depth(make_original, tmp_path):
    deep, grey = tmp_path / "deep", tmp_path / "grey"
    for folder in (deep, grey):
        folder.mkdir()
    make_original("deep/x.png", dtype=np.uint16)
    make_original("grey/x.png", channels=1)
    for folder in (deep, grey):
        make_set(folder, find_protocol("bicubic", 4), tmp_path / f"set-{folder.name}", "S")
    assert read_picture(tmp_path / "set-deep" / "HR" / "x.png").pixels.dtype == np.uint16
    assert read_picture(tmp_path / "set-grey" / "HR" / "x.png").pixels.shape == (48, 44, 3)
    assert torch.equal(open_set(tmp_path / "set-deep").load("x.png").truth, read_original(deep / "x.png", 4)[0])


def test_an_interrupted_set_is_refused_as_a_set_and_goes_on_when_made_again(originals, tmp_path, monkeypatch):
    make_set(originals, BLURS, tmp_path / "whole", "Small")
    real, made = making.apply_records, []

    def fail_late(*arguments):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(making, "apply_records", fail_late)
    target = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        make_set(originals, BLURS, target, "Small")
    with pytest.raises(DataError, match=r"folder with a manifest\.json: found none"):
        open_set(target)
    made.clear()
    make_set(originals, BLURS, target, "Small")
    assert len(made) == 1
    assert contents(target) == contents(tmp_path / "whole")


def test_a_finished_set_is_left_as_it_is(originals, small_set, monkeypatch):
    before = read_set_manifest(small_set)
    monkeypatch.setattr(making, "apply_records", None)
    assert make_set(originals, BLURS, small_set, "Small") == before


def test_folders_with_something_else_are_refused_and_left_alone(originals, small_set, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"new or empty: .* holds notes\.txt; choose another"):
        make_set(originals, BLURS, other, "Small")
    with pytest.raises(DataError, match="holds another set"):
        make_set(originals, find_protocol("bicubic", 4), small_set, "Small")
    with pytest.raises(DataError, match="is a file"):
        make_set(originals, BLURS, other / "notes.txt", "Small")
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / making.PLAN).write_text("{}")
    with pytest.raises(DataError, match="holds another, unfinished one"):
        make_set(originals, BLURS, begun, "Small")
    assert (other / "notes.txt").read_text() == "mine"


def test_a_finished_but_damaged_set_is_not_taken_for_whole(originals, small_set):
    (small_set / "LR" / "a_k0.png").unlink()
    with pytest.raises(DataError, match=r"a_k0\.png is missing"):
        make_set(originals, BLURS, small_set, "Small")


def test_originals_of_one_name_and_damaged_ones_are_refused(originals, tmp_path):
    shutil.copy(originals / "a.png", originals / "A.PNG")
    with pytest.raises(DataError, match=r"A\.PNG and a\.png differ in their endings"):
        make_set(originals, BLURS, tmp_path / "set", "Small")
    (originals / "A.PNG").unlink()
    (originals / "c.png").write_bytes(b"no picture at all")
    with pytest.raises(DataError, match="every original must be readable"):
        make_set(originals, BLURS, tmp_path / "set", "Small")
