"""Sparse attention on GPUs: hashing in one kernel, and gather, scores, softmax and values in another.

The same arithmetic as ``grouped_attention`` (the row-wise maximum is known, so one pass over the keys is enough), but
scores never leave the chip: a program takes a block of queries of one chunk, walks over the 3 · chunk_size keys around
it, and keeps numerator and denominator in registers. Keys are made from the queries as they are loaded. With more than
one round every round's result and denominator are written once, and a last kernel combines them in a fixed order, so
that the same input gives the same bits twice.

Scores are multiplied in TF32 or better whatever the type of the values, because an error in a score is one in an
exponent. Written in `Triton <https://triton-lang.org>`_; on a CPU the kernels run in its interpreter, for tests.

Shape legend: tokens, embedding, rounds, positions as in ``attention``; a *sequence* is one round of one picture.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import math
from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

LOG2_E = tl.constexpr(math.log2(math.e))
KEY_EPS = tl.constexpr(5e-5)
"""As in ``hashing.normalise_keys``."""
BLOCK_QUERIES, BLOCK_KEYS, BLOCK_TOKENS = 64, 64, 128


@triton.jit
def _hash_kernel(  # noqa: PLR0917 - a kernel has no keywords of its own
    queries,
    rotations,
    codes,
    tokens,
    rotation_stride,
    rounds: tl.constexpr,
    embedding: tl.constexpr,
    half: tl.constexpr,
    embedding_block: tl.constexpr,
    half_block: tl.constexpr,
    block: tl.constexpr,
):
    """Codes of a block of tokens of one picture in one round."""
    batch, hash_round = tl.program_id(1) // rounds, tl.program_id(1) % rounds
    token = tl.program_id(0) * block + tl.arange(0, block)
    column, direction = tl.arange(0, embedding_block), tl.arange(0, half_block)
    is_token, is_column, is_direction = token < tokens, column < embedding, direction < half
    row = (batch * tokens + token).to(tl.int64)
    q = tl.load(queries + row[:, None] * embedding + column, mask=is_token[:, None] & is_column[None, :], other=0.0).to(
        tl.float32
    )
    rotation = tl.load(
        rotations + column[:, None] * rotation_stride * rounds + hash_round * rotation_stride + direction,
        mask=is_column[:, None] & is_direction[None, :],
        other=0.0,
    )
    projected = tl.dot(q, rotation, input_precision="ieee")
    highest = tl.where(is_direction[None, :], projected, float("-inf"))
    lowest = tl.where(is_direction[None, :], -projected, float("-inf"))
    is_positive = tl.max(highest, 1) >= tl.max(lowest, 1)
    code = tl.where(is_positive, tl.argmax(highest, 1), tl.argmax(lowest, 1) + half)
    tl.store(codes + tl.program_id(1).to(tl.int64) * tokens + token, code.to(tl.uint8), mask=is_token)


@triton.jit
def _attend_kernel(  # noqa: PLR0917 - a kernel has no keywords of its own
    queries,
    values,
    order,
    results,
    denominators,
    tokens,
    positions,
    rounds: tl.constexpr,
    chunk_size: tl.constexpr,
    embedding: tl.constexpr,
    channels: tl.constexpr,
    embedding_block: tl.constexpr,
    channels_block: tl.constexpr,
    block_queries: tl.constexpr,
    block_keys: tl.constexpr,
    score_precision: tl.constexpr,
    value_precision: tl.constexpr,
):
    """A block of queries of one chunk against the chunk and its two neighbours."""
    blocks: tl.constexpr = (chunk_size + block_queries - 1) // block_queries
    sequence = tl.program_id(1).to(tl.int64)
    chunk, part = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    first_row = (sequence // rounds) * tokens
    column, channel = tl.arange(0, embedding_block), tl.arange(0, channels_block)
    is_column, is_channel = column < embedding, channel < channels
    own_order = order + sequence * positions

    offset = part * block_queries + tl.arange(0, block_queries)
    place = chunk * chunk_size + offset
    is_query = (offset < chunk_size) & (place < tokens)  # places beyond are padding
    token = tl.load(own_order + place, mask=is_query, other=0).to(tl.int64)
    q = tl.load(
        queries + (first_row + token)[:, None] * embedding + column,
        mask=is_query[:, None] & is_column[None, :],
        other=0.0,
    ).to(tl.float32)
    q *= LOG2_E
    largest = tl.sqrt(tl.sum(q * q, 1))

    result = tl.zeros((block_queries, channels_block), tl.float32)
    denominator = tl.zeros((block_queries,), tl.float32)
    before = chunk * chunk_size - chunk_size
    for start in range(0, 3 * chunk_size, block_keys):
        near = start + tl.arange(0, block_keys)
        is_key = near < 3 * chunk_size
        key_place = (before + near + positions) % positions
        key_row = first_row + tl.load(own_order + key_place, mask=is_key, other=0).to(tl.int64)
        k = tl.load(
            queries + key_row[:, None] * embedding + column, mask=is_key[:, None] & is_column[None, :], other=0.0
        ).to(tl.float32)
        length = tl.sqrt(tl.sum(k * k, 1))
        k = k / tl.maximum(length, KEY_EPS)[:, None]
        scores = tl.dot(q, tl.trans(k), input_precision=score_precision)
        weights = tl.where(is_key[None, :], tl.exp2(scores - largest[:, None]), 0.0)
        denominator += tl.sum(weights, 1)
        v = tl.load(
            values + key_row[:, None] * channels + channel, mask=is_key[:, None] & is_channel[None, :], other=0.0
        )
        result += tl.dot(weights.to(v.dtype), v, input_precision=value_precision)

    result = result / denominator[:, None]
    row = sequence * tokens + token
    tl.store(
        results + row[:, None] * channels + channel,
        result.to(results.dtype.element_ty),
        mask=is_query[:, None] & is_channel[None, :],
    )
    if rounds > 1:
        tl.store(denominators + row, denominator, mask=is_query)


@triton.jit
def _combine_kernel(  # noqa: PLR0917 - a kernel has no keywords of its own
    results,
    denominators,
    combined,
    tokens,
    rounds: tl.constexpr,
    channels: tl.constexpr,
    channels_block: tl.constexpr,
    block: tl.constexpr,
):
    """The rounds of a block of tokens, weighted with their denominators."""
    batch = tl.program_id(1).to(tl.int64)
    token, channel = tl.program_id(0) * block + tl.arange(0, block), tl.arange(0, channels_block)
    is_token = token < tokens
    mask = is_token[:, None] & (channel < channels)[None, :]
    total = tl.zeros((block, channels_block), tl.float32)
    weight = tl.zeros((block,), tl.float32)
    for hash_round in tl.static_range(rounds):
        row = (batch * rounds + hash_round) * tokens + token
        denominator = tl.load(denominators + row, mask=is_token, other=1.0)
        total += denominator[:, None] * tl.load(results + row[:, None] * channels + channel, mask=mask, other=0.0).to(
            tl.float32
        )
        weight += denominator
    row = batch * tokens + token
    tl.store(
        combined + row[:, None] * channels + channel,
        (total / weight[:, None]).to(combined.dtype.element_ty),
        mask=mask,
    )


def hash_tokens_fused(
    queries: Float[Tensor, "batch tokens embedding"],
    rotations: Float[Tensor, "embedding rounds half"],
    num_buckets: int,
) -> Int[Tensor, "batch rounds tokens"]:
    """``hashing.hash_tokens`` in one kernel; codes as bytes, which sort fastest.

    Where two directions are equally near, rounding decides, as it may between any two devices.
    """
    batch, tokens, embedding = queries.shape
    rounds, half = rotations.shape[1], num_buckets // 2
    codes = torch.empty(batch, rounds, tokens, dtype=torch.uint8, device=queries.device)
    grid = (triton.cdiv(tokens, BLOCK_TOKENS), batch * rounds)
    _hash_kernel[grid](
        queries.contiguous(),
        rotations,
        codes,
        tokens,
        rotations.shape[2],
        rounds=rounds,
        embedding=embedding,
        half=half,
        embedding_block=_block(embedding),
        half_block=_block(half),
        block=BLOCK_TOKENS,
    )
    return codes


def attend_fused(
    queries: Float[Tensor, "batch tokens embedding"],
    values: Float[Tensor, "batch tokens channels"],
    order: Int[Tensor, "batch rounds positions"],
    chunk_size: int,
) -> Float[Tensor, "batch tokens channels"]:
    """Sparse attention, forward only; arguments and result as ``attention.attend_reference``.

    Args:
        queries: query vectors, not normalised, of any floating type.
        values: value vectors; products with them are in their type.
        order: token index at every sorted position of every round.
        chunk_size: tokens per chunk.

    Returns:
        The attended values, without the residual, in the type of the values.
    """
    queries, values, order = queries.contiguous(), values.contiguous(), order.contiguous()
    batch, tokens, channels = values.shape
    rounds, positions = order.shape[1:]
    is_exact = values.dtype == torch.float32
    results = values.new_empty(batch, rounds, tokens, channels)
    denominators = torch.empty(batch, rounds, tokens, dtype=torch.float32, device=values.device)
    sizes: dict[str, Any] = {"rounds": rounds, "channels": channels, "channels_block": _block(channels)}
    grid = (positions // chunk_size * triton.cdiv(chunk_size, BLOCK_QUERIES), batch * rounds)
    _attend_kernel[grid](
        queries,
        values,
        order,
        results,
        denominators,
        tokens,
        positions,
        chunk_size=chunk_size,
        embedding=queries.shape[2],
        embedding_block=_block(queries.shape[2]),
        block_queries=BLOCK_QUERIES,
        block_keys=BLOCK_KEYS,
        score_precision="ieee" if is_exact else "tf32",
        value_precision="ieee" if is_exact else "tf32",
        num_warps=4,
        **sizes,
    )
    if rounds == 1:
        return results.view(batch, tokens, channels)
    combined = torch.empty_like(values)
    _combine_kernel[triton.cdiv(tokens, BLOCK_TOKENS // 2), batch](
        results, denominators, combined, tokens, block=BLOCK_TOKENS // 2, **sizes
    )
    return combined


def _block(size: int) -> int:
    """The sides of Triton's blocks are powers of two, and at least 16 in a product."""
    return max(16, int(triton.next_power_of_2(size)))
