"""Folders of pictures made by any programs, matched by the stems of their files and read for comparison."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from nlcunet.errors import ConfigError, DataError
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.formats import PICTURE_SUFFIXES_IN_WORDS
from nlcunet.imaging.listing import list_pictures

Pixels = UInt8[np.ndarray, "height width 3"]
LowRes = UInt8[np.ndarray, "low_height low_width 3"]


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """All files of one image."""

    stem: str
    """Name without ending, the same in every folder."""
    systems: dict[str, Path]
    """Name of a system → its picture."""
    original: Path | None
    """The sharp original, if there is one."""
    low_res: Path | None
    """What the systems enlarged, if it is there."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """All pictures of one image, of one size but for the input."""

    stem: str
    """Name of the image."""
    systems: dict[str, Pixels]
    """Name of a system → what it made."""
    original: Pixels | None
    """The sharp original."""
    low_res: LowRes | None
    """What was enlarged."""
    low_res_scale: int
    """How many times smaller its sides are; 1 without it."""
    icc_profile: bytes | None
    """The colour profile, where all pictures have the same."""
    notes: tuple[str, ...]
    """What was not as it should be, but did not matter."""


def match_files(
    systems: Mapping[str, Path], original: Path | None = None, low_res: Path | None = None
) -> tuple[ImageFiles, ...]:
    """Find the files of every image.

    Args:
        systems: Name of a system → folder of the pictures it made.
        original: Folder of originals.
        low_res: Folder of inputs.

    Raises:
        ConfigError: there are fewer than two systems.
        DataError: a folder is missing or empty, or lacks an image that another one has.
    """
    if len(systems) < 2:
        raise ConfigError(
            f"a comparison needs at least two systems: got {len(systems)}; give --system NAME=FOLDER twice"
        )
    found = {name: _files_by_stem(folder) for name, folder in systems.items()}
    stems = sorted(set().union(*found.values()))
    originals = {} if original is None else _repeat_originals(_files_by_stem(original), stems)
    inputs = {} if low_res is None else _files_by_stem(low_res)
    wanted = [(systems[name], files) for name, files in found.items()]
    wanted += [(folder, files) for folder, files in ((original, originals), (low_res, inputs)) if folder is not None]
    for folder, files in wanted:
        missing = [stem for stem in stems if stem not in files]
        if missing:
            names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise DataError(
                f"every folder must hold a picture of every image, with the same name before its ending: "
                f"{folder} lacks {names}; add or rename them, or remove them from the other folders"
            )
    return tuple(
        ImageFiles(
            stem=stem,
            systems={name: files[stem] for name, files in found.items()},
            original=originals.get(stem),
            low_res=inputs.get(stem),
        )
        for stem in stems
    )


def _repeat_originals(files: Mapping[str, Path], stems: Sequence[str]) -> dict[str, Path]:
    """Originals by the stems of results: ``baby`` is that of ``baby_k3``, too, the input with the fourth kernel."""
    names = {stem: stem if stem in files else re.sub(r"_k\d+$", "", stem) for stem in stems}
    return {stem: files[name] for stem, name in names.items() if name in files}


def _files_by_stem(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their names without endings.

    Raises:
        DataError: there is no such folder, no picture in it, or two of one name.
    """
    if not folder.is_dir():
        raise DataError(f"pictures must lie in a folder: found no folder {folder}; check the path")
    files: dict[str, Path] = {}
    for path in list_pictures(folder):
        if path.stem in files:
            raise DataError(
                f"names of pictures must differ before their endings: {folder} has {files[path.stem].name} "
                f"and {path.name}; remove one"
            )
        files[path.stem] = path
    if not files:
        raise DataError(f"the folder must hold pictures ({PICTURE_SUFFIXES_IN_WORDS}): found none in {folder}")
    return files


def read_image(files: ImageFiles) -> Image:
    """Read all pictures of an image as 8-bit RGB.

    Raises:
        ImageError: a file cannot be read.
        DataError: their sizes do not fit together.
    """
    paths = {**files.systems, "": files.original}
    read = {name: read_picture(path) for name, path in paths.items() if path is not None}
    notes = [f"{paths[name]}: transparency is not shown" for name, picture in read.items() if picture.alpha is not None]
    profiles = {picture.metadata.icc_profile for picture in read.values()}
    if len(profiles) > 1:
        notes.append(f"{files.stem}: the colour profiles of its pictures differ; all are shown as sRGB")
    pixels = {name: _as_8bit_rgb(picture.pixels) for name, picture in read.items()}
    first = next(iter(files.systems))
    for name, one in pixels.items():
        if one.shape != pixels[first].shape:
            raise DataError(
                f"all pictures of an image must have one size: {paths[name]} has {_size(one)} pixels and "
                f"{paths[first]} has {_size(pixels[first])}; crop or resize them alike"
            )
    low_res = None if files.low_res is None else _as_8bit_rgb(read_picture(files.low_res).pixels)
    return Image(
        stem=files.stem,
        systems={name: pixels[name] for name in files.systems},
        original=pixels.get(""),
        low_res=low_res,
        low_res_scale=1 if low_res is None else _scale_of(files, low_res, pixels[first]),
        icc_profile=profiles.pop() if len(profiles) == 1 else None,
        notes=tuple(notes),
    )


def _scale_of(files: ImageFiles, low_res: LowRes, picture: Pixels) -> int:
    """How many times the input was enlarged.

    Raises:
        DataError: not by a whole number, the same along both sides.
    """
    scale = int(picture.shape[0]) // int(low_res.shape[0])
    if scale < 1 or (low_res.shape[0] * scale, low_res.shape[1] * scale) != picture.shape[:2]:
        raise DataError(
            f"pictures must be a whole number of times larger than their input: {files.low_res} has "
            f"{_size(low_res)} pixels and {next(iter(files.systems.values()))} has {_size(picture)}; "
            "leave out --low-res, or crop both"
        )
    return scale


def _as_8bit_rgb(pixels: np.ndarray) -> Pixels:
    """Rounded to 8 bits, grey as three equal channels."""
    if pixels.dtype != np.uint8:
        largest = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1.0
        pixels = np.rint(np.clip(pixels.astype(np.float64) / largest, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]}"
