"""Which files of a folder are pictures."""

from collections.abc import Iterator
from pathlib import Path

from nlcunet.imaging.formats import PICTURE_SUFFIXES


def visible_entries(folder: Path, *, recursive: bool = False) -> Iterator[Path]:
    """What lies in a folder, of any kind, in the order of the names.

    Hidden files, and what lies in hidden folders below it, are left out.
    """
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def list_pictures(folder: Path, *, recursive: bool = False) -> list[Path]:
    """The picture files among the visible entries of a folder, by their endings, in the same order."""
    entries = visible_entries(folder, recursive=recursive)
    return [path for path in entries if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
