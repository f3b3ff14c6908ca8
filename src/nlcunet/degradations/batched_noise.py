"""Gaussian noise without a generator: every number is a function of a key and its own position.

A hash turns counters into uniform numbers, Box and Muller's transform turns pairs of those into normal ones. So a
picture's noise depends on its record alone, not on the batch or process that it is made in, and is computed for a
whole batch at once, on any device. Sources: counter-based generators, Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3", SC 2011; the hash is the two-round xor-shift-multiply "lowbias32" family of C. Wellons,
https://nullprogram.com/blog/2018/07/31/, in its later constants.
"""

import hashlib
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

MASK = 2**32 - 1
MULTIPLIERS = (0x21F0AAAD, 0xD35A2D97 - 2**32)
"""Of the hash, modulo 2^32; below 2^31 in magnitude, so that products of 32 bits with them fit into 64 bits."""


def noise_keys(seeds: Sequence[int | str]) -> Int[Tensor, "batch 2"]:
    """Two independent 32-bit keys for each seed, a number or words, on the CPU."""
    keys = []
    for seed in seeds:
        digest = hashlib.blake2b(f"pixel noise {seed}".encode(), digest_size=8).digest()
        keys.append((int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:], "big")))
    return torch.tensor(keys, dtype=torch.int64).view(-1, 2)


def scramble(x: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """A one-to-one hash of 32-bit numbers, held in 64-bit integers."""
    x = (x ^ (x >> 16)) * MULTIPLIERS[0] & MASK
    x = (x ^ (x >> 15)) * MULTIPLIERS[1] & MASK
    return x ^ (x >> 15)


def normal_noise(keys: Int[Tensor, "batch 2"], shape: tuple[int, int, int]) -> Float[Tensor, "batch _ _ _"]:
    """Independent numbers of mean 0 and standard deviation 1, float32, on the keys' device.

    Args:
        keys: Those of `noise_keys`: equal keys give equal noise.
        shape: Channels, height and width.
    """
    count = math.prod(shape)
    pairs = (count + 1) // 2
    counters = torch.arange(2 * pairs, device=keys.device)
    first, second = keys[:, :1], keys[:, 1:]
    # The second key is mixed in between two hashes: sequences of different keys are no shifted copies of each other.
    bits = scramble((scramble(counters ^ first) + second) & MASK)
    uniform = (bits.to(torch.float32) + 0.5) * 2.0**-32
    radius = torch.sqrt(-2.0 * torch.log(uniform[:, :pairs]))
    angle = 2.0 * math.pi * uniform[:, pairs:]
    normal = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
    return normal[:, :count].view(-1, *shape)
