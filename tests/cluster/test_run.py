import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from nlcunet.cluster import run as run_module
from nlcunet.cluster.run import Batch, Cluster, plan_batch, run_batch
from nlcunet.cluster.work import Outcome, RemoteJob, Setup
from nlcunet.errors import ConfigError, DeviceError
from nlcunet.imaging.files import read_picture
from nlcunet.inference.batch import Record, run_jobs
from nlcunet.inference.jobs import FileJob

from .conftest import WatchedStore, picture_bytes

MakeSetup = Callable[..., Setup]

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture
def pictures(memory: MemoryFileSystem) -> MemoryFileSystem:
    """Three good ones and a bad one at ``memory://in``."""
    for seed, name in enumerate(("a.png", "b.png", "deep/c.png")):
        memory.pipe_file(f"/in/{name}", picture_bytes(seed))
    memory.pipe_file("/in/bad.png", b"nonsense")
    return memory


def plan(**changes: bool) -> Batch:
    return plan_batch(["memory://in"], "memory://out", **{"recursive": True, **changes})


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    found = {outcome.record.input.rpartition("/")[2]: outcome.record.status for outcome in outcomes}
    assert len(found) == len(outcomes)
    return found


def test_a_bad_picture_is_told_and_the_rest_goes_on(pictures: MemoryFileSystem, make_setup: MakeSetup) -> None:
    outcomes = list(run_batch(plan(), make_setup(), None))
    assert statuses(outcomes) == {"a.png": "done", "b.png": "done", "c.png": "done", "bad.png": "failed"}
    (bad,) = (outcome for outcome in outcomes if outcome.record.status == "failed")
    assert (bad.record.error or "").startswith("memory:///in/bad.png: a picture must be one of png")
    assert pictures.find("/out") == ["/out/a.png", "/out/b.png", "/out/deep/c.png", "/out/manifest.jsonl"]
    assert all(outcome.attempts == 1 and outcome.node for outcome in outcomes)


def test_pixels_and_records_are_those_of_the_command_line(
    pictures: MemoryFileSystem, make_setup: MakeSetup, tmp_path: Path
) -> None:
    setup = make_setup(width=31)
    outcomes = {outcome.record.input: outcome.record for outcome in run_batch(plan(), setup, None)}
    source, target = tmp_path / "a.png", tmp_path / "large.png"
    source.write_bytes(pictures.cat_file("/in/a.png"))
    (expected,) = run_jobs([FileJob(source=source, target=target)], setup.open(), setup.settings)
    assert pictures.cat_file("/out/a.png") == target.read_bytes()
    got = outcomes["memory:///in/a.png"].as_json()
    same = expected.as_json() | {"input": "memory:///in/a.png", "output": "memory://out/a.png"}
    assert got | {"seconds": 0} == same | {"seconds": 0}
    assert (got["output_width"], read_picture(target).width) == (31, 31)


def test_a_batch_that_is_run_again_does_what_is_missing(pictures: MemoryFileSystem, make_setup: MakeSetup) -> None:
    list(run_batch(plan(), make_setup(), None))
    before = pictures.cat_file("/out/a.png")
    pictures.pipe_file("/in/a.png", picture_bytes(9))
    pictures.pipe_file("/in/bad.png", picture_bytes(8))
    pictures.rm("/out/b.png")
    again = list(run_batch(plan(), make_setup(), None))
    assert statuses(again) == {"a.png": "skipped", "c.png": "skipped", "b.png": "done", "bad.png": "done"}
    assert pictures.cat_file("/out/a.png") == before
    lines = [json.loads(line) for line in pictures.cat_file("/out/manifest.jsonl").splitlines()]
    assert [line["status"] for line in lines] == ["done"] * 4


def test_results_are_made_again_only_if_asked(pictures: MemoryFileSystem, make_setup: MakeSetup) -> None:
    pictures.pipe_file("/out/a.png", b"as it was")
    list(run_batch(plan(), make_setup(), None))
    assert pictures.cat_file("/out/a.png") == b"as it was"
    list(run_batch(plan(overwrite=True), make_setup(overwrite=True), None))
    assert pictures.cat_file("/out/a.png") != b"as it was"


def test_paths_of_this_machine_are_read_and_written_directly(make_setup: MakeSetup, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture_bytes())
    orders = (RemoteJob(0, "in/a.png", "out/a.png"), RemoteJob(1, "in/none.png", "out/none.png"))
    done, failed = run_batch(Batch(orders), make_setup(), None)
    assert (done.record.input, done.record.output, done.record.status) == ("in/a.png", "out/a.png", "done")
    assert read_picture(tmp_path / "out" / "a.png").width == 32
    assert failed.record.error == "in/none.png must be a picture file: got No such file or directory; check the path"


