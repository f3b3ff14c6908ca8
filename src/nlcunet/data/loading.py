"""Sources of training batches: photographs in the memory of the device, or worker processes that read ahead.

A source answers ``pairs(step)`` for any step, in any order; steps in order are fastest where workers read ahead. Which
kind is at work does not change what the batches hold (on an accelerator: but for rounding).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from nlcunet.data.crops import place_patch
from nlcunet.data.pairs import Pairs, PairSettings, draw_sample, steps_to_pairs
from nlcunet.data.photographs import Photographs
from nlcunet.data.pools import FilePool, MemoryPool, PhotographFiles, Pools
from nlcunet.degradations.batched import degrade_batch, to_device
from nlcunet.errors import ConfigError
from nlcunet.runtime import free_memory_bytes

Placement: TypeAlias = Literal["auto", "device", "workers"]

MEMORY_SHARE = 0.5
"""Photographs may take this share of the device's free memory; the network needs the rest."""


@runtime_checkable
class PairSource(Protocol):
    """Where training batches come from."""

    placement: str
    """``device`` or ``workers``."""
    nbytes: int
    """Memory that photographs take on the device; 0 with workers."""

    def pairs(self, step: int) -> Pairs:
        """This process's share of the batch of a step, on the device."""
        ...

    def close(self) -> None:
        """Stop workers and let memory go."""
        ...


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which samples of a step belong to one process."""

    batch: int
    """Samples per step, over all processes."""
    rank: int = 0
    num_ranks: int = 1

    def __post_init__(self) -> None:
        """Refuse a batch that does not divide evenly, or a rank that is not there (ConfigError)."""
        if not 0 <= self.rank < self.num_ranks:
            raise ConfigError(f"rank must lie in 0 … {self.num_ranks - 1}: got {self.rank}")
        if self.batch < 1 or self.batch % self.num_ranks:
            raise ConfigError(
                f"the batch must be a positive multiple of the {self.num_ranks} processes: got {self.batch}; "
                "change optim.batch or the number of processes"
            )

    def numbers(self, step: int) -> range:
        """Sample numbers of a step, counted from the start of the run."""
        size = self.batch // self.num_ranks
        first = step * self.batch + self.rank * size
        return range(first, first + size)


def make_source(
    photographs: Photographs | PhotographFiles,
    settings: PairSettings,
    *,
    device: torch.device | str,
    drawn: Photographs | None = None,
    batch: int,
    rank: int = 0,
    num_ranks: int = 1,
    placement: Placement = "auto",
    num_workers: int = 0,
) -> PairSource:
    """A source of batches.

    Args:
        photographs: in main memory, or files for workers to read.
        settings: how pairs are made of them.
        device: where the pairs shall be.
        drawn: pictures for the share of samples that ``settings.drawn_ratio`` names.
        batch: pairs per step, over all processes together.
        rank: number of this process; it gets the rank-th part of every batch.
        num_ranks: how many processes there are.
        placement: ``device`` keeps photographs on the device; ``workers`` cuts and degrades in other processes;
            ``auto`` takes the device if photographs in memory need no more than half of what is free on it. On a CPU
            they are there already and cost nothing more.
        num_workers: worker processes, where workers are used; 0 works in this process.

    Raises:
        ConfigError: Settings contradict each other.
        DataError: No photograph is large enough.
    """
    device, share = torch.device(device), Share(batch=batch, rank=rank, num_ranks=num_ranks)
    if settings.drawn_ratio > 0 and not drawn:
        raise ConfigError(f"a drawn_ratio of {settings.drawn_ratio} needs drawn pictures: got none; draw some or set 0")
    drawn_pool = MemoryPool(drawn, settings.size_px, settings.crops) if drawn and settings.drawn_ratio > 0 else None
    if isinstance(photographs, PhotographFiles):
        if placement == "device":
            raise ConfigError("photographs must be loaded into memory for placement device: got files; use workers")
        pools = Pools(photographs=FilePool(photographs, settings.size_px, settings.crops), drawn=drawn_pool)
        return WorkerPairs(pools, settings, share, device, num_workers)
    pool = MemoryPool(photographs, settings.size_px, settings.crops)
    nbytes = pool.nbytes + (drawn_pool.nbytes if drawn_pool is not None else 0)
    fits = device.type == "cpu" or nbytes <= MEMORY_SHARE * free_memory_bytes(device)
    if placement == "workers" or (placement == "auto" and not fits):
        return WorkerPairs(Pools(photographs=pool, drawn=drawn_pool), settings, share, device, num_workers)
    if device.type == "cpu":
        return MainMemoryPairs(Pools(photographs=pool, drawn=drawn_pool), settings, share, nbytes)
    return AcceleratorPairs(pool, drawn_pool, settings, share, device)


class MainMemoryPairs:
    """Pairs from photographs in main memory, for a CPU: patches are slices."""

    placement: str = "device"

    def __init__(self, pools: Pools, settings: PairSettings, share: Share, nbytes: int) -> None:
        self.pools, self.settings, self.share, self.nbytes = pools, settings, share, nbytes

    def pairs(self, step: int) -> Pairs:
        """This process's share of the batch of a step."""
        samples = [draw_sample(self.settings, number) for number in self.share.numbers(step)]
        patches = [self.pools.cut(sample, self.settings.size_px) for sample in samples]
        return steps_to_pairs(patches, [sample.record for sample in samples])

    def close(self) -> None:
        """Nothing to stop."""


