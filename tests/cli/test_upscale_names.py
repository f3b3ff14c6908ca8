"""Every file that was named or found has a record or is counted, whatever it is called and whatever it is."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlcunet.imaging.files import read_header
from nlcunet.inference.origins import FILE_NAME

Run = Callable[..., Any]
Save = Callable[..., Path]


def records(result: Any) -> dict[str, str]:
    return {record["input"]: record["status"] for record in map(json.loads, result.stdout.splitlines())}


def test_two_links_to_one_file_are_two_pictures(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    original = save(tmp_path / "kept" / "photo.png")
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "in" / name).symlink_to(original)
    result = nlcunet("upscale", "in", "in/../in/a.png", "-o", "out", "--json")
    assert records(result) == {"in/a.png": "done", "in/b.png": "done"}
    assert {path.name for path in (tmp_path / "out").iterdir()} - {FILE_NAME} == {"a.png", "b.png"}


def test_broken_links_fail_and_files_of_other_kinds_are_counted(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    save(folder / "a.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "circle.png").symlink_to("circle.png")
    for name in ("notes.txt", "film.mp4", "list.csv", "more.xml", ".hidden"):
        (folder / name).write_text("")
    result = nlcunet("upscale", "in", "-o", "out", "--json")
    assert result.exit_code == 1
    assert records(result) == {"in/a.png": "done", "in/gone.png": "failed", "in/circle.png": "failed"}
    assert "in/gone.png: failed: must be a picture file: got No such file or directory" in result.stderr
    assert "4 files were passed over, no pictures by their endings: film.mp4, list.csv, more.xml, …" in result.stderr


def test_a_folder_without_pictures_says_how_many_files_it_holds(nlcunet: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    result = nlcunet("upscale", ".", "-o", "out")
    assert result.exit_code == 2
    assert "found none in . among 1 files" in result.stderr.replace("\n", " ")


@pytest.mark.parametrize("name", ["~a.png", "~nobody/a.png"])
def test_a_name_may_begin_with_a_tilde(nlcunet: Run, save: Save, tmp_path: Path, name: str) -> None:
    save(tmp_path / name)
    assert nlcunet("upscale", name, "-o", "out.png").exit_code == 0
    assert read_header(tmp_path / "out.png").width == 120
    assert nlcunet("inspect", name).exit_code == 0
    missing = nlcunet("upscale", "~b.png", "-o", "c.png")
    assert missing.exit_code == 1
    assert "~b.png: failed: must be a picture file: got No such file or directory" in missing.stderr


def test_a_name_that_is_too_long_is_told_as_such(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    long = "n" * 251 + ".png"
    save(tmp_path / long)
    beside = nlcunet("upscale", long)
    assert beside.exit_code == 1
    assert "File name too long; choose a shorter name" in beside.stderr.replace("\n", " ")
    assert "unexpected" not in beside.stderr
    assert nlcunet("upscale", long, "-o", "out").exit_code == 0
    named = nlcunet("upscale", "m" * 300 + ".png", "-o", "out")
    assert "File name too long; choose a shorter name" in named.stderr.replace("\n", " ")


def test_a_giant_picture_may_have_the_longest_name(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    long = "n" * 251 + ".tif"
    save(tmp_path / long)
    result = nlcunet("upscale", long, "-o", "out", "--pyramid")
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} - {FILE_NAME} == {long}


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
@pytest.mark.parametrize("command", [("upscale", "-o", "out"), ("inspect", "--json"), ("upscale", "--json")])
def test_a_name_that_is_no_utf_8_is_taken(nlcunet: Run, save: Save, tmp_path: Path, command: tuple[str, ...]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    save(tmp_path / name)
    verb, *flags = command
    result = nlcunet(verb, name, *flags)
    assert result.exit_code == 0, result.exception


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_every_terminal_takes_every_name(
    start: Callable[..., subprocess.Popen[bytes]], save: Save, tmp_path: Path, encoding: str
) -> None:
    save(tmp_path / os.fsdecode(b"caf\xe9.png"))
    save(tmp_path / "画.png")
    program = start("inspect", ".", env=os.environ | {"PYTHONIOENCODING": encoding})
    told, errors = program.communicate(timeout=120)
    assert program.returncode == 0, errors
    assert b"caf\xe9.png: 30" in told
    assert ("画" if encoding == "utf-8" else "\\u753b").encode() + b".png: 30" in told
