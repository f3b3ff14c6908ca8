"""Sparse attention on a CPU without gradients: the arithmetic of ``grouped_attention``, with hardly a copy.

Queries, keys and values of a round are brought into sorted order once. A chunk and its two neighbours then lie side by
side in memory, so that the windows of all chunks are views, and products read them where they are. The scores of a few
chunks at a time stay in a core's level-2 cache between the two products.

Shape legend: tokens, embedding, rounds, positions as in ``attention``.
"""

from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nlcunet.models.grouped_attention import LOG2_E
from nlcunet.models.hashing import normalise_keys

LEVEL_2_BYTES = 2**20
"""Taken for granted where the system does not tell."""


def attend_sorted(
    queries: Float[Tensor, "batch tokens embedding"],
    values: Float[Tensor, "batch tokens channels"],
    order: Int[Tensor, "batch rounds positions"],
    chunk_size: int,
    scores_at_once: int | None = None,
) -> Float[Tensor, "batch tokens channels"]:
    """Sparse attention, forward only; arguments and result as ``attention.attend_reference``.

    Args:
        queries: query vectors, not normalised, float32.
        values: value vectors, float32.
        order: token index at every sorted position of every round.
        chunk_size: tokens per chunk.
        scores_at_once: scores held at once; by default what fits the cache.

    Returns:
        The attended values, without the residual.
    """
    per_chunk = 3 * chunk_size * chunk_size
    chunks_at_once = max(1, (scores_at_once or scores_in_cache()) // per_chunk)
    # A shift of every row by the query's own length, its largest score, is one more column in the product.
    keys = normalise_keys(queries)
    keys = torch.cat([keys, torch.ones_like(keys[..., :1])], dim=-1)
    queries = torch.cat([queries, -queries.norm(dim=-1, keepdim=True)], dim=-1) * LOG2_E
    scores = queries.new_empty(chunks_at_once, chunk_size, 3 * chunk_size)
    return torch.stack([_attend_picture(*each, scores) for each in zip(queries, keys, values, order, strict=True)])


def _attend_picture(
    queries: Tensor, keys: Tensor, values: Tensor, order: Tensor, scores: Tensor
) -> Float[Tensor, "tokens channels"]:
    """Attention of one picture, round after round."""
    tokens, channels = values.shape
    positions, chunk_size = order.shape[1], scores.shape[1]
    total, weight = torch.zeros_like(values), torch.zeros_like(values[:, :1])
    numerators, denominators = values.new_empty(positions, channels), values.new_empty(positions, 1)
    results, sums = numerators.view(-1, chunk_size, channels), denominators.view(-1, chunk_size)
    for tokens_in_order in order:
        own, near_keys, near_values = _gather(queries, keys, values, tokens_in_order, chunk_size)
        for start in range(0, len(own), len(scores)):
            chosen = slice(start, start + len(scores))
            weights = _score(own[chosen], near_keys[chosen], scores, sums[chosen])
            _weigh(weights, near_values[chosen], results[chosen])
        _combine(numerators, denominators, tokens_in_order[:tokens], total, weight)
    return total.div_(weight)


def _gather(
    queries: Tensor, keys: Tensor, values: Tensor, order: Tensor, chunk_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries of every chunk, and keys and values of it and its neighbours, of one round."""
    ring = torch.cat([order[-chunk_size:], order, order[:chunk_size]])
    own = queries.index_select(0, order).view(-1, chunk_size, queries.shape[1])
    near_keys = _windows(keys.index_select(0, ring), chunk_size).transpose(1, 2)
    return own, near_keys, _windows(values.index_select(0, ring), chunk_size)


def _score(own: Tensor, near_keys: Tensor, scores: Tensor, sums: Tensor) -> Tensor:
    """Weights of some chunks, not normalised, in ``scores``; their sums into ``sums``."""
    weights = torch.bmm(own, near_keys, out=scores[: len(own)]).exp2_()
    torch.sum(weights, dim=2, out=sums)
    return weights


def _weigh(weights: Tensor, near_values: Tensor, results: Tensor) -> None:
    """Weighted sums of values into ``results``."""
    torch.bmm(weights, near_values, out=results)


def _combine(numerators: Tensor, denominators: Tensor, order: Tensor, total: Tensor, weight: Tensor) -> None:
    """Add a round, in sorted order, to the totals, in the order of the picture."""
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    total.add_(numerators.index_select(0, place))
    weight.add_(denominators.index_select(0, place))


def _windows(rows: Tensor, chunk_size: int) -> Tensor:
    """Every three consecutive chunks, as a view: (chunks, 3 · chunk_size, columns)."""
    length, columns = rows.shape
    return rows.as_strided((length // chunk_size - 2, 3 * chunk_size, columns), (chunk_size * columns, columns, 1))


def scores_in_cache() -> int:
    """Scores in float32 that fit the level-2 caches of the threads at work."""
    return level_2_bytes() // 4 * torch.get_num_threads()


@lru_cache(maxsize=1)
def level_2_bytes(caches: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """A core's level-2 cache.

    Args:
        caches: where the kernel describes them.
    """
    try:
        for cache in caches.glob("index*"):
            if (cache / "level").read_text().strip() == "2":
                return int((cache / "size").read_text().strip().removesuffix("K")) * 1024
    except (OSError, ValueError):
        pass  # not Linux, or another notation
    return LEVEL_2_BYTES
