"""``nlcunet inspect``: lines for people, JSON for programs, and bad files that stop nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlcunet.cli.app import COMMANDS, LazyCommand
from nlcunet.cli.inspect import describe
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.imaging.lossy import jpeg_round_trip
from nlcunet.inspection.ranges import embedded_headers
from nlcunet.inspection.reading import read

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "inspect", LazyCommand("nlcunet.cli.inspect", "inspect", "Tell what pictures are."))
    clean = tuple(each for each in embedded_headers() if "-Photo" not in each.name)
    monkeypatch.setattr("nlcunet.inspection.reading.embedded_headers", lambda: clean)


@pytest.fixture(scope="module")
def discs() -> np.ndarray:
    """Overlapping discs, softened: edges in all directions, and even areas."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[0:200, 0:240]
    picture = np.full((200, 240, 3), 128.0)
    for _ in range(60):
        radius, top, left = random.uniform(8, 40), random.uniform(0, 200), random.uniform(0, 240)
        share = np.clip((radius - np.hypot(rows - top, columns - left)) / 1.5 + 0.5, 0, 1)[:, :, None]
        picture += share * (random.uniform(30, 225, 3) - picture)
    return picture.round().astype(np.uint8)


@pytest.fixture
def photo(discs: np.ndarray, tmp_path: Path) -> Path:
    write_picture(Picture(pixels=discs), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_people_get_a_line_for_each_thing(nlcunet: Run, photo: Path) -> None:
    done = nlcunet("inspect", "photo.png")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "photo.png: 240×200 png, 8 bit RGB, no profile (sRGB)"
    assert [line.split()[0] for line in lines[1:]] == ["blur", "noise", "JPEG", "range", "advice"]
    assert "about the same in all directions" in lines[1]
    assert lines[3] == "  JPEG    no traces"
    assert lines[4] == "  range   inside: 2x-NLCUnet-S, 3x-NLCUnet-S, 4x-NLCUnet-S, 4x-NLCUnet-S-Anisotropic"
    assert lines[5].startswith("  advice  nlcunet upscale photo.png -s 4: ×4 with 4x-NLCUnet-S; ")


def test_programs_get_one_record_per_picture(nlcunet: Run, photo: Path) -> None:
    done = nlcunet("inspect", "--json", "photo.png", "missing.png")
    assert done.exit_code == 1
    good, bad = map(json.loads, done.stdout.splitlines())
    assert (good["input"], good["status"], good["width"], good["height"]) == ("photo.png", "done", 240, 200)
    assert good["blur"] == read(photo).as_json()["blur"]
    assert good["advice"]["model"] == "4x-NLCUnet-S"
    assert good["error"] is None
    assert (bad["input"], bad["status"], bad["width"]) == ("missing.png", "failed", None)
    assert "must be a picture file" in bad["error"]
    assert bad.keys() == good.keys()


def test_a_bad_file_is_told_and_the_rest_goes_on(nlcunet: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    done = nlcunet("inspect", "broken.jpg", "photo.png")
    assert done.exit_code == 1
    assert done.stderr.startswith("broken.jpg: failed: a picture must be one of")
    assert done.stdout.startswith("photo.png: ")


def test_an_unforeseen_error_ends_nothing(nlcunet: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("so it goes")

    monkeypatch.setattr("nlcunet.inspection.reading.estimate_noise", fail)
    done = nlcunet("inspect", "photo.png")
    assert done.exit_code == 1
    assert "unexpected ZeroDivisionError: so it goes; please report it" in done.stderr


def test_warnings_are_told(nlcunet: Run, discs: np.ndarray, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 9, discs.shape)
    noisy = (discs + noise).round().clip(0, 255).astype(np.uint8)
    write_picture(Picture(pixels=noisy), tmp_path / "noisy.png")
    write_picture(Picture(pixels=jpeg_round_trip(discs, 60)), tmp_path / "was.png")
    write_picture(Picture(pixels=discs), tmp_path / "is.jpg", quality=70)
    told = nlcunet("inspect", "noisy.png", "was.png", "is.jpg").stdout
    assert "warning Noise of 9" in told or "warning Noise of 8" in told
    assert "quality 60, by traces in the pixels" in told
    assert "quality 70, 4:2:0, by the file's tables" in told
    assert "warning JPEG compression of quality 60" in told
    assert "range   JPEG above: 2x-NLCUnet-S, 3x-NLCUnet-S, 4x-NLCUnet-S" in told


def test_folders_are_searched_and_files_named_twice_read_once(nlcunet: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / "more" / "deep" / "b.png").write_bytes(photo.read_bytes())
    assert nlcunet("inspect", ".", "photo.png").stdout.count("240×200") == 1
    assert nlcunet("inspect", "-r", ".").stdout.count("240×200") == 2


def test_standard_input_is_read(nlcunet: Run, photo: Path) -> None:
    done = nlcunet("inspect", "-", "--json", stdin=photo.read_bytes())
    assert done.exit_code == 0
    assert json.loads(done.stdout)["input"] == "-"
    assert nlcunet("inspect", "-", stdin=photo.read_bytes()).stdout.startswith("the picture: 240×200 png")


@pytest.mark.parametrize("arguments", [(), ("empty",), ("-", "photo.png")])
def test_nothing_to_read_could_not_start(nlcunet: Run, photo: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    assert nlcunet("inspect", *arguments).exit_code == 2


def test_large_files_are_refused_by_a_limit(nlcunet: Run, photo: Path) -> None:
    done = nlcunet("inspect", "photo.png", "--max-pixels", "1000")
    assert done.exit_code == 1
    assert "at most 1,000 pixels" in done.stderr


def test_unknown_measures_are_called_so() -> None:
    lines = describe("dot", read(Picture(pixels=np.full((1, 1, 1), 0.5, np.float32))))
    assert lines[0] == "dot: 1×1, floating point grey, no profile (sRGB)"
    assert lines[1] == "  blur    unknown: too few clear edges"
    assert lines[2].startswith("  noise   unknown")
    assert "blur unknown, noise unknown" in lines[4]
