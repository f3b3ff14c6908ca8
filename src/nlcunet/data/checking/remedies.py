"""What can be done at once about findings: move the files away, or list those that are left."""

import shutil
from pathlib import Path

from nlcunet.data.checking.examination import Examination
from nlcunet.data.photographs import read_photograph_manifest, write_photograph_manifest
from nlcunet.data.shards import is_tile_path
from nlcunet.errors import ConfigError, DataError


def check_target(folder: Path, target: Path) -> None:
    """Refuse a place to move files to that cannot be.

    Raises:
        ConfigError: it lies within the examined folder, where the files would be found again, or is a file.
    """
    if target.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"bad files must be moved out of the examined folder: got {target} within {folder}")
    if target.exists() and not target.is_dir():
        raise ConfigError(f"bad files must be moved to a folder: got the file {target}")


def move_bad_files(found: Examination, target: Path) -> list[Path]:
    """Move every file with a finding, keeping the tree of its folder; where they are now.

    Raises:
        ConfigError: the target cannot be, or the pictures are tiles in shards.
        DataError: a file of that name is there already, or cannot be moved; those before it have been moved.
    """
    check_target(found.folder, target)
    if any(is_tile_path(found.folder / name) for name in found.bad):
        raise ConfigError("tiles cannot be moved out of shards: write a manifest of the good ones instead")
    moved = []
    for name in sorted(found.bad):
        destination = target / name
        if destination.exists():
            raise DataError(
                f"{destination} must not be there yet: moving {name} would replace it; choose another folder"
            )
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(found.folder / name, destination)
        except OSError as error:
            raise DataError(f"{name} must be movable to {destination}: {error.strerror or error}") from error
        moved.append(destination)
    return moved


def write_good_manifest(found: Examination, target: Path, manifest: Path | None = None) -> int:
    """List every picture without a finding as CSV, with the columns of ``manifest``, if any; how many there are.

    Raises:
        DataError: the manifest cannot be read.
        ImageWriteError: the target cannot be written.
    """
    good = [one.name for one in found.pictures if one.name not in found.bad]
    rows = {row["file"]: row for row in read_photograph_manifest(manifest)} if manifest is not None else {}
    columns = list(next(iter(rows.values()), {"file": ""}))
    write_photograph_manifest(target, columns, (rows.get(name, {"file": name}) for name in good))
    return len(good)
