"""Correlation with kernels that are a column times a row: two short passes in place of a long one."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

BLOCK = 64
"""Output rows per matrix product: about three kernel sizes, so that most of each product is not zeros."""


def correlate_separable(
    planes: Float[Tensor, "planes height width"],
    column: Float[Tensor, "kernels size"],
    row: Float[Tensor, "kernels size"],
) -> Float[Tensor, "planes inner_height inner_width"]:
    """Each plane correlated with its own kernel ``column[:, None] * row``, where the kernel lies wholly inside.

    On a CPU the passes are products with banded matrices, which are several times as fast as PyTorch's depth-wise
    convolutions in float32, and far more in float64; elsewhere they are those convolutions, which never use TF32.

    Args:
        planes: Pictures of one channel, at least as large as the kernel on both sides.
        column: Vertical weights, one set for each plane, or one for all.
        row: Horizontal weights, likewise.

    Returns:
        The correlation; both sides are shorter by the kernel's size less 1.
    """
    with torch.autocast(planes.device.type, enabled=False):
        correlate = correlate_by_products if planes.device.type == "cpu" else correlate_by_convolutions
        return correlate(planes, column.to(planes), row.to(planes))


def correlate_by_convolutions(
    planes: Float[Tensor, "planes height width"],
    column: Float[Tensor, "kernels size"],
    row: Float[Tensor, "kernels size"],
) -> Float[Tensor, "planes inner_height inner_width"]:
    """The two passes as depth-wise convolutions."""
    count = len(planes)
    vertical, horizontal = column.expand(count, -1)[:, None, :, None], row.expand(count, -1)[:, None, None, :]
    return F.conv2d(F.conv2d(planes[None], vertical, groups=count), horizontal, groups=count)[0]


def correlate_by_products(
    planes: Float[Tensor, "planes height width"],
    column: Float[Tensor, "kernels size"],
    row: Float[Tensor, "kernels size"],
) -> Float[Tensor, "planes inner_height inner_width"]:
    """The two passes as products with banded matrices, one block of rows or columns after the other."""
    vertical = shifted_rows(column, min(BLOCK, planes.shape[1] - column.shape[1] + 1))
    horizontal = shifted_rows(row, min(BLOCK, planes.shape[2] - row.shape[1] + 1))
    return correlate_columns(correlate_rows(planes, vertical), horizontal)


def shifted_rows(taps: Float[Tensor, "kernels size"], count: int) -> Float[Tensor, "kernels count length"]:
    """Matrices whose row i holds the taps from column i on: a matrix product with them is a correlation."""
    size = taps.shape[1]
    # Rows one longer than wanted, laid end to end and cut to the wanted length, fall one column further each time.
    lines = F.pad(taps, (0, count))[:, None].expand(-1, count, -1).reshape(len(taps), -1)
    return lines[:, : count * (size + count - 1)].reshape(len(taps), count, size + count - 1)


def correlate_rows(
    planes: Float[Tensor, "planes height width"], matrices: Float[Tensor, "kernels count length"]
) -> Float[Tensor, "planes inner_height width"]:
    """The vertical pass, block by block; the last block is pushed up to end with the picture."""
    count, length = matrices.shape[1:]
    total = planes.shape[1] - length + count
    result = planes.new_empty(len(planes), total, planes.shape[2])
    for start in range(0, total, count):
        top = min(start, total - count)
        result[:, top : top + count] = matrices @ planes[:, top : top + length]
    return result


def correlate_columns(
    planes: Float[Tensor, "planes height width"], matrices: Float[Tensor, "kernels count length"]
) -> Float[Tensor, "planes height inner_width"]:
    """The horizontal pass, likewise."""
    count, length = matrices.shape[1:]
    total = planes.shape[2] - length + count
    result = planes.new_empty(len(planes), planes.shape[1], total)
    for start in range(0, total, count):
        left = min(start, total - count)
        result[:, :, left : left + count] = planes[:, :, left : left + length] @ matrices.mT
    return result


@lru_cache(maxsize=256)
def fast_length(length: int) -> int:
    """The shortest even length, at least the given one, that has no prime factor above 5: fast for Fourier."""
    length += length % 2
    rest = length
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return length if rest == 1 else fast_length(length + 2)
