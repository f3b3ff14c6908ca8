"""Non-local attention over a whole feature map: sparse (hashed) or dense.

Paper: Mei et al., "Image Super-Resolution with Non-Local Sparse Attention" (NLSA), CVPR 2021, as used in the blocks of
NLCUnet (https://arxiv.org/abs/2307.12014).

Every pixel is a token. Queries and keys share one 3×3 convolution; keys are L2-normalised, queries are not. In each
hash round the tokens are sorted by bucket and cut into chunks; a chunk attends to itself and its two neighbours
(circular). Rounds are summed with weights softmax(logsumexp of each round's scores).

Three implementations give the same numbers: ``attend_reference`` reads like the paper and holds all scores at once;
``attend_grouped`` (in ``grouped_attention``) works in groups of chunks that stay in cache; ``attend_exported`` (in
``exported_attention``) is what can be drawn as a graph for other engines.

What differs from the authors' code: fixed rotations, a stable sort, and pictures that fit into one chunk attend densely
(there the authors' code has no buckets and fails).

Shape legend: tokens = height · width; embedding = channels / 4; rounds = hash rounds; positions = sorted, padded
tokens.
"""

from importlib.util import find_spec

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nlcunet.models.exported_attention import TokenSorter, attend_exported
from nlcunet.models.fused_convolution import can_compute_only
from nlcunet.models.grouped_attention import attend_grouped
from nlcunet.models.hashing import count_buckets, hash_tokens, make_rotations, normalise_keys, sort_into_chunks
from nlcunet.models.layers import Convolution
from nlcunet.models.sorted_attention import attend_sorted
from nlcunet.tensors import FeatureMap

Tokens = Float[Tensor, "batch tokens channels"]


def attend_reference(
    queries: Float[Tensor, "batch tokens embedding"],
    values: Tokens,
    order: Int[Tensor, "batch rounds positions"],
    chunk_size: int,
) -> Tokens:
    """Sparse attention as the paper writes it; the yardstick for the fast one.

    Args:
        queries: query vectors, not normalised; the keys are made from them.
        values: value vectors.
        order: token index at every sorted position of every round (see ``sort_into_chunks``).
        chunk_size: tokens per chunk.

    Returns:
        The attended values, without the residual.
    """
    batch, tokens, channels = values.shape
    rounds = order.shape[1]

    def in_chunks(x: Tensor) -> Tensor:
        index = order.reshape(batch, -1, 1).expand(-1, -1, x.shape[-1])
        return x.gather(1, index).view(batch, rounds, -1, chunk_size, x.shape[-1])

    def with_neighbours(x: Tensor) -> Tensor:
        return torch.cat([x, x.roll(1, dims=2), x.roll(-1, dims=2)], dim=3)

    queries_sorted, values_sorted = in_chunks(queries), with_neighbours(in_chunks(values))
    keys_sorted = with_neighbours(in_chunks(normalise_keys(queries)))

    scores = queries_sorted @ keys_sorted.transpose(-1, -2)  # batch, rounds, chunks, chunk_size, 3 · chunk_size
    log_weight = scores.logsumexp(dim=-1, keepdim=True)
    attended = (scores - log_weight).exp() @ values_sorted

    unsort = order[..., :tokens].argsort(dim=-1, stable=True).unsqueeze(-1)
    attended = attended.flatten(2, 3).gather(2, unsort.expand(-1, -1, -1, channels))
    log_weight = log_weight.flatten(2, 3).gather(2, unsort)
    return (attended * log_weight.softmax(dim=1)).sum(dim=1)


def attend_dense(queries: Float[Tensor, "batch tokens embedding"], values: Tokens) -> Tokens:
    """Every token attends to every token, with the same queries, keys and values as the sparse form."""
    scores = queries @ normalise_keys(queries).transpose(-1, -2)
    return scores.softmax(dim=-1) @ values


SMALLEST_FUSED_CHUNK = 48
"""With chunks of 16 the kernels gave wrong values in float16 on an H200 (Triton 3.6); no network here has such."""


def can_fuse(queries: Tensor, chunk_size: int, max_buckets: int) -> bool:
    """Whether the kernels of ``fused_attention`` can run: on CUDA, with Triton, without gradients, codes in a byte."""
    if not queries.is_cuda or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return chunk_size >= SMALLEST_FUSED_CHUNK and max_buckets <= 2**8 and find_spec("triton") is not None


class NonLocalAttention(nn.Module):
    """Non-local attention layer; adds its own input back.

    Args:
        channels: channels of the feature map, divisible by 4.
        kind: ``"sparse"`` (hashed, linear cost) or ``"dense"`` (all pairs, quadratic cost).
        num_hashes: hash rounds; more rounds miss fewer partners and cost proportionally more.
        chunk_size: tokens per chunk.
        max_buckets: most buckets a round may use, even.
        rotation_seed: seed of the fixed rotations.
        implementation: ``"grouped"``, ``"reference"`` or ``"exported"``: the same numbers at different speed.
    """

    rotations: Tensor

    def __init__(
        self,
        channels: int,
        *,
        kind: str = "sparse",
        num_hashes: int = 4,
        chunk_size: int = 144,
        max_buckets: int = 128,
        rotation_seed: int = 0,
        implementation: str = "grouped",
    ) -> None:
        super().__init__()
        self.kind = kind
        self.chunk_size = chunk_size
        self.max_buckets = max_buckets
        self.implementation = implementation
        self.query = Convolution(channels, channels // 4, 3, padding=1)
        self.value = Convolution(channels, channels, 1)
        if kind == "sparse":
            self.register_buffer("rotations", make_rotations(channels // 4, num_hashes, max_buckets, rotation_seed))
            self.sorter = TokenSorter(chunk_size)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Attend over all pixels of ``x`` and add ``x``."""
        height, width = x.shape[-2:]
        queries = self.query(x).flatten(2).transpose(1, 2)
        values = self.value(x).flatten(2).transpose(1, 2)
        attended = self.attend(queries, values)
        attended = attended.transpose(1, 2)
        return attended.reshape(*attended.shape[:2], height, width) + x

    def attend(self, queries: Float[Tensor, "batch tokens embedding"], values: Tokens) -> Tokens:
        """Attention of the configured kind over a list of tokens."""
        if self.kind == "sparse" and self.implementation == "exported":
            _, order = self.sorter(queries, self.rotations)
            return attend_exported(queries, values, order, self.chunk_size)
        tokens = queries.shape[1]
        if self.kind == "dense" or tokens <= self.chunk_size:
            return attend_dense(queries, values)
        if self.implementation == "grouped" and can_fuse(queries, self.chunk_size, self.max_buckets):
            return self.attend_on_gpu(queries, values)
        num_buckets = count_buckets(tokens, self.chunk_size, self.max_buckets)
        order = sort_into_chunks(hash_tokens(queries.detach(), self.rotations, num_buckets), self.chunk_size)
        if self.implementation == "reference":
            return attend_reference(queries, values, order, self.chunk_size)
        attend = attend_sorted if can_compute_only(queries) else attend_grouped
        return attend(queries, values, order, self.chunk_size)

    def attend_on_gpu(self, queries: Float[Tensor, "batch tokens embedding"], values: Tokens) -> Tokens:
        """The same without gradients, by kernels that keep scores on the chip."""
        from nlcunet.models.fused_attention import attend_fused, hash_tokens_fused

        num_buckets = count_buckets(queries.shape[1], self.chunk_size, self.max_buckets)
        order = sort_into_chunks(hash_tokens_fused(queries, self.rotations, num_buckets), self.chunk_size)
        return attend_fused(queries, values, order, self.chunk_size)
