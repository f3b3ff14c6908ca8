"""Threads beside the network: one writes finished blocks to the disk, one encodes finished rows.

The network hands blocks over a bounded queue and never waits for the encoder: rows wait for it on the disk.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from nlcunet.errors import NlcunetError
from nlcunet.imaging.pixel_sources import RawPixels
from nlcunet.inference.tiling.network_pass import FinishedBlock

QUEUED_BLOCKS = 8
"""Blocks that may wait to be written: a few MB each."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Checkpoint:
    """All blocks before this one make up a row of tiles; once they are on the disk, ``save`` is called."""

    save: Callable[[], None]


class BlockWriter:
    """Writes blocks into raw samples in a thread of its own."""

    def __init__(self, raw: RawPixels) -> None:
        self._raw = raw
        self._queue: queue.Queue[FinishedBlock | Checkpoint | None] = queue.Queue(QUEUED_BLOCKS)
        self._error: BaseException | None = None
        self.seconds_waited = 0.0
        """How long others waited for room in the queue."""
        self._thread = threading.Thread(target=self._work, name="write-rows", daemon=True)
        self._thread.start()

    def put(self, item: FinishedBlock | Checkpoint) -> None:
        """Hand over a block, or what to do after the blocks before.

        Raises:
            Exception: what went wrong while earlier items were written.
        """
        self._check()
        start = time.perf_counter()
        self._queue.put(item)
        self.seconds_waited += time.perf_counter() - start

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            Exception: what went wrong while it was written.
        """
        self.stop()
        self._check()

    def stop(self) -> None:
        """End the thread after what it has been given."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue  # what comes after a failure is of no use
            try:
                self._do(item)
            except BaseException as error:  # noqa: BLE001 - kept, and raised in the thread that hands over
                self._error = error

    def _do(self, item: FinishedBlock | Checkpoint) -> None:
        if isinstance(item, Checkpoint):
            item.save()
            return
        bands = item.pixels if item.alpha is None else np.dstack([item.pixels, item.alpha])
        self._raw.write(item.first_row, item.first_column, bands)


class StoppedError(NlcunetError):
    """Rows that are waited for will never come, because the work was stopped."""


class RowGate:
    """Lets a reader pass up to the rows that are finished."""

    def __init__(self, finished: int = 0) -> None:
        self._changed = threading.Condition()
        self._finished = finished
        self._is_stopped = False

    def open_to(self, row: int) -> None:
        """Rows before this one are finished."""
        with self._changed:
            self._finished = max(row, self._finished)
            self._changed.notify_all()

    def stop(self) -> None:
        """No more rows will come; whoever waits gets an error."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def wait_for(self, row: int) -> None:
        """Wait until all rows before this one are finished.

        Raises:
            StoppedError: the work was stopped.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or self._finished >= row)
            if self._is_stopped:
                raise StoppedError("the work was stopped")


class Background(Generic[Result]):
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="encode-rows", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what the call has raised, if it has."""
        if self._error is not None:
            raise self._error

    def wait(self, meanwhile: Callable[[], None] = lambda: None) -> Result:
        """Its result, once it is there; ``meanwhile`` is called now and then.

        Raises:
            Exception: what the call raised.
        """
        while self._thread.is_alive():
            self._thread.join(0.2)  # short, so that Ctrl-C is heard
            meanwhile()
        self.check()
        return self._result  # type: ignore[return-value]

    def end(self) -> None:
        """Wait for the thread, whatever came of the call."""
        self._thread.join()

    def _work(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - kept, and raised in the thread that waits
            self._error = error
