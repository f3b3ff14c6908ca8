"""``nlcunet data pack`` on generated pictures."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.data.photographs import load_photographs
from nlcunet.imaging.files import Picture, write_picture


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (80, 90, 3), dtype=np.uint8)
        write_picture(Picture(pixels=pixels), folder / f"{number}.png")
    return folder


def pack(*arguments):
    return CliRunner().invoke(app, ["data", "pack", *(str(argument) for argument in arguments)])


def test_photographs_become_shards_that_load(photographs, tmp_path):
    done = pack(photographs, "-o", tmp_path / "out", "--tile", 64, "--keep-share", 1, "--valid-share", 0.25)
    assert done.exit_code == 0, done.stderr
    assert "train, " in done.stderr
    assert len(load_photographs(tmp_path / "out", min_px=64, central_px=None)) == 3
    assert len(load_photographs(tmp_path / "out", split="valid", min_px=64, central_px=None)) == 1
    again = pack(photographs, "-o", tmp_path / "out", "--tile", 64, "--keep-share", 1, "--valid-share", 0.25)
    assert "4 were there already" in again.stderr


def test_flags_reach_the_settings(photographs, tmp_path):
    flags = ["--tile", 32, "--place", "grid", "--max-tiles", 5, "--per-photograph", 2, "--flat-db", 70, "--seed", 3]
    done = pack(photographs, "-o", tmp_path / "out", *flags, "--encoding", "png", "--shard-mib", 2, "--threads", 1)
    assert done.exit_code == 0, done.stderr
    settings = json.loads((tmp_path / "out" / "pack.json").read_text())["settings"]
    assert settings == {
        "tile_px": 32, "place": "grid", "keep_share": None, "max_tiles": 5, "per_photograph": 2, "flat_db": 70.0,
        "shard_mib": 2, "encoding": "png", "valid_share": 0.05, "seed": 3,
    }  # fmt: skip


def test_bad_pictures_are_listed_and_the_exit_code_tells(photographs, tmp_path):
    (photographs / "broken.jpg").write_bytes(b"no picture")
    done = pack(photographs, "-o", tmp_path / "out", "--tile", 64)
    assert done.exit_code == 1
    assert "skipped broken.jpg: " in done.stderr
    assert len(load_photographs(tmp_path / "out", min_px=64, central_px=None)) >= 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--place", "corner"], "--place must be one of detail, central, grid"),
        (["--encoding", "gif"], "--encoding one of webp, png, avif, keep"),
        (["--keep-share", "0.5", "--max-tiles", "3"], "give one of --keep-share and --max-tiles"),
        (["--tile", "65"], "even side"),
        (["--tile", "512"], "must hold a photograph with a tile of 512 pixels"),
    ],
)
def test_mistakes_are_told_in_a_line(photographs, tmp_path, flags, message):
    refused = pack(photographs, "-o", tmp_path / "out", *flags)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
