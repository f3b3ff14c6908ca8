"""Folders for pictures on their way through this machine, also of processes that were killed."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nlcunet.files.locks import try_lock

PREFIX = "nlcunet-scratch-"
LOCK = "lock"

YOUNGEST_SECONDS = 60.0
"""A folder may not be locked yet when it is made."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is taken away afterwards; Ray kills its workers, so later ones look for what was left."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        lock = try_lock(Path(name) / LOCK)
        try:
            yield Path(name)
        finally:
            if lock is not None:
                lock.release()


def sweep() -> None:
    """Take away folders of processes that are no more; those of others, in other containers too, are locked."""
    for lock_file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        try:
            if time.time() - lock_file.stat().st_mtime < YOUNGEST_SECONDS:
                continue
            if (lock := try_lock(lock_file)) is not None:
                shutil.rmtree(lock_file.parent, ignore_errors=True)
                lock.release()
        except OSError:
            continue  # it is in use, or gone, or somebody else's
