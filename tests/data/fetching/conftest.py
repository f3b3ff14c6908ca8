"""Archives made by hand, and programs."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


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
