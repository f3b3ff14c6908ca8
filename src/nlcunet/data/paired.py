"""Training pairs that exist already: a folder of low-resolution pictures, and one of the same, sharp and larger.

Nothing is degraded here. Patches are placed and turned as by ``nlcunet.data.pairs``, by the seed and their number, but
on the grid of the low-resolution pictures, so that both patches of a pair show the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from nlcunet.data.crops import CropField, CropSettings, make_field, place_patch, turn
from nlcunet.data.loading import Share
from nlcunet.data.pairs import Pairs, PairSettings, draw_sample
from nlcunet.data.photographs import Photographs, map_in_order, read_photograph
from nlcunet.errors import DataError
from nlcunet.imaging.listing import list_pictures

Pair = tuple[UInt8[Tensor, "_ _ 3"], UInt8[Tensor, "_ _ 3"]]
"""A picture in low and in high resolution, 8 bit."""


def find_partners(photographs: Sequence[Path], folder: Path, low_folder: Path, scale: int) -> list[Path]:
    """The low-resolution partner of each photograph: of the same name, or with ``x4`` behind it, whatever the ending.

    Raises:
        DataError: there is no such folder, or some have no partner.
    """
    if not low_folder.is_dir():
        raise DataError(f"data.low_res must be a folder: found none at {low_folder}")
    known = {path.relative_to(low_folder).with_suffix(""): path for path in list_pictures(low_folder, recursive=True)}
    names = [path.relative_to(folder).with_suffix("") for path in photographs]
    found = [known.get(name) or known.get(name.with_name(f"{name.name}x{scale}")) for name in names]
    if missing := [str(name) for name, path in zip(names, found, strict=True) if path is None]:
        raise DataError(
            f"every photograph must have a low-resolution partner of the same name, or with x{scale} behind it: "
            f"{len(missing)} of {len(names)} have none in {low_folder} ({', '.join(missing[:3])}); add them, or leave "
            "those photographs out"
        )
    return [path for path in found if path is not None]


def load_pairs(
    high_paths: Sequence[Path], low_paths: Sequence[Path], scale: int, *, central_px: int | None
) -> tuple[Photographs, Photographs]:
    """Both pictures of all pairs, in memory.

    Raises:
        DataError: a photograph is not exactly ``scale`` times as large as its partner.
        ImageError: a file cannot be read.
    """

    def read(paths: tuple[Path, Path]) -> Pair:
        high, low = (read_photograph(path, None) for path in paths)
        if high.shape[:2] != (scale * low.shape[0], scale * low.shape[1]):
            raise DataError(
                f"a photograph must be exactly {scale} times as large as its partner: got {high.shape[1]}×"
                f"{high.shape[0]} ({paths[0]}) and {low.shape[1]}×{low.shape[0]} ({paths[1]}); cut one of them"
            )
        return (low, high) if central_px is None else central_pair(low, high, central_px // scale)

    pairs = list(map_in_order(read, list(zip(high_paths, low_paths, strict=True)), 2))
    names = tuple(path.name for path in high_paths)
    low, high = (Photographs(pictures, names, "") for pictures in zip(*pairs, strict=True))
    return high, low


def central_pair(low: UInt8[Tensor, "_ _ 3"], high: UInt8[Tensor, "_ _ 3"], size_px: int) -> Pair:
    """The middle of both pictures, at most ``size_px`` low-resolution pixels on a side."""
    scale = high.shape[0] // low.shape[0]
    height, width = (min(side, size_px) for side in low.shape[:2])
    top, left = (low.shape[0] - height) // 2, (low.shape[1] - width) // 2
    inside = low[top : top + height, left : left + width]
    top, left, height, width = (scale * value for value in (top, left, height, width))
    return inside.clone(), high[top : top + height, left : left + width].clone()


class PairedPatches:
    """Patches of pairs in main memory; a source of batches as those of ``nlcunet.data.loading``.

    Raises:
        DataError: a picture is smaller than a patch.
    """

    placement: str = "device"

    def __init__(
        self,
        high_res: Photographs,
        low_res: Photographs,
        settings: PairSettings,
        share: Share,
        device: torch.device,
    ) -> None:
        self.settings, self.share, self.device = settings, share, device
        self.pairs_in_memory = tuple(zip(low_res.pictures, high_res.pictures, strict=True))
        self.nbytes = sum(low.numel() + high.numel() for low, high in self.pairs_in_memory)
        self.fields = tuple(
            _field(low, name, settings) for low, name in zip(low_res.pictures, low_res.names, strict=True)
        )

    def pairs(self, step: int) -> Pairs:
        """This process's share of the batch of a step."""
        lows, highs = zip(*(self._cut(number) for number in self.share.numbers(step)), strict=True)
        low_res, high_res = (
            torch.stack(patches).to(self.device).permute(0, 3, 1, 2).float().div_(255.0) for patches in (lows, highs)
        )
        return Pairs(low_res, high_res)

    def _cut(self, number: int) -> Pair:
        sample, size, scale = draw_sample(self.settings, number), self.settings.patch_px, self.settings.preset.scale
        index = int(sample.picture * len(self.fields))
        top, left = place_patch(self.fields[index], sample.crop)
        low, high = self.pairs_in_memory[index]
        low = low[top : top + size, left : left + size]
        top, left, size = scale * top, scale * left, scale * size
        high = high[top : top + size, left : left + size]
        return turn(low, sample.crop.orientation), turn(high, sample.crop.orientation)

    def close(self) -> None:
        """Nothing to stop."""


def _field(low: UInt8[Tensor, "_ _ 3"], name: str, settings: PairSettings) -> CropField:
    """The positions of patches in a low-resolution picture."""
    if min(low.shape[:2]) < settings.patch_px:
        raise DataError(
            f"low-resolution pictures must be at least {settings.patch_px} pixels on both sides for patches of that "
            f"size: got {low.shape[1]}×{low.shape[0]} ({name}); leave it out, or choose smaller patches (data.patch_px)"
        )
    crops: CropSettings = replace(settings.crops, kind="random") if settings.crops.kind == "central" else settings.crops
    return make_field(low, settings.patch_px, crops)
