"""The same command, or nearly the same, into results that are there: what is made again, what is kept, what is told."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlcunet.cli.reporting import Reporter
from nlcunet.imaging.files import read_header
from nlcunet.inference.origins import FILE_NAME
from nlcunet.inference.upscaler import Upscaler

Run = Callable[..., Any]
Save = Callable[..., Path]


@pytest.fixture
def again(nlcunet: Run) -> Callable[..., dict[str, Any]]:
    """Runs ``upscale`` on one picture and gives its record."""

    def again(*arguments: str, stdin: bytes | None = None) -> dict[str, Any]:
        result = nlcunet("upscale", *arguments, "--json", stdin=stdin)
        assert result.exit_code == 0, result.stderr
        record: dict[str, Any] = json.loads(result.stdout)
        return record

    return again


Again = Callable[..., dict[str, Any]]


def test_what_has_not_changed_is_skipped_without_a_word(again: Again, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert again("a.png")["status"] == "done"
    record = again("a.png", "-s", "4", "-t", "16", "--threads", "1")
    assert (record["status"], record["notes"]) == ("skipped", [])


def test_a_changed_input_is_enlarged_again(again: Again, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    again("a.png", "-o", "out")
    save(tmp_path / "a.png", 10, 10)
    planned = again("a.png", "-o", "out", "--dry-run")
    record = again("a.png", "-o", "out")
    assert (planned["status"], record["status"]) == ("planned", "done")
    assert planned["notes"] == record["notes"] == ["made again: the input has changed since the last time"]
    assert read_header(tmp_path / "out/a.png").width == 40
    assert again("a.png", "-o", "out")["notes"] == []


@pytest.mark.parametrize("way", ["touched", "moved"])
def test_an_input_with_the_same_bytes_is_the_same(again: Again, save: Save, tmp_path: Path, way: str) -> None:
    path = save(tmp_path / "in/a.png")
    again("in/a.png", "-o", "out")
    os.utime(path, (1, 1))
    if way == "moved":
        (tmp_path / "in").rename(tmp_path / "elsewhere")
    record = again("in/a.png" if way == "touched" else "elsewhere/a.png", "-o", "out")
    assert (record["status"], record["notes"]) == ("skipped", [])


def test_the_result_of_another_input_is_kept_and_told(again: Again, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "x/a.png")
    save(tmp_path / "y/a.png", 10, 10)
    again("x/a.png", "-o", "out")
    record = again("y/a.png", "-o", "out")
    assert record["status"] == "skipped"
    assert record["notes"] == ["out/a.png was made from another input, a.png; it is kept"]
    assert read_header(tmp_path / "out/a.png").width == 120
    assert again("y/a.png", "-o", "out", "--overwrite")["status"] == "done"
    assert read_header(tmp_path / "out/a.png").width == 40


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ([], ["-s", "2"], "scale 4, now 2"),
        (["-s", "2"], [], "scale 2, now 4"),
        ([], ["--quality", "best"], "quality balanced, now best"),
        ([], ["-m", "bicubic-x3", "-s", "4"], "model bicubic-x4, now bicubic-x3"),
        ([], ["--wrap", "both"], "wrap not set, now both"),
        ([], ["--strip-metadata"], "metadata not set, now stripped"),
        (["--width", "50"], ["--width", "60"], "width 50, now 60"),
        (["--width", "50"], [], "width 50, now not set; scale not set, now 4"),
        ([], ["--file-quality", "50"], "file quality not set, now 50"),
    ],
)
def test_a_result_of_other_settings_is_kept_and_told(
    again: Again, nlcunet: Run, save: Save, tmp_path: Path, *, before: list[str], now: list[str], told: str
) -> None:
    save(tmp_path / "a.png")
    again("a.png", "-o", "b.png", *before)
    size = read_header(tmp_path / "b.png").width
    record = again("a.png", "-o", "b.png", *now)
    assert record["status"] == "skipped"
    assert record["notes"] == [f"b.png was made with other settings ({told}); it is kept"]
    assert read_header(tmp_path / "b.png").width == size
    save(tmp_path / "in/b.png")
    shutil.copy2(tmp_path / "a.png", tmp_path / "in/a.png")
    nlcunet("upscale", "in", "-o", "out", *before)
    said = nlcunet("upscale", "in", "-o", "out", *now).stderr
    assert "2 results kept that this command would now make differently" in said


def test_results_of_earlier_versions_and_those_edited_since_are_skipped(
    again: Again, save: Save, tmp_path: Path
) -> None:
    save(tmp_path / "a.png")
    again("a.png", "-o", "out")
    save(tmp_path / "out/a.png", 7, 7)  # by hand, or by a program without notes
    record = again("a.png", "-o", "out", "-s", "2")
    assert (record["status"], record["notes"]) == ("skipped", [])
    assert read_header(tmp_path / "out/a.png").width == 7


def test_an_empty_result_is_never_done(again: Again, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "b.png").touch()
    assert again("a.png", "-o", "b.png", "--dry-run")["status"] == "planned"
    record = again("a.png", "-o", "b.png")
    assert record["status"] == "done"
    assert record["notes"] == ["b.png was there with 0 bytes and was made again"]
    assert read_header(tmp_path / "b.png").width == 120


def test_a_pipe_is_known_by_its_bytes(again: Again, save: Save, tmp_path: Path) -> None:
    first, second = (save(tmp_path / name, *size).read_bytes() for name, size in (("a.png", ()), ("bb.png", (9, 9))))
    again("-", "-o", "c.png", stdin=first)
    assert again("-", "-o", "c.png", stdin=first)["notes"] == []
    record = again("-", "-o", "c.png", stdin=second)
    assert record["notes"] == ["c.png was made from another input, standard input; it is kept"]


@pytest.mark.parametrize("content", [b"", b"\n{", b'{"result": "a.png"}\n', b"\xff\xfe[]\n1\n"])
def test_damaged_notes_tell_nothing_and_take_further_ones(
    again: Again, save: Save, tmp_path: Path, content: bytes
) -> None:
    save(tmp_path / "a.png")
    again("a.png", "-o", "out")
    (tmp_path / "out" / FILE_NAME).write_bytes(content)
    assert again("a.png", "-o", "out", "-s", "2")["notes"] == []
    again("a.png", "-o", "out", "--overwrite")
    assert again("a.png", "-o", "out", "-s", "2")["notes"] != []


def test_notes_that_cannot_be_kept_are_told_and_the_result_stays(again: Again, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "out" / FILE_NAME).mkdir(parents=True)
    record = again("a.png", "-o", "out")
    assert record["status"] == "done"
    assert "later runs cannot tell" in record["notes"][0]
    assert again("a.png", "-o", "out")["status"] == "skipped"


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX systems")
def test_notes_are_never_written_through_a_link(again: Again, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FILE_NAME).symlink_to(tmp_path / "mine.txt")
    assert again("a.png", "-o", "out")["status"] == "done"
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.fixture
def network_runs(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for every tile that the network has seen."""
    runs: list[None] = []
    original = Upscaler._run

    def run(self: Upscaler, tile: Any) -> Any:
        runs.append(None)
        return original(self, tile)

    monkeypatch.setattr(Upscaler, "_run", run)
    return runs


