"""Folders for pictures on their way through this machine, also of processes that were killed."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows, where what a killed process leaves is left
    fcntl = None  # type: ignore[assignment]

PREFIX = "nlcunet-scratch-"
LOCK = "lock"

YOUNGEST_SECONDS = 60.0
"""A folder may not be locked yet when it is made."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is taken away afterwards; Ray kills its workers, so later ones look for what was left."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, (Path(name) / LOCK).open("wb") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


def sweep() -> None:
    """Take away folders of processes that are no more; those of others, in other containers too, are locked."""
    if fcntl is None:
        return
    for lock_file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        try:
            if time.time() - lock_file.stat().st_mtime < YOUNGEST_SECONDS:
                continue
            with lock_file.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock_file.parent, ignore_errors=True)
        except OSError:
            continue  # it is in use, or gone, or somebody else's
