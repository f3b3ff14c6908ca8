"""What lies on the disk is counted: uploads under way, and nothing that was refused."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nlcunet.server import intake
from nlcunet.server.intake import Arrivals, announced_bytes

from .conftest import form, picture_bytes

PART = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\nContent-Type: image/png\r\n\r\n%b\r\n'
    b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n--x--\r\n'
)


def send_form(client, charset, name=b"a.png", field=b"wait", value=b"0"):
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    body = PART % (name, picture_bytes(), field, value)
    return client.post("/v1/upscale", content=body, headers={"Content-Type": kind})


def test_names_of_halves_of_characters_are_taken_and_counted(client, make_settings):
    answer = send_form(client, "unicode_escape", name=rb"\ud800\udc00.png")
    assert answer.status_code == 202
    assert answer.json()["name"] == "__.png"
    assert {folder.name for folder in (make_settings().folder / "jobs").iterdir()} == {answer.json()["id"]}


@pytest.mark.parametrize(("field", "value"), [(rb"\ud800", b"1"), (b"model", rb"\udfff"), (b"format", rb"\ud83d")])
def test_orders_of_halves_of_characters_are_refused_in_words(client, make_settings, field, value):
    answer = send_form(client, "unicode_escape", field=field, value=value)
    assert (answer.status_code, answer.json()["error"]) == (422, "not_possible")
    assert list((make_settings().folder / "jobs").iterdir()) == []


@pytest.mark.parametrize("charset", ["undefined", "idna"])
def test_a_form_in_a_charset_that_is_none_is_refused(client, charset):
    answer = send_form(client, charset, name=b"\xff.png")
    assert answer.status_code in {202, 400}
    assert send_form(client, "undefined").json()["error"] == "bad_request"


def test_nothing_is_left_of_a_picture_that_the_queue_does_not_take(client, make_settings, monkeypatch):
    service = client.app.state.service

    def fail(_job):
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    monkeypatch.setattr(service._store, "add", fail)
    assert client.post("/v1/upscale", files=form()).status_code == 500
    folder = make_settings().folder
    assert list((folder / "jobs").iterdir()) == list((folder / "incoming").iterdir()) == []
    assert service.bytes_used() == 0


@pytest.fixture
def held(monkeypatch):
    """Uploads that have come in and are not accepted before the end of the test."""
    go, came, read = threading.Event(), threading.Semaphore(0), intake.read_header

    def wait(path):
        came.release()
        assert go.wait(60)
        return read(path)

    monkeypatch.setattr(intake, "read_header", wait)
    wait.go, wait.came = go, came
    yield wait
    go.set()


@pytest.mark.parametrize("path", ["/v1/upscale", "/page/pictures"])
def test_uploads_under_way_count_towards_the_quota(start, held, path):
    client = start(quota_bytes=200_000, has_page=path.startswith("/page"))
    data = picture_bytes(150, 200)  # 90,000 bytes
    with ThreadPoolExecutor(2) as senders:
        under_way = [senders.submit(client.post, path, content=data, params={"scale": "1"}) for _ in range(2)]
        for _ in under_way:
            assert held.came.acquire(timeout=20)
        answer = client.post(path, content=data)
        assert (answer.status_code, answer.json()["error"]) == (503, "disk_full")
        assert client.app.state.service.bytes_used() == 2 * len(data)
        assert b"nlcunet_disk_bytes 180" in client.app.state.service.measure()
        held.go.set()
        for each in under_way:
            each.result(60)


def test_one_client_cannot_keep_all_room_with_uploads_that_do_not_come(start, held):
    client = start(max_waiting_per_client=2)
    with ThreadPoolExecutor(2) as senders:
        under_way = [senders.submit(client.post, "/v1/upscale?wait=0", files=form()) for _ in range(2)]
        for _ in under_way:
            assert held.came.acquire(timeout=20)
        assert client.post("/v1/upscale", files=form()).json()["error"] == "too_many_jobs"
        held.go.set()
        assert {each.result(60).status_code for each in under_way} == {202}
    assert client.app.state.service._arrivals.total_bytes() == 0


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"content-length": "7"}, 7),
        ({}, 100),
        ({"content-length": "-1"}, 100),
        ({"content-length": "7", "transfer-encoding": "chunked"}, 100),
    ],
)
def test_a_length_that_is_not_told_is_the_longest(told, expected):
    assert announced_bytes(told, 100) == expected


def test_arrivals_are_counted_until_they_are_forgotten():
    arrivals = Arrivals()
    arrivals.expect("a", "ann", 5)
    arrivals.expect("b", "bob", 6)
    assert (arrivals.total_bytes(), arrivals.count("ann")) == (11, 1)
    arrivals.forget("a")
    arrivals.forget("a")
    assert (arrivals.total_bytes(), arrivals.count("ann")) == (6, 0)
