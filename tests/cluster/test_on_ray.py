"""The command line on real clusters of Ray, in processes of its own: Ray leaves threads and handlers behind."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nlcunet.cluster.work import PREFIX

from .conftest import Site, picture_bytes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for left-over processes in /proc")

MARK = "NLCUNET_TEST_MARK"
PATIENCE_SECONDS = 240
"""For a machine that is busy with other tests; a free one takes a tenth."""


def processes_with(variable: str, value: str) -> list[str]:
    """Command lines of the processes that were started with this in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{variable}={value}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended meanwhile, or is not ours
    return found


class Rays:
    """Programs around Ray with an environment of their own: its files, its processes, and no reports of use."""

    def __init__(self, home: Path) -> None:
        self.mark = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # as paths of sockets must be short
        self.environment = {
            MARK: self.mark,
            "HOME": str(home),  # where Ray keeps a token
            "RAY_TMPDIR": str(self.folder),
            "TMPDIR": str(self.folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            "OMP_NUM_THREADS": "1",
        }

    @contextmanager
    def start(self, *command: str, folder: Path, **settings: Any) -> Iterator["subprocess.Popen[str]"]:
        """A Python program, which is killed if the test fails."""
        environment = os.environ | self.environment
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings
        command = (sys.executable, *command)
        with subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes) as program:
            try:
                yield program
            except BaseException:
                program.kill()
                raise

    def wait_for_end(self) -> None:
        """Wait until all processes are gone."""
        wait_for_end_of(MARK, self.mark)


def wait_until(is_so: Callable[[], bool], complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)


def wait_for_end_of(variable: str, value: str) -> None:
    wait_until(lambda: not processes_with(variable, value), lambda: f"left over: {processes_with(variable, value)}")


@contextmanager
def new_rays(home: Path) -> Iterator[Rays]:
    rays = Rays(home)
    try:
        yield rays
        rays.wait_for_end()
    finally:
        shutil.rmtree(rays.folder, ignore_errors=True)


@pytest.fixture
def rays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rays]:
    with new_rays(tmp_path_factory.mktemp("home")) as rays:
        yield rays


@dataclass
class RunningCluster:
    """A cluster of one core at first, and programs that are to find it."""

    nodes: "subprocess.Popen[str]"
    rays: Rays
    client_port: int

    def tell(self, what: str) -> None:
        """See ``nodes.py``."""
        assert self.nodes.stdin is not None
        assert self.nodes.stdout is not None
        self.nodes.stdin.write(f"{what}\n")
        self.nodes.stdin.flush()
        assert self.nodes.stdout.readline().strip() == what


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client_port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    with new_rays(home) as rays:
        rays.environment["RAY_AUTH_MODE"] = "disabled"
        program = str(Path(__file__).with_name("nodes.py"))
        pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with rays.start(program, str(client_port), folder=home, **pipes) as nodes:
            assert nodes.stdout is not None
            rays.environment["RAY_ADDRESS"] = nodes.stdout.readline().strip()
            yield RunningCluster(nodes, rays, client_port)
            assert nodes.stdin is not None
            nodes.stdin.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., None]:
    """Makes pictures of noise in the folder ``in``."""

    def make(count: int, side: int = 12) -> None:
        (tmp_path / "in").mkdir()
        for seed in range(count):
            (tmp_path / "in" / f"{seed}.png").write_bytes(picture_bytes(seed, side))

    return make


UPSCALE = ("-m", "nlcunet", "upscale", "-m", "bicubic-x2", "--json")


def check_results(folder: Path, count: int) -> None:
    """Every picture has one line in the manifest, and the result of the plain command line."""
    lines = [json.loads(line) for line in (folder / "out" / "manifest.jsonl").read_text().splitlines()]
    assert sorted(line["output"] for line in lines if line["status"] != "failed") == sorted(
        f"out/{number}.png" for number in range(count)
    )
    assert len({line["output"] for line in lines}) == len(lines)
    plain = [sys.executable, *UPSCALE, "in", "-o", "plain"]
    subprocess.run(plain, cwd=folder, capture_output=True, check=False)
    for number in range(count):
        name = f"{number}.png"
        assert (folder / "out" / name).read_bytes() == (folder / "plain" / name).read_bytes()
    seen = {path.name for path in (folder / "out").iterdir() if not path.name.startswith(".")}
    assert seen == {"manifest.jsonl", *(f"{number}.png" for number in range(count))}


