"""The container file without a container engine: what it copies, runs and starts is there and fits together."""

import json
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch

import pytest
import uvicorn
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nlcunet.server.app import make_app
from nlcunet.server.settings import ServerSettings

from .docs.grammar import parse_nlcunet
from .docs.pages import ROOT

INSTRUCTIONS = set("ARG CMD COPY ENV EXPOSE FROM HEALTHCHECK RUN STOPSIGNAL USER VOLUME WORKDIR".split())  # noqa: SIM905
"""What the file may use: ADD, which fetches and unpacks, is not among them."""


@dataclass
class Stage:
    """A stage: what it is built on, and its instructions with those that it inherits."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name):
        return [text for instruction, text in self.instructions if instruction == name]

    def last(self, name):
        return self.all(name)[-1]


def read_instructions():
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(*line.split(None, 1), "")[:2] for line in joined.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def stages():
    found: dict[str, Stage] = {}
    current = None
    for name, text in read_instructions():
        if name == "FROM":
            base, _, title = text.partition(" AS ")
            inherited = found[base].instructions if base in found else []
            current = found[title] = Stage(base, [*inherited])
        elif current is not None:
            current.instructions.append((name, text))
    return found


def ignored(path):
    """Whether a file of the repository is kept out of the build, by the last rule that fits it or a folder of it."""
    verdict = False
    for line in (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().removeprefix("!").removeprefix("**/")
        names = [path, *(parent.as_posix() for parent in path_of(path).parents if parent.name)]
        parts = path_of(path).parts if "**/" in line else ()
        if pattern and not line.startswith("#") and any(fnmatch(name, pattern) for name in (*names, *parts)):
            verdict = not line.startswith("!")
    return verdict


def path_of(text):
    return (ROOT / text).relative_to(ROOT)


def test_every_instruction_is_known():
    found = {name for name, _ in read_instructions()}
    assert found <= INSTRUCTIONS
    assert {"FROM", "RUN", "USER", "CMD", "HEALTHCHECK"} <= found


def test_what_is_copied_is_there_and_reaches_the_build(stages):
    copied = [text.split() for stage in stages.values() for text in stage.all("COPY")]
    sources = {word for words in copied if not words[0].startswith("--") for word in words[:-1]}
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not ignored(source), source
    for words in copied:
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in stages
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= sources
    assert project["tool"]["hatch"]["version"]["path"].split("/")[0] in sources
    assert not ignored("src/nlcunet/weights/4x-NLCUnet-S.safetensors")


def test_the_build_sees_nothing_else():
    for path in (".git/config", ".venv/bin/python", "runs/x", "docs/index.md", "src/nlcunet/__pycache__/x.pyc"):
        assert ignored(path), path
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8") == (ROOT / ".containerignore").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_programs_run_as_nobody_in_particular(stages, name):
    user, _, group = stages[name].last("USER").partition(":")
    assert int(user) > 999
    assert int(group) > 999
    made = " ".join(stages[name].all("RUN"))
    assert f"--uid {user} " in made
    assert f"chown {user}:{group} {stages[name].last('VOLUME')}" in made


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_what_is_started_is_a_command_that_answers_where_the_file_says(stages, name):
    words = json.loads(stages[name].last("CMD"))
    assert parse_nlcunet(words) is None
    values = dict(zip(words[2::2], words[3::2], strict=True))
    assert values["--host"] == "0.0.0.0"  # noqa: S104 - inside the container
    assert values["--port"] == stages[name].last("EXPOSE")
    assert values["--folder"].startswith(stages[name].last("VOLUME"))
    assert f"127.0.0.1:{values['--port']}/healthz" in stages[name].last("HEALTHCHECK")


def read_lock(name):
    """Names and versions in a file of checksums, all of which have at least one."""
    entries = re.split(r"\n(?=[a-z])", (ROOT / "container" / name).read_text(encoding="utf-8"))[1:]
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n?", entry), entry
    return dict(re.match(r"(\S+)==(\S+)", entry).groups() for entry in entries)


def test_everything_is_installed_by_version_and_but_for_pytorch_by_checksum(stages):
    installs = [
        shlex.split(part)
        for stage in stages.values()
        for text in stage.all("RUN")
        for part in text.split("&&")
        if "pip install" in part or "pip wheel" in part
    ]
    assert installs
    locks = set()
    for words in installs:
        if "--require-hashes" in words:
            assert "--no-deps" in words
            locks.add(words[words.index("--requirement") + 1].rpartition("/")[2])
            continue
        wanted = words[-1]
        assert wanted in {"torch==2.13.0", "/wheels/*.whl", "."}, words
        assert "--no-deps" in words or wanted.startswith("torch")
    assert locks == {"requirements.txt", "requirements-build.txt"}
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "torch==2.13.0" in constraints.splitlines()
    for name in ("cpu", "gpu"):
        assert "pip check" in " ".join(stages[name].all("RUN"))


def test_the_checksums_are_of_all_that_the_server_needs_in_the_tested_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = read_lock("requirements.txt")
    needed = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["serve"]]
    names = {canonicalize_name(Requirement(text).name) for text in needed}
    assert names - set(locked) == {"torch"}
    build = read_lock("requirements-build.txt")
    assert {canonicalize_name(Requirement(text).name) for text in project["build-system"]["requires"]} <= set(build)
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(re.fullmatch(r"([\w.-]+)==(\S+)", line).groups() for line in lines if line[:1] not in {"#", ""})
    tested = {canonicalize_name(name): version for name, version in tested.items()}
    assert {name: tested.get(name, version) for name, version in locked.items()} == locked


@pytest.fixture
def served(tmp_path):
    """The server that the file starts, on a free port."""
    settings = ServerSettings(folder=tmp_path / "data", models=("bicubic-x4",), device="cpu", has_page=False)
    app = make_app(settings, host="0.0.0.0")  # noqa: S104 - it is bound to loopback below
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def test_the_health_check_is_right_about_a_server_that_lives_and_one_that_does_not(stages, served):
    text = stages["cpu"].last("HEALTHCHECK")
    options = dict(re.findall(r"--([a-z-]+)=(\d+)", text))
    program, flag, code = json.loads(text.partition("CMD ")[2])
    assert (program, flag) == ("python", "-c")
    assert int(options["timeout"]) > int(re.search(r"timeout=(\d+)", code)[1])
    alive = code.replace("127.0.0.1:7860", f"127.0.0.1:{served}")
    assert alive != code
    assert subprocess.run([sys.executable, "-c", alive], check=False).returncode == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = code.replace("7860", str(free.getsockname()[1]))
        assert subprocess.run([sys.executable, "-c", dead], capture_output=True, check=False).returncode != 0
