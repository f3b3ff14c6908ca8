"""Threads beside the network."""

import threading
from pathlib import Path

import numpy as np
import pytest

from nlcunet.errors import ImageWriteError
from nlcunet.imaging.pixel_sources import RawPixels
from nlcunet.inference.giant.row_pipeline import (
    QUEUED_BLOCKS,
    Background,
    BlockWriter,
    Checkpoint,
    RowGate,
    StoppedError,
)
from nlcunet.inference.tiling.network_pass import FinishedBlock
from nlcunet.inference.tiling.read_ahead import read_ahead


def block(row: int, value: int = 7) -> FinishedBlock:
    return FinishedBlock(row, 0, np.full((1, 4, 3), value, np.uint8), None)


def test_blocks_are_written_before_what_follows_them(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []
    with RawPixels(tmp_path / "raw", 2, 4, 3, np.dtype(np.uint8)) as raw:
        writer = BlockWriter(raw)
        writer.put(block(1))
        writer.put(Checkpoint(lambda: seen.append(raw.read(slice(0, 2), slice(0, 4)))))
        writer.put(block(0))
        writer.finish()
        assert seen[0][:, 0, 0].tolist() == [0, 7]
        assert raw.read(slice(0, 2), slice(0, 4)).min() == 7


def test_a_full_queue_waits_and_the_wait_is_counted(tmp_path: Path) -> None:
    hold = threading.Event()
    with RawPixels(tmp_path / "raw", 1, 4, 3, np.dtype(np.uint8)) as raw:
        writer = BlockWriter(raw)
        writer.put(Checkpoint(lambda: hold.wait() or None))
        for _ in range(QUEUED_BLOCKS):
            writer.put(block(0))
        before = writer.seconds_waited
        threading.Timer(0.05, hold.set).start()
        writer.put(block(0))
        writer.put(block(0))
        assert writer.seconds_waited - before > 0.01
        writer.finish()


def put_many(writer: BlockWriter) -> None:
    for _ in range(3 * QUEUED_BLOCKS):
        writer.put(block(0))


def test_what_fails_while_writing_is_raised_where_blocks_are_made(tmp_path: Path) -> None:
    def fail() -> None:
        raise ImageWriteError("no room")

    with RawPixels(tmp_path / "raw", 1, 4, 3, np.dtype(np.uint8)) as raw:
        writer = BlockWriter(raw)
        writer.put(Checkpoint(fail))
        with pytest.raises(ImageWriteError, match="no room"):
            put_many(writer)
        with pytest.raises(ImageWriteError, match="no room"):
            writer.finish()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_is_told_in_words(tmp_path: Path) -> None:
    with RawPixels(tmp_path / "raw", 1, 4, 3, np.dtype(np.uint8)) as raw, Path("/dev/full").open("wb", 0) as full:
        raw._file.close()
        raw._file = full  # type: ignore[assignment]
        with pytest.raises(ImageWriteError, match=r"rows must be kept on the disk .* No space left"):
            raw.write(0, 0, np.zeros((1, 4, 3), np.uint8))


def test_a_gate_opens_up_to_the_finished_rows_and_ends_when_work_does() -> None:
    gate, passed = RowGate(3), []

    def read() -> str:
        for row in (2, 3, 5):
            gate.wait_for(row)
            passed.append(row)
        gate.wait_for(9)
        return "never"

    reader = Background(read)
    gate.open_to(6)
    gate.open_to(4)  # rows never become unfinished
    gate.stop()
    with pytest.raises(StoppedError):
        reader.wait()
    assert set(passed) <= {2, 3, 5}


def test_a_background_call_gives_its_result_and_tells_its_error() -> None:
    assert Background(lambda: 3).wait() == 3

    def fail() -> None:
        raise KeyError("x")

    call = Background(fail)
    call.end()
    with pytest.raises(KeyError):
        call.check()


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_items_are_read_in_order_and_no_more_ahead_than_allowed(ahead: int) -> None:
    begun: list[int] = []

    def read(place: int) -> int:
        begun.append(place)
        return place * place

    waited: list[float] = []
    for taken, item in enumerate(read_ahead(read, range(20), ahead, waited.append)):
        assert item == taken**2
        assert len(begun) <= taken + 1 + ahead
    assert len(waited) == (20 if ahead else 0)
    assert all(seconds >= 0 for seconds in waited)


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_of_reading_is_raised_where_the_item_is_taken(ahead: int) -> None:
    def read(place: int) -> int:
        if place == 2:
            raise ImageWriteError("gone")
        return place

    items = read_ahead(read, range(5), ahead)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(ImageWriteError, match="gone"):
        next(items)
