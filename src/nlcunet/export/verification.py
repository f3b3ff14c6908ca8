"""The proof of an export: tiles of real pictures through it and through PyTorch, and how far the two are apart.

Sparse attention is checked at its joints. Given the queries that the export computed, PyTorch must sort every token
into the bucket that the export sorted it into, and the order must be that of a stable sort. The queries themselves
differ by rounding; a token that lies that close to a border between buckets may change sides, and then a whole tile
differs a little. Such tokens are counted, and tiles with them are held to the bound in dB only.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ExportError
from nlcunet.export.drawing import WatchedNetwork
from nlcunet.export.facts import Parity
from nlcunet.export.sessions import Session
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.hashing import count_buckets, hash_tokens
from nlcunet.models.weights import LoadedModel, WeightsHeader

MOST_DB = 200.0
"""Stands for no difference at all."""

TIE = 1e-5
"""Projections that differ by less than this share of the query's length are as good as equal in float32."""


@dataclass(frozen=True)
class Bound:
    """How far an export may be from PyTorch in float32."""

    max_difference: float
    """Of a sample in [0, 1], in tiles whose tokens are all in the same buckets."""
    psnr_db: float
    """Of all tiles together, at least."""


BOUNDS = {"float32": Bound(1e-4, 80.0), "float16": Bound(0.05, 50.0), "int8": Bound(0.5, 30.0)}
"""By precision; docs/export.md says what is measured."""


def cut_tiles(
    pictures: Iterable[Float[Tensor, "3 _ _"]], sides: Sequence[int], header: WeightsHeader
) -> list[Float[Tensor, "_ 3 _ _"]]:
    """Batches to verify on: from every picture, for every side, a pair of square tiles and an upright one.

    A tile larger than its picture is as large as the picture. From the first picture also the least size is taken.

    Raises:
        ExportError: there is no picture as large as the network's least size.
    """
    multiple, least = header.size_multiple, -(-header.min_size // header.size_multiple) * header.size_multiple
    batches = []
    for picture in pictures:
        height, width = (length // multiple * multiple for length in picture.shape[-2:])
        if min(height, width) < least:
            continue
        for side in sides:
            rows, columns = (max(least, min(side // multiple * multiple, length)) for length in (height, width))
            corner, centre = picture[:, :rows, :columns], _centre(picture, rows, columns)
            batches += [
                torch.stack([corner, centre.flip(-1)]),
                _centre(picture, rows, max(least, columns // 2 // multiple * multiple))[None],
            ]
        if len(batches) == 2 * len(sides):
            batches.append(_centre(picture, least, least)[None])
    if not batches:
        raise ExportError(f"pictures to verify on must be at least {least}×{least} pixels: found none")
    return batches


def _centre(picture: Float[Tensor, "3 height width"], rows: int, columns: int) -> Float[Tensor, "3 rows columns"]:
    top, left = (picture.shape[-2] - rows) // 2, (picture.shape[-1] - columns) // 2
    return picture[:, top : top + rows, left : left + columns]


@torch.inference_mode()
def compare(model: LoadedModel, export: Session, batches: Sequence[Tensor], bound: Bound) -> Parity:
    """Hold an export that tells what its attention did against PyTorch.

    Raises:
        ExportError: further than the bound, or tokens are sorted otherwise than they must be.
    """
    watched, network = WatchedNetwork(model), model.network.eval()
    device = next((each.device for each in network.parameters()), torch.device("cpu"))
    squares, total, largest, samples, tokens, moved = 0.0, 0.0, 0.0, 0, 0, 0
    for batch in batches:
        picture, *seen = export(batch)
        want = network(batch.to(device)).float().cpu()
        if picture.shape != want.shape:
            raise ExportError(
                f"the export must give {tuple(want.shape)} for {tuple(batch.shape)}: got {tuple(picture.shape)}"
            )
        changed = 0
        if seen:  # a file as it is written tells the picture alone
            check_buckets(watched.layers, seen)
            changed = count_moved(watched.watch(batch)[1:], seen, watched.layers)
        difference = (picture - want).abs()
        _check_finite(picture)
        if not changed and difference.max() > bound.max_difference:
            raise ExportError(
                f"the export must differ from PyTorch by at most {bound.max_difference:g}: it differs by "
                f"{difference.max():.2g} on a tile of {batch.shape[-1]}×{batch.shape[-2]}; it was not written"
            )
        squares += float(difference.double().square().sum())
        total += float(difference.double().sum())
        largest, samples = max(largest, float(difference.max())), samples + difference.numel()
        moved += changed
        tokens += sum(codes.numel() for codes in seen[1::3])
    psnr = min(MOST_DB, -10 * math.log10(squares / samples)) if squares else MOST_DB
    if psnr < bound.psnr_db:
        raise ExportError(
            f"the export must be within {bound.psnr_db:g} dB of PyTorch: got {psnr:.1f} dB; it was not written"
        )
    return Parity(
        tiles=sum(len(batch) for batch in batches),
        max_difference=largest,
        mean_difference=total / samples,
        psnr_db=psnr,
        tokens=tokens,
        moved_tokens=moved,
    )


def check_buckets(layers: Sequence[NonLocalAttention], seen: Sequence[Tensor]) -> None:
    """Check that the buckets and the order of every layer follow from its queries as they do in PyTorch.

    Args:
        layers: the layers of sparse attention, in order.
        seen: queries, buckets and order of every layer, as the export gave them.
    """
    for number, layer in enumerate(layers):
        queries, codes, order = seen[3 * number : 3 * number + 3]
        if queries.shape[1] <= layer.chunk_size:
            continue  # dense: there are no buckets
        if not torch.equal(order, codes.sort(dim=-1, stable=True).indices):
            raise ExportError(f"attention layer {number} of the export must sort as PyTorch does; it was not written")
        wrong = _wrong_buckets(queries, codes, layer)
        if wrong:
            raise ExportError(
                f"attention layer {number} of the export must use PyTorch's buckets: {wrong} of {codes.numel()} tokens "
                "are in others; it was not written"
            )


def _wrong_buckets(queries: Tensor, codes: Tensor, layer: NonLocalAttention) -> int:
    """Tokens in other buckets than PyTorch's, those aside that lie on a border between the two."""
    buckets = count_buckets(queries.shape[1], layer.chunk_size, layer.max_buckets)
    rotations = layer.rotations.cpu()
    want = hash_tokens(queries, rotations, buckets)
    if torch.equal(codes, want):
        return 0
    if codes.min() < 0 or codes.max() >= buckets:
        return int((codes != want).sum())
    projected = torch.einsum("bte,erh->brth", queries.double(), rotations[..., : buckets // 2].double())
    both = torch.cat([projected, -projected], dim=-1)
    short = both.amax(dim=-1) - both.gather(-1, codes[..., None].long()).squeeze(-1)
    is_tie = short <= TIE * queries.double().norm(dim=-1)[:, None]
    return int(((codes != want) & ~is_tie).sum())


def count_moved(want: Sequence[Tensor], seen: Sequence[Tensor], layers: Sequence[NonLocalAttention]) -> int:
    """Tokens of sparse attention that are in another bucket than in PyTorch from the picture on."""
    moved = 0
    for number, layer in enumerate(layers):
        ours, theirs = want[3 * number + 1], seen[3 * number + 1]
        if ours.shape[-1] > layer.chunk_size:
            moved += int((ours != theirs).sum())
    return moved


def _check_finite(picture: Tensor) -> None:
    if not picture.isfinite().all():
        raise ExportError("the export must give finite numbers: it gave infinities or NaN; it was not written")
