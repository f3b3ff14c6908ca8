"""Drawn pictures as files: PNGs with a manifest, and contact sheets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from nlcunet.data.drawn.pictures import LICENCE, draw_planned, picture_name, plan_set
from nlcunet.data.photographs import read_photograph_manifest, write_photograph_manifest
from nlcunet.errors import ConfigError, DataError, ImageError
from nlcunet.files.atomic import write_file_atomically
from nlcunet.imaging.files import Picture, encode_picture, read_header, read_picture

MANIFEST = "manifest.csv"
COLUMNS = ("file", "split", "licence", "kind", "seed")
SHEET_GAP_PX = 4
SAVE_EVERY = 100
"""Pictures after which the manifest is written, so that an interrupted run leaves one."""


@dataclass(frozen=True)
class DrawnFolder:
    """What a folder holds after drawing."""

    drawn: int
    kept: int
    """Pictures of this set that were there."""
    files: tuple[Path, ...]
    """All pictures of this set, in its order."""


def draw_folder(
    folder: Path,
    count: int,
    seed: int,
    size_px: int = 512,
    kinds: Mapping[str, float] | None = None,
    *,
    threads: int = 2,
    on_picture: Callable[[int, int], None] | None = None,
) -> DrawnFolder:
    """Draw a set into a folder; pictures that are there already are kept, also those of other sets.

    Raises:
        ConfigError: an argument is not possible, or the folder holds pictures of this set of another size.
        DataError: the folder cannot be made, or its manifest is damaged.
        ImageError: a picture cannot be drawn or written.
    """
    plan = plan_set(count, seed, kinds)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"drawn pictures need a folder that can be made: got {folder}: {error}") from error
    rows = (
        {row["file"]: row for row in read_photograph_manifest(folder / MANIFEST)}
        if (folder / MANIFEST).exists()
        else {}
    )
    missing = [item for item in plan if not is_drawn(folder / file_name(*item), size_px)]
    rows |= {file_name(*item): make_row(*item) for item in plan if item not in set(missing)}
    for number, (item, picture) in enumerate(
        zip(missing, draw_planned(missing, size_px, threads), strict=True), start=1
    ):
        write_file_atomically(
            folder / file_name(*item), encode_picture(Picture(pixels=picture.numpy()), file_format="png")
        )
        rows[file_name(*item)] = make_row(*item)
        if number % SAVE_EVERY == 0:
            write_photograph_manifest(folder / MANIFEST, COLUMNS, (rows[name] for name in sorted(rows)))
        if on_picture is not None:
            on_picture(len(plan) - len(missing) + number, len(plan))
    write_photograph_manifest(folder / MANIFEST, COLUMNS, (rows[name] for name in sorted(rows)))
    return DrawnFolder(len(missing), len(plan) - len(missing), tuple(folder / file_name(*item) for item in plan))


def file_name(kind: str, seed: int) -> str:
    """Name of the file of a picture."""
    return f"{picture_name(kind, seed)}.png"


def make_row(kind: str, seed: int) -> dict[str, str]:
    """What the manifest says of a picture."""
    return {"file": file_name(kind, seed), "split": "train", "licence": LICENCE, "kind": kind, "seed": str(seed)}


def is_drawn(path: Path, size_px: int) -> bool:
    """Whether a whole picture is there.

    Raises:
        ConfigError: it has another size.
    """
    if not path.exists():
        return False
    try:
        header = read_header(path)
    except ImageError:
        return False  # damaged: drawn again
    if (header.width, header.height) != (size_px, size_px):
        raise ConfigError(
            f"pictures of one set in one folder must have one size: {path} has {header.width}×{header.height} pixels, "
            f"and {size_px} were asked for; choose another folder"
        )
    return True


def make_sheet(
    pictures: Sequence[UInt8[Tensor, "height width 3"]], columns: int
) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    """Pictures of one size beside and below each other at full size, on white.

    Raises:
        ConfigError: there are none, or their sizes differ.
    """
    if not pictures or columns < 1 or len({tuple(picture.shape) for picture in pictures}) != 1:
        raise ConfigError("a contact sheet needs pictures of one size and at least one column")
    columns = min(columns, len(pictures))
    height, width = (side + SHEET_GAP_PX for side in pictures[0].shape[:2])
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height + SHEET_GAP_PX, columns * width + SHEET_GAP_PX, 3), 255, dtype=np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * height + SHEET_GAP_PX, number % columns * width + SHEET_GAP_PX
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture.numpy()
    return sheet


def write_sheet(target: Path, files: Sequence[Path], columns: int) -> None:
    """A contact sheet of picture files; the ending of ``target`` chooses its format.

    Raises:
        ConfigError: there are no files, or their sizes differ.
        ImageError: a file cannot be read, or the sheet not written.
    """
    from torch import from_numpy

    from nlcunet.imaging.files import write_picture

    sheet = make_sheet([from_numpy(read_picture(path).pixels.copy()) for path in files], columns)
    write_picture(Picture(pixels=sheet), target)
