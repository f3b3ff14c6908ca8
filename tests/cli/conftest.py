"""Pictures on disk, and the command line in this process or in one of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.imaging.files import Metadata, Picture, write_picture

sys.path.insert(0, str(Path(__file__).parent))  # so that the tests of this folder share `tiny_weights`


@pytest.fixture
def save() -> Callable[..., Path]:
    """Writes a picture of noise and gives its path back."""

    def save(path: Path, height: int = 20, width: int = 30, channels: int = 3, *, has_alpha: bool = False) -> Path:
        generator = np.random.default_rng(len(path.name))
        picture = Picture(
            pixels=generator.integers(0, 256, (height, width, channels), dtype=np.uint8),
            alpha=generator.integers(0, 256, (height, width), dtype=np.uint8) if has_alpha else None,
            metadata=Metadata(xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(picture, path)
        return path

    return save


@pytest.fixture
def nlcunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line in this process, in a folder of its own, with the fast bicubic model."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes | None = None) -> Any:
        model = ["--model", "bicubic-x4"] if arguments[0] == "upscale" and "-m" not in arguments else []
        return CliRunner().invoke(app, [*arguments, *model], input=stdin)

    return run


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """The command line as a program of its own, with pipes."""

    def start(*arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "nlcunet", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, **settings)

    return start
