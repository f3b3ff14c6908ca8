"""Who may ask, how much, and how slowly; what is told about the answer."""

import asyncio

import anyio
import pytest
from fastapi.testclient import TestClient

from nlcunet.server.app import make_app
from nlcunet.server.guards import Guard
from nlcunet.server.metrics import Metrics
from nlcunet.server.refusals import RefusedError

from .conftest import form, picture_bytes


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "127.0.0.1:1", "[::1]:7860", "LOCALHOST"])
def test_loopback_names_are_answered(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", "a:b:c"])
def test_other_names_are_not_so_that_dns_cannot_lead_a_browser_here(client, host):
    answer = client.get("/healthz", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (421, "wrong_host")


def test_other_names_can_be_allowed(start):
    client = start(allowed_hosts=("pictures.example",))
    assert client.get("/healthz", headers={"Host": "pictures.example:80"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 421


def test_pages_of_other_sites_cannot_send_pictures(client):
    answer = client.post("/v1/upscale", files=form(), headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["error"]) == (403, "wrong_origin")
    assert client.post("/v1/upscale", files=form(), headers={"Origin": "http://localhost"}).status_code == 200
    assert client.post("/v1/upscale", files=form(), headers={"Origin": "null"}).status_code == 403
    other_scheme = client.post("/v1/upscale", files=form(), headers={"Origin": "https://localhost"})
    assert (other_scheme.status_code, other_scheme.json()["error"]) == (403, "wrong_origin")


def test_behind_a_known_proxy_the_scheme_is_that_of_the_client(make_settings):
    sent = {"Origin": "https://localhost", "X-Forwarded-Proto": "https", "X-Forwarded-For": "8.8.8.8"}
    for proxies, status in ((("127.0.0.1",), 200), ((), 403)):
        app = make_app(make_settings(proxies=proxies))
        with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
            answer = client.post("/v1/upscale", files=form(), headers=sent)
            assert answer.status_code == status
    assert "--proxy" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [("bytes=99999999-", 416, "wrong_range"), ("pixels=0-1", 400, "bad_request"), ("bytes=9-3", 400, "bad_request")],
)
def test_errors_of_ranges_have_the_form_of_all_others(client, asked, status, code):
    job = client.post("/v1/upscale", files=form()).headers["nlcunet-job"]
    answer = client.get(f"/v1/jobs/{job}/result", headers={"Range": asked})
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.json()["detail"]
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    if status == 416:
        assert answer.headers["content-range"].startswith("bytes */")
    whole = client.get(f"/v1/jobs/{job}/result")
    part = client.get(f"/v1/jobs/{job}/result", headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])


def test_cors_is_closed_unless_a_site_is_allowed(client, start, tmp_path):
    asked = {"Origin": "https://site.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/upscale", headers=asked).headers
    other = start(allowed_origins=("https://site.example",), folder=tmp_path / "other")
    allowed = other.options("/v1/upscale", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == "https://site.example"
    assert other.post("/v1/upscale", files=form(), headers={"Origin": "https://site.example"}).status_code == 200
    evil = other.options("/v1/upscale", headers=asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in evil.headers


def test_too_many_bytes_are_refused_by_their_announcement(start):
    client = start(max_upload_bytes=1000)
    answer = client.post("/v1/upscale", content=b"x" * 100_000)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_too_many_bytes_are_refused_as_they_come(start, make_settings):
    client = start(max_upload_bytes=1000)

    answer = client.post("/v1/upscale", content=(b"x" * 10_000 for _ in range(20)))  # without a Content-Length
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert list((make_settings().folder / "incoming").iterdir()) == []


def test_too_many_pixels_in_or_out_are_refused(start):
    client = start(max_pixels=200, max_output_pixels=1000)
    for data, order in ((picture_bytes(20, 20), {}), (picture_bytes(10, 10), {"scale": "4"})):
        answer = client.post("/v1/upscale", files=form(data), data=order)
        assert (answer.status_code, answer.json()["error"]) == (413, "too_many_pixels")
    assert client.post("/v1/upscale", files=form(picture_bytes(10, 10))).status_code == 200


def guarded(app, **changes):
    settings = {"hosts": ["*"], "origins": [], "max_bytes": 100, "max_seconds": 0.05}
    return Guard(app, metrics=Metrics(), **settings | changes)


SCOPE = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"50"), (b"host", b"a")]}


def test_a_body_that_comes_too_slowly_is_refused():
    told = []

    async def app(_scope, receive, _send):
        try:
            while True:
                await receive()
        except RefusedError as error:
            told.append((error.status, error.code))

    async def drip():
        await anyio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(_message):
        """Nobody listens."""

    asyncio.run(guarded(app)(dict(SCOPE), drip, send))
    assert told == [(408, "too_slow")]


def test_a_client_may_wait_longer_for_the_answer_than_for_its_body():
    seen = []

    async def app(_scope, receive, _send):
        seen.append(await receive())
        seen.append(await receive())

    messages = [{"type": "http.request", "body": b"x" * 50, "more_body": False}, {"type": "http.disconnect"}]

    async def receive():
        await anyio.sleep(0.0 if len(messages) == 2 else 0.1)
        return messages.pop(0)

    async def send(_message):
        """Nobody listens."""

    asyncio.run(guarded(app)(dict(SCOPE), receive, send))
    assert [message["type"] for message in seen] == ["http.request", "http.disconnect"]


def test_unknown_addresses_and_methods_are_told_in_the_same_form(client):
    assert client.get("/v1/nothing").json()["error"] == "not_found"
    assert client.put("/v1/upscale").json()["error"] == "wrong_method"
    assert client.get("/redoc").status_code == 404


def test_paths_with_ids_are_counted_as_one_route(client):
    for name in ("a", "b", "c"):
        client.get(f"/v1/jobs/{name}")
        client.get(f"/wp-admin/{name}")
    text = client.get("/metrics").text
    assert 'route="/v1/jobs/{job_id}",status="404"} 3.0' in text
    assert 'route="other",status="404"} 3.0' in text
