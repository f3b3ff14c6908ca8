"""The way of a batch through a Ray cluster.

::

    orders ─ Ray Data ─► workers, an actor each with the network loaded ─ outcomes ─► this process
                              │  begin, end
                              ▼
                            ledger, an actor beside this process

Ray Data carries names, never pictures. It hands every order to one worker, and again to another when a node or a
process is lost; so an order may be begun twice, and finished work may be handed out once more. The effect is that of
exactly once: a result is written whole or not at all and is the same each time, the ledger tells workers what is
finished, and of two outcomes of one order the first counts.
"""

import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from nlcunet.cluster.connection import import_ray
from nlcunet.cluster.work import Outcome, RemoteJob, Setup, enlarge, node_name
from nlcunet.cluster.workers import WorkerPlan
from nlcunet.errors import DeviceError
from nlcunet.inference.batch import Record
from nlcunet.inference.results import ResultFiles

MOST_ATTEMPTS = 3
"""A picture that was begun so often without an end is given up: it may be what ends its workers."""

ORDERS_AHEAD = 2
"""Orders that a worker holds, the one at hand included: Ray Data looks for finished ones ten times a second, and a
worker with no other would wait for that."""

MOST_BLOCKS = 10_000
"""Up to so many orders go out one by one; beyond, several together, as each block costs the driver about 1 ms."""

TAKE_SECONDS = 5.0
"""How long an answer over Ray Client may take to gather outcomes."""


_ENDED = "the cluster ended the batch: "
_OWN_NAMES = re.compile(r"^nlcunet\.errors\.\w+: ")


class Ledger:
    """An actor of the cluster, asked before every picture and told after it.

    Ray gives a picture to another worker when one is lost, and may do so although it was finished: then the worker is
    told so here and does nothing.
    """

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()
        self._outcomes: dict[int, str] = {}

    def begin(self, number: int) -> tuple[int, str | None]:
        """How often a picture has been begun, this time included, and its outcome if it has one."""
        if number not in self._outcomes:
            self._begun[number] += 1
        return self._begun[number], self._outcomes.get(number)

    def end(self, number: int, outcome: str) -> str:
        """Keep the outcome of a picture; the first one counts, and is given back."""
        return self._outcomes.setdefault(number, outcome)


class Worker:
    """Enlarges pictures in an actor of Ray Data; the network is loaded once."""

    def __init__(self, setup: Setup, ledger: Any) -> None:
        self._ray = import_ray()
        self._setup = setup
        self._ledger = ledger
        self._upscaler = setup.open()
        self._results = ResultFiles(setup.facts)
        self._node = node_name(self._ray.get_runtime_context().get_node_id())

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with an order to one with its outcome."""
        order = RemoteJob(int(row["number"]), row["source"], row["target"], row["file_format"] or None)
        attempts, known = self._ray.get(self._ledger.begin.remote(order.number))
        if known is None:
            is_given_up = attempts > MOST_ATTEMPTS
            outcome = Outcome(
                number=order.number,
                record=_given_up(order) if is_given_up else self._enlarge(order),
                node=self._node,
                attempts=MOST_ATTEMPTS if is_given_up else attempts,
            )
            known = self._ray.get(self._ledger.end.remote(order.number, outcome.to_text()))
        return {"outcome": known}

    def _enlarge(self, order: RemoteJob) -> Record:
        return enlarge(order, self._upscaler, self._setup, self._results)


def _given_up(order: RemoteJob) -> Record:
    reason = (
        f"a picture must not end the process that works on it: {MOST_ATTEMPTS} ended; "
        "if it is large, give workers more memory or a smaller --tile"
    )
    return Record(input=order.source, output=order.target, status="failed", error=reason)


def outcomes_on_cluster(orders: Sequence[RemoteJob], setup: Setup, workers: WorkerPlan) -> Iterator[Outcome]:
    """Enlarge on the cluster that this process is connected to; outcomes as they come, one for each order.

    Raises:
        DeviceError: workers cannot start, or the cluster was lost.
    """
    ray = import_ray()
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        seen = set()
        for text in _texts(ray, orders, setup, workers):
            outcome = Outcome.from_text(text)
            if outcome.number not in seen:
                seen.add(outcome.number)
                yield outcome
    except ray.exceptions.RayError as error:
        raise DeviceError(f"{_ENDED}{_cause(error).removeprefix(_ENDED)}") from error


def _texts(ray: Any, orders: Sequence[RemoteJob], setup: Setup, workers: WorkerPlan) -> Iterator[str]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    ledger = ray.remote(num_cpus=0, scheduling_strategy=here)(Ledger).remote()
    outcomes = _dataset(ray, orders, setup, workers, ledger)
    for batch in outcomes.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
        yield from (str(text) for text in batch["outcome"])


def _dataset(ray: Any, orders: Sequence[RemoteJob], setup: Setup, workers: WorkerPlan, ledger: Any) -> Any:
    rows = [asdict(order) | {"file_format": order.file_format or ""} for order in orders]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Ray warns of settings of its own when it copies them
        dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
        dataset.context.enable_progress_bars = False
        return dataset.map(
            Worker,
            fn_constructor_args=(setup, ledger),
            compute=ray.data.ActorPoolStrategy(size=workers.count, max_tasks_in_flight_per_actor=ORDERS_AHEAD),
            num_cpus=workers.num_cpus,
            num_gpus=workers.num_gpus,
        )


def _cause(error: BaseException) -> str:
    """What an error of Ray comes down to: the last line of what it quotes, without our own names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return _OWN_NAMES.sub("", lines[-1]) if lines else type(error).__name__


class RemoteFlow:
    """``outcomes_on_cluster`` in an actor, for programs that are not on a machine of the cluster (Ray Client).

    Ray Data works on machines of the cluster only.
    """

    def __init__(self) -> None:
        import queue

        self._outcomes: queue.Queue[str | None] = queue.Queue()

    def run(self, orders: Sequence[RemoteJob], setup: Setup, workers: WorkerPlan) -> None:
        """Enlarge; ends when all is done."""
        try:
            for outcome in outcomes_on_cluster(orders, setup, workers):
                self._outcomes.put(outcome.to_text())
        finally:
            self._outcomes.put(None)

    def take(self, seconds: float) -> list[str | None]:
        """What has come since the last time, waiting a while if there is nothing; ``None`` is the end."""
        import queue

        taken: list[str | None] = []
        try:
            taken.append(self._outcomes.get(timeout=seconds))
            while True:
                taken.append(self._outcomes.get_nowait())
        except queue.Empty:
            return taken


def outcomes_over_client(orders: Sequence[RemoteJob], setup: Setup, workers: WorkerPlan) -> Iterator[Outcome]:
    """``outcomes_on_cluster`` from a machine that is connected through Ray Client.

    Raises:
        DeviceError: workers cannot start, or the cluster was lost.
    """
    ray = import_ray()
    head = {"node:__internal_head__": 0.001}  # the machine whose loss would end the cluster anyway
    try:
        flow = ray.remote(num_cpus=0, max_concurrency=2, resources=head)(RemoteFlow).remote()
        running = flow.run.remote(orders, setup, workers)
        while True:
            taken = ray.get(flow.take.remote(TAKE_SECONDS))
            yield from (Outcome.from_text(text) for text in taken if text is not None)
            if None in taken:
                break
        ray.get(running)  # which raises what ended it early
    except (ConnectionError, ray.exceptions.RayError) as error:
        raise DeviceError(f"{_ENDED}{_cause(error).removeprefix(_ENDED)}") from error
