"""Random pairs of patches: crop, flip and rotate a photograph, then degrade the patch.

Every batch is a function of (seed, step) alone: nothing has to be stored to resume at the same place, and two runs of
one recipe see the same patches in the same order.
"""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nlcunet.data.photographs import Photographs
from nlcunet.degradations.pipeline import degrade
from nlcunet.degradations.presets import DegradationPreset


@dataclass(frozen=True)
class Pairs:
    """A batch of training pairs."""

    low_res: Float[Tensor, "batch 3 height width"]
    """In [0, 1], in steps of 1/255."""
    high_res: Float[Tensor, "batch 3 high_height high_width"]
    """In [0, 1]."""


def seed_of(seed: int, step: int) -> int:
    """An independent 63-bit seed for every step of a run."""
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator).item())


def random_crop(
    picture: UInt8[Tensor, "height width 3"], size_px: int, central_px: int | None, generator: torch.Generator
) -> UInt8[Tensor, "size_px size_px 3"]:
    """A square of side ``size_px`` at a random place, inside the central square if one is given.

    The paper crops 256×256 (at ×4) from the central 512×512 of each photograph, where its subject tends to be.
    """
    corner = []
    for side in picture.shape[:2]:
        room = side if central_px is None else min(side, max(central_px, size_px))
        corner.append((side - room) // 2 + _below(room - size_px + 1, generator))
    top, left = corner
    return picture[top : top + size_px, left : left + size_px]


def random_flip(patch: UInt8[Tensor, "size size 3"], generator: torch.Generator) -> UInt8[Tensor, "size size 3"]:
    """One of the eight flips and quarter turns."""
    choice = _below(8, generator)
    patch = patch.rot90(choice % 4, (0, 1))
    return patch.flip(1) if choice >= 4 else patch


def draw_pairs(
    photographs: Photographs,
    preset: DegradationPreset,
    *,
    step: int,
    seed: int,
    batch: int,
    patch_px: int,
    central_px: int | None,
) -> Pairs:
    """The training batch of one step.

    Args:
        photographs: where patches are cut from, each at least ``patch_px · scale`` wide and high.
        preset: how patches are degraded.
        step: number of the optimiser step.
        seed: seed of the run.
        batch: pairs per batch.
        patch_px: side of the low-resolution patch.
        central_px: side of the central square that crops stay in, in high-resolution pixels; None for anywhere.
    """
    generator = torch.Generator().manual_seed(seed_of(seed, step))
    size_px = patch_px * preset.scale
    patches = []
    for _ in range(batch):
        picture = photographs.pictures[_below(len(photographs), generator)]
        patches.append(random_flip(random_crop(picture, size_px, central_px, generator), generator))
    high_res = torch.stack(patches).permute(0, 3, 1, 2).float() / 255.0
    return Pairs(degrade(high_res, preset, generator).low_res, high_res.contiguous())
