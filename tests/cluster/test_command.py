"""``nlcunet upscale`` with URLs, in this process; with Ray: test_on_ray.py."""

import json
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.imaging.files import read_header

from .conftest import Site, picture_bytes


def upscale(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["upscale", "-m", "bicubic-x2", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for seed, name in enumerate(("a.png", "b c.png")):
        (tmp_path / "in" / name).write_bytes(picture_bytes(seed))
    return tmp_path


def test_urls_need_no_cluster(folder: Path, memory: MemoryFileSystem) -> None:
    result = upscale(f"file://{folder}/in", "-o", "memory://out", "--json", "--format", "webp", "--suffix", "_big")
    assert result.exit_code == 0, result.stderr
    assert memory.find("/out") == ["/out/a_big.webp", "/out/b c_big.webp", "/out/manifest.jsonl"]
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert records == [json.loads(line) for line in memory.cat_file("/out/manifest.jsonl").splitlines()]
    assert {"input", "output", "status", "seconds", "model", "node", "attempts"} <= records[0].keys()
    assert f"{folder}/in/a.png → memory://out/a_big.webp: 16×12 → 32×24" in result.stderr


def test_pictures_of_the_web_are_read(folder: Path, site: Site) -> None:
    result = upscale(
        f"{site.url}/in/a.png", f"{site.url}/in/b%20c.png?size=full", f"{site.url}/in/none.png", "-o", "out"
    )
    assert result.exit_code == 1
    assert (
        f"{site.url}/in/none.png: failed: the picture must be there and readable: got FileNotFoundError"
        in result.stderr
    )
    assert "2 done, 1 failed" in result.stderr
    assert read_header(folder / "out" / "b c.png").width == 32
    assert {path.name for path in (folder / "out").iterdir()} == {"a.png", "b c.png", "manifest.jsonl"}


def test_a_page_that_lists_pictures_is_a_folder(folder: Path, site: Site) -> None:
    result = upscale(f"{site.url}/in/", "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in (folder / "out").iterdir()} >= {"a.png"}
    assert "2 done" in result.stderr


@pytest.mark.parametrize("more", [(), ("--ray", "auto")])
def test_where_all_is_done_nothing_is_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    assert upscale(f"file://{folder}/in", "-o", "out").exit_code == 0
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    result = upscale("in", "-o", "file://out" if not more else "out", *more)
    assert result.exit_code == 0, result.stderr
    assert "2 skipped" in result.stderr


def test_results_in_folders_are_compared_with_what_made_them(folder: Path) -> None:
    place = ("-o", "out", "--manifest", f"file://{folder}/m.jsonl", "--json")
    assert upscale(f"file://{folder}/in", *place).exit_code == 0
    (folder / "in" / "a.png").write_bytes(picture_bytes(7))
    records = [json.loads(line) for line in upscale(f"file://{folder}/in", *place).stdout.splitlines()]
    assert {Path(record["input"]).name: (record["status"], record["notes"]) for record in records} == {
        "a.png": ("done", ["made again: the input has changed since the last time"]),
        "b c.png": ("skipped", []),
    }
    by_the_plain_command = upscale("in", "-o", "out", "-s", "3", "--json")
    notes = [json.loads(line)["notes"] for line in by_the_plain_command.stdout.splitlines()]
    assert all("scale 2, now 3" in note for (note,) in notes)


def test_a_manifest_may_lie_elsewhere(folder: Path, memory: MemoryFileSystem) -> None:
    assert upscale(f"file://{folder}/in/a.png", "-o", "large.png", "--manifest", "memory://m.jsonl").exit_code == 0
    assert json.loads(memory.cat_file("/m.jsonl"))["output"] == "large.png"
    assert (folder / "large.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "--ray-workers", "2"], "--ray-workers and --manifest belong to batches with --ray or URLs"),
        (["in", "--manifest", "m"], "--ray-workers and --manifest belong to batches with --ray or URLs"),
        (["file://in", "--ray-workers", "2"], "--ray-workers belongs to --ray"),
        (["in", "--ray", "auto", "--dry-run"], "--dry-run looks at pictures of this machine only"),
        (["-", "--ray", "auto"], "a batch with URLs or --ray takes no pipes"),
        (["in", "--ray", "auto", "-o", "-"], "a batch with URLs or --ray takes no pipes"),
        (["in", "--ray", "127.0.0.1:1", "-o", "out"], "the address of a running cluster: got 127.0.0.1:1"),
        (["memory://in/a.png", "-o", "https://example.org/"], "results must go to a folder or an object store"),
    ],
)
def test_what_cannot_start_exits_with_2_and_one_line(folder: Path, arguments: list[str], message: str) -> None:
    result = upscale(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
