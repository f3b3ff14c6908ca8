"""``nlcunet data doctor`` on generated pictures."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.imaging.files import Picture, write_picture


def discs(seed, height=160, width=200):
    """Overlapping discs: edges and even areas, as in a photograph."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.full((height, width, 3), 128, dtype=np.uint8)
    for _ in range(80):
        radius, top, left = random.uniform(3, 40), random.uniform(0, height), random.uniform(0, width)
        picture[(rows - top) ** 2 + (columns - left) ** 2 < radius**2] = random.integers(20, 235, 3)
    return picture


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        write_picture(Picture(pixels=discs(number)), folder / f"{number}.png")
    return folder


@pytest.fixture
def flawed(pictures):
    write_picture(Picture(pixels=np.full((200, 200, 3), 70, dtype=np.uint8)), pictures / "flat.png")
    (pictures / "broken.jpg").write_bytes(b"no picture")
    return pictures


def doctor(*arguments):
    return CliRunner().invoke(app, ["data", "doctor", *(str(argument) for argument in arguments), "--patch", "32"])


def test_a_clean_folder_gives_0(pictures, tmp_path):
    done = doctor(pictures)
    assert done.exit_code == 0, done.output
    assert done.stdout == "3 pictures measured: nothing found.\n"


def test_findings_give_1_and_say_what_to_do(flawed):
    done = doctor(flawed)
    assert done.exit_code == 1
    assert "4 pictures measured: 2 findings in 2 files." in done.stdout
    for word in ("broken.jpg", "flat.png", "unreadable", "teach nothing"):
        assert word in done.stdout


def test_benchmarks_are_compared_with(pictures, tmp_path):
    (tmp_path / "Set0").mkdir()
    write_picture(Picture(pixels=np.ascontiguousarray(discs(1)[::-1])), tmp_path / "Set0" / "one.png")
    done = doctor(pictures, "--benchmarks", tmp_path / "Set0")
    assert done.exit_code == 1
    assert "compared with Set0 (1): 1 findings" in done.stdout
    assert "Set0/one.png, upside" in " ".join(done.stdout.split())


def test_json_and_reports_are_written(flawed, tmp_path):
    done = doctor(flawed, "--json", "--report", tmp_path / "r.html", "--threads", 1)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["summary"]["findings"] == {"unreadable": 1, "flat": 1}
    assert "flat.png" in (tmp_path / "r.html").read_text(encoding="utf-8")
    doctor(flawed, "--report", tmp_path / "r.md")
    assert "| flat.png |" in (tmp_path / "r.md").read_text(encoding="utf-8")


def test_bad_files_are_moved_and_good_ones_listed(flawed, tmp_path):
    done = doctor(flawed, "--move-bad-to", tmp_path / "bad", "--write-manifest", tmp_path / "good.csv")
    assert done.exit_code == 1
    assert sorted(path.name for path in (tmp_path / "bad").iterdir()) == ["broken.jpg", "flat.png"]
    assert (tmp_path / "good.csv").read_text() == "file\n0.png\n1.png\n2.png\n"
    assert doctor(flawed).exit_code == 0


def test_limits_are_flags(pictures):
    flags = {
        "blurry": "--min-sharpness=50",
        "noisy": "--max-noise=-1",
        "blocky": "--max-blockiness=0",
        "flat": "--flat-db=1",
    }
    for kind, flag in flags.items():
        found = json.loads(doctor(pictures, flag, "--json").stdout)["summary"]["findings"]
        assert found == {kind: 3}
    done = CliRunner().invoke(app, ["data", "doctor", str(pictures), "--json"])
    assert json.loads(done.stdout)["findings"][0]["kind"] == "too-small"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--report", "page.pdf"], "must end in .html or .md"),
        (["--move-bad-to", "pictures/bad"], "out of the examined folder"),
        (["--benchmarks", "none"], "must be a folder"),
    ],
)
def test_mistakes_are_told_in_a_line(pictures, tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    refused = doctor("pictures", *flags)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
