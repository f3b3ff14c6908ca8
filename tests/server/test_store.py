"""The queue's file: who may read it, which versions are taken, and what happens to a job at whose work servers die."""

import os
import sqlite3
import stat

import pytest

from nlcunet.errors import ConfigError
from nlcunet.server.database import VERSION
from nlcunet.server.orders import Order
from nlcunet.server.service import Service
from nlcunet.server.store import MOST_DEATHS, Job, JobStore

from .conftest import form


def job_of(job_id, owner="ann", created=0.0):
    return Job(
        id=job_id,
        owner=owner,
        request_id="r",
        name="a.png",
        order=Order(),
        created=created,
        width=1,
        height=1,
        output_width=2,
        output_height=2,
        output_format="png",
        network_pixels=1,
        bytes=100,
    )


@pytest.fixture
def store(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def die_at(store, job_id, times):
    """Have the process die so many times while it works on a job."""
    for _ in range(times):
        assert store.take().id == job_id
        store.recover(60.0)


def test_a_suspected_job_is_worked_on_alone(store):
    store.add(job_of("suspect", created=1.0))
    die_at(store, "suspect", MOST_DEATHS)
    store.add(job_of("other", created=2.0))
    assert store.take().id == "suspect"
    assert store.take() is None  # nothing begins beside it
    store.end("suspect", "done", keep_seconds=60.0)
    assert store.take().id == "other"


def test_a_suspected_job_waits_for_those_at_work(store):
    store.add(job_of("suspect", created=1.0))
    die_at(store, "suspect", MOST_DEATHS)
    store.add(job_of("other", owner="bob", created=0.5))
    assert store.take().id == "other"
    assert store.take() is None
    store.end("other", "done", keep_seconds=60.0)
    assert store.take().id == "suspect"


def test_who_was_only_near_a_job_that_kills_is_not_given_up(store):
    for name in ("deadly", "near"):
        store.add(job_of(name, owner=name))
    for _ in range(MOST_DEATHS):
        assert {store.take().id, store.take().id} == {"deadly", "near"}
        assert store.recover(60.0) == (2, ())
    given_up = []
    while (job := store.take()) is not None:
        if job.id == "near":
            store.end("near", "done", keep_seconds=60.0)
        else:
            given_up += store.recover(60.0)[1]
    assert given_up == ["deadly"]
    assert store.find("near").state == "done"
    assert "not tried again" in store.find("deadly").error


def test_a_job_that_is_given_up_leaves_no_files(start, make_settings, tmp_path):
    settings = make_settings()
    settings.folder.mkdir()
    store = JobStore(settings.folder / "jobs.sqlite")
    store.add(job_of("deadly"))
    die_at(store, "deadly", MOST_DEATHS)
    assert store.take().id == "deadly"
    store.close()
    folder = settings.folder / "jobs" / "deadly"
    folder.mkdir(parents=True)
    (folder / "input").write_bytes(b"picture")
    client = start()
    assert client.get("/v1/jobs/deadly").json()["state"] == "failed"
    assert not folder.exists()


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_own_user_can_read_the_queue_and_the_pictures(start, make_settings):
    before = os.umask(0)
    try:
        start().post("/v1/upscale", files=form())
    finally:
        os.umask(before)
    folder = make_settings().folder
    assert mode_of(folder) == 0o700
    for each in folder.iterdir():
        assert mode_of(each) == (0o700 if each.is_dir() else 0o600), each


def test_what_an_earlier_version_left_open_is_closed(start, make_settings):
    folder = make_settings().folder
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs.sqlite").touch()
    for path, mode in ((folder / "jobs", 0o755), (folder / "jobs.sqlite", 0o644)):
        path.chmod(mode)
    start()
    assert (mode_of(folder / "jobs"), mode_of(folder / "jobs.sqlite")) == (0o700, 0o600)


def change(path, *statements):
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def test_a_queue_from_before_versions_were_counted_is_taken(tmp_path):
    path = tmp_path / "jobs.sqlite"
    JobStore(path).close()
    change(path, "PRAGMA user_version = 0")
    store = JobStore(path)
    assert store._database.execute("PRAGMA user_version").fetchone()[0] == VERSION
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version = 7",
        "ALTER TABLE jobs ADD COLUMN priority INTEGER",
        "ALTER TABLE jobs DROP COLUMN notes",
        "CREATE TABLE songs (name TEXT)",
    ],
)
def test_a_queue_of_another_version_is_told(make_settings, statement):
    settings = make_settings()
    Service(settings).stop()
    change(settings.folder / "jobs.sqlite", statement)
    with pytest.raises(ConfigError, match=r"must be a queue of version 1: .* choose another --folder$"):
        Service(settings)


@pytest.mark.parametrize("where", [0, 100, 4096])
def test_a_damaged_queue_is_told(make_settings, where):
    settings = make_settings()
    Service(settings).stop()
    path = settings.folder / "jobs.sqlite"
    data = bytearray(path.read_bytes())
    data[where : where + 900] = b"x" * 900
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"must be a whole queue: got a damaged file \(.*\); move it away"):
        Service(settings)


def test_a_queue_that_cannot_be_opened_is_told(make_settings):
    settings = make_settings()
    (settings.folder / "jobs.sqlite").mkdir(parents=True)
    with pytest.raises(ConfigError, match="must be a file that can be written"):
        Service(settings)
