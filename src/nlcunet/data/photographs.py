"""Folders of sharp photographs, decoded once into memory as 8-bit RGB.

A folder holds picture files, or the shards that `nlcunet data pack` makes; both are listed and read by the same
functions, a tile by its path through the shard. A manifest (CSV with the columns ``file`` and, if known, ``split`` and
``licence``) says which files belong to training and which to validation, and under which terms they stand; without one,
every picture in the folder is taken. Shards carry splits and licences in themselves.

Where crops come from the central square of each photograph (as in the paper), only that square is kept: 3450
photographs of DF2K then need 2.7 GB.
"""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from nlcunet.data.shards import is_packed, is_tile_path, list_tiles, read_tile
from nlcunet.data.tiling import count_licences
from nlcunet.errors import DataError, ImageError
from nlcunet.files.atomic import write_file_atomically
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.formats import PICTURE_SUFFIXES_IN_WORDS
from nlcunet.imaging.listing import list_pictures

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Photographs:
    """Photographs in memory."""

    pictures: tuple[UInt8[Tensor, "_ _ 3"], ...]
    """RGB, 8 bit, any sizes."""
    names: tuple[str, ...]
    """File name of each."""
    licence: str
    """Licences with their counts, as ``CC0 (12), CC-BY-4.0 (3)``; empty without a manifest."""
    skipped: tuple[str, ...] = ()
    """Files left out, each with its reason."""

    def __len__(self) -> int:
        """How many photographs."""
        return len(self.pictures)


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Results in the order of the items, computed by threads that run ahead by no more than a few items."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def find_pictures(folder: Path) -> list[Path]:
    """Picture files of a folder and the folders in it, by their endings, in a fixed order; hidden ones left out.

    Raises:
        DataError: there is no such folder.
    """
    _check_folder(folder)
    return list_pictures(folder, recursive=True)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError(
            f"photographs must be a folder: found none at {folder}; name yours with --photographs, or fetch some: "
            "nlcunet data fetch open-photos"
        )


def read_photograph_manifest(manifest: Path) -> list[dict[str, str]]:
    """The rows of a CSV file that has a column ``file``.

    Raises:
        DataError: it is missing, no CSV file, or without that column.
    """
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the manifest {manifest} must be a CSV file with a column 'file': {error}") from error
    if any(not row.get("file") for row in rows):
        raise DataError(f"the manifest {manifest} must be a CSV file with a column 'file', filled in every row")
    return rows


def write_photograph_manifest(manifest: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Rows as a CSV file, whole or not at all; other columns than these are left out.

    Raises:
        ImageWriteError: it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file_atomically(manifest, text.getvalue().encode())


def list_photographs(folder: Path, manifest: Path | None, split: str) -> tuple[list[Path], str]:
    """Files of one split in a fixed order, and their licences.

    Args:
        folder: where the pictures or shards lie.
        manifest: CSV with the columns ``file``, ``split`` (optional) and ``licence`` (optional); None takes all files,
            or what the shards say.
        split: which rows of the manifest, or which tiles, to take.

    Returns:
        Paths for :func:`read_photograph` (through a shard as ``train-0000.tar/KEY.webp``), and licences with counts.

    Raises:
        DataError: the folder, manifest or a shard is missing or damaged, or nothing is left.
    """
    _check_folder(folder)
    licence = ""
    if manifest is not None:
        rows = [row for row in read_photograph_manifest(manifest) if row.get("split", split) == split]
        paths = [folder / row["file"] for row in rows]
        licence = count_licences(row.get("licence") or "" for row in rows)
    elif is_packed(folder):
        paths, records = list_tiles(folder, split)
        if any(record is not None and record.licence for record in records):
            licence = count_licences("" if record is None else record.licence for record in records)
    else:
        paths = find_pictures(folder)
    if not paths:
        raise DataError(f"{folder} must hold pictures ({PICTURE_SUFFIXES_IN_WORDS}): found none of split {split!r}")
    return paths, licence


def read_photograph(path: Path, central_px: int | None) -> UInt8[Tensor, "height width 3"]:
    """A photograph (a file, or a tile in a shard) as 8-bit RGB: grey becomes RGB, 16 bit is rounded, alpha is ignored.

    Raises:
        ImageError: the file cannot be read.
        DataError: the shard is damaged.
    """
    pixels = read_picture(read_tile(path) if is_tile_path(path) else path).pixels
    if central_px is not None:
        top, left = (max(0, (side - central_px) // 2) for side in pixels.shape[:2])
        pixels = pixels[top : top + central_px, left : left + central_px]
    if pixels.dtype == np.uint16:
        pixels = (pixels.astype(np.float32) / 257.0).round().astype(np.uint8)
    elif pixels.dtype != np.uint8:
        pixels = (pixels.clip(0, 1) * 255.0).round().astype(np.uint8)
    return torch.from_numpy(np.array(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), order="C"))


def load_photographs(
    folder: Path,
    *,
    manifest: Path | None = None,
    split: str = "train",
    min_px: int,
    central_px: int | None,
    threads: int = 2,
) -> Photographs:
    """Decode a folder into memory; what cannot be used is skipped with its reason.

    Args:
        folder: where the pictures lie, searched recursively without a manifest; or shards.
        manifest: see ``list_photographs``.
        split: rows of the manifest, or tiles of the shards, to take.
        min_px: photographs with a shorter side are skipped.
        central_px: keep only the central square of this side; None keeps whole photographs.
        threads: decoders at work.

    Raises:
        DataError: nothing usable was found, or a shard is damaged.
    """
    paths, licence = list_photographs(folder, manifest, split)

    def read(path: Path) -> UInt8[Tensor, "height width 3"] | str:
        try:
            picture = read_photograph(path, central_px)
        except ImageError as error:
            return f"{path.name}: {error}"
        if min(picture.shape[:2]) < min_px:
            return f"{path.name}: {picture.shape[1]}×{picture.shape[0]} pixels, smaller than {min_px}"
        return picture

    results: Sequence[Tensor | str] = list(map_in_order(read, paths, threads))
    kept = [(path.name, result) for path, result in zip(paths, results, strict=True) if isinstance(result, Tensor)]
    skipped = tuple(result for result in results if isinstance(result, str))
    if not kept:
        raise DataError(f"{folder} must hold readable pictures of at least {min_px} pixels a side: {skipped[0]}")
    return Photographs(tuple(p for _, p in kept), tuple(n for n, _ in kept), licence, skipped)
