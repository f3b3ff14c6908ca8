import json
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from nlcunet.cluster.manifest import BatchManifest
from nlcunet.cluster.work import Outcome
from nlcunet.errors import ConfigError
from nlcunet.inference.batch import Record, Status

from .conftest import WatchedStore

pytestmark = pytest.mark.usefixtures("at_once")


def outcome(name: str, status: Status = "done", **facts: str) -> Outcome:
    record = Record(input=f"in/{name}", output=f"out/{name}", status=status, **facts)
    return Outcome(number=0, record=record, node="host/1", attempts=1)


def statuses(place: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in place.read_text().splitlines()]
    assert len({line["output"] for line in lines}) == len(lines)
    return {line["output"]: line["status"] for line in lines}


def test_lines_have_the_fields_of_the_command_line_and_two_more(tmp_path: Path) -> None:
    manifest = BatchManifest(str(tmp_path / "m.jsonl"))
    manifest.add(outcome("a.png"))
    line = json.loads((tmp_path / "m.jsonl").read_text())
    assert line == outcome("a.png").record.as_json() | {"node": "host/1", "attempts": 1}


def test_there_is_one_line_for_each_picture_over_all_runs(tmp_path: Path) -> None:
    place = tmp_path / "m.jsonl"
    first = BatchManifest(str(place))
    for each in (outcome("a.png"), outcome("b.png", "failed", error="no"), outcome("c.png", "failed", error="no")):
        first.add(each)
    first.save()
    second = BatchManifest(str(place))
    for each in (outcome("a.png", "skipped"), outcome("b.png"), outcome("d.png", "skipped")):
        second.add(each)
    second.save()
    assert statuses(place) == {
        "out/a.png": "done",
        "out/b.png": "done",
        "out/c.png": "failed",
        "out/d.png": "skipped",
    }


def test_copies_are_written_now_and_then_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, now = tmp_path / "m.jsonl", [100.0]
    monkeypatch.setattr("nlcunet.cluster.manifest.time.monotonic", lambda: now[0])
    manifest = BatchManifest(str(place))
    manifest.add(outcome("a.png"))
    manifest.add(outcome("b.png"))
    assert set(statuses(place)) == {"out/a.png"}
    now[0] += 11
    manifest.add(outcome("c.png"))
    assert set(statuses(place)) == {"out/a.png", "out/b.png", "out/c.png"}
    manifest.add(outcome("d.png"))
    manifest.save()
    assert len(statuses(place)) == 4


def test_a_store_that_fails_meanwhile_does_not_end_the_batch(
    watched: type[WatchedStore], memory: MemoryFileSystem
) -> None:
    manifest = BatchManifest("watched://out/m.jsonl")
    watched.errors[:] = [OSError("reset")] * 8
    manifest.add(outcome("a.png"))
    with pytest.raises(ConfigError, match="the manifest must be written: got OSError for watched://out/"):
        manifest.save()
    watched.errors.clear()
    manifest.save()
    assert json.loads(memory.cat_file("/out/m.jsonl"))["output"] == "out/a.png"


def test_without_a_place_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = BatchManifest(None)
    manifest.add(outcome("a.png"))
    manifest.save()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"no JSON", b"[1, 2]", b'{"a": 1}', b"\xff\xfe", b'{"output": "a"}'])
def test_something_else_is_not_written_over(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "m.jsonl"
    place.write_bytes(content)
    with pytest.raises(ConfigError, match="a manifest must be what an earlier run wrote"):
        BatchManifest(str(place))
    assert place.read_bytes() == content


def test_a_store_that_cannot_be_read_is_told(watched: type[WatchedStore], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the manifest must be readable: got IsADirectoryError"):
        BatchManifest(str(tmp_path))
