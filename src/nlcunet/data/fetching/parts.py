"""One part of a set: the first of several archives that can be had, checked, and its pictures taken out."""

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nlcunet.data.fetching.archives import unpack
from nlcunet.data.fetching.catalogue import Archive, Pick
from nlcunet.data.fetching.manifests import ManifestRow
from nlcunet.errors import DataError
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.checksums import hash_file
from nlcunet.files.download import DownloadListener, Patience, check_room, download

LOCK_NAME = "checksums.json"
"""Beside the sets. Few publishers give checksums: a file without one is trusted at its first download, and its SHA-256
kept here; every later download of it must be the same, byte for byte."""

DOWNLOADS = ".downloads"
UNPACKED_SHARE = 1.1
"""Room that pictures take, as a share of their archive: they are compressed already."""


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What fetching needs to know besides the archive."""

    folder: Path
    """Where sets are kept; archives below it in ``.downloads``."""
    unpacking: Path
    """Where the pictures of the set are gathered."""
    licence: str
    patience: Patience
    listener: DownloadListener


@dataclass(frozen=True, kw_only=True)
class FetchedPart:
    """One archive, had and unpacked."""

    archive: Path
    rows: tuple[ManifestRow, ...]
    notes: tuple[str, ...]
    received_bytes: int


def fetch_part(errand: Errand, alternatives: Sequence[Archive]) -> FetchedPart:
    """The first of several archives that can be had and holds what it should.

    Raises:
        DataError: None does; with the reason for each.
    """
    problems: list[str] = []
    for archive in alternatives:
        if problems:
            errand.listener.say(f"{problems[-1]}; trying {archive.wanted.name} instead")
        path = errand.folder / DOWNLOADS / archive.wanted.name
        try:
            received = download(archive.wanted, path, patience=errand.patience, listener=errand.listener)
            rows = _unpack_part(errand, archive, path)
        except DataError as error:
            problems.append(str(error))
            continue
        notes = (_note_on(archive, errand.folder),) if _is_unchecked(archive) else ()
        return FetchedPart(archive=path, rows=rows, notes=notes, received_bytes=received)
    raise DataError("\n".join(problems))


def _is_unchecked(archive: Archive) -> bool:
    """Whether nobody has published a checksum."""
    return archive.wanted.digest is None and archive.pictures_md5 is None


def _note_on(archive: Archive, folder: Path) -> str:
    return (
        f"nobody has published a checksum of {archive.wanted.name}: its first download is trusted, and remembered in "
        f"{folder / LOCK_NAME}"
    )


def _unpack_part(errand: Errand, archive: Archive, path: Path) -> tuple[ManifestRow, ...]:
    """Pictures of one archive, in a folder of their own first, so that a failure leaves nothing among the others."""
    if _is_unchecked(archive):
        check_first_use(errand.folder, archive.wanted.name, path)
    errand.listener.say(f"unpacking {path.name}")
    check_room(errand.folder, int(UNPACKED_SHARE * path.stat().st_size), f"the pictures of {path.name}")
    fresh = make_empty(errand.unpacking / ".fresh")
    picked = _pick(archive, path, fresh)
    pictures = [fresh / name for name, (pick, _) in picked.items() if pick.count is not None]
    _check_counts(archive, path, [pick for pick, _ in picked.values()])
    _check_pictures(archive, path, pictures)
    if _is_unchecked(archive):
        note_first_use(errand.folder, archive.wanted.name, path)
    rows = tuple(
        ManifestRow(
            file=name,
            split=pick.split,
            licence=errand.licence,
            sha256=hash_file(fresh / name),
            source=f"{archive.wanted.name}:{member}",
        )
        for name, (pick, member) in picked.items()
        if pick.count is not None
    )
    for name in picked:
        (errand.unpacking / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).rename(errand.unpacking / name)
    shutil.rmtree(fresh)
    return rows


def _pick(archive: Archive, path: Path, fresh: Path) -> dict[str, tuple[Pick, str]]:
    """Take out the wanted members; under each new name, what it was picked by and its name in the archive."""
    picked: dict[str, tuple[Pick, str]] = {}

    def choose(member: str) -> str | None:
        pick = next((pick for pick in archive.picks if re.fullmatch(pick.pattern, member)), None)
        own_name = PurePosixPath(member).name
        if pick is None or own_name.startswith("."):  # macOS packs a ._twin with each file
            return None
        name = str(PurePosixPath(pick.folder) / own_name)
        picked[name] = (pick, member)
        return name

    unpack(path, fresh, choose)
    return picked


def _check_counts(archive: Archive, path: Path, picked: Sequence[Pick]) -> None:
    found = Counter(picked)
    for pick in archive.picks:
        if pick.count is not None and found[pick] != pick.count:
            raise DataError(
                f"{path} must hold {pick.count:,} files like {pick.pattern}: got {found[pick]:,}; the publisher may "
                "have changed it; it is kept for you to look into"
            )


def _check_pictures(archive: Archive, path: Path, pictures: Sequence[Path]) -> None:
    """Hold the pictures against the checksum that was published for them together."""
    if archive.pictures_md5 is not None and (got := hash_pictures(pictures)) != archive.pictures_md5:
        raise DataError(
            f"the pictures of {path} must have the checksum {archive.pictures_md5} together: got {got}; they are not "
            "used; remove the file and fetch it again"
        )


def make_empty(folder: Path) -> Path:
    """A folder with nothing in it."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def hash_pictures(paths: Sequence[Path]) -> str:
    """One MD5 for several files: of their own MD5s in hexadecimal, one after the other, in the order of their names.

    It does not see how the files were packed. Published in this form by deepinv (https://deepinv.org) for several sets.
    """
    whole = hashlib.md5(usedforsecurity=False)
    for path in sorted(paths, key=lambda path: path.name):
        whole.update(hash_file(path, "md5").encode())
    return whole.hexdigest()


def check_first_use(folder: Path, archive: str, path: Path) -> None:
    """Hold a file without published checksum against its first download, if it is not the first itself."""
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
