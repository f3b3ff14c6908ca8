"""What a giant enlargement has on disk while it is not finished, so that it can go on after any interruption.

Beside the target ``NAME`` lies ``.NAME.nlcunet-part`` with raw samples, the state between two rows of tiles, and a
journal that says how far both are good. The journal is replaced last, after what it speaks of is on the disk: whenever
the process or the machine dies, the journal that is found is true.
"""

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlcunet.errors import ImageWriteError
from nlcunet.files.atomic import flush_file, move_into_place
from nlcunet.files.checksums import hash_bytes
from nlcunet.files.locks import try_lock

JOURNAL = "journal.json"
LOCK = "lock"
LONGEST_NAME_BYTES = 255
"""Of a file, on all usual disks."""
_MARK = ".nlcunet-part"


@dataclass(frozen=True, kw_only=True)
class PassJournal:
    """How far an enlargement has come.

    Attributes:
        fingerprint: of everything that the result depends on, but for the tile.
        tile: longest side of a tile.
        pass_index: the pass at hand.
        tile_row: the row of tiles that comes next in it.
        finished_rows: rows of its result that are final and on the disk.
        state: file with what the pass keeps between two rows of tiles; nothing before the first.
    """

    fingerprint: str
    tile: int
    pass_index: int = 0
    tile_row: int = 0
    finished_rows: int = 0
    state: str | None = None


def _folder_name(name: str) -> str:
    """What the folder beside a target is called; of a name that leaves no room, only a checksum."""
    if len(os.fsencode(name)) <= LONGEST_NAME_BYTES - len(_MARK) - 1:
        return f".{name}{_MARK}"
    return f".{hash_bytes(os.fsencode(name))}{_MARK}"


def _is_possible(journal: PassJournal) -> bool:
    """Whether a journal holds values of the right kinds; a damaged one may hold anything."""
    counts = (journal.pass_index, journal.tile_row, journal.finished_rows, journal.tile)
    is_counted = all(type(number) is int and number >= 0 for number in counts) and journal.tile > 0
    is_state = journal.state is None or (isinstance(journal.state, str) and Path(journal.state).name == journal.state)
    return isinstance(journal.fingerprint, str) and is_counted and is_state


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


class PartFolder:
    """The folder of unfinished rows beside a target, held by one process at a time.

    Raises:
        ImageWriteError: the folder cannot be made, or another process works in it.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        final = Path(os.path.realpath(target))
        self.path = final.with_name(_folder_name(final.name))
        try:
            self.path.mkdir(exist_ok=True)
            lock = try_lock(self.path / LOCK)
        except OSError as error:
            raise ImageWriteError(
                f"unfinished rows must be kept beside the target: got {self.path}: {error.strerror}; "
                "choose another folder with -o"
            ) from error
        if lock is None:
            raise ImageWriteError(
                f"one program at a time may make {target}: another one is at it; wait for it, or stop it"
            )
        self._lock = lock

    def file(self, name: str) -> Path:
        """A file of this name in the folder."""
        return self.path / name

    def read_journal(self) -> PassJournal | None:
        """The journal of an earlier run; nothing if there is none, or none that can be understood."""
        try:
            values: dict[str, Any] = json.loads(self.file(JOURNAL).read_text(encoding="utf-8"))
            journal = PassJournal(**values)
        except (OSError, ValueError, TypeError):
            return None
        return journal if _is_possible(journal) else None

    def has_journal(self) -> bool:
        """Whether an earlier run has left a journal, whatever it says."""
        return self.file(JOURNAL).exists()

    def find_damage(self, journal: PassJournal, num_bytes: Mapping[str, int]) -> str | None:
        """What is wrong with the files that a journal speaks of, in words; nothing if it can be gone on with.

        Args:
            journal: of the earlier run.
            num_bytes: sizes of the files of samples that must be there, by their names.
        """
        for name, wanted in num_bytes.items():
            path = self.file(name)
            if not path.is_file() or path.stat().st_size != wanted:
                return f"{name} is not whole"
        try:
            state = self.read_state(journal)
            is_of_journal = not state or int(state["next_row"]) == journal.tile_row
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
            is_of_journal = False
        return None if is_of_journal else f"{journal.state} is damaged or missing"

    def write_journal(self, journal: PassJournal, state: Mapping[str, np.ndarray] | None = None) -> PassJournal:
        """Make it known how far the work has come; samples must be on the disk before.

        Returns:
            The journal as written: with the name of the file of ``state``.
        """
        if state is not None:
            name = f"state-{journal.pass_index}-{journal.tile_row}.npz"
            self._save_arrays(self.file(name), state)
            journal = PassJournal(**asdict(journal) | {"state": name})
        new = self.file(f"{JOURNAL}.new")
        try:
            new.write_text(json.dumps(asdict(journal)), encoding="utf-8")
        except OSError as error:
            raise ImageWriteError(
                f"the journal of unfinished rows must be kept on the disk: got {new}: {error.strerror}; check the disk"
            ) from error
        move_into_place(new, self.file(JOURNAL))
        for old in self.path.glob("state-*.npz"):
            if old.name != journal.state:
                old.unlink()
        return journal

    def _save_arrays(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        try:
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            flush_file(path)
        except OSError as error:
            raise ImageWriteError(
                f"the state between two rows of tiles must be kept on the disk: got {path}: {error.strerror}; "
                "free some room"
            ) from error

    def read_state(self, journal: PassJournal) -> dict[str, np.ndarray]:
        """What the pass kept at the time of the journal; empty before the first row of tiles."""
        if journal.state is None:
            return {}
        with self.file(journal.state).open("rb") as file, np.load(file) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def clear(self, *, but: Path) -> None:
        """Remove everything of earlier runs, but for one file; the folder stays."""
        for path in self.path.iterdir():
            if path.name not in {LOCK, but.name}:
                _remove(path)

    def keep_finished_rows(self) -> bool:
        """Remove what another run could not use; whether anything is left."""
        if not self.path.is_dir():
            return False
        journal = self.read_journal()
        is_of_use = journal is not None and (journal.pass_index, journal.tile_row) != (0, 0)
        for path in self.path.iterdir():
            is_kept = path.name == LOCK or path.name.startswith((JOURNAL, "state-", "pass-"))
            if not (is_of_use and is_kept):
                _remove(path)
        return is_of_use

    def num_bytes(self) -> int:
        """Room on the disk that the folder takes now; files may have holes."""
        blocks = (getattr(path.stat(), "st_blocks", None) for path in self.path.iterdir())
        return sum(512 * count for count in blocks if count is not None)

    def remove(self) -> None:
        """Remove the folder: the target is finished."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> "PartFolder":
        return self

    def __exit__(self, *_error: object) -> None:
        if not self.keep_finished_rows():
            self.remove()
        self._lock.release()
