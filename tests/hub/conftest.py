"""A Hugging Face Hub on loopback: as much of it as the real client needs to fetch, to look, and to push.

Everything is kept in memory; a repository is a list of commits, each a name → bytes.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import huggingface_hub.utils
import pytest
import torch

from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import DataSource, LoadedModel, describe

SIMPLE = NLCUnetConfig(width=8, scale=2, depths=(0,) * 6, attention=("none",) * 6, upsampler="direct")
"""Convolutions alone: built, run and drawn in a moment."""


def _git_name(data: bytes) -> str:
    """Forty digits, as git has them."""
    return hashlib.sha256(data).hexdigest()[:40]


@dataclass
class Repository:
    """What the hub holds under one name."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    is_private: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        before = self.commits.get(self.refs.get(branch, ""), {})
        after = {**before, **files}
        content = json.dumps([(name, hashlib.sha256(data).hexdigest()) for name, data in sorted(after.items())])
        sha = _git_name(f"{self.refs.get(branch)}{content}".encode())
        self.commits[sha], self.refs[branch] = after, sha
        return sha


class Hub:
    """The server, and what was asked of it."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.status: int | None = None
        """Answers every request with this, if set."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, repo: str, folder: Path, branch: str = "main") -> str:
        """Commit a folder's files as they are now; the commit's hash."""
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return self.repositories.setdefault(repo, Repository()).commit(files, branch)

    def fetched(self) -> list[str]:
        """Names of the files whose bytes were fetched, in alphabetical order."""
        return sorted(
            line.rpartition("/")[2] for line in self.requests if line.startswith("GET ") and "/resolve/" in line
        )

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any, dict[str, str]]:
        """Status, body (bytes, or what becomes JSON) and headers."""
        if self.status is not None:
            return self.status, {"error": "out of order"}, {}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, {}
        parts = path.removeprefix("/api/models/").lstrip("/").split("/")
        repo, verb, rest = "/".join(parts[:2]), parts[2] if len(parts) > 2 else "", parts[3:]
        repository = self.repositories.get(repo)
        if repository is None or (repository.is_private and not token):
            return 401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        revision = unquote(rest[0]) if rest else "main"
        if method == "POST":
            return self._push(repo, repository, verb, revision, body)
        sha = repository.refs.get(revision, revision)
        if sha not in repository.commits:
            return 404, {"error": "Revision not found"}, {"X-Error-Code": "RevisionNotFound"}
        files = repository.commits[sha]
        if verb in {"", "revision"}:
            return 200, {"id": repo, "sha": sha, "siblings": [{"rfilename": name} for name in files]}, {}
        if verb == "tree":
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": _git_name(data)}
                for name, data in files.items()
            ]
            return 200, entries, {}
        name = unquote("/".join(rest[1:]))
        if name not in files:
            return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha}
        return 200, files[name], {"ETag": f'"{_git_name(files[name])}"', "X-Repo-Commit": sha}

    def _create(self, order: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        repo = f"{order['organization']}/{order['name']}"
        url = {"url": f"{self.url}/{repo}"}
        if repo in self.repositories:
            return 409, {"error": "You already created this model repo", **url}, {}
        self.repositories[repo] = Repository(is_private=order.get("visibility") == "private")
        self.repositories[repo].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return 200, url, {}

    def _push(
        self, repo: str, repository: Repository, verb: str, revision: str, body: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        if verb == "preupload":
            asked = json.loads(body)["files"]
            plain = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return 200, {"files": [{"path": file["path"], **plain} for file in asked]}, {}
        lines = [json.loads(line) for line in body.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
        }
        sha = repository.commit(files, revision)
        return 200, {"commitUrl": f"{self.url}/{repo}/commit/{sha}", "commitOid": sha, "pullRequestUrl": None}, {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        def reply(request: BaseHTTPRequestHandler) -> None:
            body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
            path = urlsplit(request.path).path
            hub.requests.append(f"{request.command} {path}")
            status, content, headers = hub.answer(request.command, path, body, request.headers.get("Authorization", ""))
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            if request.command != "HEAD":
                request.wfile.write(data)

        methods = {f"do_{verb}": reply for verb in ("GET", "HEAD", "POST")}
        settings = {"protocol_version": "HTTP/1.1", "log_message": lambda *_: None}
        return type("Handler", (BaseHTTPRequestHandler,), {**methods, **settings})


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub that the client library talks to, with a cache of its own."""
    settings = huggingface_hub.constants
    monkeypatch.setattr(settings, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(settings, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(settings, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(settings, "HF_HUB_OFFLINE", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    huggingface_hub.utils.disable_progress_bars()
    server = Hub()
    monkeypatch.setattr(settings, "ENDPOINT", server.url)
    path = settings.HUGGINGFACE_CO_URL_TEMPLATE.partition("{")
    monkeypatch.setattr(settings, "HUGGINGFACE_CO_URL_TEMPLATE", f"{server.url}/{''.join(path[1:])}")
    yield server
    huggingface_hub.close_session()
    server.close()


@pytest.fixture(scope="session")
def simple() -> LoadedModel:
    """A network of few convolutions, with a header that says something of everything."""
    torch.manual_seed(2)
    network = NLCUnet(SIMPLE).eval()
    torch.nn.init.normal_(network.upsampler[0].weight, std=0.02)
    sources = (
        DataSource(name="user/free-photographs", licence="CC0-1.0", pictures=1200),
        DataSource(name="own photographs", licence="CC-BY-4.0", pictures=12),
    )
    scores = {"Set5 gaussian8 x2": {"psnr_y": 33.456, "ssim_y": 0.91234}, "Set14 gaussian8 x2": {"psnr_y": 30.5}}
    facts = {"degradation": "isotropic x2", "steps": 700, "patches": 2800, "hours": 0.5, "date": "2026-11-26"}
    return LoadedModel(network, describe(network, "2x-Simple", data=sources, scores=scores, **facts))
