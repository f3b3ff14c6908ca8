"""Is a set that lies on the disk what it should be?"""

from dataclasses import dataclass
from pathlib import Path

from nlcunet.data.fetching.catalogue import PictureSet
from nlcunet.data.fetching.manifests import changed_files, missing_files, read_fetched_manifest
from nlcunet.data.fetching.sets import name_problems
from nlcunet.errors import DataError
from nlcunet.imaging.formats import PICTURE_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found."""

    name: str
    folder: Path
    pictures: int
    has_manifest: bool
    """Without one, only number and names were looked at."""
    problems: tuple[str, ...]


def check_set(wanted: PictureSet, folder: Path) -> Checked:
    """Compare a set's folder with its manifest, byte for byte, and with the catalogue; nothing is changed.

    Raises:
        DataError: There is no such folder.
    """
    target = folder / wanted.name
    if not target.is_dir():
        raise DataError(
            f"{wanted.name} must be a folder to be checked: found none at {target}; fetch it first, or choose the "
            "folder above it with --output"
        )
    rows = read_fetched_manifest(target)
    if rows is None:
        files = [path for path in target.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES]
        problems = name_problems(wanted, [path.stem for path in files])
        return Checked(
            name=wanted.name, folder=target, pictures=len(files), has_manifest=False, problems=tuple(problems)
        )
    listed = [row for row in rows if row.split in {"train", "valid", "test"}]
    problems = [f"{name}: is not there" for name in missing_files(target, rows)]
    problems += [f"{name}: has other bytes than when it was fetched" for name in changed_files(target, rows)]
    if len(listed) != wanted.pictures:
        problems.append(f"the manifest lists {len(listed):,} of {wanted.pictures:,} pictures")
    return Checked(name=wanted.name, folder=target, pictures=len(listed), has_manifest=True, problems=tuple(problems))
