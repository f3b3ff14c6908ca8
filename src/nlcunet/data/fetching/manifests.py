"""The list of a set's pictures: ``manifest.csv``, as ``nlcunet.data.photographs.list_photographs`` reads it."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath

from nlcunet.data.photographs import write_photograph_manifest
from nlcunet.errors import DataError
from nlcunet.files.checksums import hash_file

MANIFEST_NAME = "manifest.csv"


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """One picture."""

    file: str
    """Path below the set's folder, with ``/``."""
    split: str
    """``train``, ``valid`` or ``test``; low-resolution inputs have splits of their own, as ``lr_x2``."""
    licence: str
    sha256: str
    """Of the file as it lies there."""
    source: str
    """Archive and member, or package and path, that it came from."""
    holder: str = ""
    """Who is to be named, where the licence asks for it."""


def write_fetched_manifest(folder: Path, rows: Sequence[ManifestRow]) -> None:
    """Put the list into the set's folder, whole or not at all."""
    listed = [asdict(row) for row in sorted(rows, key=lambda row: (row.split, row.file))]
    write_photograph_manifest(folder / MANIFEST_NAME, [field.name for field in fields(ManifestRow)], listed)


def read_fetched_manifest(folder: Path) -> list[ManifestRow] | None:
    """The list of a set's folder; ``None`` if there is none.

    Raises:
        DataError: It cannot be read, or names files outside.
    """
    path = folder / MANIFEST_NAME
    if not path.exists():
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [ManifestRow(**row) for row in csv.DictReader(file)]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        columns = ", ".join(field.name for field in fields(ManifestRow))
        raise DataError(
            f"{path} must be a CSV file with the columns {columns}: {error}; remove it and fetch the set again"
        ) from error
    for row in rows:
        if PurePosixPath(row.file).is_absolute() or ".." in PurePosixPath(row.file).parts:
            raise DataError(f"{path} must name files of its own folder: got {row.file!r}; fetch the set again")
    return rows


def missing_files(folder: Path, rows: Sequence[ManifestRow]) -> list[str]:
    """Which files of a list are not there."""
    return [row.file for row in rows if not (folder / row.file).is_file()]


def changed_files(folder: Path, rows: Sequence[ManifestRow]) -> list[str]:
    """Which files of a list are there and have other bytes than when they were fetched."""
    there = [row for row in rows if (folder / row.file).is_file()]
    return [row.file for row in there if hash_file(folder / row.file) != row.sha256]
