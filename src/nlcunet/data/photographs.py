"""Folders of sharp photographs, decoded once into memory as 8-bit RGB.

A manifest (CSV with the columns ``file`` and, if known, ``split`` and ``licence``) says which files belong to training
and which to validation, and under which terms they stand; without one, every picture in the folder is taken.

Where crops come from the central square of each photograph (as in the paper), only that square is kept: 3450
photographs of DF2K then need 2.7 GB.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from nlcunet.errors import DataError, ImageError
from nlcunet.imaging.files import read_picture

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl"})


@dataclass(frozen=True)
class Photographs:
    """Photographs in memory."""

    pictures: tuple[UInt8[Tensor, "height width 3"], ...]
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


def list_photographs(folder: Path, manifest: Path | None, split: str) -> tuple[list[Path], str]:
    """Files of one split in a fixed order, and their licences.

    Args:
        folder: where the pictures lie.
        manifest: CSV with the columns ``file``, ``split`` (optional) and ``licence`` (optional); None takes all files.
        split: which rows of the manifest to take.

    Raises:
        DataError: the folder or manifest is missing, or nothing is left.
    """
    if not folder.is_dir():
        raise DataError(f"photographs must be a folder: found none at {folder}")
    if manifest is None:
        paths, licence = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES), ""
    else:
        try:
            with manifest.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if row.get("split", split) == split]
            paths = [folder / row["file"] for row in rows]
        except (OSError, KeyError, csv.Error) as error:
            raise DataError(f"the manifest {manifest} must be a CSV file with a column 'file': {error}") from error
        counts = Counter(row.get("licence") or "unknown" for row in rows)
        licence = ", ".join(f"{name} ({count})" for name, count in counts.most_common())
    if not paths:
        raise DataError(f"{folder} must hold pictures ({', '.join(sorted(SUFFIXES))}): found none of split {split!r}")
    return paths, licence


def read_photograph(path: Path, central_px: int | None) -> UInt8[Tensor, "height width 3"]:
    """One photograph as 8-bit RGB; grey becomes RGB, 16 bit is rounded, alpha is ignored.

    Args:
        path: picture file.
        central_px: keep only the central square of this side (or what there is of it); None keeps all.

    Raises:
        ImageError: the file cannot be read.
    """
    pixels = read_picture(path).pixels
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
        folder: where the pictures lie, searched recursively without a manifest.
        manifest: see ``list_photographs``.
        split: rows of the manifest to take.
        min_px: photographs with a shorter side are skipped.
        central_px: keep only the central square of this side; None keeps whole photographs.
        threads: decoders at work.

    Raises:
        DataError: nothing usable was found.
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

    with ThreadPoolExecutor(threads) as pool:
        results: Sequence[Tensor | str] = list(pool.map(read, paths))
    kept = [(path.name, result) for path, result in zip(paths, results, strict=True) if isinstance(result, Tensor)]
    skipped = tuple(result for result in results if isinstance(result, str))
    if not kept:
        raise DataError(f"{folder} must hold readable pictures of at least {min_px} pixels a side: {skipped[0]}")
    return Photographs(tuple(p for _, p in kept), tuple(n for n, _ in kept), licence, skipped)
