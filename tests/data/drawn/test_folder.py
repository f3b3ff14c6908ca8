"""Folders of drawn pictures: read as photographs, resumed, never mixed up."""

import csv

import numpy as np
import pytest
import torch

from nlcunet.data.drawn.folder import MANIFEST, draw_folder, make_sheet, write_sheet
from nlcunet.data.drawn.pictures import LICENCE, draw_picture
from nlcunet.data.photographs import list_photographs, load_photographs
from nlcunet.errors import ConfigError, DataError
from nlcunet.imaging.files import read_header

KINDS = {"curves": 1.0, "charts": 1.0}


def test_a_drawn_folder_loads_as_photographs(tmp_path):
    done = draw_folder(tmp_path / "new" / "drawn", 4, 7, 64, KINDS)
    assert (done.drawn, done.kept) == (4, 0)
    folder = tmp_path / "new" / "drawn"
    loaded = load_photographs(folder, manifest=folder / MANIFEST, min_px=64, central_px=None)
    assert len(loaded) == 4
    assert loaded.licence == f"{LICENCE} (4)"
    assert not loaded.skipped
    rows = list(csv.DictReader((folder / MANIFEST).read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == ["file", "split", "licence", "kind", "seed"]
    by_name = dict(zip(loaded.names, loaded.pictures, strict=True))
    for row in rows:
        assert torch.equal(by_name[row["file"]], draw_picture(row["kind"], int(row["seed"]), 64))


def test_what_is_there_is_kept_and_the_damaged_drawn_again(tmp_path):
    first = draw_folder(tmp_path, 3, 0, 48, KINDS)
    stamps = [path.stat().st_mtime_ns for path in first.files]
    first.files[1].write_bytes(b"half a picture")
    seen = []
    again = draw_folder(tmp_path, 4, 0, 48, KINDS, on_picture=lambda done, total: seen.append((done, total)))
    assert (again.drawn, again.kept) == (2, 2)
    assert seen == [(3, 4), (4, 4)]
    assert [path.stat().st_mtime_ns for path in again.files[:3]][::2] == stamps[::2]
    assert read_header(first.files[1]).width == 48


def test_a_second_set_joins_the_manifest_of_the_first(tmp_path):
    draw_folder(tmp_path, 2, 0, 48, KINDS)
    draw_folder(tmp_path, 2, 1, 48, {"hair": 1.0})
    paths, _ = list_photographs(tmp_path, tmp_path / MANIFEST, "train")
    assert len(paths) == 4
    assert all(path.exists() for path in paths)


def test_another_size_in_the_same_folder_is_refused(tmp_path):
    draw_folder(tmp_path, 1, 0, 48, KINDS)
    with pytest.raises(ConfigError, match=r"must have one size: .* has 48×48 pixels, and 64 were asked for"):
        draw_folder(tmp_path, 1, 0, 64, KINDS)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="need a folder that can be made"):
        draw_folder(tmp_path / "file" / "below", 1, 0, 48)


def test_sheets_show_pictures_at_full_size(tmp_path):
    pictures = [torch.full((5, 7, 3), value, dtype=torch.uint8) for value in (10, 20, 30)]
    sheet = make_sheet(pictures, columns=2)
    assert sheet.shape == (2 * 9 + 4, 2 * 11 + 4, 3)
    assert (sheet[4:9, 4:11] == 10).all()
    assert (sheet[4:9, 15:22] == 20).all()
    assert (sheet[13:18, 4:11] == 30).all()
    assert (sheet == 255).sum() == sheet.size - 3 * 5 * 7 * 3
    files = draw_folder(tmp_path, 2, 0, 40, KINDS).files
    write_sheet(tmp_path / "sheet.png", files, columns=5)
    assert read_header(tmp_path / "sheet.png").width == 2 * 44 + 4


@pytest.mark.parametrize("sides", [[], [4, 5]])
def test_sheets_of_nothing_or_mixed_sizes_are_refused(sides):
    pictures = [torch.from_numpy(np.zeros((side, side, 3), dtype=np.uint8)) for side in sides]
    with pytest.raises(ConfigError, match="pictures of one size"):
        make_sheet(pictures, columns=2)
