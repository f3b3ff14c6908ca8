"""The form of sparse attention that exporters can draw as one graph: any number of tokens, no branch on it.

The numbers are those of ``attend_reference``. What an exporter needs, and how it is had:

1. *Sizes that are not known.* The number of buckets, chunks and padded positions are integers made from the number of
   tokens by arithmetic alone. All rotations are multiplied, and those beyond the buckets in use are masked.
2. *A sort that every engine does alike.* Exchange formats promise no stable sort. So what is sorted is bucket · tokens
   + token, which has no two equal keys, so that there is one order only: that of the stable sort.
3. *No branch for few tokens.* Up to one chunk attention is dense. One chunk that is its own neighbour on both sides
   sees every token three times, which cancels in the quotient; what fills the chunk up is masked.

As in ``grouped_attention`` the rows' maximum is known, and rounds are added as numerators and denominators. All scores
are held at once: this form is made for tiles, not for pictures.

Shape legend: tokens, embedding, rounds, positions as in ``attention``.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nlcunet.models.hashing import normalise_keys

MASKED = -3.0e38
"""Stands for −infinity where −infinity minus itself must not arise; within the range of float32."""


def hash_tokens_masked(
    queries: Float[Tensor, "batch tokens embedding"],
    rotations: Float[Tensor, "embedding rounds half"],
    chunk_size: int,
) -> Int[Tensor, "batch rounds tokens"]:
    """What ``hash_tokens`` gives for the number of buckets that ``count_buckets`` gives, with no slice of unknown size.

    Args:
        queries: query vectors.
        rotations: all rotations of the layer; their number is half of the most buckets.
        chunk_size: tokens per chunk.
    """
    most = rotations.shape[-1]
    whole_chunks = queries.shape[1] // chunk_size
    is_unused = torch.arange(most, device=queries.device) >= (whole_chunks + 1) // 2
    half = most - is_unused.sum()
    codes = []
    for rotation in rotations.unbind(1):
        projected = queries.float() @ rotation
        both = [sign.masked_fill(is_unused, MASKED) for sign in (projected, -projected)]
        winner = torch.cat(both, dim=-1).argmax(dim=-1)
        codes.append(torch.where(winner < most, winner, winner - most + half))
    return torch.stack(codes, dim=1)


def sort_by_unique_keys(codes: Int[Tensor, "batch rounds tokens"]) -> Int[Tensor, "batch rounds tokens"]:
    """Token index at every sorted position: the order of a stable sort, from one that need not be stable."""
    tokens = codes.shape[-1]
    keys = codes * tokens + torch.arange(tokens, device=codes.device)
    return keys.sort(dim=-1).indices


class TokenSorter(nn.Module):
    """From queries to buckets and their order; a module, so that whoever verifies an export can watch it.

    Args:
        chunk_size: tokens per chunk.
    """

    def __init__(self, chunk_size: int) -> None:
        super().__init__()
        self.chunk_size = chunk_size

    def forward(
        self, queries: Float[Tensor, "batch tokens embedding"], rotations: Float[Tensor, "embedding rounds half"]
    ) -> tuple[Int[Tensor, "batch rounds tokens"], Int[Tensor, "batch rounds tokens"]]:
        """Bucket of every token in every round, and token at every sorted position."""
        codes = hash_tokens_masked(queries, rotations, self.chunk_size)
        return codes, sort_by_unique_keys(codes)


def attend_exported(
    queries: Float[Tensor, "batch tokens embedding"],
    values: Float[Tensor, "batch tokens channels"],
    order: Int[Tensor, "batch rounds tokens"],
    chunk_size: int,
) -> Float[Tensor, "batch tokens channels"]:
    """Sparse attention, dense for at most one chunk of tokens; all rounds and chunks at once.

    Args:
        queries: query vectors, not normalised.
        values: value vectors.
        order: token index at every sorted position of every round, not padded.
        chunk_size: tokens per chunk.

    Returns:
        The attended values, without the residual.
    """
    batch, tokens, channels = values.shape
    rounds = order.shape[1]
    chunks = (tokens + chunk_size - 1) // chunk_size
    positions = chunks * chunk_size
    position = torch.arange(positions, device=order.device)
    # a partial last chunk is filled by repeating the last tokens
    source = torch.where(position < tokens, position, position - (positions - tokens)).clamp_min(0)
    padded = order.index_select(-1, source).reshape(batch, rounds * positions, 1)

    def in_chunks(x: Tensor) -> Tensor:
        width = x.shape[-1]
        rows = x.gather(1, padded.expand(-1, -1, width))
        return rows.reshape(batch, rounds, chunks, chunk_size, width)

    def with_neighbours(x: Tensor) -> Tensor:
        before = torch.cat([x[:, :, -1:], x[:, :, :-1]], dim=2)
        after = torch.cat([x[:, :, 1:], x[:, :, :1]], dim=2)
        return torch.cat([before, x, after], dim=3)

    queries_sorted = in_chunks(queries)
    keys_sorted = with_neighbours(in_chunks(normalise_keys(queries)))
    ones = torch.ones_like(values[..., :1])
    values_sorted = with_neighbours(in_chunks(torch.cat([values, ones], dim=-1)))

    shift = queries_sorted.square().sum(dim=-1, keepdim=True).sqrt()
    # position ≥ tokens while tokens ≤ chunk_size, as one comparison of numbers: then padding is no token's neighbour
    is_padding = position.reshape(1, 1, chunks, 1, chunk_size) >= tokens + (chunks - 1) * positions
    is_padding = torch.cat([is_padding, is_padding, is_padding], dim=-1)
    scores = queries_sorted @ keys_sorted.transpose(-1, -2) - shift
    weights = scores.masked_fill(is_padding, MASKED).exp()
    sums = (weights @ values_sorted).reshape(batch, rounds, positions, channels + 1)

    places = torch.arange(tokens, device=order.device).expand(batch, rounds, tokens)
    place_of_token = torch.zeros_like(order).scatter(2, order, places).unsqueeze(-1)
    total = sums.gather(2, place_of_token.expand(-1, -1, -1, channels + 1)).sum(dim=1)
    return total[..., :-1] / total[..., -1:]
