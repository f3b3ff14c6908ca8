"""Unfinished rows of a giant picture that were damaged: begun anew with a note, and the result is right."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nlcunet.errors import ImageWriteError
from nlcunet.imaging.files import Picture, read_picture, write_picture
from nlcunet.inference.giant.enlargement import upscale_giant
from nlcunet.inference.giant.part_folder import JOURNAL
from nlcunet.inference.giant.request import GiantListener
from nlcunet.inference.loading import load
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler


def make_upscaler() -> Upscaler:
    return load("bicubic-x2", tile=32, device="cpu", threads=1)


def settings(scale: float) -> BatchSettings:
    return BatchSettings(request=SizeRequest(scale=scale))


def stop_at(folder: Path, scale: float, tile: int) -> Path:
    """Begin a picture and stop it at a tile; the folder of its rows."""

    def stop(done: int, _total: int) -> None:
        if done == tile:
            raise KeyboardInterrupt

    pixels = np.random.default_rng(0).integers(0, 256, (110, 70, 3), dtype=np.uint8)
    write_picture(Picture(pixels=pixels), folder / "in.png")
    with pytest.raises(KeyboardInterrupt):
        upscale_giant(
            folder / "in.png", folder / "out.png", make_upscaler(), settings(scale), GiantListener(tiles=stop)
        )
    return folder / ".out.png.nlcunet-part"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


Damage = Callable[[Path], None]


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        *[("state-*.npz", damage) for damage in (cut, flip, empty, remove, make_folder)],
        *[("pass-0.raw", damage) for damage in (cut, empty, remove, make_folder)],
        *[(JOURNAL, damage) for damage in (cut, empty, make_folder)],
    ],
)
def test_a_damaged_file_begins_anew_with_a_note(tmp_path: Path, pattern: str, damage: Damage) -> None:
    part = stop_at(tmp_path, 2, 12)
    (path,) = part.glob(pattern)
    damage(path)
    notes: list[str] = []
    report = upscale_giant(
        tmp_path / "in.png", tmp_path / "out.png", make_upscaler(), settings(2), GiantListener(note=notes.append)
    )
    assert report.resumed_tiles == 0
    assert list(report.notes) == notes
    assert "finished rows of an earlier run were discarded" in notes[0]
    expected = make_upscaler().upscale(tmp_path / "in.png", 2)
    assert np.array_equal(read_picture(tmp_path / "out.png").pixels, expected.pixels)
    assert not part.exists()


def test_the_samples_of_an_earlier_pass_are_looked_at_as_well(tmp_path: Path) -> None:
    part = stop_at(tmp_path, 7, 90)
    assert json.loads((part / JOURNAL).read_text())["pass_index"] > 0
    cut(part / "pass-0.raw")
    report = upscale_giant(tmp_path / "in.png", tmp_path / "out.png", make_upscaler(), settings(7))
    assert report.resumed_tiles == 0
    assert "pass-0.raw is not whole" in report.notes[0]


@pytest.mark.parametrize(
    "change",
    [
        {"tile": "32"},
        {"tile": 0},
        {"tile_row": -1},
        {"tile_row": 10**6},
        {"tile_row": 1},
        {"pass_index": 9},
        {"state": None},
        {"state": "../in.png"},
        {"state": 5},
        {"finished_rows": None},
    ],
)
def test_a_journal_with_values_that_cannot_be_begins_anew(tmp_path: Path, change: dict[str, object]) -> None:
    part = stop_at(tmp_path, 2, 14)
    journal = json.loads((part / JOURNAL).read_text())
    assert journal["tile_row"] > 1
    (part / JOURNAL).write_text(json.dumps(journal | change))
    report = upscale_giant(tmp_path / "in.png", tmp_path / "out.png", make_upscaler(), settings(2))
    assert report.resumed_tiles == 0
    assert "were discarded" in report.notes[0]


def test_rows_whose_folder_vanishes_are_told_in_a_sentence(tmp_path: Path) -> None:
    def vanish(done: int, _total: int) -> None:
        if done == 6:
            (tmp_path / "out").rename(tmp_path / "gone")  # at once: others write into it meanwhile

    pixels = np.zeros((110, 70, 3), np.uint8)
    write_picture(Picture(pixels=pixels), tmp_path / "in.png")
    (tmp_path / "out").mkdir()
    listener = GiantListener(tiles=vanish)
    with pytest.raises(ImageWriteError):
        upscale_giant(tmp_path / "in.png", tmp_path / "out/a.png", make_upscaler(), settings(2), listener)
    assert not (tmp_path / "out").exists()
