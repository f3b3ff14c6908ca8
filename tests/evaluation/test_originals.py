"""Originals: which files count, and what they become."""

import numpy as np
import pytest
import torch

from nlcunet.errors import DataError, ImageError
from nlcunet.evaluation.originals import find_originals, read_original
from nlcunet.imaging.files import read_picture


def test_pictures_are_found_in_the_order_of_their_names(make_original, tmp_path):
    for name in ("b.png", "a.JPG", "c.tif"):
        make_original(name)
    (tmp_path / "README.txt").write_text("no picture")
    (tmp_path / "inside.png").mkdir()
    assert [path.name for path in find_originals(tmp_path)] == ["a.JPG", "b.png", "c.tif"]


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"found no folder .*nowhere"):
        find_originals(tmp_path / "nowhere")
    with pytest.raises(DataError, match="found none in"):
        find_originals(tmp_path)


@pytest.mark.parametrize(("scale", "height", "width"), [(2, 50, 46), (3, 48, 45), (4, 48, 44)])
def test_originals_are_cropped_below_and_right(make_original, scale, height, width):
    path = make_original(height=50, width=47)
    original = read_original(path, scale)
    assert original.shape == (1, 3, height, width)
    expected = torch.from_numpy(read_picture(path).pixels[:height, :width] / 255).permute(2, 0, 1)[None]
    assert torch.equal(original, expected)


def test_grey_originals_become_rgb(make_original):
    original = read_original(make_original(channels=1), 4)
    assert original.shape[1] == 3
    assert torch.equal(original[:, 0], original[:, 2])


def test_sixteen_bits_are_kept(make_original):
    original = read_original(make_original("deep.png", dtype=np.uint16), 2)
    assert len(original.unique()) > 1000
    assert 0 <= original.min() < original.max() <= 1


def test_small_and_damaged_pictures_are_refused(make_original, tmp_path):
    with pytest.raises(DataError, match=r"at least 19 pixels .*at ×4: small\.png has 18 × 40"):
        read_original(make_original("small.png", height=18, width=40), 4)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    with pytest.raises(ImageError, match=r"damaged\.png"):
        read_original(damaged, 4)
