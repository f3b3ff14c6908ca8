"""One engine for several pictures at a time: tiles of one shape that wait together go through the network together.

Every picture has only a few tiles in the network at a time and tiles are taken in the order in which they came, so that
a small picture is not kept waiting by a large one. No tile waits for others to come: a batch is what has gathered while
the network was busy.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.inference.engines.engine import Engine
from nlcunet.runtime import is_out_of_memory, usable_cores

LARGEST_BATCH = {"cuda": 8, "mps": 4}
"""On a CPU a tile fills the caches by itself: batches gain nothing there."""


@dataclass(eq=False)
class _Ticket:
    """A batch that waits for its result."""

    batch: Tensor
    precision: str
    result: "Future[Tensor]" = field(default_factory=Future)

    def fits(self, other: "_Ticket") -> bool:
        """Whether both can go through the network as one."""
        return self.precision == other.precision and self.batch.shape == other.batch.shape


class SharedEngine:
    """Runs another engine for many callers, in a fixed number of threads of its own.

    Args:
        engine: runs the network.
        largest_batch: tiles that go through it together; by default as many as pay on its device.
        threads: CPU threads for all its work together; by default one for each core.
        on_batch: called after each run with the number of tiles and the seconds it took.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        largest_batch: int | None = None,
        threads: int | None = None,
        on_batch: Callable[[int, float], None] = lambda *_: None,
    ) -> None:
        self.engine = engine
        self.name = engine.name
        self.header = engine.header
        self.device = engine.device
        self.precisions = engine.precisions
        cores = threads or usable_cores()
        lanes = min(engine.tiles_at_once, cores) if engine.device.type == "cpu" else engine.tiles_at_once
        self.tiles_at_once = lanes
        self._largest_batch = largest_batch or LARGEST_BATCH.get(engine.device.type, 1)
        self._on_batch = on_batch
        self._waiting: deque[_Ticket] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._lanes = [
            threading.Thread(target=self._work, args=(max(1, cores // lanes),), name=f"tiles-{number}", daemon=True)
            for number in range(lanes)
        ]
        for lane in self._lanes:
            lane.start()

    def run(
        self, batch: Float[Tensor, "batch 3 height width"], precision: str
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Enlarge a batch of tiles; see ``Engine``. May be called from any number of threads."""
        ticket = _Ticket(batch, precision)
        with self._changed:
            if self._is_closed:
                raise RuntimeError("the engine is closed")
            self._waiting.append(ticket)
            self._changed.notify()
        return ticket.result.result()

    def close(self) -> None:
        """End the threads after what is waiting."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for lane in self._lanes:
            lane.join()

    def _work(self, threads: int) -> None:
        torch.set_num_threads(threads)
        while tickets := self._take():
            start = time.perf_counter()
            self._serve(tickets)
            self._on_batch(sum(len(ticket.batch) for ticket in tickets), time.perf_counter() - start)

    def _take(self) -> list[_Ticket]:
        """The ticket that waits longest and others that fit it, a power of two of them; nothing at the end."""
        with self._changed:
            while not self._waiting:
                if self._is_closed:
                    return []
                self._changed.wait()
            first = self._waiting.popleft()
            fitting = [ticket for ticket in self._waiting if ticket.fits(first)]
            room = max(1, self._largest_batch // len(first.batch))
            count = 1 << (min(1 + len(fitting), room).bit_length() - 1)  # few sizes, as a CUDA graph is kept for each
            others = fitting[: count - 1]
            for ticket in others:
                self._waiting.remove(ticket)
            return [first, *others]

    def _serve(self, tickets: list[_Ticket]) -> None:
        """Give each ticket its result, or its error."""
        try:
            joined = tickets[0].batch if len(tickets) == 1 else torch.cat([ticket.batch for ticket in tickets])
            result = self.engine.run(joined, tickets[0].precision)
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, who wait for it
            if len(tickets) > 1 and is_out_of_memory(error):
                for ticket in tickets:
                    self._serve([ticket])
                return
            for ticket in tickets:
                ticket.result.set_exception(error)
            return
        for ticket, part in zip(tickets, torch.split(result, [len(ticket.batch) for ticket in tickets]), strict=True):
            ticket.result.set_result(part)
