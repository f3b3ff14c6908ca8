"""Opening sets: nothing is measured that is not what its manifest says."""

import json

import pytest
import torch

from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.manifests import MANIFEST
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import open_set, set_on_the_fly


def test_a_set_on_disk_has_the_pairs_of_one_on_the_fly(originals, small_set):
    protocol = find_protocol("gaussian8", 4, (1.8, 3.2))
    flying = set_on_the_fly(tuple(sorted(originals.iterdir())), protocol, "Small")
    lying = open_set(small_set)
    assert flying.images == lying.images
    assert flying.sizes == lying.sizes
    for image in lying.images:
        one, other = flying.load(image), lying.load(image)
        assert torch.equal(one.truth, other.truth)
        for first, second in zip(one.pairs, other.pairs, strict=True):
            assert torch.equal(first.low_res, second.low_res)
            assert (first.low_res_sha256, first.record) == (second.low_res_sha256, second.record)


def test_facts_tell_the_protocol_and_the_content(small_set):
    facts = open_set(small_set).facts
    assert (facts.key, facts.images, facts.pairs) == ("Small gaussian8 x4", 2, 4)
    assert "a part of it" in facts.description[0]
    assert len(facts.manifest_sha256) == 64


@pytest.mark.parametrize("file", ["LR/a_k7.png", "HR/b.png", "kernels.npz"])
def test_missing_files_and_changed_bytes_are_refused(small_set, file):
    whole = (small_set / file).read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    (small_set / file).write_bytes(damaged)
    with pytest.raises(DataError, match=rf"{file} has changed \(its SHA-256 .*copy the set again"):
        open_set(small_set)
    (small_set / file).unlink()
    with pytest.raises(DataError, match=rf"{file} is missing; copy the set again"):
        open_set(small_set)


def change(folder, edit):
    document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    edit(document)
    (folder / MANIFEST).write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.update(format_version=2), "must be of format nlcunet benchmark set 1: got .* 2"),
        (lambda d: d.pop("pairs"), "no valid manifest"),
        (lambda d: d["pairs"][0].update(kernel_index=5), "its checksum does not match"),
        (lambda d: d["pairs"][0]["degradation"].update(kernel="square"), "kernel must be one of"),
        (lambda d: d["pairs"][0].update(poem="odd"), "no valid manifest"),
        (lambda d: d["originals"][0].update(file="../a.png"), "must lie inside it"),
    ],
)
def test_manifests_that_cannot_be_are_refused(small_set, edit, message):
    change(small_set, edit)
    with pytest.raises(DataError, match=message):
        open_set(small_set)


def test_manifests_cut_short_are_refused(small_set):
    text = (small_set / MANIFEST).read_text(encoding="utf-8")
    (small_set / MANIFEST).write_text(text[: len(text) // 2], encoding="utf-8")
    with pytest.raises(DataError, match="no valid manifest"):
        open_set(small_set)


def test_sets_of_another_version_of_the_protocol_are_refused(small_set, monkeypatch):
    monkeypatch.setattr("nlcunet.evaluation.sets.find_protocol", lambda *_, **__: find_protocol("gaussian8", 4, (1.8,)))
    with pytest.raises(DataError, match="follow the protocol of this version"):
        open_set(small_set)


def test_bad_originals_are_skipped_with_the_reason_on_the_fly(make_original, tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture at all")
    files = (damaged, make_original("good.png"), make_original("tiny.png", height=12))
    measured = set_on_the_fly(files, find_protocol("bicubic", 4), "S")
    assert list(measured.images) == ["good.png"]
    assert [line.split(":")[0] for line in measured.skipped] == ["damaged.png", "tiny.png"]
    with pytest.raises(DataError, match=r"got none of 1; damaged\.png"):
        set_on_the_fly((damaged,), find_protocol("bicubic", 4), "S")


def test_published_pairs_are_not_made_on_the_fly(make_original):
    with pytest.raises(ConfigError, match="makes none: run nlcunet bench make"):
        set_on_the_fly((make_original(),), find_protocol("div2krk", 4), "S")
