"""Workers and their ledger, with calls instead of actors."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlcunet.cluster import flow
from nlcunet.cluster.flow import MOST_ATTEMPTS, Ledger, RemoteFlow, Worker
from nlcunet.cluster.work import Outcome, Setup
from nlcunet.cluster.workers import plan_workers
from nlcunet.errors import DeviceError

from .conftest import picture_bytes


def as_actor(thing: Any, *methods: str) -> Any:
    """Calls by ``.remote`` at once."""
    return SimpleNamespace(**{name: SimpleNamespace(remote=getattr(thing, name)) for name in methods})


@pytest.fixture
def make_worker(
    make_setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Ledger], Callable[[], Outcome]]:
    """A worker that does order 0, as often as it is called."""
    here = SimpleNamespace(get_node_id=lambda: "0123456789abcdef")
    monkeypatch.setattr(
        flow, "import_ray", lambda: SimpleNamespace(get=lambda value: value, get_runtime_context=lambda: here)
    )

    def make(ledger: Ledger) -> Callable[[], Outcome]:
        worker = Worker(make_setup(), as_actor(ledger, "begin", "end"))
        row = {"number": 0, "source": "in.png", "target": "out.png", "file_format": ""}
        return lambda: Outcome.from_text(worker(row)["outcome"])

    return make


def test_what_was_finished_is_not_done_again(
    make_worker: Callable[[Ledger], Callable[[], Outcome]], tmp_path: Path
) -> None:
    (tmp_path / "in.png").write_bytes(picture_bytes())
    work = make_worker(Ledger())
    first = work()
    assert (first.record.status, first.attempts) == ("done", 1)
    assert (first.node or "").endswith("/01234567")
    (tmp_path / "out.png").unlink()
    assert work() == first
    assert not (tmp_path / "out.png").exists()


def test_what_was_begun_and_lost_is_done_again(
    make_worker: Callable[[Ledger], Callable[[], Outcome]], tmp_path: Path
) -> None:
    (tmp_path / "in.png").write_bytes(picture_bytes())
    ledger = Ledger()
    ledger.begin(0)
    outcome = make_worker(ledger)()
    assert (outcome.record.status, outcome.attempts) == ("done", 2)


def test_a_picture_that_ends_its_workers_is_given_up(
    make_worker: Callable[[Ledger], Callable[[], Outcome]], tmp_path: Path
) -> None:
    (tmp_path / "in.png").write_bytes(picture_bytes())
    ledger = Ledger()
    for _ in range(MOST_ATTEMPTS):
        ledger.begin(0)
    outcome = make_worker(ledger)()
    assert (outcome.record.status, outcome.attempts) == ("failed", MOST_ATTEMPTS)
    assert f"must not end the process that works on it: {MOST_ATTEMPTS} ended" in (outcome.record.error or "")
    assert not (tmp_path / "out.png").exists()


def test_of_two_outcomes_the_first_counts() -> None:
    ledger = Ledger()
    assert ledger.begin(7) == (1, None)
    assert ledger.begin(7) == (2, None)
    assert ledger.end(7, "first") == "first"
    assert ledger.end(7, "second") == "first"
    assert ledger.begin(7) == (2, "first")
    assert ledger.begin(8) == (1, None)


@pytest.mark.parametrize("ends", [True, False])
def test_a_remote_flow_hands_out_everything_and_then_its_end(
    make_setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    def outcomes(*_: Any) -> Any:
        yield SimpleNamespace(to_text=lambda: "one")
        yield SimpleNamespace(to_text=lambda: "two")
        if not ends:
            raise DeviceError("lost")

    monkeypatch.setattr(flow, "outcomes_on_cluster", outcomes)
    remote = RemoteFlow()
    assert remote.take(0.01) == []
    workers = plan_workers([{"CPU": 1.0}], device="cpu", count=None, threads=None)
    with nullcontext() if ends else pytest.raises(DeviceError):
        remote.run([], make_setup(), workers)
    assert remote.take(0.01) == ["one", "two", None]


def test_an_error_of_ray_is_told_by_its_last_line() -> None:
    text = "The actor died\n  File x\nnlcunet.errors.WeightsError: the weights must be there: got none\n"
    assert flow._cause(RuntimeError(text)) == "the weights must be there: got none"
    assert flow._cause(RuntimeError("KeyError: 'a'")) == "KeyError: 'a'"
    assert flow._cause(RuntimeError()) == "RuntimeError"
