"""Stored pixels and upright ones: what the eight values of EXIF's orientation tag mean (EXIF 2.32, section 4.6.4)."""

import numpy as np
from jaxtyping import Shaped


def upright(
    samples: Shaped[np.ndarray, "rows columns channels"], orientation: int
) -> Shaped[np.ndarray, "h w channels"]:
    """Turn stored pixels the right way up, by EXIF orientation 1..8 (tag 274)."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        samples = samples[::-1]
    if orientation in {2, 3, 6, 7}:
        samples = samples[:, ::-1]
    return samples


def stored_window(rows: slice, columns: slice, orientation: int, height: int, width: int) -> tuple[slice, slice]:
    """Which rows and columns of the stored picture make up a window of the upright one.

    Returns:
        Rows and columns that :func:`upright` turns into the window.
    """
    if orientation in {3, 4, 7, 8}:
        rows = slice(height - rows.stop, height - rows.start)
    if orientation in {2, 3, 6, 7}:
        columns = slice(width - columns.stop, width - columns.start)
    return (columns, rows) if orientation >= 5 else (rows, columns)
