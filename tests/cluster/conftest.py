"""Stores in memory, stores that fail, and small pictures."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from nlcunet.cluster import transfer
from nlcunet.cluster.choice import ModelChoice
from nlcunet.cluster.work import Setup
from nlcunet.imaging.files import Picture, encode_picture
from nlcunet.inference.settings import BatchSettings, EngineSettings
from nlcunet.inference.sizes import SizeRequest


def picture_bytes(seed: int = 0, side: int = 12) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 4, 3), dtype=np.uint8)
    return encode_picture(Picture(pixels=pixels), file_format="png")


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """``memory://``, empty before and after."""
    _empty_memory()
    yield MemoryFileSystem()
    _empty_memory()


def _empty_memory() -> None:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


class WatchedStore(MemoryFileSystem):
    """``watched://``: the memory again, with a list of what was done, and errors to order."""

    protocol = "watched"
    cachable = False
    done: list[tuple[str, ...]] = []  # noqa: RUF012 - of all instances
    errors: list[Exception] = []  # noqa: RUF012

    def _note(self, *words: str) -> None:
        self.done.append(words)
        if self.errors:
            raise self.errors.pop(0)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.replace("watched://", "memory://", 1))

    def get_file(self, rpath: str, lpath: Any, **settings: Any) -> Any:
        self._note("get", rpath)
        return super().get_file(rpath, lpath, **settings)

    def put_file(self, lpath: str, rpath: str, **settings: Any) -> Any:
        self._note("put", rpath)
        return super().put_file(lpath, rpath, **settings)

    def mv(self, path1: str, path2: str, **settings: Any) -> Any:
        self._note("mv", path1, path2)
        return super().mv(path1, path2, **settings)

    def ls(self, path: str, **settings: Any) -> Any:
        self._note("ls", path)
        return super().ls(path, **settings)


@pytest.fixture
def watched(memory: MemoryFileSystem) -> type[WatchedStore]:
    """The store behind ``watched://``; put errors into ``errors``, they are raised one by one."""
    fsspec.register_implementation("watched", WatchedStore, clobber=True)
    WatchedStore.done.clear()
    WatchedStore.errors.clear()
    return WatchedStore


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between tries."""
    monkeypatch.setattr(transfer, "PAUSES_SECONDS", (0.0, 0.0, 0.0))


@pytest.fixture
def make_setup(tmp_path: Path) -> Callable[..., Setup]:
    """What every worker is given, with the fast bicubic model."""

    def make(*, overwrite: bool = False, **size: int) -> Setup:
        choice = ModelChoice(name_or_path="bicubic-x2", settings=EngineSettings(device="cpu", threads=1))
        settings = BatchSettings(request=SizeRequest(**size), overwrite=overwrite)
        return Setup(choice=choice, model=choice.check(settings.request)[1], settings=settings, folder=str(tmp_path))

    return make


class Site(ThreadingHTTPServer):
    """A folder on the web; pictures are given out while the gate is open."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.gate = threading.Event()
        self.gate.set()

    def handle_error(self, *_: Any) -> None:
        """Who asked may be gone."""


class _Handler(SimpleHTTPRequestHandler):
    server: Site

    def send_head(self) -> Any:
        if self.path.endswith(".png"):
            self.server.gate.wait()
        return super().send_head()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The test's folder on the web."""
    with Site(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.gate.set()
        server.shutdown()
        thread.join()