@pytest.mark.skipif(sys.platform != "linux", reason="a disk that is read-only for everybody")
def test_a_read_only_output_is_found_before_the_network_runs(
    nlcunet: Run, save: Save, tmp_path: Path, network_runs: list[None]
) -> None:
    save(tmp_path / "a.png")
    result = nlcunet("upscale", "a.png", "-o", "/sys/a_x4.png")
    assert result.exit_code == 1
    assert "the target must be a file that can be written" in result.stderr
    assert network_runs == []


def test_a_target_that_is_a_folder_fails_before_the_network_runs(
    nlcunet: Run, save: Save, tmp_path: Path, network_runs: list[None]
) -> None:
    save(tmp_path / "in/a.png")
    (tmp_path / "out/a.png").mkdir(parents=True)
    result = nlcunet("upscale", "in", "-o", "out")
    assert result.exit_code == 1
    assert "it is no ordinary file" in result.stderr
    assert network_runs == []


@pytest.mark.parametrize("when", ["between two pictures", "while the network runs"])
@pytest.mark.parametrize("output", ["disk", "disk/deep/large"])
def test_an_output_folder_that_vanishes_fails_what_comes_after(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, when: str, output: str
) -> None:
    for name in ("in/a.png", "in/new/b.png", "in/new/c.png"):
        save(tmp_path / name)
    original, pictures = Upscaler.upscale_picture, []

    def upscale(self: Upscaler, *arguments: Any) -> Any:
        pictures.append(None)
        if when == "while the network runs" and len(pictures) == 2:
            shutil.rmtree(tmp_path / "disk")
        return original(self, *arguments)

    monkeypatch.setattr(Upscaler, "upscale_picture", upscale)
    if when == "between two pictures":
        tell = Reporter.tell

        def vanish(self: Reporter, record: Any) -> None:
            tell(self, record)
            shutil.rmtree(tmp_path / "disk", ignore_errors=True)

        monkeypatch.setattr(Reporter, "tell", vanish)
    result = nlcunet("upscale", "in", "-r", "-o", output)
    assert result.exit_code == 1
    assert "1 done, 2 failed" in result.stderr
    assert "the output folder must stay where it is while a batch runs" in result.stderr
    assert not (tmp_path / "disk").exists()
