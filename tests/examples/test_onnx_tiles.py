"""The example without nlcunet gives the picture that nlcunet gives with the same file."""

import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import nlcunet

SCRIPT = Path(__file__).parents[2] / "examples" / "onnx_tiles.py"


def picture(height, width):
    ramps = np.add.outer(np.arange(height) * 2, np.arange(width) * 3)[..., None] + np.array([0, 40, 90])
    noise = np.random.default_rng(5).integers(0, 60, (height, width, 3))
    return ((ramps % 196) + noise).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (48, 64), (64, 65), (150, 131)])
def test_pictures_of_any_size_become_those_of_nlcunet(example, exported, size, monkeypatch):
    monkeypatch.setattr(example, "TILE", 64)
    monkeypatch.setattr(example, "OVERLAP", 16)
    low_res = picture(*size)
    ours = example.enlarge(onnxruntime.InferenceSession(exported), low_res)
    theirs = nlcunet.load(exported, tile=64).upscale(low_res)
    assert ours.shape == theirs.shape == (2 * size[0], 2 * size[1], 3)
    assert theirs.std() > 5 or size == (1, 1)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_tiles_cover_a_side_and_overlap(example):
    for length in (4, 256, 260, 480, 484, 1000):
        side, begins = example.plan(length, 4)
        assert side <= 256
        assert begins[0] == 0
        assert begins[-1] + side == length
        assert all(0 < after - before <= side - 32 for before, after in pairwise(begins))


def test_it_reads_and_writes_files(example, exported, tmp_path):
    image = Image.fromarray(picture(20, 30))
    image.save(tmp_path / "a.png", icc_profile=b"a profile")
    example.main(str(exported), str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    with Image.open(tmp_path / "b.png") as large:
        assert large.size == (60, 40)
        assert large.info["icc_profile"] == b"a profile"


def test_it_needs_three_libraries_and_no_more():
    text = SCRIPT.read_text(encoding="utf-8")
    found = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert found - sys.stdlib_module_names == {"numpy", "onnxruntime", "PIL"}
