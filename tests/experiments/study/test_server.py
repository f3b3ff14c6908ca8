"""What the server answers, and what it keeps to itself."""

import json
import os
import re
from importlib import resources

import pytest
from fastapi.testclient import TestClient

from nlcunet.errors import ConfigError
from nlcunet.experiments.study.answers import Answer
from nlcunet.experiments.study.desk import Desk
from nlcunet.experiments.study.folder import ANSWERS, read_study
from nlcunet.experiments.study.journal import read_lines
from nlcunet.experiments.study.server import HEADERS, make_app
from nlcunet.experiments.study.sessions import count_trials
from nlcunet.server.run import bind

ANSWER = {
    "choice": "left",
    "time_ms": 700,
    "client_width": 390,
    "client_height": 844,
    "device_pixel_ratio": 3,
    "zoom": 4,
}


@pytest.fixture
def make_client(study_folder):
    """A browser without a window, for the study served as asked for."""
    desks = []

    def make(invited=None):
        study = read_study(study_folder)
        desks.append(Desk(study_folder, study, invited))
        return TestClient(make_app(study_folder, study, desks[-1]), raise_server_exceptions=False)

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def client(make_client):
    return make_client()


def join(client):
    response = client.post("/api/participants", json={})
    assert response.status_code == 201
    return response.json()


def answer(client, name, trial, **changes):
    return client.post("/api/answers", json=ANSWER | {"participant": name, "trial": trial} | changes)


def test_a_whole_session(client, study_folder):
    standing = join(client)
    name, total = standing["participant"], standing["total"]
    assert total == count_trials(read_study(study_folder)) == client.get("/api/study").json()["trials"]
    for number in range(total):
        assert standing["done"] == standing["trial"]["trial"] == number
        for side in ("left", "right"):
            picture = client.get(standing["trial"][side])
            assert picture.headers["content-type"] == "image/png"
            assert "immutable" in picture.headers["cache-control"]
        ahead = standing["next"]
        response = answer(client, name, number)
        assert response.status_code == 201
        standing = response.json()
        assert standing["trial"] == ahead
    assert standing == {"done": total, "total": total, "trial": None, "next": None}
    assert client.get(f"/api/participants/{name}").json() == standing
    assert [line.trial for line in read_lines(study_folder / ANSWERS, Answer)] == list(range(total))


def test_an_answer_sent_twice_counts_once(client, study_folder):
    name = join(client)["participant"]
    first, again = (answer(client, name, 0, choice=choice) for choice in ("left", "right"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert [line.choice for line in read_lines(study_folder / ANSWERS, Answer)] == ["left"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"choice": "both"}, 422),
        ({"choice": None}, 422),
        ({"trial": -1}, 422),
        ({"trial": 1}, 409),
        ({"trial": 10_000}, 409),
        ({"trial": "0 "}, 422),
        ({"time_ms": -1}, 422),
        ({"time_ms": 10**12}, 422),
        ({"client_width": 0}, 422),
        ({"device_pixel_ratio": "NaN"}, 422),
        ({"zoom": 0}, 422),
        ({"participant": "nobody"}, 404),
        ({"participant": "x" * 65}, 422),
        ({"kind": "check"}, 422),
        ({"participant": "x" * 20_000}, 413),
    ],
)
def test_what_cannot_be_is_refused_and_not_written(client, study_folder, changes, status):
    name = join(client)["participant"]
    response = client.post("/api/answers", json=ANSWER | {"participant": name, "trial": 0} | changes)
    assert response.status_code == status
    assert "detail" in response.json()
    assert read_lines(study_folder / ANSWERS, Answer) == ()


def test_bytes_that_are_no_json_are_refused(client):
    headers = {"content-type": "application/json"}
    assert client.post("/api/answers", content=b"{", headers=headers).status_code == 422
    assert client.post("/api/answers", content=b"\xff\x00", headers=headers).status_code in {400, 422}
    assert client.post("/api/participants", content=b"", headers=headers).status_code == 413


def test_nothing_that_is_sent_tells_systems_or_kinds(client, study_folder):
    study = read_study(study_folder)
    standing = join(client)
    told = [client.get("/api/study").text, json.dumps(standing)]
    for number in range(standing["total"]):
        response = answer(client, standing["participant"], number)
        told.append(response.text)
    words = {*study.systems, "check", "repeat", "pair", "better", "worse", *(crop.image for crop in study.crops)}
    words -= {"better"}  # is part of the question
    text = "\n".join(told)
    assert not [word for word in words if word in text]
    allowed = {"trial", "left", "right", "width", "height", "references"}
    assert all(set(one) == allowed for one in (standing["trial"], standing["next"]))


@pytest.mark.parametrize(
    "address",
    ["/study.json", "/pictures/study.json", "/pictures/..%2Fstudy.json", "/answers.jsonl", "/docs", "/openapi.json"],
)
def test_no_other_file_is_given(client, address):
    assert client.get(address).status_code == 404


def test_the_page_needs_nothing_from_elsewhere(client):
    for address, kind in (("/", "text/html"), ("/study.css", "text/css"), ("/study.js", "text/javascript")):
        response = client.get(address)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
        assert not re.search(r"https?://|//[a-z]+\.", response.text)
        for name, value in HEADERS.items():
            assert response.headers[name] == value
    page = (resources.files("nlcunet.experiments.study") / "page" / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) == {"/study.css", "/study.js", "data:,"}
    assert "<style" not in page


def test_only_invited_participants_get_in(make_client):
    client = make_client(frozenset({"code-1"}))
    assert client.get("/api/study").json()["is_open"] is False
    for refused in ({}, {"invitation": "guess"}):
        assert client.post("/api/participants", json=refused).status_code == 403
    assert client.post("/api/participants", json={"invitation": "code-1"}).json()["participant"] == "code-1"


def test_an_open_study_gives_names_of_its_own(client):
    name = client.post("/api/participants", json={"invitation": "mine"}).json()["participant"]
    assert name != "mine"


def test_a_full_disk_is_told_and_can_be_tried_again(client, monkeypatch):
    name = join(client)["participant"]
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    response = answer(client, name, 0)
    assert response.status_code == 503
    assert "free some space" in response.json()["detail"]
    monkeypatch.setattr(os, "write", real)
    assert answer(client, name, 0).status_code == 201


def test_a_port_in_use_is_told():
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"needs a free port of this machine: got 127.0.0.1:{port}"):
            bind("127.0.0.1", port)
    with pytest.raises(ConfigError, match="needs a free port"):
        bind("host.invalid", port)
