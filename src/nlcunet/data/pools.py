"""Pictures that patches are cut from, by number: in memory, or read from disk when they are needed.

Both give the part of a picture that crops come from, and the field of their positions (`nlcunet.data.crops`).
"""

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from nlcunet.data.crops import CropField, CropSettings, available_part, make_field, place_patch, turn
from nlcunet.data.pairs import Sample
from nlcunet.data.photographs import Photographs, read_photograph
from nlcunet.errors import DataError, ImageError


@dataclass(frozen=True, kw_only=True)
class PhotographFiles:
    """Photographs that stay on disk until a worker needs them: for sets larger than the memory."""

    paths: tuple[Path, ...]
    """Picture files, in the order in which they are numbered."""
    cache_pictures: int = 32
    """Decoded pictures that each worker keeps, the latest ones."""

    def __len__(self) -> int:
        """How many photographs."""
        return len(self.paths)


@dataclass(frozen=True, kw_only=True)
class PicturePart:
    """What patches can be cut from."""

    pixels: UInt8[Tensor, "height width 3"]
    """The part of the picture that crops come from."""
    field: CropField
    """The positions in it."""


class MemoryPool:
    """Pictures in main memory. Those smaller than a patch are left out, with a warning.

    Raises:
        DataError: no picture is large enough.
    """

    def __init__(self, photographs: Photographs, size_px: int, crops: CropSettings) -> None:
        fitting = [picture for picture in photographs.pictures if min(picture.shape[:2]) >= size_px]
        if not fitting:
            raise DataError(
                f"photographs must be at least {size_px} pixels on both sides for patches of that size: got none of "
                f"{len(photographs)}; choose smaller patches or larger photographs"
            )
        if len(fitting) < len(photographs.pictures):
            left_out = len(photographs.pictures) - len(fitting)
            warnings.warn(
                f"{left_out} photographs are smaller than patches of {size_px} pixels: left out", stacklevel=2
            )
        pixels = [available_part(picture, size_px, crops) for picture in fitting]
        self.parts = tuple(PicturePart(pixels=part, field=make_field(part, size_px, crops)) for part in pixels)

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.parts)

    def part(self, number: int) -> PicturePart:
        """The usable part of a picture."""
        return self.parts[number]

    @property
    def nbytes(self) -> int:
        """Size of all usable parts."""
        return sum(part.pixels.numel() for part in self.parts)


class FilePool:
    """Pictures on disk, the latest ones kept; a picture that cannot be used hands its samples on to the next one.

    Raises:
        DataError: there is no file.
    """

    def __init__(self, files: PhotographFiles, size_px: int, crops: CropSettings) -> None:
        if not files.paths:
            raise DataError("there must be at least one photograph to train on: got none")
        self.files, self.size_px, self.crops = files, size_px, crops
        self.kept: OrderedDict[int, PicturePart] = OrderedDict()
        self.unusable: set[int] = set()

    def __len__(self) -> int:
        """How many files."""
        return len(self.files)

    def part(self, number: int) -> PicturePart:
        """The usable part of a picture, or of the next one that can be used.

        Raises:
            DataError: none can.
        """
        for candidate in (*range(number, len(self)), *range(number)):
            if candidate in self.unusable:
                continue
            try:
                return self._cached(candidate)
            except (ImageError, DataError) as error:
                self.unusable.add(candidate)
                warnings.warn(f"{self.files.paths[candidate]} cannot be trained on: {error}", stacklevel=2)
        raise DataError(f"one of the {len(self)} photographs must be readable and large enough: none is")

    def _cached(self, number: int) -> PicturePart:
        if number not in self.kept:
            room = max(self.crops.central_px, self.size_px) if self.crops.kind == "central" else None
            pixels = available_part(read_photograph(self.files.paths[number], room), self.size_px, self.crops)
            self.kept[number] = PicturePart(pixels=pixels, field=make_field(pixels, self.size_px, self.crops))
            if len(self.kept) > self.files.cache_pictures:
                self.kept.popitem(last=False)
        self.kept.move_to_end(number)
        return self.kept[number]


@dataclass(frozen=True, kw_only=True)
class Pools:
    """Photographs, and drawn pictures if samples come from some."""

    photographs: MemoryPool | FilePool
    """Where most patches come from."""
    drawn: MemoryPool | None = None
    """Drawn pictures."""

    def cut(self, sample: Sample, size_px: int) -> UInt8[Tensor, "size_px size_px 3"]:
        """The patch of a sample, turned; a view where nothing had to be moved."""
        pool = self.drawn if sample.is_drawn and self.drawn is not None else self.photographs
        part = pool.part(int(sample.picture * len(pool)))
        top, left = place_patch(part.field, sample.crop)
        return turn(part.pixels[top : top + size_px, left : left + size_px], sample.crop.orientation)
