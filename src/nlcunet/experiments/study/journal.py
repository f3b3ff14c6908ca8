"""Files of JSON lines that only grow, and lose nothing that was once confirmed, whatever kills the program."""

import json
import os
import threading
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from nlcunet.errors import ConfigError, DataError
from nlcunet.files.locks import try_lock

Line = TypeVar("Line", bound=BaseModel)


class Journal:
    """A file of JSON lines, open for appending by this process alone.

    A line is on disk before ``append`` returns. A last line without its end was never confirmed, and is cut off when
    the file is opened again.

    Args:
        path: The file; made if missing.

    Raises:
        ConfigError: another process has it open.
        DataError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        try:
            lock = try_lock(path.with_name(f".{path.name}.lock"))
            if lock is None:
                raise ConfigError(f"a study can be served only once at a time: {path} is in use; stop the other server")
            self._lock = lock
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise DataError(f"answers need a file that can be written: got {path}: {error.strerror}") from error
        try:
            self._size = _whole_bytes(path.read_bytes())
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)
        except BaseException:
            self.close()
            raise

    def append(self, line: BaseModel) -> None:
        """Add a line, and wait until the disk has it.

        Raises:
            DataError: the disk does not take it; then the file is as it was.
        """
        data = line.model_dump_json().encode() + b"\n"
        with self._guard:
            try:
                if os.write(self._descriptor, data) != len(data):
                    raise OSError("the disk is full")  # noqa: TRY301 - told like every other reason
                os.fsync(self._descriptor)
            except OSError as error:
                os.ftruncate(self._descriptor, self._size)
                raise DataError(f"{self.path} must take an answer: {error}; free some space") from error
            self._size += len(data)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
        self._lock.release()


def read_lines(path: Path, kind: type[Line]) -> tuple[Line, ...]:
    """All whole lines of a journal; none if there is no file.

    Raises:
        DataError: a line is not what it should be.
    """
    if not path.exists():
        return ()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} must be a file that can be read: {error.strerror}") from error
    lines = []
    for number, text in enumerate(data[: _whole_bytes(data)].splitlines(), start=1):
        try:
            lines.append(kind.model_validate_json(text))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(
                f"line {number} of {path} must be one of this program's: {where}: {first['msg']}; "
                "put it right or remove it"
            ) from error
    return tuple(lines)


def read_json(path: Path, kind: type[Line]) -> Line | None:
    """A JSON file, or nothing if there is none.

    Raises:
        DataError: it is not what it should be.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise DataError(f"{path} must be a file of this program: {error}") from error


def _whole_bytes(data: bytes) -> int:
    """Length up to the end of the last whole line."""
    return data.rfind(b"\n") + 1
