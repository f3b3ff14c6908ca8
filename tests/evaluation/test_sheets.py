"""Sheets of real pictures: every system in a column, crops where they differ."""

import numpy as np
import pytest
from typer.testing import CliRunner

from nlcunet.cli.bench import bench_app
from nlcunet.errors import ConfigError
from nlcunet.evaluation.report.kept import rgb_of
from nlcunet.evaluation.sheets import GAP_PX, LABEL_PX, enlarge_lanczos, find_places, label, make_sheet
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.picture import Picture


def call(*arguments):
    return CliRunner().invoke(bench_app, ["sheets", *map(str, arguments)])


def test_each_picture_gets_a_sheet(originals, tmp_path):
    (originals / "broken.png").write_bytes(b"no picture")
    models = ("-m", "bicubic-x4", "-m", "again=bicubic-x4")
    result = call("--images", originals, *models, "-o", tmp_path / "sheets", "--crop", 64, "--places", 2)
    assert result.exit_code == 1, (result.output, result.exception)
    assert "skipped: broken.png" in result.output
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["a.png.png", "b.png.png"]
    sheet = read_picture(tmp_path / "sheets" / "a.png.png").pixels
    whole = round(200 * 64 / 188)
    assert sheet.shape == (LABEL_PX + whole + 2 * 64 + 4 * GAP_PX, 3 * (64 + GAP_PX), 3)


def test_crops_are_at_full_size_where_systems_differ():
    plain = np.full((128, 128, 3), 100, dtype=np.uint8)
    other = plain.copy()
    other[72:88, 40:56] = 200
    (place,) = find_places({"Lanczos": plain, "ours": other}, count=3, crop_px=32, scale=4)
    assert 88 - 32 <= place.top <= 72
    assert 56 - 32 <= place.left <= 40
    sheet = make_sheet({"Lanczos": plain, "ours": other}, places=1, crop_px=32, scale=4)
    assert (sheet[-32 - GAP_PX : -GAP_PX, -32 - GAP_PX : -GAP_PX] == 200).all(axis=-1).sum() == 256


def test_labels_are_black_on_white_and_fit():
    short, long = label("4x-photo", 120), label("a very long name of some weights & more", 120)
    for one in (short, long):
        assert one.shape == (LABEL_PX, 120, 3)
        assert one.min() < 100
        assert (one[:, -3:] == 255).all()


def test_grey_and_deep_pictures_become_rgb():
    grey = Picture(pixels=np.full((3, 4, 1), 65535, dtype=np.uint16))
    assert (rgb_of(grey) == np.full((3, 4, 3), 255, dtype=np.uint8)).all()
    assert enlarge_lanczos(rgb_of(grey), 2).shape == (6, 8, 3)


def test_what_cannot_be_compared_is_refused(originals, tmp_path):
    options = ("--images", originals, "-o", tmp_path / "sheets")
    for arguments, words in (
        (("-m", "bicubic-x4", "-m", "bicubic-x2"), "enlarge alike"),
        (("-m", "bicubic-x4", "-m", "bicubic-x4"), "names of their own"),
        (("-m", "bicubic-x4", "--format", "gif"), "png or webp"),
    ):
        assert words in str(call(*options, *arguments).exception)
    with pytest.raises(ConfigError, match="at least two systems"):
        make_sheet({"one": np.zeros((8, 8, 3), dtype=np.uint8)}, places=1, crop_px=8, scale=4)
