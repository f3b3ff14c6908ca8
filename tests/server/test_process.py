"""The server as a program: what is accepted survives kill -9, an end is orderly, clients that go are noticed."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from nlcunet.imaging.files import read_picture

from .conftest import picture_bytes


class Served:
    """``nlcunet serve`` on a free port."""

    def __init__(self, folder, *flags):
        command = [sys.executable, "-m", "nlcunet", "serve", "--no-page", "--port", "0", "--folder", str(folder)]
        command += ["-m", "bicubic-x2", "-m", "bicubic-x4", "-m", "4x-NLCUnet-S", "--threads", "1", *flags]
        self.log = folder.with_suffix(".log")
        known = len(self.log.read_text()) if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + 60
        while "application startup complete" not in (said := self.log.read_text()[known:].lower()):
            assert time.monotonic() < deadline, said
            assert self.process.poll() is None, said
            time.sleep(0.05)
        self.address = said.split()[0]
        assert self.address.startswith("http://127.0.0.1:"), said

    def events(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=30) as answer:
            return json.loads(answer.read())

    def post(self, data, query):
        request = urllib.request.Request(f"{self.address}/v1/upscale?{query}", data, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read()) if answer.status == 202 else answer.read()

    def states(self, jobs):
        return [self.get(f"/v1/jobs/{job}")["state"] for job in jobs]

    def wait(self, jobs, states, seconds=60):
        deadline = time.monotonic() + seconds
        while not set(now := self.states(jobs)) <= states:
            assert time.monotonic() < deadline, now
            time.sleep(0.05)
        return now

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def serve(tmp_path):
    running = []

    def start(*flags):
        running.append(Served(tmp_path / "served", *flags))
        return running[-1]

    yield start
    for served in running:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)


def test_kill_9_loses_nothing_that_was_accepted(serve, tmp_path):
    served = serve("--jobs-at-once", "1")
    slow = served.post(picture_bytes(400, 400, seed=1), "wait=0&model=4x-NLCUnet-S")["id"]
    quick = [served.post(picture_bytes(20, 20, seed=seed), "wait=0&model=bicubic-x2")["id"] for seed in range(5)]
    served.wait([slow], {"running"})
    served.end(signal.SIGKILL)
    (tmp_path / "served" / "incoming" / "half").write_bytes(b"half an upload")

    again = serve("--jobs-at-once", "1")
    again.wait([slow, *quick], {"done"})
    for seed, job in enumerate(quick):
        with urllib.request.urlopen(f"{again.address}/v1/jobs/{job}/result") as answer:
            result = read_picture(answer.read())
        expected = again.post(picture_bytes(20, 20, seed=seed), "model=bicubic-x2")
        assert (result.pixels == read_picture(expected).pixels).all()
    assert list((tmp_path / "served" / "incoming").iterdir()) == []
    assert any(line.get("queued_again") == 1 for line in again.events())
    assert again.end(signal.SIGTERM) == 143


def test_a_picture_that_kills_the_server_four_times_is_given_up(serve):
    jobs = []
    for _ in range(4):
        served = serve("--jobs-at-once", "1")
        jobs = jobs or [served.post(picture_bytes(700, 700), "wait=0&model=4x-NLCUnet-S")["id"]]
        served.wait(jobs, {"running"})
        served.end(signal.SIGKILL)
    served = serve()
    facts = served.get(f"/v1/jobs/{jobs[0]}")
    assert facts["state"] == "failed"
    assert "ended 4 times" in facts["error"]


def test_an_end_finishes_the_picture_at_hand_and_keeps_the_queue(serve):
    served = serve("--jobs-at-once", "1", "--grace", "60")
    jobs = [served.post(picture_bytes(200, 200, seed=seed), "wait=0&model=4x-NLCUnet-S")["id"] for seed in range(3)]
    served.wait(jobs[:1], {"running"})
    assert served.end(signal.SIGTERM) == 143
    again = serve("--jobs-at-once", "1")
    assert again.states(jobs)[0] == "done"
    again.wait(jobs, {"done"})


def test_what_cannot_be_finished_within_the_grace_is_handed_back(serve):
    served = serve("--jobs-at-once", "1", "--grace", "0")
    job = served.post(picture_bytes(900, 900), "wait=0&model=4x-NLCUnet-S")["id"]
    served.wait([job], {"running"})
    start = time.monotonic()
    assert served.end(signal.SIGINT) == 130
    assert time.monotonic() - start < 30
    assert any(line["event"] == "handed back" and line["job"] == job for line in served.events())
    assert serve("--jobs-at-once", "1").states([job])[0] in {"queued", "running"}


def test_a_client_that_waits_when_the_server_ends_gets_its_job(serve):
    served = serve("--jobs-at-once", "1", "--grace", "0")
    connection = http.client.HTTPConnection(served.address.removeprefix("http://"), timeout=60)
    connection.request("POST", "/v1/upscale?wait=60&model=4x-NLCUnet-S", picture_bytes(900, 900))
    while not served.get("/v1/jobs"):
        time.sleep(0.02)
    os.kill(served.process.pid, signal.SIGTERM)
    answer = connection.getresponse()
    assert answer.status == 202
    assert json.loads(answer.read())["state"] in {"queued", "running"}
    connection.close()
    served.process.wait(60)


def test_a_client_that_goes_takes_its_picture_with_it(serve):
    served = serve("--jobs-at-once", "1")
    connection = http.client.HTTPConnection(served.address.removeprefix("http://"), timeout=60)
    connection.request("POST", "/v1/upscale?wait=60&model=4x-NLCUnet-S", picture_bytes(900, 900))
    while not (jobs := served.get("/v1/jobs")):
        time.sleep(0.02)
    connection.close()
    served.wait([jobs[0]["id"]], {"cancelled"})


def test_the_curl_line_of_the_documentation_works(serve, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    served = serve()
    (tmp_path / "photo.png").write_bytes(picture_bytes(16, 16))
    command = [
        "curl",
        "-sf",
        "-F",
        "file=@photo.png",
        "-F",
        "scale=3",
        f"{served.address}/v1/upscale",
        "-o",
        "large.png",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert read_picture(tmp_path / "large.png").pixels.shape == (48, 48, 3)


def test_a_taken_port_is_told_in_one_line(serve):
    served = serve()
    command = [sys.executable, "-m", "nlcunet", "serve", "--no-page", "--port", served.address.rpartition(":")[2]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs a free port" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    with pytest.raises(urllib.error.HTTPError):
        served.get("/v1/nothing")


def test_the_page_is_opened_as_soon_as_the_server_answers(tmp_path, monkeypatch):
    stand_in = tmp_path / "browser.py"
    stand_in.write_text(
        "import sys, urllib.request as web\n"
        f"text = sys.argv[1] + ' ' + str(web.urlopen(sys.argv[1]).status)\n"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(text)\n"
    )
    monkeypatch.setenv("BROWSER", f"{sys.executable} {stand_in} %s")
    served = Served(tmp_path / "served", "--open")
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "seen").exists() or not (seen := (tmp_path / "seen").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert seen == f"{served.address}/docs 200"  # REST alone: its reference
    finally:
        served.process.terminate()
        served.process.wait(60)