def test_a_cluster_of_this_machine_lasts_as_long_as_the_batch_and_is_taken_up_after_an_interrupt(
    rays: Rays, pictures: Callable[..., None], tmp_path: Path
) -> None:
    pictures(8, side=900)
    (tmp_path / "in" / "bad.png").write_bytes(b"nonsense")
    command = (*UPSCALE, "in", "-o", "out", "--ray", "local", "--ray-workers", "2")
    with rays.start(*command, folder=tmp_path) as program:
        assert program.stdout is not None
        first = json.loads(program.stdout.readline())
        program.send_signal(signal.SIGINT)
        _, told = program.communicate(timeout=PATIENCE_SECONDS)
    assert program.returncode == 130, told
    assert "Traceback" not in told
    rays.wait_for_end()

    with rays.start(*command, folder=tmp_path) as program:
        records, told = program.communicate(timeout=PATIENCE_SECONDS)
    assert program.returncode == 1, told
    lines = {line["input"]: line for line in map(json.loads, records.splitlines())}
    assert len(lines) == 9
    assert lines[first["input"]]["status"] == "skipped" or first["status"] == "failed"
    assert lines["in/bad.png"]["status"] == "failed"
    done = [line for line in lines.values() if line["status"] == "done"]
    assert done
    assert all(line["attempts"] == 1 and line["node"] for line in done)
    assert "in/bad.png: failed: a picture must be one of png" in told
    assert "2 workers on cpu, on a Ray cluster started here" in told
    (tmp_path / "in" / "bad.png").unlink()
    check_results(tmp_path, 8)


def test_a_lost_node_costs_no_picture_and_does_none_twice(
    cluster: RunningCluster, pictures: Callable[..., None], site: Site, tmp_path: Path
) -> None:
    count = 6
    pictures(count, side=200)
    at_work = cluster.rays.folder / "added"
    at_work.mkdir()
    cluster.tell("add")
    site.gate.clear()  # so that pictures are begun and not ended
    with cluster.rays.start(*UPSCALE, f"{site.url}/in/", "-o", "out", "--ray", "auto", folder=tmp_path) as program:
        wait_until(lambda: any(at_work.glob(f"{PREFIX}*")), lambda: "the second node gets no picture")
        cluster.tell("lose")
        wait_for_end_of("TMPDIR", str(at_work))
        site.gate.set()
        records, told = program.communicate(timeout=PATIENCE_SECONDS)
    assert program.returncode == 0, told
    assert "2 workers on cpu, on a running Ray cluster" in told
    lines = [json.loads(line) for line in records.splitlines()]
    assert sorted(line["output"] for line in lines) == sorted(f"out/{number}.png" for number in range(count))
    assert [line["status"] for line in lines] == ["done"] * count
    assert sorted(line["attempts"] for line in lines) == [1] * (count - 1) + [2]
    check_results(tmp_path, count)


def test_a_machine_outside_the_cluster_can_start_a_batch(
    cluster: RunningCluster, pictures: Callable[..., None], tmp_path: Path
) -> None:
    pictures(3)
    (tmp_path / "in" / "bad.png").write_bytes(b"nonsense")
    address = f"ray://127.0.0.1:{cluster.client_port}"
    with cluster.rays.start(*UPSCALE, "in", "-o", "out", "--ray", address, folder=tmp_path) as program:
        records, told = program.communicate(timeout=PATIENCE_SECONDS)
    assert program.returncode == 1, told
    assert len(records.splitlines()) == 4
    check_results(tmp_path, 3)


WRONG_VERSION = """
from nlcunet.cluster.choice import ModelChoice
from nlcunet.cluster.run import Cluster, plan_batch, run_batch
from nlcunet.cluster.work import Setup
from nlcunet.inference.settings import BatchSettings, EngineSettings
from nlcunet.inference.sizes import SizeRequest

choice = ModelChoice(name_or_path="bicubic-x2", settings=EngineSettings(device="cpu"))
settings = BatchSettings(request=SizeRequest())
setup = Setup(choice=choice, model=None, settings=settings, folder=".", version="0.0.1")
list(run_batch(plan_batch(["in"], "out"), setup, Cluster(address="auto")))
"""


def test_workers_that_cannot_start_are_told_in_one_line(
    cluster: RunningCluster, pictures: Callable[..., None], tmp_path: Path
) -> None:
    pictures(1)
    with cluster.rays.start("-c", WRONG_VERSION, folder=tmp_path) as program:
        _, told = program.communicate(timeout=PATIENCE_SECONDS)
    assert "DeviceError: the cluster ended the batch: all machines must have the same version of nlcunet" in told
