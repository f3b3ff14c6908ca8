"""Spherical locality-sensitive hashing: which pixels attend to which.

Source: Mei et al., "Image Super-Resolution with Non-Local Sparse Attention", CVPR 2021, section 3.3.
Unlike the authors' code, the rotations are fixed and the sort is stable, so the same picture gives the same groups
twice.

Shape legend: tokens = height · width; embedding = channels / 4; rounds = hash rounds; positions = tokens, sorted and
padded to whole chunks.
"""

import zlib

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def count_buckets(tokens: int, chunk_size: int, max_buckets: int) -> int:
    """Number of hash buckets for a picture: about one per chunk, even, at most ``max_buckets``."""
    whole_chunks = tokens // chunk_size
    return min(whole_chunks + whole_chunks % 2, max_buckets)


def make_rotations(
    embedding: int, num_hashes: int, max_buckets: int, seed: int
) -> Float[Tensor, "embedding rounds half"]:
    """Random projections of one attention layer, drawn once from ``seed`` and stored with the weights.

    Rounded to half precision, so that weights stored in half precision hash exactly as in training.
    """
    generator = torch.Generator().manual_seed(seed)
    rotations = torch.randn(embedding, num_hashes, max_buckets // 2, generator=generator, dtype=torch.float64)
    return rotations.half().float()


def change_rounds(rotations: Float[Tensor, "embedding rounds half"], rounds: int) -> Float[Tensor, "embedding _ half"]:
    """Rotations for another number of rounds: the first of those that are there, or all of them and further ones.

    A further one depends only on the first round's and on its own number, so that each stays as it is however many
    follow; it needs no seed beside the weights.
    """
    embedding, stored, half = rotations.shape
    first = rotations[:, 0].half().cpu().contiguous().numpy().tobytes()
    further = [
        make_rotations(embedding, 1, 2 * half, zlib.crc32(f"round {number}".encode(), zlib.crc32(first)))
        for number in range(stored, rounds)
    ]
    return torch.cat([rotations[:, :rounds], *(each.to(rotations) for each in further)], dim=1)


def hash_tokens(
    queries: Float[Tensor, "batch tokens embedding"],
    rotations: Float[Tensor, "embedding rounds half"],
    num_buckets: int,
) -> Int[Tensor, "batch rounds tokens"]:
    """Bucket of every token in every round: argmax over [p, −p] of its projection p, in 0 … ``num_buckets`` − 1."""
    half = num_buckets // 2
    codes = []
    for rotation in rotations[..., :half].unbind(1):
        projected = queries.float() @ rotation
        codes.append(torch.cat([projected, -projected], dim=-1).argmax(dim=-1))
    return torch.stack(codes, dim=1)


def sort_into_chunks(
    codes: Int[Tensor, "batch rounds tokens"], chunk_size: int
) -> Int[Tensor, "batch rounds positions"]:
    """Token index at every sorted position; a partial last chunk is filled by repeating the last tokens."""
    order = codes.sort(dim=-1, stable=True).indices
    tokens = order.shape[-1]
    padding = -tokens % chunk_size
    return torch.cat([order, order[..., tokens - padding :]], dim=-1) if padding else order


def normalise_keys(queries: Float[Tensor, "*rows embedding"]) -> Float[Tensor, "*rows embedding"]:
    """Keys: the queries at unit length (eps 5e-5, as in the authors' code)."""
    return F.normalize(queries, p=2.0, dim=-1, eps=5e-5)
