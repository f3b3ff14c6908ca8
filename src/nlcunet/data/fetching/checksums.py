"""Checksums: those that somebody published, and for the rest a note of what came the first time.

Few publishers of picture sets give checksums. Where none is known, the first download is trusted and its SHA-256 is
kept in ``checksums.json`` beside the sets; every later download of that file must be the same, byte for byte.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from nlcunet.errors import DataError
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.checksums import hash_file

LOCK_NAME = "checksums.json"
"""Name of the file that remembers first downloads."""


def hash_pictures(paths: Sequence[Path]) -> str:
    """One MD5 for several files: of their own MD5s in hexadecimal, one after the other, in the order of their names.

    It does not see how the files were packed. Published in this form by deepinv (https://deepinv.org) for several sets.
    """
    whole = hashlib.md5(usedforsecurity=False)
    for path in sorted(paths, key=lambda path: path.name):
        whole.update(hash_file(path, "md5").encode())
    return whole.hexdigest()


def check_first_use(folder: Path, archive: str, path: Path) -> None:
    """Hold a file without published checksum against its first download, if it is not the first itself.

    Raises:
        DataError: The file differs from the first download, or the notes cannot be read.
    """
    known = _read_notes(folder / LOCK_NAME).get(archive, {}).get("sha256")
    if known is not None and (got := hash_file(path)) != known:
        raise DataError(
            f"{archive} must be the file of its first download (SHA-256 {known}): got {got}; if you know that the "
            f"publisher has changed it, remove its entry from {folder / LOCK_NAME}, otherwise remove {path}, and fetch "
            "it again"
        )


def note_first_use(folder: Path, archive: str, path: Path) -> None:
    """Remember a file for :func:`check_first_use`; to be called once it has proved to be a good one."""
    notes = _read_notes(folder / LOCK_NAME)
    notes.setdefault(archive, {"sha256": hash_file(path), "bytes": path.stat().st_size})
    write_file_atomically(folder / LOCK_NAME, (json.dumps(notes, indent=2, sort_keys=True) + "\n").encode())


def _read_notes(path: Path) -> dict[str, dict[str, str | int]]:
    """What was noted so far; nothing if there is no file yet."""
    if not path.exists():
        return {}
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} must hold JSON with checksums: {error}; restore it, or move it away") from error
    if not isinstance(notes, dict) or not all(isinstance(note, dict) for note in notes.values()):
        raise DataError(f"{path} must hold a JSON object of objects: got something else; restore it, or move it away")
    return notes
