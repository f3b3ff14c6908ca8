"""Programs as a reader calls them: from a shell, in a folder, by name."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .zygote import write_programs

SECONDS = 900


@pytest.fixture(scope="session")
def _environment(tmp_path_factory):
    """One process that has imported everything, and an environment in which `nlcunet` and `python` ask it."""
    folder = tmp_path_factory.mktemp("z")
    address = Path(f"/tmp/nlcunet-{os.getpid()}.socket")  # noqa: S108 - a socket's path may have 107 letters only
    address.unlink(missing_ok=True)
    write_programs(folder / "bin", address)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    own = {"HOME": folder / "home", "XDG_CACHE_HOME": folder / "cache", "NLCUNET_CACHE": folder / "cache"}
    own |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")  # no network
    own |= {"no_proxy": "127.0.0.1,localhost"}
    path = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "COLUMNS": "200", "CURL_HOME": folder}
    environment = os.environ | threads | {name: str(value) for name, value in (own | path).items()}
    (folder / "home").mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("zygote.py"), address],
            env=environment,
            stderr=log,
            start_new_session=True,
        )
    while not address.exists():
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.02)
    yield environment
    os.killpg(process.pid, signal.SIGKILL)  # and whatever it has started
    process.wait()
    address.unlink()


@pytest.fixture
def program(_environment):
    """Runs a command line in a shell, in a folder."""

    def run(text, folder):
        return subprocess.run(
            ["bash", "-c", text],
            cwd=folder,
            env=_environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run


@pytest.fixture
def server(_environment, tmp_path):
    """`nlcunet serve` on a free port; curl finds it where the page says that it is."""
    log = tmp_path / "server.log"
    with log.open("wb") as stream:
        command = ["nlcunet", "serve", "--no-page", "--port", "0", "--folder", "served", "--threads", "1"]
        started = subprocess.Popen(
            ["bash", "-c", f"exec {' '.join(command)}"], cwd=tmp_path, env=_environment, stderr=stream
        )
    deadline = time.monotonic() + 60
    while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())) or "complete" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        assert started.poll() is None, log.read_text()
        time.sleep(0.05)
    curlrc = Path(_environment["CURL_HOME"]) / ".curlrc"
    curlrc.write_text(f'connect-to = "127.0.0.1:7860:127.0.0.1:{found[1]}"\n', encoding="utf-8")
    yield
    curlrc.unlink()
    started.terminate()
    assert started.wait(30) == 143
