from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from nlcunet.cluster.transfer import WHOLE_OBJECT_STORES, fetch, read_bytes, store_file, write_bytes
from nlcunet.errors import ImageWriteError

from .conftest import WatchedStore

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    path = tmp_path / "here.png"
    path.write_bytes(b"a picture")
    return path


def names(memory: MemoryFileSystem) -> list[str]:
    return sorted(memory.store)


def test_a_result_takes_its_name_when_it_is_whole(
    watched: type[WatchedStore], memory: MemoryFileSystem, here: Path
) -> None:
    store_file(here, "watched://out/deep/a.png")
    (_, temporary), moved = watched.done
    assert temporary.startswith("/out/deep/.nlcunet-")
    assert temporary.endswith(".part")
    assert moved == ("mv", temporary, "/out/deep/a.png")
    assert names(memory) == ["/out/deep/a.png"]


def test_a_result_that_is_there_is_replaced(watched: type[WatchedStore], memory: MemoryFileSystem, here: Path) -> None:
    memory.pipe_file("/out/a.png", b"old")
    store_file(here, "watched://out/a.png")
    assert memory.cat_file("/out/a.png") == b"a picture"
    assert names(memory) == ["/out/a.png"]


def test_stores_with_whole_objects_get_them_under_their_own_names(
    watched: type[WatchedStore], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlcunet.cluster.transfer.WHOLE_OBJECT_STORES", WHOLE_OBJECT_STORES | {"watched"})
    store_file(here, "watched://out/a.png")
    assert watched.done == [("put", "/out/a.png")]


def test_what_fails_for_a_while_is_tried_again(
    watched: type[WatchedStore], memory: MemoryFileSystem, here: Path, tmp_path: Path
) -> None:
    watched.errors[:] = [TimeoutError("slow"), OSError("reset"), RuntimeError("busy")]
    store_file(here, "watched://out/a.png")
    watched.errors[:] = [TimeoutError("slow"), OSError("reset"), RuntimeError("busy")]
    fetch("watched://out/a.png", tmp_path / "back.png")
    assert (tmp_path / "back.png").read_bytes() == b"a picture"
    assert names(memory) == ["/out/a.png"]


def test_after_the_last_try_its_error_is_raised_and_nothing_is_left(
    watched: type[WatchedStore], memory: MemoryFileSystem, here: Path
) -> None:
    watched.errors[:] = [OSError(f"reset {number}") for number in range(9)]
    with pytest.raises(OSError, match="reset 3"):
        store_file(here, "watched://out/a.png")
    assert names(memory) == []


@pytest.mark.parametrize("kind", [FileNotFoundError, PermissionError])
def test_what_stays_wrong_is_tried_once(watched: type[WatchedStore], tmp_path: Path, kind: type[Exception]) -> None:
    watched.errors[:] = [kind("no"), OSError("reset")]
    with pytest.raises(kind):
        fetch("watched://in/a.png", tmp_path / "a.png")
    assert len(watched.done) == 1


def test_bytes_go_to_paths_and_urls_and_come_back(memory: MemoryFileSystem, tmp_path: Path) -> None:
    for place in (str(tmp_path / "new" / "m.jsonl"), "memory://new/m.jsonl"):
        assert read_bytes(place) is None
        write_bytes(b"lines", place, tmp_path / "scratch")
        write_bytes(b"more lines", place, tmp_path / "scratch")
        assert read_bytes(place) == b"more lines"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["m.jsonl"]


def test_a_path_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(ImageWriteError, match="no ordinary file"):
        write_bytes(b"lines", str(tmp_path / "m"), tmp_path / "scratch")