def test_pictures_that_cannot_be_fetched_or_stored_are_told(
    watched: type[WatchedStore], pictures: MemoryFileSystem, make_setup: MakeSetup
) -> None:
    def run(source: str, target: str) -> Record:
        (outcome,) = run_batch(Batch((RemoteJob(0, source, target),)), make_setup(overwrite=True), None)
        return outcome.record

    missing = run("watched://in/none.png", "watched://out/none.png")
    assert (missing.error or "").startswith("the picture must be there and readable: got FileNotFoundError")
    watched.errors[:] = [OSError("disk full")] * 4
    lost = run("memory://in/a.png", "watched://out/a.png")
    assert (missing.status, lost.status) == ("failed", "failed")
    assert lost.error == "the result must go to watched://out/a.png: got OSError: disk full"
    assert not pictures.exists("/out/a.png")


def test_a_manifest_that_cannot_be_written_is_told_before_the_work(
    watched: type[WatchedStore], make_setup: MakeSetup
) -> None:
    watched.errors[:] = [OSError("read only")] * 4
    with pytest.raises(ConfigError, match="the manifest must be written"):
        next(run_batch(Batch((RemoteJob(0, "a.png", "b.png"),), manifest="watched://out/m"), make_setup(), None))


def outcomes_until_lost(count: int) -> Callable[..., Iterator[Outcome]]:
    """A cluster that ends after some pictures."""

    def run(orders: list[RemoteJob], *_: object) -> Iterator[Outcome]:
        for order in orders[:count]:
            record = Record(input=order.source, output=order.target, status="done")
            yield Outcome(number=order.number, record=record, node="host/1", attempts=1)
        raise DeviceError("the cluster ended the batch: its head was lost")

    return run


def test_what_a_lost_cluster_leaves_is_told_as_failed(
    pictures: MemoryFileSystem, make_setup: MakeSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_run_there", outcomes_until_lost(3))
    outcomes = list(run_batch(plan(), make_setup(), Cluster(address="auto")))
    assert [outcome.record.status for outcome in outcomes] == ["done", "done", "done", "failed"]
    assert outcomes[-1].record.error == (
        "was not done: the cluster ended the batch: its head was lost; run the same command again"
    )
    lines = pictures.cat_file("/out/manifest.jsonl").splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["done", "done", "done", "failed"]


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(
    ("error", "is_given_up"), [(TimeoutError("no answer"), True), (FileNotFoundError("gone"), False)]
)
def test_a_store_that_is_down_is_given_up_and_one_without_some_pictures_is_not(
    memory: MemoryFileSystem,
    watched: type[WatchedStore],
    make_setup: MakeSetup,
    monkeypatch: pytest.MonkeyPatch,
    *,
    error: Exception,
    is_given_up: bool,
) -> None:
    for number in range(9):
        memory.pipe_file(f"/in/{number}.png", picture_bytes(number))

    def fail(*_: object, **__: object) -> None:
        raise error

    batch = plan_batch(["watched://in/"], "watched://out/")
    monkeypatch.setattr(watched, "put_file", fail)
    outcomes = list(run_batch(replace(batch, manifest=None), make_setup(), None))
    assert len(outcomes) == 9
    told = [outcome.record.error or "" for outcome in outcomes]
    given_up = "was not done: the store did not answer for 5 pictures in a row; run the same command again"
    assert told.count(given_up) == (4 if is_given_up else 0)
    assert sum("the result must go to" in text for text in told) == (5 if is_given_up else 9)


def test_a_cluster_that_does_nothing_is_an_error(
    pictures: MemoryFileSystem, make_setup: MakeSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_run_there", outcomes_until_lost(0))
    with pytest.raises(DeviceError, match="its head was lost"):
        list(run_batch(plan(), make_setup(), Cluster(address="auto")))


def test_where_nothing_is_left_no_cluster_is_asked(
    pictures: MemoryFileSystem, make_setup: MakeSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.rm("/in/bad.png")
    list(run_batch(plan(), make_setup(), None))
    monkeypatch.setattr(run_module, "_run_there", outcomes_until_lost(0))
    assert set(statuses(list(run_batch(plan(), make_setup(), Cluster(address="auto")))).values()) == {"skipped"}


def test_an_interrupt_leaves_a_manifest_of_what_was_done(pictures: MemoryFileSystem, make_setup: MakeSetup) -> None:
    run = run_batch(plan(), make_setup(), None)
    next(run)
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert len(pictures.cat_file("/out/manifest.jsonl").splitlines()) == 2


def test_an_outcome_survives_being_sent() -> None:
    record = Record(input="ü", output="b", status="failed", notes=("one", "two"), error="no", traceback="where")
    outcome = Outcome(number=3, record=record, node="host/1", attempts=2)
    assert Outcome.from_text(outcome.to_text()) == outcome


def test_floats_and_grey_pass_through_stores(memory: MemoryFileSystem, make_setup: MakeSetup, tmp_path: Path) -> None:
    from nlcunet.imaging.files import Picture, write_picture

    grey = np.linspace(0, 1, 200, dtype=np.float32).reshape(10, 20, 1)
    write_picture(Picture(pixels=grey), tmp_path / "grey.tif")
    memory.pipe_file("/in/grey.tif", (tmp_path / "grey.tif").read_bytes())
    (outcome,) = run_batch(plan(), make_setup(), None)
    assert outcome.record.status == "done"
    (tmp_path / "large.tif").write_bytes(memory.cat_file("/out/grey.tif"))
    assert read_picture(tmp_path / "large.tif").pixels.dtype == np.float32
