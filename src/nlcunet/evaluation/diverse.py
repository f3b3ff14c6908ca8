"""The grid of the diverse protocol: noise, JPEG, motion, defocus and plain subsampling, alone and in pairs.

A result over this grid is a surface: which damage, how strong, and what happens where two meet.
"""

import math
import zlib
from dataclasses import replace
from itertools import combinations
from typing import Any, TypeAlias

import torch

from nlcunet.degradations.record import SEED_LIMIT, DegradationRecord

NOISE_STDS_8BIT = (5.0, 15.0, 25.0)
"""Gaussian noise in colour, standard deviation in steps of 1/255."""

JPEG_QUALITIES = (95, 60, 30)
"""JPEG with 4:2:0 chroma."""

MOTION_LENGTHS = (1, 2, 4)
"""Straight motion, in low-resolution pixels."""

DEFOCUS_RADII = (0.5, 1.0, 1.5)
"""Discs of defocus, in low-resolution pixels."""

KERNEL_SIZE_PX = 21
"""Side of the kernels, large enough for all of them at ×4."""

Change: TypeAlias = dict[str, Any]


def grid_changes(scale: int) -> tuple[Change, ...]:
    """Every point of the grid as fields of `DegradationRecord`: first none, then one at a time, then pairs.

    Motion and defocus are both the kernel of one exposure, and never meet; nor do two levels of one kind.
    """
    motion = {"kernel": "motion", "kernel_size_px": KERNEL_SIZE_PX}
    defocus = {"kernel": "defocus", "kernel_size_px": KERNEL_SIZE_PX}
    axes: tuple[tuple[Change, ...], ...] = (
        tuple({**motion, "length_px": float(scale * length)} for length in MOTION_LENGTHS),
        tuple({**defocus, "radius_px": scale * radius} for radius in DEFOCUS_RADII),
        ({"downsampling": "plain"},),
        tuple({"noise_std_8bit": std} for std in NOISE_STDS_8BIT),
        tuple({"jpeg_quality": quality} for quality in JPEG_QUALITIES),
    )
    pairs = (
        {**first, **second}
        for one, other in combinations(axes, 2)
        for first in one
        for second in other
        if not ("kernel" in first and "kernel" in second)
    )
    return ({}, *(change for axis in axes for change in axis), *pairs)


def grid_records(scale: int, seed_text: str) -> tuple[DegradationRecord, ...]:
    """The grid for one picture."""
    generator = torch.Generator().manual_seed(zlib.crc32(seed_text.encode()))
    angle_rad = math.pi * torch.rand((), dtype=torch.float64, generator=generator).item()
    records = []
    for change in grid_changes(scale):
        seed = int(torch.randint(SEED_LIMIT, (), generator=generator))
        record = replace(DegradationRecord(scale=scale), **change)
        if record.kernel == "motion":
            record = replace(record, angle_rad=angle_rad)
        records.append(replace(record, seed=seed) if record.noise_std_8bit > 0 else record)
    return tuple(records)
