import csv

import numpy as np
import pytest
import torch

from nlcunet.data.photographs import list_photographs, load_photographs, read_photograph
from nlcunet.errors import DataError
from nlcunet.imaging.files import Picture, write_picture


def write(path, height, width, *, channels=3, dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    limit = np.iinfo(dtype).max
    rows = np.linspace(0, limit, height)[:, None, None]
    columns = np.linspace(0, limit, width)[None, :, None]
    pixels = np.broadcast_to((rows + columns) / 2, (height, width, channels)).astype(dtype)
    write_picture(Picture(pixels=pixels.copy()), path)
    return pixels


def test_pictures_are_found_recursively_in_a_fixed_order(tmp_path):
    for name in ("b.png", "a/c.png", "a/notes.txt"):
        write(tmp_path / name, 20, 20) if name.endswith("png") else (tmp_path / name).write_text("x")
    paths, licence = list_photographs(tmp_path, None, "train")
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == ["a/c.png", "b.png"]
    assert licence == ""


def test_manifest_chooses_the_split_and_counts_licences(tmp_path):
    manifest = tmp_path / "tiles.csv"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("file", "split", "licence"),
                ("a.png", "train", "CC0"),
                ("b.png", "valid", "CC0"),
                ("c.png", "train", "BSD"),
            ]
        )
    paths, licence = list_photographs(tmp_path, manifest, "train")
    assert [p.name for p in paths] == ["a.png", "c.png"]
    assert licence == "CC0 (1), BSD (1)"


def test_grey_and_16_bit_become_8_bit_rgb(tmp_path):
    expected = write(tmp_path / "grey.png", 24, 18, channels=1)
    deep = write(tmp_path / "deep.png", 24, 18, dtype=np.uint16)
    grey = read_photograph(tmp_path / "grey.png", None)
    assert grey.shape == (24, 18, 3)
    assert torch.equal(grey, torch.from_numpy(np.repeat(expected, 3, axis=2)))
    assert np.abs(read_photograph(tmp_path / "deep.png", None).numpy() - deep / 257.0).max() <= 0.5


def test_only_the_central_square_is_kept(tmp_path):
    pixels = write(tmp_path / "wide.png", 40, 60)
    kept = read_photograph(tmp_path / "wide.png", 32)
    assert torch.equal(kept, torch.from_numpy(pixels[4:36, 14:46].copy()))


def test_unusable_files_are_skipped_with_their_reason(tmp_path):
    write(tmp_path / "good.png", 64, 64)
    write(tmp_path / "small.png", 64, 20)
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    photographs = load_photographs(tmp_path, min_px=32, central_px=None)
    assert photographs.names == ("good.png",)
    assert len(photographs.skipped) == 2
    assert any("20×64 pixels, smaller than 32" in reason for reason in photographs.skipped)


def test_folders_without_usable_pictures_are_refused(tmp_path):
    with pytest.raises(DataError, match="must be a folder"):
        load_photographs(tmp_path / "missing", min_px=8, central_px=None)
    with pytest.raises(DataError, match="must hold pictures"):
        load_photographs(tmp_path, min_px=8, central_px=None)
    write(tmp_path / "small.png", 16, 16)
    with pytest.raises(DataError, match="at least 99 pixels"):
        load_photographs(tmp_path, min_px=99, central_px=None)
    with pytest.raises(DataError, match="must be a CSV file"):
        load_photographs(tmp_path, manifest=tmp_path / "none.csv", min_px=8, central_px=None)
