"""What made a result: kept beside it, so that a later run can tell whether it is still the one asked for.

Each folder of results has one hidden file, ``.nlcunet-results.jsonl``: a line of JSON for every result, of which the
last one counts. It names the input (its name, size, time and checksum, and a checksum of where it lay) and the
settings. A line speaks of a file of one size and time: a result that was replaced since, or copied from elsewhere, has
no origin.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nlcunet.files.checksums import hash_bytes, hash_file

FILE_NAME = ".nlcunet-results.jsonl"

PIPE_NAME = "standard input"
"""Stands for the name of an input that came through a pipe."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What a look at a file tells without reading it."""

    bytes: int
    time_ns: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """The stamp of a file.

        Raises:
            OSError: it is not there, or cannot be looked at.
        """
        status = path.stat()
        return cls(bytes=status.st_size, time_ns=status.st_mtime_ns)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What made a result.

    Attributes:
        name: of the input.
        place: checksum of where the input lay; a folder of results tells nobody how other folders are called.
        stamp: of the input; of a pipe its size, and no time.
        sha256: of the input's bytes.
        settings: all that the pixels and the file depend on, by the words of the command line.
    """

    name: str
    place: str
    stamp: Stamp
    sha256: str
    settings: Mapping[str, Any]


def origin_of(source: Path | bytes, settings: Mapping[str, Any]) -> Origin:
    """The origin of a result that is about to be made; reads the input once.

    Raises:
        OSError: the input cannot be looked at.
        DataError: the input cannot be read.
    """
    if isinstance(source, bytes):
        stamp = Stamp(bytes=len(source), time_ns=0)
        return Origin(name=PIPE_NAME, place="", stamp=stamp, sha256=hash_bytes(source), settings=settings)
    stamp = Stamp.of(source)  # before the bytes: what changes meanwhile is found changed next time
    return Origin(name=source.name, place=place_of(source), stamp=stamp, sha256=hash_file(source), settings=settings)


def place_of(source: Path) -> str:
    """Checksum of where a file lies."""
    return hash_bytes(os.fsencode(source.absolute()))


def is_same_input(origin: Origin, source: Path | bytes) -> bool:
    """Whether a result was made from these bytes; they are read only where name, size and time do not tell.

    Raises:
        OSError: the input cannot be looked at.
        DataError: the input cannot be read.
    """
    if isinstance(source, bytes):
        return origin.sha256 == hash_bytes(source)
    stamp = Stamp.of(source)
    if stamp == origin.stamp and origin.place == place_of(source):
        return True
    return stamp.bytes == origin.stamp.bytes and origin.sha256 == hash_file(source)


class OriginNotes:
    """The origins of all results in one folder, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._notes = _read(self.path)

    def find(self, result: Path) -> Origin | None:
        """What made a result; nothing if that is not known."""
        note = self._notes.get(result.name)
        try:
            return None if note is None or note[0] != Stamp.of(result) else note[1]
        except OSError:
            return None

    def add(self, result: Path, origin: Origin) -> None:
        """Keep what made a result.

        Raises:
            OSError: the file of the notes cannot be written.
        """
        stamp = Stamp.of(result)
        facts = {"result": result.name, "bytes": stamp.bytes, "time_ns": stamp.time_ns}
        line = json.dumps(facts | {"origin": asdict(origin)})
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o666)
        try:
            # One write, so that programs that share a folder do not mix their lines; what a crash has cut ends before.
            os.write(descriptor, f"\n{line}\n".encode())
        finally:
            os.close(descriptor)
        self._notes[result.name] = (stamp, origin)


def _read(path: Path) -> dict[str, tuple[Stamp, Origin]]:
    """Results by name with their stamps and origins; lines that cannot be understood are passed over."""
    notes = {}
    try:
        lines = path.read_bytes().splitlines() if path.is_file() else []
    except OSError:
        return {}
    for line in lines:
        try:
            values = json.loads(line)
            origin = values["origin"]
            stamp = Stamp(bytes=values["bytes"], time_ns=values["time_ns"])
            notes[str(values["result"])] = (stamp, Origin(**{**origin, "stamp": Stamp(**origin["stamp"])}))
        except (ValueError, TypeError, KeyError):
            continue
    return notes
