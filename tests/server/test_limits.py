"""A queue that ends somewhere, and says when to come again."""

import threading

import pytest

from nlcunet.inference.engines.torch import TorchEngine
from nlcunet.server.speed import FIRST_GUESS, Speed

from .conftest import form, picture_bytes


@pytest.fixture
def held(monkeypatch):
    go, run = threading.Event(), TorchEngine.run

    def wait(*arguments):
        assert go.wait(30)
        return run(*arguments)

    monkeypatch.setattr(TorchEngine, "run", wait)
    yield go
    go.set()


def send(client, **changes):
    return client.post("/v1/upscale", files=form(**changes), data={"wait": "0"})


def fill(client, count):
    """A job at work, and so many that wait."""
    assert send(client).status_code == 202
    while client.app.state.service.measure().count(b"nlcunet_jobs_running 1.0") == 0:
        pass
    for _ in range(count):
        assert send(client).status_code == 202


def test_one_client_may_have_so_many_waiting(start, held):
    client = start(jobs_at_once=1, max_waiting_per_client=2)
    fill(client, 2)
    answer = send(client)
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_jobs")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_full_queue_says_so(start, held):
    client = start(jobs_at_once=1, max_waiting=2)
    fill(client, 2)
    answer = send(client)
    assert (answer.status_code, answer.json()["error"]) == (503, "queue_full")
    assert client.get("/readyz").json()["problems"] == ["queue full"]


def test_what_would_not_fit_on_the_disk_is_refused_and_fits_when_room_is_made(start):
    client = start(quota_bytes=70_000)
    first = client.post("/v1/upscale", files=form())
    assert first.status_code == 200
    answer = client.post("/v1/upscale", files=form())
    assert (answer.status_code, answer.json()["error"]) == (503, "disk_full")
    client.delete(f"/v1/jobs/{first.headers['nlcunet-job']}")
    assert client.post("/v1/upscale", files=form()).status_code == 200


def test_work_that_takes_too_long_ends_between_two_tiles(start):
    client = start(max_job_seconds=1e-9, tile=16)
    answer = client.post("/v1/upscale", files=form(picture_bytes(40, 40)))
    assert (answer.status_code, answer.json()["error"]) == (422, "failed")
    assert "must take at most" in answer.json()["detail"]


def test_a_client_with_many_pictures_does_not_keep_others_waiting(start, held, tmp_path):
    from nlcunet.server.keys import add_key

    keys = {name: {"X-Api-Key": add_key(tmp_path / "keys", name)} for name in ("many", "one")}
    client = start(jobs_at_once=2, keys_file=tmp_path / "keys")

    def post(who):
        return client.post("/v1/upscale", files=form(), data={"wait": "0"}, headers=keys[who]).json()["id"]

    many = [post("many") for _ in range(4)]
    one = post("one")
    held.set()
    store = client.app.state.service._store
    while any(store.find(job).state in {"queued", "running"} for job in [*many, one]):
        pass
    started = sorted([*many, one], key=lambda job: store.find(job).started)
    assert started.index(one) <= 2


def test_a_client_that_goes_takes_its_job_with_it(start, held):
    """Only over a real connection: see test_process."""
    client = start(jobs_at_once=1)
    fill(client, 1)
    job = client.get("/v1/jobs").json()[0]
    assert job["state"] == "queued"
    assert job["seconds_left"] >= 0


def test_time_counts_only_with_the_pixels_that_were_made_in_it(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("nlcunet.server.speed.time.monotonic", lambda: now[0])
    speed = Speed()
    with speed.working():
        now[0] += 3.0
        assert speed.seconds(1000) == pytest.approx(1000 * FIRST_GUESS)
        speed.add(1_000_000)
        now[0] += 3.0
        assert speed.seconds(1_000_000) == pytest.approx(3.0)


def test_a_small_first_picture_that_has_to_wait_for_its_model_says_little(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("nlcunet.server.speed.time.monotonic", lambda: now[0])
    speed = Speed()
    with speed.working():
        now[0] += 3.0
        speed.add(64 * 64)
    assert speed.seconds(1_000_000) < 60


def test_what_is_left_is_honest_while_the_first_picture_is_at_work(start, held):
    client = start(jobs_at_once=1, max_waiting_per_client=1)
    fill(client, 1)
    assert all(job["seconds_left"] < 60 for job in client.get("/v1/jobs").json())
    assert int(send(client).headers["retry-after"]) < 60


def test_speed_is_learned_from_the_work_of_all(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("nlcunet.server.speed.time.monotonic", lambda: now[0])
    speed = Speed()
    assert speed.seconds(1000) == pytest.approx(1000 * FIRST_GUESS)
    for _ in range(3):
        with speed.working(), speed.working():
            now[0] += 4.0
            speed.add(2_000_000)
        now[0] += 100.0  # idle time counts for nothing
    assert speed.seconds(1_000_000) == pytest.approx(2.0, rel=1e-3)
