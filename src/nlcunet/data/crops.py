"""Where training patches are cut from a photograph: its centre, anywhere, or where its detail is.

- ``central``: the paper's two stages, a random patch in the central 512×512 of each photograph, where its subject tends
  to be (NLCUnet, https://arxiv.org/abs/2307.12014).
- ``random``: every position alike.
- ``detail``: positions in proportion to how much there is to see under the patch (mean absolute gradient), so that sky
  and blurred background take fewer of them. Photographs themselves stay equally likely: foliage has many times the
  gradient of a face, and a network that saw little else would not be better for it.

A crop is a function of numbers in [0, 1) that come from elsewhere, so that every sample can be drawn anew at any time.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from nlcunet.errors import ConfigError, DataError

CropKind: TypeAlias = Literal["central", "random", "detail"]

CELL_PX = 16
"""Detail is measured in squares of this side; positions within one are alike. A patch spans many of them."""

FLAT_DETAIL = 1.0
"""Added to every mean gradient, in 8-bit steps per pixel: flat places stay possible."""


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """How patches are placed."""

    kind: CropKind = "central"
    central_px: int = 512
    """Side of the central square for ``central``, in high-resolution pixels; smaller photographs give what they have,
    and larger patches widen the square to their size."""
    detail_power: float | int = 1.0
    """For ``detail``: positions are weighted with their detail to this power; 0 makes all positions alike."""

    def __post_init__(self) -> None:
        """Refuse what lies outside its range (ConfigError)."""
        if self.central_px < 1:
            raise ConfigError(f"central_px must be at least 1: got {self.central_px}")
        if not 0 <= self.detail_power <= 8:
            raise ConfigError(f"detail_power must lie in 0 to 8: got {self.detail_power}; 1 is usual")


@dataclass(frozen=True, kw_only=True)
class CropField:
    """The possible positions of a patch of one size in one photograph, and how likely they are."""

    rows: int
    columns: int
    cumulative: np.ndarray | None = None
    """Share of all crops that fall into the cells up to each, in row order, float32; None where all are alike."""


@dataclass(frozen=True, kw_only=True)
class CropChoice:
    """Numbers in [0, 1) that place a patch, and how it is turned."""

    cell: float
    """Chooses the cell, where cells are not alike."""
    row: float
    """Chooses the position from top to bottom, in the cell or in the photograph."""
    column: float
    """Chooses the position from left to right."""
    orientation: int
    """One of the eight flips and quarter turns, 0 to 7: quarter turns to the left, plus 4 for a mirror image."""


def available_part(
    picture: UInt8[Tensor, "height width 3"], size_px: int, settings: CropSettings
) -> UInt8[Tensor, "part_height part_width 3"]:
    """The part of a photograph that patches come from, as a view: its central square, or all of it.

    Raises:
        DataError: The photograph is smaller than a patch.
    """
    height, width = picture.shape[:2]
    if min(height, width) < size_px:
        raise DataError(
            f"photographs must be at least {size_px} pixels on both sides for patches of that size: got "
            f"{width}×{height}; leave small ones out or choose smaller patches"
        )
    if settings.kind != "central":
        return picture
    room = max(settings.central_px, size_px)
    top, left = (max(0, (side - room) // 2) for side in (height, width))
    return picture[top : top + room, left : left + room]


def make_field(part: UInt8[Tensor, "height width 3"], size_px: int, settings: CropSettings) -> CropField:
    """The possible positions of patches in what `available_part` gave; for ``detail`` this looks at every pixel."""
    rows, columns = part.shape[0] - size_px + 1, part.shape[1] - size_px + 1
    if settings.kind != "detail":
        return CropField(rows=rows, columns=columns)
    shape = (-(-rows // CELL_PX), -(-columns // CELL_PX))
    detail = footprint_means(gradient_cells(part), shape, -(-size_px // CELL_PX))
    weights = (detail.numpy() + FLAT_DETAIL) ** float(settings.detail_power)
    # The last cells of a row or column may hold fewer positions.
    weights *= np.outer(positions_in_cells(rows), positions_in_cells(columns))
    cumulative = weights.cumsum()
    return CropField(rows=rows, columns=columns, cumulative=(cumulative / cumulative[-1]).astype(np.float32))


def gradient_cells(part: UInt8[Tensor, "height width 3"]) -> Float[Tensor, "cell_rows cell_columns"]:
    """Mean absolute difference to the next pixel below and to the right, per cell, in 8-bit steps; float64."""
    grey = part.float().mean(dim=2)
    gradient = torch.zeros_like(grey)
    gradient[:-1] += (grey[1:] - grey[:-1]).abs()
    gradient[:, :-1] += (grey[:, 1:] - grey[:, :-1]).abs()
    cells = F.avg_pool2d(gradient[None], CELL_PX, ceil_mode=True, count_include_pad=False)
    return cells[0].double()


def footprint_means(
    cells: Float[Tensor, "cell_rows cell_columns"], shape: tuple[int, int], size_cells: int
) -> Float[Tensor, "rows columns"]:
    """Means over squares of cells, one from each position in ``shape`` on, cut at the edge; by an integral image."""
    integral = F.pad(cells.cumsum(0).cumsum(1), (1, 0, 1, 0))
    top, left = (torch.arange(count) for count in shape)
    bottom, right = (
        (start + size_cells).clamp(max=limit) for start, limit in zip((top, left), cells.shape, strict=True)
    )
    total = integral[bottom][:, right] - integral[top][:, right] - integral[bottom][:, left] + integral[top][:, left]
    return total / torch.outer(bottom - top, right - left)


def positions_in_cells(count: int) -> np.ndarray:
    """How many of the positions 0 … ``count`` − 1 lie in each cell."""
    starts = np.arange(0, count, CELL_PX)
    return np.minimum(CELL_PX, count - starts)


def place_patch(field: CropField, choice: CropChoice) -> tuple[int, int]:
    """Top and left of the patch that a choice means."""
    if field.cumulative is None:
        return int(choice.row * field.rows), int(choice.column * field.columns)
    cell = int(np.searchsorted(field.cumulative, choice.cell, side="right"))
    row, column = divmod(cell, -(-field.columns // CELL_PX))
    return (
        row * CELL_PX + int(choice.row * min(CELL_PX, field.rows - row * CELL_PX)),
        column * CELL_PX + int(choice.column * min(CELL_PX, field.columns - column * CELL_PX)),
    )


def turn(patch: UInt8[Tensor, "size size 3"], orientation: int) -> UInt8[Tensor, "size size 3"]:
    """One of the eight flips and quarter turns of a square."""
    patch = patch.rot90(orientation % 4, (0, 1))
    return patch.flip(1) if orientation >= 4 else patch