class AcceleratorPairs:
    """Pairs from photographs in the memory of an accelerator, all of a batch at once; the host never waits."""

    placement: str = "device"

    def __init__(
        self, pool: MemoryPool, drawn: MemoryPool | None, settings: PairSettings, share: Share, device: torch.device
    ) -> None:
        self.settings, self.share, self.device = settings, share, device
        parts = (*pool.parts, *(drawn.parts if drawn is not None else ()))
        self.num_photographs = len(pool)
        self.widths = [part.pixels.shape[1] for part in parts]
        self.fields = [part.field for part in parts]
        self.starts = [0]
        for part in parts:
            self.starts.append(self.starts[-1] + part.pixels.shape[0] * part.pixels.shape[1])
        self.pixels = torch.empty(self.starts[-1], 3, dtype=torch.uint8, device=device)
        for part, start, stop in zip(parts, self.starts, self.starts[1:], strict=False):
            self.pixels[start:stop].copy_(part.pixels.reshape(-1, 3))
        self.nbytes = self.pixels.nbytes

    @torch.no_grad()
    def pairs(self, step: int) -> Pairs:
        """This process's share of the batch of a step."""
        size_px = self.settings.size_px
        walks, records = [], []
        for number in self.share.numbers(step):
            sample = draw_sample(self.settings, number)
            first, count = 0, self.num_photographs
            if sample.is_drawn:
                first, count = count, len(self.fields) - count
            picture = first + int(sample.picture * count)
            top, left = place_patch(self.fields[picture], sample.crop)
            start = self.starts[picture] + top * self.widths[picture] + left
            walks.append(walk_of(start, self.widths[picture], size_px, sample.crop.orientation))
            records.append(sample.record)
        steps = gather_patches(self.pixels, to_device(torch.tensor(walks), self.device), size_px)
        high_res = steps.permute(0, 3, 1, 2).float().div_(255.0)
        return Pairs(degrade_batch(high_res, records), high_res, tuple(records))

    def close(self) -> None:
        """Let the photographs go."""
        self.pixels = self.pixels[:0].clone()


def walk_of(start: int, width: int, size_px: int, orientation: int) -> tuple[int, int, int]:
    """How to walk over a picture's pixels to read a turned square: first pixel, step down, step to the right."""
    last = size_px - 1
    start, down, right = (
        (start, width, 1),
        (start + last, -1, width),
        (start + last * (width + 1), -width, -1),
        (start + last * width, 1, -width),
    )[orientation % 4]
    return (start + last * right, down, -right) if orientation >= 4 else (start, down, right)


def gather_patches(
    pixels: UInt8[Tensor, "pixels 3"], walks: Int[Tensor, "batch 3"], size_px: int
) -> UInt8[Tensor, "batch size_px size_px 3"]:
    """Squares read from one long row of pixels; see `walk_of`."""
    steps = torch.arange(size_px, device=pixels.device)
    start, down, right = walks.view(-1, 3, 1, 1).unbind(1)
    index = start + down * steps[:, None] + right * steps
    return pixels.index_select(0, index.flatten()).view(*index.shape, 3)


class WorkerPairs:
    """Pairs made by worker processes that read ahead, moved to the device when they are asked for."""

    placement: str = "workers"
    nbytes: int = 0

    def __init__(
        self, pools: Pools, settings: PairSettings, share: Share, device: torch.device, num_workers: int
    ) -> None:
        self.device, self.settings = device, settings
        self.steps = _StepSampler(share)
        # Decoding cannot go on in a forked process once the parent has decoded something: libvips' threads are gone
        # there, and it waits for them for ever. Pictures in memory need no decoding, and forking shares their memory.
        reads_files = isinstance(pools.photographs, FilePool)
        self.loader: DataLoader[tuple[Tensor, Tensor]] | None = DataLoader(
            _SampleDataset(pools, settings),
            batch_sampler=self.steps,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            multiprocessing_context="spawn" if num_workers > 0 and reads_files else None,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # else it would draw from the global one
        )
        self.batches: Iterator[list[Tensor]] | None = None
        self.next_step = 0

    def pairs(self, step: int) -> Pairs:
        """This process's share of the batch of a step; a step out of order starts the reading ahead anew.

        Raises:
            ConfigError: The source is closed.
        """
        if self.loader is None:
            raise ConfigError("a closed source has no pairs: make another one")
        if self.batches is None or step != self.next_step:
            self.steps.first = step
            self.batches = iter(self.loader)
        low_res, high_res = (
            steps.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255.0)
            for steps in next(self.batches)
        )
        self.next_step = step + 1
        records = (draw_sample(self.settings, number).record for number in self.steps.share.numbers(step))
        return Pairs(low_res, high_res, tuple(records))

    def close(self) -> None:
        """Stop the workers."""
        self.batches = self.loader = None


class _StepSampler(Sampler[list[int]]):
    """Sample numbers of one step after the other, without end."""

    def __init__(self, share: Share) -> None:
        self.share, self.first = share, 0

    def __iter__(self) -> Iterator[list[int]]:
        step = self.first
        while True:
            yield list(self.share.numbers(step))
            step += 1


class _SampleDataset(Dataset[tuple[Tensor, Tensor]]):
    """Samples by number, as 8-bit steps: low and high resolution, height × width × 3 each."""

    def __init__(self, pools: Pools, settings: PairSettings) -> None:
        self.pools, self.settings = pools, settings

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        sample = draw_sample(self.settings, number)
        patch = self.pools.cut(sample, self.settings.size_px).contiguous()
        low_res = steps_to_pairs([patch], [sample.record]).low_res[0]
        return (low_res * 255.0).round().to(torch.uint8).permute(1, 2, 0).contiguous(), patch
