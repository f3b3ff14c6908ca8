"""A set of the catalogue from its addresses to a finished folder: download, check, unpack, list, give it its name.

Below the chosen folder, archives wait in ``.downloads`` and pictures in ``.NAME.unpacking``; the set's own folder
appears when it is complete, with its manifest inside. That is how a finished set is recognised.
"""

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nlcunet.data.fetching.catalogue import SETS, PictureSet
from nlcunet.data.fetching.manifests import (
    ManifestRow,
    changed_files,
    missing_files,
    read_fetched_manifest,
    write_fetched_manifest,
)
from nlcunet.data.fetching.parts import Errand, fetch_part, make_empty
from nlcunet.errors import DataError
from nlcunet.files.checksums import hash_file
from nlcunet.files.download import DownloadListener, Patience
from nlcunet.imaging.formats import PICTURE_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What became of a set."""

    name: str
    folder: Path
    pictures: int
    was_there: bool
    """Nothing had to be done."""
    downloaded_bytes: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Pictures that could not be had, each with the reason."""


def fetch_set(
    wanted: PictureSet,
    folder: Path,
    *,
    patience: Patience | None = None,
    listener: DownloadListener | None = None,
    keep_archives: bool = False,
) -> Fetched:
    """Have a set in ``folder/NAME``, with a manifest; what is finished is left alone.

    Raises:
        DataError: It cannot be had, or not all of it.
    """
    started, listener = time.monotonic(), listener or DownloadListener()
    target = folder / wanted.name
    if (there := find_finished(wanted, target)) is not None:
        return there
    if wanted.by_hand:
        return adopt(wanted, target)
    if target.exists():
        raise DataError(
            f"{target} must be free, or a set that was fetched: got a folder without manifest; move it away and run "
            "the command again"
        )
    if wanted.joins:
        return _join(wanted, folder, patience, listener, keep_archives=keep_archives)
    unpacking = make_empty(folder / f".{wanted.name}.unpacking")
    errand = Errand(
        folder=folder,
        unpacking=unpacking,
        licence=wanted.licence,
        patience=patience or Patience(),
        listener=listener,
    )
    parts = [fetch_part(errand, alternatives) for alternatives in wanted.parts]
    write_fetched_manifest(unpacking, [row for part in parts for row in part.rows])
    unpacking.rename(target)
    if not keep_archives:
        for archive in {part.archive for part in parts}:
            archive.unlink()
    return Fetched(
        name=wanted.name,
        folder=target,
        pictures=wanted.pictures,
        was_there=False,
        downloaded_bytes=sum(part.received_bytes for part in parts),
        seconds=time.monotonic() - started,
        notes=tuple(note for part in parts for note in part.notes),
    )


def find_finished(wanted: PictureSet, target: Path) -> Fetched | None:
    """The set, if its folder has a manifest; ``None`` if it has not."""
    rows = read_fetched_manifest(target)
    if rows is None:
        return None
    if gone := missing_files(target, rows):
        raise DataError(
            f"{target} must hold all files of its manifest: {len(gone):,} are gone, such as {gone[0]}; move the folder "
            "away and fetch the set again"
        )
    return Fetched(name=wanted.name, folder=target, pictures=_count_pictures(rows), was_there=True)


def _count_pictures(rows: Sequence[ManifestRow]) -> int:
    """How many pictures a set has, its low-resolution inputs apart."""
    return sum(row.split in {"train", "valid", "test"} for row in rows)


def _join(
    wanted: PictureSet, folder: Path, patience: Patience | None, listener: DownloadListener, *, keep_archives: bool
) -> Fetched:
    """The training pictures of several sets in one folder: hard links where the disk can, so that they cost no room."""
    started = time.monotonic()
    fetched = [
        fetch_set(SETS[name], folder, patience=patience, listener=listener, keep_archives=keep_archives)
        for name in wanted.joins
    ]
    unpacking = make_empty(folder / f".{wanted.name}.unpacking")
    rows = []
    for part in fetched:
        for row in read_fetched_manifest(part.folder) or []:
            if row.split == "train":
                name = PurePosixPath(row.file).name
                _link(part.folder / row.file, unpacking / name)
                rows.append(
                    ManifestRow(
                        file=name,
                        split="train",
                        licence=row.licence,
                        sha256=row.sha256,
                        source=f"{part.name}/{row.file}",
                    )
                )
    write_fetched_manifest(unpacking, rows)
    unpacking.rename(folder / wanted.name)
    return Fetched(
        name=wanted.name,
        folder=folder / wanted.name,
        pictures=len(rows),
        was_there=False,
        downloaded_bytes=sum(part.downloaded_bytes for part in fetched),
        seconds=time.monotonic() - started,
        notes=tuple(note for part in fetched for note in part.notes),
    )


def _link(source: Path, target: Path) -> None:
    """Another name for a file, or a copy where the disk has no hard links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def adopt(wanted: PictureSet, target: Path) -> Fetched:
    """Take a folder that somebody filled by hand, if it holds what it should, and write its manifest."""
    if not target.is_dir():
        raise DataError(wanted.by_hand.format(folder=target))
    files = sorted(path for path in target.iterdir() if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".bmp"})
    if problems := name_problems(wanted, [path.stem for path in files]):
        raise DataError(f"{target} must hold the {wanted.pictures} pictures of {wanted.name}: {'; '.join(problems)}")
    rows = [
        ManifestRow(
            file=path.name, split="test", licence=wanted.licence, sha256=hash_file(path), source="put there by hand"
        )
        for path in files
    ]
    write_fetched_manifest(target, rows)
    return Fetched(
        name=wanted.name, folder=target, pictures=len(rows), was_there=False, notes=("number and names are right",)
    )


def name_problems(wanted: PictureSet, stems: Sequence[str]) -> list[str]:
    """What is wrong with the names of a set's pictures; capitals and punctuation do not count, as copies differ."""

    def plain(name: str) -> str:
        return re.sub(r"[^a-z0-9]", "", name.casefold())

    problems = []
    if len(stems) != wanted.pictures:
        problems.append(f"there are {len(stems)}")
    expected, got = {plain(name): name for name in wanted.names}, {plain(stem): stem for stem in stems}
    if expected and (missing := [expected[key] for key in sorted(expected.keys() - got.keys())]):
        problems.append(f"missing {_some(missing)}")
    if expected and (strange := [got[key] for key in sorted(got.keys() - expected.keys())]):
        problems.append(f"not of this set {_some(strange)}")
    return problems


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


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
