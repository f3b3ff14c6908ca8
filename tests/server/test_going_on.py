"""Workers outlive full disks, queues that fail, and jobs of other versions; health says when they do not."""

import errno
import os
import shutil
import sqlite3
import threading
import time
from types import SimpleNamespace

import pytest

from nlcunet.errors import ImageWriteError
from nlcunet.files.atomic import is_disk_full
from nlcunet.inference import batch
from nlcunet.server import api, service, workers
from nlcunet.server.store import JobStore

from .conftest import form

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
BROKEN = sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def quick(monkeypatch):
    """Workers that go on at once."""
    monkeypatch.setattr(workers, "PAUSE_AFTER_FAILURE_S", 0.01)


def fail_first(monkeypatch, owner, name, error, times=1):
    """Have a function fail so many times before it works."""
    work, left = getattr(owner, name), [error] * times

    def fail(*arguments, **named):
        if left:
            raise left.pop()
        return work(*arguments, **named)

    monkeypatch.setattr(owner, name, fail)


def wait_until(is_so, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def state_of(client, job_id):
    return client.get(f"/v1/jobs/{job_id}").json()["state"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("method", ["take", "end"])
def test_a_queue_that_cannot_be_written_for_a_while_ends_no_worker(client, monkeypatch, method):
    fail_first(monkeypatch, client.app.state.service._store, method, BROKEN, times=5)
    assert client.post("/v1/upscale", files=form()).status_code == 200
    assert client.get("/healthz").status_code == 200
    wait_until(lambda: client.get("/readyz").status_code == 200)


@pytest.mark.usefixtures("quick")
def test_a_job_goes_back_to_the_queue_while_the_disk_is_full(client, monkeypatch):
    error = ImageWriteError("result.png must be written")
    error.__cause__ = FULL
    fail_first(monkeypatch, batch, "write_picture", error, times=3)
    assert client.post("/v1/upscale", files=form()).status_code == 200


@pytest.mark.usefixtures("quick")
def test_a_job_that_was_cancelled_does_not_come_back_from_a_full_disk(client, monkeypatch):
    workers_of = client.app.state.service._workers

    def fail(*_arguments, **_named):
        for job_id in list(workers_of.running):
            workers_of.cancel(job_id)
        raise FULL

    monkeypatch.setattr(batch, "write_picture", fail)
    answer = client.post("/v1/upscale", files=form())
    assert (answer.status_code, answer.json()["error"]) == (409, "cancelled")


def test_readiness_tells_of_workers_that_pause(start, monkeypatch):
    client = start(jobs_at_once=1)
    fail_first(monkeypatch, batch, "write_picture", FULL)
    job = client.post("/v1/upscale", files=form(), data={"wait": "0"}).json()["id"]
    wait_until(lambda: client.get("/readyz").status_code == 503)
    assert client.get("/readyz").json()["problems"] == ["disk full"]
    assert state_of(client, job) == "queued"


@pytest.mark.usefixtures("quick")
def test_a_job_of_another_version_fails_alone(client):
    store = client.app.state.service._store
    known = client.post("/v1/upscale", files=form()).headers["nlcunet-job"]
    with store._transaction() as database:
        for job_id, order, file_format in (
            ("new", '{"dream": 3}', "png"),
            ("cut", '{"scale":', "png"),
            ("odd", "{}", "jp3"),
        ):
            row = dict(database.execute("SELECT * FROM jobs WHERE id = ?", (known,)).fetchone())
            row |= {"id": job_id, "order": order, "output_format": file_format, "state": "queued", "created": 0.0}
            names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)
            database.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - columns
    assert client.post("/v1/upscale", files=form()).status_code == 200
    for job_id in ("new", "cut", "odd"):
        facts = client.get(f"/v1/jobs/{job_id}").json()
        assert facts["state"] == "failed"
        assert "another version" in facts["error"]
    assert len(client.get("/v1/jobs").json()) == 5


def test_a_full_database_is_told_and_nothing_is_left_of_what_was_refused(client, make_settings):
    database = client.app.state.service._store._database
    largest = database.execute("PRAGMA max_page_count").fetchone()[0]
    database.execute("PRAGMA max_page_count = 1")  # as SQLite may not shrink it, what there is now
    accepted = []
    while (answer := client.post("/v1/upscale", files=form(), data={"wait": "0"})).status_code == 202:
        accepted.append(answer.json()["id"])
        wait_until(lambda: state_of(client, accepted[-1]) == "done")
    assert (answer.status_code, answer.json()["error"]) == (503, "disk_full")
    assert {folder.name for folder in (make_settings().folder / "jobs").iterdir()} == set(accepted)
    database.execute(f"PRAGMA max_page_count = {largest}")
    assert client.post("/v1/upscale", files=form()).status_code == 200


def test_an_upload_that_fills_the_disk_is_refused(client, monkeypatch, make_settings):
    fail_first(monkeypatch, api, "save_body", FULL)
    answer = client.post("/v1/upscale", files=form())
    assert (answer.status_code, answer.json()["error"]) == (503, "disk_full")
    assert list((make_settings().folder / "incoming").iterdir()) == []


def test_nothing_is_accepted_that_the_disk_has_no_room_for(client, monkeypatch):
    free = [0]
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free[0]))
    assert client.post("/v1/upscale", files=form()).json()["error"] == "disk_full"
    assert client.get("/readyz").json()["problems"] == ["disk full"]
    free[0] = 1 << 40
    assert client.post("/v1/upscale", files=form()).status_code == 200


def test_health_tells_of_a_thread_that_has_ended(client):
    client.app.state.service._workers._threads[0] = threading.Thread()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["problems"]) == (503, ["a worker has ended"])
    assert "a worker has ended" in client.get("/readyz").json()["problems"]


def test_a_commit_that_fails_leaves_no_transaction_open(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite")
    store._database.execute("PRAGMA foreign_keys = ON")
    store._database.execute("CREATE TABLE child (id REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), store._transaction() as database:
        database.execute("INSERT INTO child VALUES ('nobody')")
    assert store.take() is None
    store.close()


def test_cleaning_that_fails_is_tried_again(start, monkeypatch):
    cleaned = threading.Event()
    left = [BROKEN, FULL]

    def remove(_service):
        if left:
            raise left.pop()
        cleaned.set()

    monkeypatch.setattr(service, "CLEANING_SECONDS", 0.01)
    monkeypatch.setattr(service.Service, "remove_expired", remove)
    client = start()
    assert cleaned.wait(20)
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("error", "is_full"),
    [(FULL, True), (OSError(errno.EDQUOT, ""), True), (OSError(errno.EACCES, "no"), False), (ValueError("x"), False)],
)
def test_a_full_disk_is_known_from_what_it_caused(error, is_full):
    caused = ImageWriteError("it must be written")
    caused.__cause__ = error
    assert is_disk_full(caused) is is_disk_full(error) is is_full
