"""Pictures in, pictures out, jobs, and what is refused."""

import base64
import json
import re
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest

import nlcunet
from nlcunet.errors import ImageWriteError
from nlcunet.imaging.files import read_header, read_picture, write_picture
from nlcunet.inference import batch
from nlcunet.inference.engines.torch import TorchEngine
from nlcunet.server.keys import add_key

from .conftest import form, picture_bytes


@pytest.fixture
def hold(monkeypatch):
    """Lets no tile through the network until told to; tells when the first one waits there."""
    go, waits, run = threading.Event(), threading.Event(), TorchEngine.run

    def held(*arguments):
        waits.set()
        assert go.wait(30)
        return run(*arguments)

    monkeypatch.setattr(TorchEngine, "run", held)
    held.go, held.waits = go, waits
    yield held
    go.set()


def finished(client, job_id, seconds=20.0):
    deadline = time.monotonic() + seconds
    while (facts := client.get(f"/v1/jobs/{job_id}").json())["state"] in {"queued", "running"}:
        assert time.monotonic() < deadline, facts
        time.sleep(0.01)
    return facts


def test_a_picture_goes_in_and_comes_out_enlarged_with_the_pixels_of_the_library(client, tmp_path):
    data = picture_bytes(20, 30)
    answer = client.post("/v1/upscale", files=form(data, "my photo.png"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''my%20photo.png"
    assert answer.headers["nlcunet-model"] == "bicubic-x2"
    (tmp_path / "in.png").write_bytes(data)
    expected = nlcunet.load("bicubic-x2").upscale(tmp_path / "in.png")
    assert (read_picture(answer.content).pixels == expected.pixels).all()
    write_picture(expected, tmp_path / "out.png")
    assert answer.content == (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize(
    ("order", "size", "kind"),
    [
        ({"scale": "3"}, (48, 36), "png"),
        ({"model": "bicubic-x4"}, (64, 48), "png"),
        ({"width": "50"}, (50, 38), "png"),
        ({"height": "24", "width": "20"}, (20, 24), "png"),
        ({"long_edge": "64"}, (64, 48), "png"),
        ({"format": "jpeg", "file_quality": "80"}, (32, 24), "jpeg"),
        ({"format": "webp", "strip_metadata": "true"}, (32, 24), "webp"),
        ({"quality": "best", "scale": ""}, (32, 24), "png"),
    ],
)
@pytest.mark.parametrize("how", ["form", "query", "body"])
def test_orders_come_in_a_form_or_a_query(client, order, size, kind, how):
    if how == "form":
        answer = client.post("/v1/upscale", files=form(), data=order)
    elif how == "query":
        answer = client.post("/v1/upscale", files=form(), params=order)
    else:
        answer = client.post("/v1/upscale", content=picture_bytes(), params=order)
    assert answer.status_code == 200, answer.text
    header = read_header(answer.content)
    assert (header.width, header.height, header.format) == (*size, kind)


def test_without_waiting_a_job_is_answered_and_can_be_asked_for(client):
    answer = client.post("/v1/upscale", files=form(), data={"wait": "0"})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    facts = finished(client, job["id"])
    assert (facts["state"], facts["progress"], facts["name"]) == ("done", 1.0, "photo.png")
    assert (facts["output_width"], facts["output_height"]) == (32, 24)
    assert facts["model"] == "bicubic-x2"
    result = client.get(facts["links"]["result"])
    assert result.status_code == 200
    assert read_header(result.content).width == 32
    assert [one["id"] for one in client.get("/v1/jobs").json()] == [job["id"]]


def test_a_picture_that_takes_longer_than_the_client_waits_becomes_a_job(client, hold):
    answer = client.post("/v1/upscale", files=form(), data={"wait": "0.05"})
    assert answer.status_code == 202
    job = answer.json()
    not_ready = client.get(job["links"]["result"])
    assert (not_ready.status_code, not_ready.json()["error"]) == (409, "not_ready")
    assert int(not_ready.headers["retry-after"]) >= 1
    hold.go.set()
    assert finished(client, job["id"])["state"] == "done"


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_with_its_tile(start, hold):
    client = start(jobs_at_once=1, tile=16)
    running, waiting = (
        client.post("/v1/upscale", files=form(picture_bytes(40, 40)), data={"wait": "0"}).json()["id"] for _ in range(2)
    )
    assert hold.waits.wait(10)
    assert client.delete(f"/v1/jobs/{waiting}").json()["state"] == "cancelled"
    assert client.delete(f"/v1/jobs/{running}").json()["state"] == "running"
    hold.go.set()
    facts = finished(client, running)
    assert facts["state"] == "cancelled"
    assert facts["progress"] < 1
    assert client.get(f"/v1/jobs/{running}/result").json()["error"] == "no_result"
    assert client.post("/v1/upscale", files=form()).status_code == 200


def test_a_finished_job_that_is_deleted_has_no_files(client, make_settings):
    job = client.post("/v1/upscale", files=form(), data={"wait": "0"}).json()
    finished(client, job["id"])
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 200
    assert client.get(f"/v1/jobs/{job['id']}/result").status_code == 410
    assert list((make_settings().folder / "jobs").iterdir()) == []


def test_results_expire(start, make_settings):
    client = start(keep_seconds=0.01)
    job = client.post("/v1/upscale", files=form(), data={"wait": "0"}).json()
    finished(client, job["id"])
    time.sleep(0.02)
    client.app.state.service.remove_expired()
    assert client.get(f"/v1/jobs/{job['id']}/result").json()["error"] == "expired"
    assert list((make_settings().folder / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"model": "nonsense"}, "model must be auto or one of bicubic-x2, bicubic-x4: got 'nonsense'"),
        ({"model": "../../secret.safetensors"}, "model must be auto or one of"),
        ({"scale": "0"}, "scale"),
        ({"scale": "nan"}, "scale"),
        ({"scale": "2", "width": "7"}, "scale"),
        ({"quality": "wonderful"}, "quality must be"),
        ({"format": "exe"}, "format must be one of png"),
        ({"file_quality": "101"}, "file_quality"),
        ({"strength": "2"}, "strength"),
        ({"wait": "-1"}, "wait must be"),
        ({"wait": "soon"}, "wait must be"),
        ({"colour": "red"}, "colour"),
        ({"width": "99999999"}, "width"),
    ],
)
def test_impossible_orders_are_told(client, order, told):
    answer = client.post("/v1/upscale", files=form(), data=order)
    assert answer.status_code == 422
    assert answer.json()["error"] == "not_possible"
    assert told in answer.json()["detail"]


def test_a_request_without_a_picture_is_refused(client):
    for answer in (
        client.post("/v1/upscale"),
        client.post("/v1/upscale", files={"picture": ("a.png", picture_bytes())}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (422, "no_picture")
    assert client.post("/v1/upscale", data={"scale": "2"}).status_code == 415
    several = [("file", ("a.png", picture_bytes())), ("file", ("b.png", picture_bytes()))]
    assert client.post("/v1/upscale", files=several).status_code == 400


def test_pictures_that_come_as_text_are_refused_with_what_to_send_instead(client):
    text = base64.b64encode(picture_bytes(40, 40)).decode()
    for body, told in {
        json.dumps({"image": text}): "JSON",
        text: "base64 text",
        f"data:image/png;base64,{text}": "base64 text",
        f"file={quote(text)}": "a form without a file",
    }.items():
        answer = client.post("/v1/upscale", content=body)
        assert (answer.status_code, answer.json()["error"]) == (415, "not_a_picture")
        assert f"got {told};" in answer.json()["detail"]
        assert "-F file=@photo.jpg" in answer.json()["detail"]
    for value in (text[:4000], 2 * text):
        answer = client.post("/v1/upscale", files={"scale": (None, "2"), "file": (None, value)})
        assert answer.status_code in {400, 422}
        assert "-F file=@photo.jpg" in answer.json()["detail"]
    for method, path in (("POST", "/v1/jobs"), ("POST", "/upscale"), ("GET", "/v1/upscale")):
        answer = client.request(method, path)
        assert answer.status_code in {404, 405}
        assert "POST a picture to /v1/upscale" in answer.json()["detail"]


def test_a_failure_is_told_without_places_on_the_disk(client, make_settings, monkeypatch):
    def fail(_picture, target, **_):
        raise ImageWriteError(f"{target} must be written: the disk is full")

    monkeypatch.setattr(batch, "write_picture", fail)
    answer = client.post("/v1/upscale", files=form())
    assert (answer.status_code, answer.json()) == (
        422,
        {"error": "failed", "detail": "result.png must be written: the disk is full"},
    )
    assert str(make_settings().folder) not in answer.text


def test_a_mistake_in_the_code_is_logged_and_not_shown(client, monkeypatch, caplog):
    def fail(*_arguments, **_named):
        raise TypeError("secret detail")

    monkeypatch.setattr(batch.OpenedPicture, "read", fail)
    with caplog.at_level("ERROR", "nlcunet.server"):
        answer = client.post("/v1/upscale", files=form())
    assert answer.status_code == 422
    assert answer.json()["detail"] == "the server made a mistake with this picture; see its log"
    assert "secret detail" in caplog.records[-1].traceback


def test_a_mistake_in_the_server_is_logged_and_not_shown(client, monkeypatch, caplog):
    monkeypatch.setattr(client.app.state.service, "problems", lambda: 1 / 0)
    with caplog.at_level("ERROR", "nlcunet.server"):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["error"]) == (500, "mistake")
    assert "division" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_clients_see_only_their_own_jobs_and_need_keys(start, tmp_path):
    keys = {name: add_key(tmp_path / "keys.json", name) for name in ("ann", "bob")}
    client = start(keys_file=tmp_path / "keys.json")
    assert client.post("/v1/upscale", files=form()).json()["error"] == "no_key"
    assert client.get("/v1/models").headers["www-authenticate"] == "Bearer"
    for wrong in ("Bearer nlc_wrong", f"Basic {keys['ann']}", "Bearer", keys["ann"]):
        assert client.get("/v1/jobs", headers={"Authorization": wrong}).status_code == 401
    ann, bob = {"Authorization": f"Bearer {keys['ann']}"}, {"X-Api-Key": keys["bob"]}
    job = client.post("/v1/upscale", files=form(), data={"wait": "0"}, headers=ann).json()
    assert [one["id"] for one in client.get("/v1/jobs", headers=ann).json()] == [job["id"]]
    assert client.get("/v1/jobs", headers=bob).json() == []
    for method, path in (("GET", ""), ("GET", "/result"), ("DELETE", "")):
        assert client.request(method, f"/v1/jobs/{job['id']}{path}", headers=bob).status_code == 404
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 200


def test_models_are_listed_with_what_their_headers_say(start):
    listed = start(models=("4x-NLCUnet-S", "bicubic-x2"), default_model="4x-NLCUnet-S").get("/v1/models").json()
    assert [one["name"] for one in listed] == ["4x-NLCUnet-S", "bicubic-x2"]
    assert listed[0]["is_default"]
    assert listed[0]["parameters"] > 1_000_000
    assert listed[0]["scores"]["Set5 gaussian8 x4"]["psnr_y"] > 30


def test_the_scale_chooses_the_weights(start):
    client = start(models=("2x-NLCUnet-S", "4x-NLCUnet-S"))
    for order, name in (({"scale": "2"}, "2x-NLCUnet-S"), ({}, "4x-NLCUnet-S"), ({"scale": "4"}, "4x-NLCUnet-S")):
        answer = client.post("/v1/upscale", files=form(picture_bytes(8, 8)), data=order)
        assert answer.headers["nlcunet-model"] == name


def test_health_readiness_and_metrics(client):
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json() == {"status": "ready", "problems": []}
    client.post("/v1/upscale", files=form())
    client.post("/v1/upscale", files=form(b"no picture at all"))
    text = client.get("/metrics").text
    assert 'nlcunet_jobs_total{state="done"} 1.0' in text
    assert 'nlcunet_http_requests_total{method="POST",route="/v1/upscale",status="200"} 1.0' in text
    assert 'nlcunet_refusals_total{code="not_a_picture"} 1.0' in text
    assert "nlcunet_pixels_in_total 192.0" in text
    assert "nlcunet_pixels_out_total 768.0" in text
    assert re.search(r"^nlcunet_disk_bytes \d{3,}", text, re.MULTILINE)
    client.app.state.service.end_accepting()
    not_ready = client.get("/readyz")
    assert (not_ready.status_code, not_ready.json()["problems"]) == (503, ["ending"])
    assert client.post("/v1/upscale", files=form()).headers["retry-after"] == "60"


def test_every_line_of_the_log_names_its_request(client, caplog):
    from nlcunet.server.logs import JsonLines

    with caplog.at_level("INFO", "nlcunet.server"):
        client.post("/v1/upscale", files=form(), headers={"X-Request-Id": "mine-1"})
    assert [record.getMessage() for record in caplog.records] == ["accepted", "done", "answered"]
    line = json.loads(JsonLines().format(caplog.records[0]))
    assert {"time", "level", "event", "job", "width", "format"} <= line.keys()


def test_request_ids_are_kept_if_they_are_harmless(client):
    assert client.get("/healthz", headers={"X-Request-Id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, '{"a":1}', ""):
        assert re.fullmatch(
            "[0-9a-f]{16}", client.get("/healthz", headers={"X-Request-Id": bad}).headers["x-request-id"]
        )


def test_a_second_server_in_the_same_folder_is_refused(client, make_settings):
    from nlcunet.errors import ConfigError
    from nlcunet.server.service import Service

    with pytest.raises(ConfigError, match="that no other server uses"):
        Service(make_settings())


def test_nothing_is_left_of_refused_uploads(client, make_settings):
    folder: Path = make_settings().folder
    client.post("/v1/upscale", files=form(b"text"))
    client.post("/v1/upscale", files=form(), data={"scale": "-1"})
    assert list((folder / "incoming").iterdir()) == list((folder / "jobs").iterdir()) == []
