import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.errors import DeviceError
from nlcunet.imaging.files import read_header, read_picture
from nlcunet.inference import batch
from nlcunet.inference.origins import FILE_NAME
from nlcunet.inference.upscaler import Upscaler

Run = Callable[..., Any]
Save = Callable[..., Path]


def files_in(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != FILE_NAME
    }


def test_without_an_output_the_result_lies_beside_its_input(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "photo.png")
    result = nlcunet("upscale", "photo.png")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "photo.png → photo_x4.png: 30×20 → 120×80" in result.stderr
    assert files_in(tmp_path) == {"photo.png", "photo_x4.png"}


@pytest.mark.parametrize(
    ("flags", "name", "size"),
    [
        (["-s", "2.5"], "photo_x2.5.png", (75, 50)),
        (["--scale", "7"], "photo_x7.png", (210, 140)),
        (["--width", "100"], "photo_100w.png", (100, 67)),
        (["--height", "100"], "photo_100h.png", (150, 100)),
        (["--width", "50", "--height", "60"], "photo_50x60.png", (50, 60)),
        (["--long-edge", "90"], "photo_90long.png", (90, 60)),
        (["--suffix", "-large"], "photo-large.png", (120, 80)),
        (["--format", "webp"], "photo_x4.webp", (120, 80)),
        (["--format", "jpg", "--file-quality", "50"], "photo_x4.jpg", (120, 80)),
        (
            ["-t", "16", "--overlap", "4", "--device", "cpu", "--precision", "float32", "--threads", "1"],
            "photo_x4.png",
            (120, 80),
        ),
        (["-m", "bicubic-x2"], "photo_x2.png", (60, 40)),
        (["-o", "new/large.tif"], "new/large.tif", (120, 80)),
        (["-o", "new"], "new/photo.png", (120, 80)),
        (["-o", "new/", "--suffix", "_big"], "new/photo_big.png", (120, 80)),
    ],
)
def test_every_flag_does_what_it_says(
    nlcunet: Run, save: Save, tmp_path: Path, *, flags: list[str], name: str, size: tuple[int, int]
) -> None:
    save(tmp_path / "photo.png")
    result = nlcunet("upscale", "photo.png", *flags)
    assert result.exit_code == 0, result.stderr
    assert files_in(tmp_path) == {"photo.png", name}
    header = read_header(tmp_path / name)
    assert (header.width, header.height) == size


def test_inputs_are_taken_as_arguments_and_as_options(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / name)
    assert nlcunet("upscale", "a.png", "-i", "b.png", "--input", "c.png", "-o", "out").exit_code == 0
    assert files_in(tmp_path / "out") == {"a.png", "b.png", "c.png"}


@pytest.mark.parametrize(
    ("scale", "model"), [(None, "4x"), ("2", "2x"), ("1.5", "2x"), ("2.5", "3x"), ("4", "4x"), ("7", "4x")]
)
def test_the_scale_chooses_the_weights(save: Save, tmp_path: Path, scale: str | None, model: str) -> None:
    picture = save(tmp_path / "a.png")
    result = CliRunner().invoke(app, ["upscale", str(picture), "--json", *(["-s", scale] if scale else [])])
    assert json.loads(result.stdout)["model"] == f"{model}-NLCUnet-S"


