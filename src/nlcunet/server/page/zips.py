"""Many pictures as one ZIP, written while it is sent: nothing is compressed again, nothing is held in memory.

Files are stored as they are, since pictures are compressed already. So the length is known before the first byte, and
every entry begins with its size and checksum, as simple programs on phones need it. Each file is read twice for that,
the second time from the system's cache. Format: APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3 (ZIP64).
"""

import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1 << 20
LIMIT_32 = 0xFFFF_FFFF
LIMIT_16 = 0xFFFF
UTF8_NAMES = 0x0800
PLAIN, ZIP64 = 20, 45
"""Versions of the format that a reader must know."""

MADE_ON_UNIX = 3 << 8
MODE = 0o100644 << 16


@dataclass(frozen=True)
class ZipMember:
    """One file of a ZIP."""

    name: str
    path: Path


def unique_names(names: Sequence[str]) -> list[str]:
    """Names of which no two are the same, not even on systems that do not tell A from a."""
    taken: set[str] = set()
    unique = []
    for name in names:
        stem, dot, ending = name.rpartition(".")
        stem, ending = (stem, dot + ending) if stem else (name, "")
        number, candidate = 1, name
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{stem} ({number}){ending}"
        taken.add(candidate.casefold())
        unique.append(candidate)
    return unique


class Zip:
    """A ZIP of at most 65,534 files, which are open from now on: it can be sent even if they are deleted meanwhile.

    Raises:
        OSError: a file is not there.
    """

    def __init__(self, members: Sequence[ZipMember]) -> None:
        self._open = ExitStack()
        try:
            self._files = [self._open.enter_context(member.path.open("rb")) for member in members]
        except OSError:
            self._open.close()
            raise
        self._names = [member.name.encode() for member in members]
        self._sizes = [file.seek(0, 2) for file in self._files]
        self._date = _dos_date()

    @property
    def length(self) -> int:
        """Bytes of the whole."""
        heads = sum(len(self._head(index, 0)) for index in range(len(self._files)))
        return heads + sum(self._sizes) + len(self._directory([0] * len(self._files)))

    def chunks(self) -> Iterator[bytes]:
        """All of it, once."""
        checks = []
        with self._open:
            for index, file in enumerate(self._files):
                checks.append(_checksum(file))
                yield self._head(index, checks[-1])
                file.seek(0)
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
            yield self._directory(checks)

    def close(self) -> None:
        """Let go of the files."""
        self._open.close()

    def _head(self, index: int, check: int) -> bytes:
        """What stands before a file."""
        name, size = self._names[index], self._sizes[index]
        is_large = size >= LIMIT_32
        extra = struct.pack("<HHQQ", 1, 16, size, size) if is_large else b""
        told = LIMIT_32 if is_large else size
        fields = (0x04034B50, ZIP64 if is_large else PLAIN, UTF8_NAMES, 0, *self._date, check, told, told)
        return struct.pack("<IHHHHHIIIHH", *fields, len(name), len(extra)) + name + extra

    def _directory(self, checks: Sequence[int]) -> bytes:
        """What stands behind all files: where each of them is."""
        entries, offset = [], 0
        for index, check in enumerate(checks):
            entries.append(self._entry(index, check, offset))
            offset += len(self._head(index, 0)) + self._sizes[index]
        directory = b"".join(entries)
        count, size = len(entries), len(directory)
        end = b""
        if offset >= LIMIT_32 or size >= LIMIT_32:
            end += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, ZIP64, ZIP64, 0, 0, count, count, size, offset)
            end += struct.pack("<IIQI", 0x07064B50, 0, offset + size, 1)
        told = (min(count, LIMIT_16), min(count, LIMIT_16), min(size, LIMIT_32), min(offset, LIMIT_32))
        return directory + end + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, *told, 0)

    def _entry(self, index: int, check: int, offset: int) -> bytes:
        """One file in the directory."""
        name, size = self._names[index], self._sizes[index]
        large = [value for value in (size, size, offset) if value >= LIMIT_32]
        extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        version, told = ZIP64 if large else PLAIN, min(size, LIMIT_32)
        fields = (0x02014B50, MADE_ON_UNIX | version, version, UTF8_NAMES, 0, *self._date, check, told, told)
        lengths = (len(name), len(extra), 0, 0, 0, MODE, min(offset, LIMIT_32))
        return struct.pack("<IHHHHHHIIIHHHHHII", *fields, *lengths) + name + extra


def _checksum(file: BinaryIO) -> int:
    check = 0
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        check = zlib.crc32(chunk, check)
    return check


def _dos_date() -> tuple[int, int]:
    """Time and date as DOS had them: the clock of this machine, in steps of two seconds."""
    now = time.localtime()
    return now.tm_hour << 11 | now.tm_min << 5 | now.tm_sec // 2, (
        now.tm_year - 1980
    ) << 9 | now.tm_mon << 5 | now.tm_mday
