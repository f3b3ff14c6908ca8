"""Servers in this process, with the fast bicubic model."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from nlcunet.imaging.files import Metadata, Picture, encode_picture
from nlcunet.server.app import make_app
from nlcunet.server.settings import ServerSettings


def picture_bytes(height: int = 12, width: int = 16, *, file_format: str = "png", seed: int = 0) -> bytes:
    """A picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return encode_picture(Picture(pixels=pixels, metadata=Metadata()), file_format=file_format)


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., ServerSettings]:
    def make(**changes: Any) -> ServerSettings:
        values = {
            "folder": tmp_path / "served",
            "models": ("bicubic-x2", "bicubic-x4"),
            "default_model": "bicubic-x2",
            "device": "cpu",
            "has_page": False,
            "grace_seconds": 5.0,
        }
        return ServerSettings(**values | changes)

    return make


@pytest.fixture
def start(make_settings: Callable[..., ServerSettings]) -> Iterator[Callable[..., TestClient]]:
    """Starts servers, and ends them after the test; they are called as ``localhost``."""
    clients = []

    def start(**changes: Any) -> TestClient:
        app = make_app(make_settings(**changes))
        client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(start: Callable[..., TestClient]) -> TestClient:
    return start()


def form(data: bytes | None = None, name: str = "photo.png") -> dict[str, Any]:
    """The file of a request."""
    return {"file": (name, io.BytesIO(picture_bytes() if data is None else data), "image/png")}
