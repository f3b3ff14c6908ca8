"""Blocks of 8×8 pixels and their frequencies, as JPEG has them."""

import math
from functools import cache

import numpy as np
from jaxtyping import Float

from nlcunet.inspection.products import multiply

BLOCK_PX = 8


def blocks_of(plane: np.ndarray) -> np.ndarray:
    """Whole blocks from the first pixel on: rows × columns × 8 × 8."""
    down, across = (side // BLOCK_PX for side in plane.shape)
    cut = plane[: down * BLOCK_PX, : across * BLOCK_PX].reshape(down, BLOCK_PX, across, BLOCK_PX)
    blocks: np.ndarray = cut.swapaxes(1, 2)
    return blocks


def coefficients(blocks: Float[np.ndarray, "*count 8 8"]) -> Float[np.ndarray, "blocks 64"]:
    """JPEG's DCT of each block, orthonormal, a block per row; rows of frequencies one after the other."""
    return multiply(blocks.reshape(-1, 64), _cosines())


@cache
def _cosines() -> Float[np.ndarray, "64 64"]:
    """Both passes of the DCT as one matrix, from pixels to frequencies."""
    frequency = np.arange(BLOCK_PX)[:, None]
    basis = np.cos(np.pi * frequency * (np.arange(BLOCK_PX) + 0.5) / BLOCK_PX) * math.sqrt(2 / BLOCK_PX)
    basis[0] /= math.sqrt(2)
    return np.ascontiguousarray(np.kron(basis, basis).T, dtype=np.float32)
