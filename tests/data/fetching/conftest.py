"""A web server on loopback that misbehaves on demand, and archives made by hand."""

import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nlcunet.data.fetching.download import Patience


@dataclass
class Page:
    """A file on the server, and what happens to the requests for it, one after the other; then all goes well."""

    data: bytes
    script: list[str] = field(default_factory=list)
    etag: str | None = '"one"'
    has_ranges: bool = True
    obeys_if_range: bool = True
    seen: list[dict[str, str]] = field(default_factory=list)


class Web:
    """The server; pages by their path, or by their whole address when it is used as a proxy."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.let_go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, path: str, data: bytes, *script: str, **settings: object) -> Page:
        page = self.pages[path] = Page(data, list(script), **settings)  # type: ignore[arg-type]
        return page

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        def answer_get(handler: BaseHTTPRequestHandler) -> None:
            page = self.pages.get(handler.path)
            if page is None:
                handler.send_error(404)
                return
            page.seen.append(dict(handler.headers))
            with suppress(BrokenPipeError, ConnectionResetError):
                self.answer(handler, page, page.script.pop(0) if page.script else "well")

        methods = {"do_GET": answer_get, "log_message": lambda *_: None}
        return type("Handler", (BaseHTTPRequestHandler,), methods)

    def answer(self, handler: BaseHTTPRequestHandler, page: Page, act: str) -> None:
        if act.isdecimal():
            handler.send_response(int(act))
            if act == "503":
                handler.send_header("Retry-After", "0")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if act.startswith("to:"):
            handler.send_response(302)
            handler.send_header("Location", act.removeprefix("to:"))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = self._send_head(handler, page, act)
        body = page.data[start:]
        if act.startswith("cut:"):
            body = body[: int(act.removeprefix("cut:"))]
        elif act == "more":
            body += b"more than there should be"
        elif act == "stall":
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            self.let_go.wait(5)
            return
        elif act == "trickle":
            for byte in body:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                if self.let_go.wait(0.02):
                    return
        handler.wfile.write(body)

    @staticmethod
    def _send_head(handler: BaseHTTPRequestHandler, page: Page, act: str) -> int:
        wanted, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        is_same = condition is None or condition == page.etag or not page.obeys_if_range
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and page.has_ranges and is_same else 0
        if start >= len(page.data) > 0 and start:
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return start
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(page.data) - 1}/{len(page.data)}")
        if page.etag is not None:
            handler.send_header("ETag", page.etag)
        if act not in {"more", "unmeasured"}:
            handler.send_header("Content-Length", str(len(page.data) - start))
        if act in {"html", "gzip"}:
            header = ("Content-Type", "text/html") if act == "html" else ("Content-Encoding", "gzip")
            handler.send_header(*header)
        handler.end_headers()
        return start


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The server; proxies of the machine that runs the tests are forgotten."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Web()
    yield server
    server.close()


@pytest.fixture
def patience() -> Patience:
    """Few attempts with short waits, so that tests are quick; a server on a busy machine may take its time."""
    return Patience(silence_s=30.0, slow_s=30.0, slow_bytes=100, attempts=3, first_wait_s=0.001, longest_wait_s=0.01)


def _zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def _tarred(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _debian_package(members: dict[str, bytes]) -> bytes:
    """As deb(5) describes it."""
    data = _tarred({f"./{name}": content for name, content in members.items()}, "w:xz")
    package = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", data)):
        package += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        package += b"\n" * (len(content) % 2)
    return package


@pytest.fixture
def zipped() -> Callable[[dict[str, bytes]], bytes]:
    """Bytes of a zip file with these members."""
    return _zipped


@pytest.fixture
def tarred() -> Callable[..., bytes]:
    """Bytes of a tar file with these members."""
    return _tarred


@pytest.fixture
def debian_package() -> Callable[[dict[str, bytes]], bytes]:
    """Bytes of a Debian package with these files."""
    return _debian_package


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a shell script on the path, before everything else; the path is otherwise empty but for the shell's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)

    return add
