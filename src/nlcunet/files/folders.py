"""Folders that appear whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nlcunet.files.atomic import set_permissions


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its name at the end, or goes if anything goes wrong.

    A folder that has the target's name already is replaced as a whole, and back if that fails: whoever must not lose
    one looks before.

    Raises:
        OSError: The folder cannot be made or renamed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent))
    try:
        yield draft
        set_permissions(draft, 0o755)  # temporary folders begin as private ones
        _put_in_place(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put_in_place(draft: Path, target: Path) -> None:
    """Give the draft the target's name; what was there is back if that fails."""
    old = draft.with_suffix(".old")
    if target.exists():
        target.rename(old)
    try:
        draft.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
