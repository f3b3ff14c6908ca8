"""The set ``open-photos``: free photographs out of Debian packages, each under its own licence.

``open_photos.csv`` names each photograph: its package, its path there, the SHA-256 of the file, and the scale (1, 0.75,
0.5 or 0.35) at which it is sharp, quiet and free of JPEG blocks. A photograph that has changed in the archive, or that
is gone, is told and left out; the next run tries again for those that are missing.
"""

import csv
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter

from nlcunet.data.fetching.archives import unpack
from nlcunet.data.fetching.catalogue import PictureSet
from nlcunet.data.fetching.debian import packages_at_hand
from nlcunet.data.fetching.jpegxl import ADVICE, jpegxl_decoder, read_jpegxl
from nlcunet.data.fetching.manifests import ManifestRow, missing_files, read_fetched_manifest, write_fetched_manifest
from nlcunet.data.fetching.open_photos_packages import PACKAGES
from nlcunet.data.fetching.parts import DOWNLOADS, make_empty
from nlcunet.data.fetching.sets import Fetched
from nlcunet.errors import DataError, ImageError
from nlcunet.files.checksums import hash_file
from nlcunet.files.download import DownloadListener, Patience, check_room
from nlcunet.imaging.files import Metadata, Picture, read_picture, write_picture
from nlcunet.imaging.resize import resize_bicubic

PNG_BYTES_PER_PIXEL = 2.0
"""What photographs take as PNG, generously."""


@dataclass(frozen=True, kw_only=True)
class OpenPhoto:
    """One photograph of the list."""

    file: str
    split: str
    width: int
    """After scaling."""
    height: int
    scale: float
    package: str
    path: str
    """Within the package."""
    source_sha256: str
    licence: str
    holder: str


@lru_cache(maxsize=1)
def list_open_photos() -> tuple[OpenPhoto, ...]:
    """All photographs of the set."""
    text = (files("nlcunet.data.fetching") / "open_photos.csv").read_text(encoding="utf-8")
    return TypeAdapter(tuple[OpenPhoto, ...]).validate_python(tuple(csv.DictReader(text.splitlines())))


def fetch_open_photos(
    wanted: PictureSet,
    folder: Path,
    *,
    photos: Sequence[OpenPhoto] | None = None,
    patience: Patience | None = None,
    listener: DownloadListener | None = None,
    keep_archives: bool = False,
) -> Fetched:
    """Have the photographs in ``folder/open-photos`` as PNG, with their manifest.

    Raises:
        DataError: None can be had, or the disk has no room.
    """
    started, patience, listener = time.monotonic(), patience or Patience(), listener or DownloadListener()
    photos = list_open_photos() if photos is None else photos
    target = folder / wanted.name
    rows = read_fetched_manifest(target)
    if rows is not None and not missing_files(target, rows) and {row.file for row in rows} >= {p.file for p in photos}:
        return Fetched(name=wanted.name, folder=target, pictures=len(rows), was_there=True)
    work = target if rows is not None else folder / f".{wanted.name}.unpacking"
    if rows is None and target.exists():
        raise DataError(
            f"{target} must be free, or a set that was fetched: got a folder without manifest; move it away"
        )
    work.mkdir(parents=True, exist_ok=True)
    developed = _Darkroom(work, folder / DOWNLOADS / wanted.name, patience, listener)
    developed.develop_all([photo for photo in photos if not (work / photo.file).is_file()])
    there = [photo for photo in photos if (work / photo.file).is_file()]
    if not there:
        raise DataError(f"some photographs must be had: got none of {len(photos)}; {developed.first_reason()}")
    write_fetched_manifest(work, [_manifest_row(work, photo) for photo in there])
    if work != target:
        work.rename(target)
    if not keep_archives:
        shutil.rmtree(folder / DOWNLOADS / wanted.name, ignore_errors=True)
    return Fetched(
        name=wanted.name,
        folder=target,
        pictures=len(there),
        was_there=False,
        downloaded_bytes=developed.received_bytes,
        seconds=time.monotonic() - started,
        missing=tuple(f"{name}: {reason}" for name, reason in sorted(developed.reasons.items())),
    )


def _manifest_row(work: Path, photo: OpenPhoto) -> ManifestRow:
    package = PACKAGES[photo.package]
    return ManifestRow(
        file=photo.file,
        split=photo.split,
        licence=photo.licence,
        sha256=hash_file(work / photo.file),
        source=f"{package.file} (Debian {package.suite}):{photo.path}",
        holder=photo.holder,
    )


