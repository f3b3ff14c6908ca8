"""What one training sample is: which photograph, where in it, how it is turned and how it is degraded.

Every sample is a function of the run's seed and of its own number, counted over all processes: nothing has to be stored
to resume at the same place, two runs of one recipe see the same patches in the same order, and several processes
together see what one alone would see.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nlcunet.data.crops import CropChoice, CropSettings
from nlcunet.degradations.batched import degrade_batch
from nlcunet.degradations.presets import Preset, draw_record
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError


@dataclass(frozen=True)
class Pairs:
    """A batch of training pairs."""

    low_res: Float[Tensor, "batch 3 height width"]
    """In [0, 1], in steps of 1/255; channels-last."""
    high_res: Float[Tensor, "batch 3 high_height high_width"]
    """In [0, 1]; channels-last."""
    records: tuple[DegradationRecord, ...] = ()
    """What was done to each; networks that estimate blur learn from it."""


@dataclass(frozen=True, kw_only=True)
class PairSettings:
    """How pairs are made from photographs."""

    preset: Preset
    seed: int
    patch_px: int
    """Side of the low-resolution patch."""
    crops: CropSettings
    drawn_ratio: float | int = 0.0
    """Share of samples that are cut from drawn pictures."""

    def __post_init__(self) -> None:
        """Refuse what lies outside its range (ConfigError)."""
        if self.patch_px < 1:
            raise ConfigError(f"patch_px must be at least 1: got {self.patch_px}")
        if not 0 <= self.drawn_ratio <= 1:
            raise ConfigError(f"drawn_ratio must lie in 0 to 1: got {self.drawn_ratio}")

    @property
    def size_px(self) -> int:
        """Side of the high-resolution patch."""
        return self.patch_px * self.preset.scale


@dataclass(frozen=True, kw_only=True)
class Sample:
    """All that is random in one pair."""

    is_drawn: bool
    picture: float
    """Number in [0, 1) that chooses among the pictures."""
    crop: CropChoice
    """Where the patch lies and how it is turned."""
    record: DegradationRecord


def seed_of(seed: int, number: int) -> int:
    """An independent 63-bit seed for every sample of a run."""
    digest = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def draw_sample(settings: PairSettings, number: int) -> Sample:
    """The sample of a number, counted from the start of the run over all processes."""
    generator = torch.Generator().manual_seed(seed_of(settings.seed, number))
    pool, picture, cell, row, column, turns = torch.rand(6, dtype=torch.float64, generator=generator).tolist()
    return Sample(
        is_drawn=pool < settings.drawn_ratio,
        picture=picture,
        crop=CropChoice(cell=cell, row=row, column=column, orientation=int(8 * turns)),
        record=draw_record(settings.preset, generator),
    )


def steps_to_pairs(patches: Sequence[UInt8[Tensor, "size size 3"]], records: Sequence[DegradationRecord]) -> Pairs:
    """Patches of 8 bits in main memory and their degraded copies, as pairs in main memory."""
    size = len(patches[0])
    steps = torch.empty(len(patches), size, size, 3)
    for position, patch in zip(steps, patches, strict=True):
        position.copy_(patch)
    high_res = steps.div_(255.0).permute(0, 3, 1, 2)
    return Pairs(degrade_batch(high_res, records), high_res, tuple(records))
