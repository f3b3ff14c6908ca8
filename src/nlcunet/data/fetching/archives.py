"""Chosen files out of zip, tar and Debian archives from strangers, and nothing anywhere else.

Archives are never unpacked as a whole. Each member's name is looked at, the wanted ones are copied, byte by byte and up
to a limit, to names that we choose ourselves. An archive that tries to write elsewhere (absolute names, ``..``, links,
devices) is refused as a whole.
"""

import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from nlcunet.errors import DataError

GROWTH_LIMIT = 4
"""Pictures are compressed already: what unpacks to more than this many times the archive is no set of pictures."""
SMALLEST_LIMIT_BYTES = 64 << 20
COPY_BYTES = 1 << 20
MAX_MEMBERS = 1_000_000

Choose = Callable[[str], str | None]
"""From the name of a member to the name that it gets below the target folder; ``None`` leaves it out."""

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
    ValueError,
)
"""What the standard library raises on damaged, encrypted or unknown archives."""


@dataclass(frozen=True, kw_only=True)
class ArchiveMember:
    """An entry of an archive."""

    name: str
    size_bytes: int
    is_file: bool
    """An ordinary file, neither a link nor a device."""
    is_folder: bool
    open: Callable[[], Any]
    """Its content as a stream to be read and closed."""


def unpack(archive: Path, target: Path, choose: Choose) -> list[Path]:
    """Copy the chosen members of a zip, tar (plain, gzip, xz) or Debian archive into a folder that is there.

    Returns:
        The files written, in the order of the archive.

    Raises:
        DataError: The archive is damaged or of an unknown kind, wants to write elsewhere, or is far larger unpacked
            than any set of pictures; or the disk will not take a file.
    """
    allowed_bytes = max(SMALLEST_LIMIT_BYTES, GROWTH_LIMIT * archive.stat().st_size)
    written: dict[str, Path] = {}
    try:
        with _members(archive) as members:
            for number, member in enumerate(members):
                if number >= MAX_MEMBERS:
                    raise _refusal(archive, f"it has more than {MAX_MEMBERS:,} members")
                _check_name(archive, member.name)
                wanted = None if member.is_folder else choose(member.name.removeprefix("./"))
                if wanted is None:
                    continue
                path = _check_place(archive, member, target, wanted, written)
                allowed_bytes -= _copy(archive, member, path, allowed_bytes)
                written[wanted.casefold()] = path
    except _BROKEN as error:
        raise DataError(
            f"{archive} must be a whole zip, tar or deb archive: {error or type(error).__name__}; remove it and fetch "
            "it again"
        ) from error
    except OSError as error:
        raise DataError(
            f"the files of {archive.name} must fit below {target}: {error.strerror or error}; free some space, check "
            "the permissions, or choose another folder with --output"
        ) from error
    return list(written.values())


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[ArchiveMember]]:
    with archive.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        if start.startswith(b"PK"):
            with zipfile.ZipFile(file) as zipped:
                yield (_zip_member(zipped, info) for info in zipped.infolist())
            return
        stream = _data_of_package(file) if start == b"!<arch>\n" else file
        with tarfile.open(fileobj=_decompressed(stream), mode="r|") as packed:
            yield _tar_members(packed)


class _Stream:
    """A stretch of a file that can be read once, with bytes that were already read put back before it."""

    def __init__(self, file: Any, size_bytes: int | None = None, start: bytes = b"") -> None:
        self._file, self._left, self._start = file, size_bytes, start

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes of what is left; all of it without a size."""
        if self._start:
            size = len(self._start) if size < 0 else size
            start, self._start = self._start[:size], self._start[size:]
            return start
        if self._left is not None:
            size = self._left if size < 0 else min(size, self._left)
        data: bytes = self._file.read(size)
        self._left = None if self._left is None else self._left - len(data)
        return data


def _decompressed(stream: Any) -> Any:
    """A stream of plain tar. Not left to ``tarfile``, which trips over damaged headers of compressed streams."""
    start = stream.read(6)
    whole: Any = _Stream(stream, start=start)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=whole)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(whole)
    if start.startswith((b"\x28\xb5\x2f\xfd", b"BZh")):
        raise tarfile.TarError("it is compressed with zstd or bzip2, which is not read")
    return whole


def _zip_member(zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> ArchiveMember:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return ArchiveMember(
        name=info.filename,
        size_bytes=info.file_size,
        is_file=not info.is_dir() and kind in {0, stat.S_IFREG},
        is_folder=info.is_dir(),
        open=lambda: zipped.open(info),
    )


def _tar_members(packed: tarfile.TarFile) -> Iterator[ArchiveMember]:
    for info in packed:

        def open_member(info: tarfile.TarInfo = info) -> Any:
            file = packed.extractfile(info)
            if file is None:
                raise tarfile.TarError(f"{info.name} has no content")
            return file

        yield ArchiveMember(
            name=info.name, size_bytes=info.size, is_file=info.isreg(), is_folder=info.isdir(), open=open_member
        )


def _data_of_package(file: Any) -> Any:
    """The tar archive with the files of a Debian package (deb(5)): an ``ar`` archive whose member is ``data.tar``."""
    file.seek(8)
    while len(header := file.read(60)) == 60:
        name, size, end = header[:16].decode("ascii", "replace").strip().rstrip("/"), header[48:58], header[58:]
        if end != b"`\n":
            raise tarfile.TarError("the headers of the package are damaged")
        if name.startswith("data.tar"):
            return _Stream(file, int(size))
        file.seek(int(size) + int(size) % 2, 1)
    raise tarfile.TarError("the package has no data.tar")


def _check_name(archive: Path, name: str) -> None:
    """Refuse archives that name a place outside, in the manner of any system, even for members that are left out."""
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    if path.is_absolute() or windows.drive or windows.root or ".." in path.parts or ".." in windows.parts:
        raise _refusal(archive, f"it names a place outside: {name!r}")
    if "\0" in name:
        raise _refusal(archive, f"it has a name with a null byte: {name!r}")


def _check_place(archive: Path, member: ArchiveMember, target: Path, wanted: str, written: dict[str, Path]) -> Path:
    if not member.is_file:
        raise _refusal(archive, f"{member.name!r} should be a picture, and is a link or a device")
    if wanted.casefold() in written:
        raise _refusal(archive, f"two members would become {wanted}")
    path = target / wanted
    if not path.resolve().is_relative_to(target.resolve()):
        raise _refusal(archive, f"{member.name!r} would land outside")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _copy(archive: Path, member: ArchiveMember, path: Path, allowed_bytes: int) -> int:
    """Write one member; how many bytes it has."""
    size = 0
    with member.open() as source, path.open("xb") as file:
        while chunk := source.read(COPY_BYTES):
            size += len(chunk)
            if size > allowed_bytes:
                raise _refusal(archive, f"it unpacks to more than {GROWTH_LIMIT} times its size")
            file.write(chunk)
    if size != member.size_bytes:
        raise EOFError(f"{member.name} has {size:,} of {member.size_bytes:,} bytes")
    return size


def _refusal(archive: Path, reason: str) -> DataError:
    return DataError(
        f"{archive} must hold pictures and nothing harmful: {reason}; do not use it, remove it and fetch it again"
    )