class _Darkroom:
    """Takes photographs out of packages; remembers why some could not be taken."""

    def __init__(self, work: Path, packages: Path, patience: Patience, listener: DownloadListener) -> None:
        self._work, self._packages = work, packages
        self._patience, self._listener = patience, listener
        self.reasons: dict[str, str] = {}
        self.received_bytes = 0

    def first_reason(self) -> str:
        """Why one of them failed."""
        return next(iter(self.reasons.values()), "no photograph was asked for")

    def develop_all(self, photos: Sequence[OpenPhoto]) -> None:
        """Get all that can be had of these, package by package."""
        pixels = sum(photo.width * photo.height for photo in photos)
        names = dict.fromkeys(photo.package for photo in photos)
        archives = sum(PACKAGES[name].size_bytes for name in names)
        check_room(self._work, int(PNG_BYTES_PER_PIXEL * pixels) + 2 * archives, f"{len(photos)} photographs")
        for name in names:
            self._develop_package(name, [photo for photo in photos if photo.package == name])

    def _develop_package(self, name: str, photos: Sequence[OpenPhoto]) -> None:
        """Those of one package, from its known version first and then from others."""
        left = [photo for photo in photos if not self._is_undecodable(photo)]
        if not left:
            return
        try:
            for deb, received in packages_at_hand(
                PACKAGES[name], self._packages, patience=self._patience, listener=self._listener
            ):
                self.received_bytes += received
                left = self._take_from(deb, left)
                if not left:
                    return
        except DataError as error:
            for photo in left:
                self.reasons.setdefault(photo.file, str(error))

    def _is_undecodable(self, photo: OpenPhoto) -> bool:
        """Whether it is of a kind that nothing here decodes; that is known before it is downloaded."""
        if photo.path.endswith(".jxl") and jpegxl_decoder() is None:
            self.reasons[photo.file] = f"JPEG XL, which nothing here decodes; {ADVICE}"
            return True
        return False

    def _take_from(self, deb: Path, photos: Sequence[OpenPhoto]) -> list[OpenPhoto]:
        """Those that this version does not have as they were."""
        self._listener.say(f"unpacking {deb.name}")
        fresh = make_empty(self._work.with_name(f"{self._work.name}.fresh"))
        by_path = {photo.path: photo for photo in photos}
        unpack(deb, fresh, lambda member: _own_name(by_path[member]) if member in by_path else None)
        left = []
        for number, photo in enumerate(photos):
            self._listener.move(f"developing {deb.name}", number + 1, len(photos))
            if not self._develop(fresh / _own_name(photo), photo, deb):
                left.append(photo)
        shutil.rmtree(fresh)
        return left

    def _develop(self, source: Path, photo: OpenPhoto, deb: Path) -> bool:
        """One photograph; whether it was there as it should be."""
        if not source.is_file():
            self.reasons[photo.file] = f"{deb.name} does not have {photo.path}"
        elif hash_file(source) != photo.source_sha256:
            self.reasons[photo.file] = f"{photo.path} has changed in {deb.name}"
        else:
            try:
                picture = read_jpegxl(source) if source.suffix == ".jxl" else read_picture(source)
                write_picture(scale_photo(picture, photo), self._work / photo.file, strip_metadata=True)
            except ImageError as error:
                self.reasons[photo.file] = str(error)
            else:
                self.reasons.pop(photo.file, None)
                return True
        return False


def _own_name(photo: OpenPhoto) -> str:
    """A name for the source of a photograph that no other has."""
    return Path(photo.file).stem + Path(photo.path).suffix.lower()


def scale_photo(picture: Picture, photo: OpenPhoto) -> Picture:
    """A photograph at the size of the list, RGB in 8 bits, with its profile and nothing else."""
    metadata = Metadata(icc_profile=picture.metadata.icc_profile)
    pixels = np.broadcast_to(picture.pixels, (picture.height, picture.width, 3))
    if pixels.dtype == np.uint8 and pixels.shape[:2] == (photo.height, photo.width):
        return Picture(pixels=pixels.copy(), metadata=metadata)
    largest = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1.0
    planes = torch.from_numpy(pixels.astype(np.float32) / largest).permute(2, 0, 1)
    scaled = resize_bicubic(planes, photo.height, photo.width).clamp(0, 1)
    return Picture(pixels=(scaled * 255).round().to(torch.uint8).permute(1, 2, 0).numpy().copy(), metadata=metadata)
