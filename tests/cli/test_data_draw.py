"""``nlcunet data draw``."""

import csv

import pytest
from typer.testing import CliRunner

from nlcunet.cli import data_draw
from nlcunet.cli.app import app
from nlcunet.data.drawn import scripts
from nlcunet.imaging.files import read_header


def draw(*arguments):
    return CliRunner().invoke(app, ["data", "draw", *(str(argument) for argument in arguments)])


def test_pictures_manifest_and_sheet_are_written(tmp_path):
    flags = ["--count", 4, "--seed", 2, "--kinds", "text=3, curves", "--size", 48, "--threads", 1]
    sheet = tmp_path / "sheet.png"
    done = draw("-o", tmp_path / "out", *flags, "--sheet", sheet, "--sheet-pictures", 3)
    assert done.exit_code == 0, done.stderr
    assert "4 pictures drawn, 0 were there" in done.stdout
    rows = list(csv.DictReader((tmp_path / "out" / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    assert sorted(row["kind"] for row in rows) == ["curves", "text", "text", "text"]
    assert all(read_header(tmp_path / "out" / row["file"]).width == 48 for row in rows)
    header = read_header(sheet)
    assert (header.width, header.height) == (2 * 52 + 4, 2 * 52 + 4)
    again = draw("-o", tmp_path / "out", *flags)
    assert "0 pictures drawn, 4 were there" in again.stdout


def test_missing_fonts_are_told_once_and_do_no_harm(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(scripts, "has_glyph", lambda _: False)
    scripts.list_writable_scripts.cache_clear()
    try:
        done = draw("-o", tmp_path, "--count", 3, "--kinds", "text", "--size", 64)
    finally:
        scripts.list_writable_scripts.cache_clear()
    assert done.exit_code == 0
    assert caplog.text.count("no font is installed") == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--kinds", "fur"], "kinds of drawn pictures are curves"),
        (["--kinds", "hair,hair"], "got hair twice"),
        (["--kinds", "hair=many"], "the weight of a kind must be a number, as text=2: got 'hair=many'"),
        (["--kinds", "hair=-1"], "weights of kinds must be at least 0"),
        (["--size", "8"], "a side of 32 … 4096 pixels"),
        (["--count", "2000000"], "a set has 1 … 1,000,000 pictures"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path, flags, message):
    refused = draw("-o", tmp_path / "out", *flags)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_weights_are_read_from_text():
    assert data_draw.parse_kinds("text=2.5, curves") == {"text": 2.5, "curves": 1.0}