def test_quality_changes_the_size_of_the_file(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    for quality in ("10", "95"):
        nlcunet("upscale", "a.png", "-o", f"{quality}.jpg", "--file-quality", quality)
    assert (tmp_path / "10.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size


def test_metadata_is_kept_unless_it_is_stripped(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    nlcunet("upscale", "a.png", "-o", "kept.png")
    nlcunet("upscale", "a.png", "-o", "stripped.png", "--strip-metadata")
    assert read_picture(tmp_path / "kept.png").metadata.xmp is not None
    assert read_picture(tmp_path / "stripped.png").metadata.xmp is None


def test_a_folder_is_searched_without_its_folders_unless_asked(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    for name in ("in/a.png", "in/deep/er/a.jpg", "in/.hidden/x.png"):
        save(tmp_path / name)
    (tmp_path / "in/readme.txt").write_text("no picture")
    nlcunet("upscale", "in", "-o", "flat")
    nlcunet("upscale", "in", "-r", "-o", "tree")
    assert files_in(tmp_path / "flat") == {"a.png"}
    assert files_in(tmp_path / "tree") == {"a.png", "deep/er/a.jpg"}


def test_patterns_that_the_shell_left_are_expanded(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.jpg"):
        save(tmp_path / name)
    assert nlcunet("upscale", "*.png", "-o", "out").exit_code == 0
    assert files_in(tmp_path / "out") == {"a.png", "b.png"}


def test_a_file_whose_name_looks_like_a_pattern_is_itself(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a[1].png")
    assert nlcunet("upscale", "a[1].png", "-o", "out").exit_code == 0
    assert files_in(tmp_path / "out") == {"a[1].png"}


def test_finished_work_is_skipped_and_made_again_only_if_asked(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").write_bytes(b"as it was")
    skipped = nlcunet("upscale", "a.png", "-o", "out")
    assert skipped.exit_code == 0
    assert "skipped" in skipped.stderr
    assert (tmp_path / "out/a.png").read_bytes() == b"as it was"
    assert nlcunet("upscale", "a.png", "-o", "out", "--overwrite").exit_code == 0
    assert read_header(tmp_path / "out/a.png").width == 120


def test_a_batch_beside_its_inputs_can_be_run_again(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    for name in ("in/a.png", "in/b.png"):
        save(tmp_path / name)
    nlcunet("upscale", "in")
    before = files_in(tmp_path)
    again = nlcunet("upscale", "in", "--json")
    assert again.exit_code == 0
    assert [json.loads(line)["status"] for line in again.stdout.splitlines()] == ["skipped", "skipped"]
    by_shell = nlcunet("upscale", "in/a.png", "in/a_x4.png", "in/b.png", "in/b_x4.png")
    assert "a_x4.png: left out, it is the result of another input" in by_shell.stderr
    assert files_in(tmp_path) == before == {"in/a.png", "in/b.png", "in/a_x4.png", "in/b_x4.png"}


def test_two_inputs_that_would_get_one_name_get_two(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.jpg"):
        save(tmp_path / f"in/{name}")
    assert nlcunet("upscale", "in", "-o", "out", "--format", "png").exit_code == 0
    assert files_in(tmp_path / "out") == {"a.png.png", "a.jpg.png", "b.png"}


def test_names_that_stay_the_same_are_refused(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    for name in ("x/a.png", "y/A.png"):
        save(tmp_path / name)
    result = nlcunet("upscale", "x/a.png", "y/A.png", "-o", "out")
    assert result.exit_code == 2
    assert "every result needs a name of its own" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png", "-o", "a.png"],
        ["a.png", "--suffix", ""],
        [".", "-o", ".", "--suffix", ""],
        ["a.png", "b.png", "-o", "b.png"],
        ["a.png", "a_x4.png", "--overwrite"],
    ],
)
def test_an_input_is_never_replaced(nlcunet: Run, save: Save, tmp_path: Path, arguments: list[str]) -> None:
    before = {name: save(tmp_path / name).read_bytes() for name in ("a.png", "b.png", "a_x4.png")}
    result = nlcunet("upscale", *arguments, *([] if "--overwrite" in arguments else ["--overwrite"]))
    assert result.exit_code == 2, result.stderr
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def make_huge_png(path: Path) -> None:
    """A header of 40,000×40,000 pixels and hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))


def test_bad_files_are_told_and_the_rest_goes_on(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    save(folder / "good.png")
    save(folder / "zuletzt grün.png")
    (folder / "bytes.png").write_bytes(os.urandom(500))
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("hello")
    (folder / "short.jpg").write_bytes(save(tmp_path / "whole.jpg", 200, 200).read_bytes()[:4000])
    make_huge_png(folder / "huge.png")
    result = nlcunet("upscale", "in", "-o", "out", "--json")
    assert result.exit_code == 1
    records = {Path(record["input"]).name: record for record in map(json.loads, result.stdout.splitlines())}
    done = {name for name, record in records.items() if record["status"] == "done"}
    assert done == {"good.png", "zuletzt grün.png"} == files_in(tmp_path / "out")
    assert all(records[name]["error"] for name in set(records) - done)
    assert "must have at most 500,000,000 pixels: got 40000×40000" in records["huge.png"]["error"]
    summary = result.stderr[result.stderr.index("2 done, 5 failed") :]
    assert all(name in summary for name in set(records) - done)
    assert "Traceback" not in result.stderr


def test_a_named_file_that_is_missing_fails_alone(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    result = nlcunet("upscale", "missing.png", "a.png", "-o", "out")
    assert result.exit_code == 1
    assert "missing.png: failed: must be a picture file: got No such file" in result.stderr
    assert files_in(tmp_path / "out") == {"a.png"}


def test_max_pixels_refuses_larger_inputs(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert nlcunet("upscale", "a.png", "--max-pixels", "599").exit_code == 1
    assert nlcunet("upscale", "a.png", "--max-pixels", "600").exit_code == 0


def test_a_size_that_the_format_cannot_hold_fails_before_the_work(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch.OpenedPicture, "read", None)  # would fail differently if it came to that
    save(tmp_path / "a.jpg")
    result = nlcunet("upscale", "a.jpg", "--width", "70000")
    assert result.exit_code == 1
    assert "a side of a jpeg picture must be at most 65500 pixels" in result.stderr


def test_an_output_folder_that_cannot_be_made_fails_each_picture(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "in/a.png")
    (tmp_path / "file").write_text("in the way")
    result = nlcunet("upscale", "in", "-o", "file/out")
    assert result.exit_code == 1
    assert "the output folder must be one that can be made" in result.stderr


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="folders are writable for all, or for root")
def test_a_read_only_output_folder_fails_each_picture(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "out").mkdir(mode=0o500)
    result = nlcunet("upscale", "a.png", "-o", "out")
    assert result.exit_code == 1
    assert "check the permissions" in result.stderr


@pytest.mark.parametrize("verbose", [False, True])
def test_an_error_that_nobody_foresaw_ends_only_its_picture(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verbose: bool
) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    original = Upscaler.upscale_picture

    def fail_once(self: Upscaler, *arguments: Any) -> Any:
        monkeypatch.setattr(Upscaler, "upscale_picture", original)
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr(Upscaler, "upscale_picture", fail_once)
    result = nlcunet("upscale", "a.png", "b.png", "-o", "out", *(["-v"] if verbose else []))
    assert result.exit_code == 1
    assert "unexpected ZeroDivisionError: by chance" in result.stderr
    assert ("Traceback" in result.stderr) is verbose
    assert files_in(tmp_path / "out") == {"b.png"}


def test_lack_of_memory_ends_only_its_picture(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png")

    def fail(*_: Any) -> Any:
        raise DeviceError("the memory is too small")

    monkeypatch.setattr(Upscaler, "upscale_picture", fail)
    result = nlcunet("upscale", "a.png")
    assert result.exit_code == 1
    assert "a.png: failed: the memory is too small" in result.stderr


def test_lack_of_memory_outside_of_the_network_is_told_as_such(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    original = Upscaler.upscale_picture

    def fail_once(self: Upscaler, *arguments: Any) -> Any:
        monkeypatch.setattr(Upscaler, "upscale_picture", original)
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(Upscaler, "upscale_picture", fail_once)
    result = nlcunet("upscale", "a.png", "b.png", "-o", "out")
    assert result.exit_code == 1
    assert "a.png: failed: the memory must hold the program and what it works on" in result.stderr
    assert "report it" not in result.stderr
    assert files_in(tmp_path / "out") == {"b.png"}


def test_lack_of_memory_at_the_start_is_told_in_one_line(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png")

    def fail(*_arguments: Any, **_others: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("nlcunet.inference.loading.open_model", fail)
    result = nlcunet("upscale", "a.png")
    assert result.exit_code == 2
    assert result.stderr.startswith("nlcunet: the memory must hold the program")
    assert "ulimit -v" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there must be an input"),
        (["empty"], "must hold pictures"),
        (["a.png", "-m", "nonsense"], "the model must be one of"),
        (["a.png", "-s", "0"], "scale must be a number above 0"),
        (["a.png", "-s", "2", "--width", "9"], "in one way"),
        (["a.png", "--device", "toaster"], "device must be auto"),
        (["a.png", "--precision", "int8"], "precision must be one of"),
        (["a.png", "-t", "big"], "tile must be auto or a number"),
        (["a.png", "-t", "0"], "tile must be auto or a number"),
        (["a.png", "--overlap", "-1"], "overlap must be at least 0"),
        (["a.png", "--format", "doc"], "format must be one of"),
        (["a.png", "-o", "b.png", "--format", "jpeg"], "must agree"),
        (["a.png", "-o", "b.xyz"], "the output must end in one of"),
        (["a.png", "b.png", "-o", "c.png"], "must be a folder"),
        (["-", "a.png"], "must be the only input"),
        (["a.png", "b.png", "-o", "-"], "takes one picture"),
        (["a.png", "-o", "-", "--json"], "not both"),
        (["-", "-o", "empty"], "has no name"),
    ],
)
def test_what_cannot_start_is_told_in_one_line(
    nlcunet: Run, save: Save, tmp_path: Path, arguments: list[str], message: str
) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    result = nlcunet("upscale", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert files_in(tmp_path) == {"a.png", "b.png"}


def test_an_unknown_flag_exits_with_2(nlcunet: Run) -> None:
    assert nlcunet("upscale", "--nonsense").exit_code == 2


def test_a_json_record_tells_everything(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png", has_alpha=True)
    result = nlcunet("upscale", "a.png", "--format", "jpeg", "--json")
    record = json.loads(result.stdout)
    assert record.pop("seconds") > 0
    assert record.pop("memory_bytes") > 120 * 80 * 4
    assert any("transparen" in note.lower() for note in record.pop("notes"))
    assert record == {
        "input": "a.png",
        "output": "a_x4.jpg",
        "status": "done",
        "width": 30,
        "height": 20,
        "output_width": 120,
        "output_height": 80,
        "tiles": 1,
        "model": "bicubic-x4",
        "quality": "balanced",
        "error": None,
    }


def test_a_dry_run_tells_sizes_and_writes_nothing(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", 100, 150)
    save(tmp_path / "in/b.png")
    save(tmp_path / "out/b.png")
    make_huge_png(tmp_path / "in/huge.png")
    before = files_in(tmp_path)
    result = nlcunet("upscale", "in", "-o", "out", "--dry-run", "--json", "-t", "64")
    assert result.exit_code == 1
    records = {Path(record["input"]).name: record for record in map(json.loads, result.stdout.splitlines())}
    assert {name: record["status"] for name, record in records.items()} == {
        "a.png": "planned",
        "b.png": "skipped",
        "huge.png": "failed",
    }
    assert (records["a.png"]["output_width"], records["a.png"]["output_height"]) == (600, 400)
    assert records["a.png"]["tiles"] == 6
    assert records["a.png"]["seconds"] > 0
    assert "in/a.png → out/a.png: 150×100 → 600×400, 6 tiles" in result.stderr
    assert files_in(tmp_path) == before


def test_a_picture_passes_through_pipes(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    data = save(tmp_path / "a.png").read_bytes()
    piped = nlcunet("upscale", "-", stdin=data)
    assert piped.exit_code == 0
    assert read_header(piped.stdout_bytes).width == 120
    assert read_header(piped.stdout_bytes).format == "png"
    assert read_header(nlcunet("upscale", "a.png", "-o", "-", "--format", "webp").stdout_bytes).format == "webp"
    assert nlcunet("upscale", "-", "-o", "b.jpg", stdin=data).exit_code == 0
    assert read_header(tmp_path / "b.jpg").format == "jpeg"


def test_nonsense_in_a_pipe_writes_nothing(nlcunet: Run) -> None:
    result = nlcunet("upscale", "-", stdin=b"nonsense")
    assert result.exit_code == 1
    assert result.stdout_bytes == b""
    assert "the pipe: failed" in result.stderr


def test_verbose_tells_the_settings(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert (
        "bicubic-x4 in torch on cpu, float32, tile auto, overlap 4, quality balanced; 1 picture"
        in nlcunet("upscale", "a.png", "-v").stderr
    )
