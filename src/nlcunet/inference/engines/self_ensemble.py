"""Geometric self-ensemble: an engine that shows the network every tile in its eight positions and takes the mean.

Source: Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", CVPR 2016, section 3.6
("enhanced prediction"). A network is not indifferent to flips and turns, so its errors in the eight positions are in
part independent, and their mean is smaller. The mean itself turns and flips with the picture.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.inference.engines.engine import Engine

POSITIONS = tuple((turns, is_flipped) for is_flipped in (False, True) for turns in range(4))
"""Quarter turns, and whether columns are mirrored after them."""


class SelfEnsemble:
    """Runs another engine eight times for every batch."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = engine.name
        self.header = engine.header
        self.device = engine.device
        self.precisions = engine.precisions
        self.tiles_at_once = engine.tiles_at_once

    def run(
        self, batch: Float[Tensor, "batch 3 height width"], precision: str
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Enlarge a batch of tiles; see ``Engine``."""
        results = self._run_positions(batch, precision)
        total = next(results).clone()
        for result in results:
            total += result
        return total / len(POSITIONS)

    def _run_positions(self, batch: Tensor, precision: str) -> Iterator[Tensor]:
        """What the network makes of each position, turned back."""
        for position in POSITIONS:
            yield turn_back(self.engine.run(turn(batch, *position).contiguous(), precision), *position)


def turn(batch: Float[Tensor, "batch 3 height width"], turns: int, is_flipped: bool) -> Float[Tensor, "batch 3 _ _"]:
    """Pictures in one of their eight positions."""
    turned = torch.rot90(batch, turns, dims=(-2, -1))
    return turned.flip(-1) if is_flipped else turned


def turn_back(
    batch: Float[Tensor, "batch 3 height width"], turns: int, is_flipped: bool
) -> Float[Tensor, "batch 3 _ _"]:
    """The inverse of ``turn``."""
    return torch.rot90(batch.flip(-1) if is_flipped else batch, -turns, dims=(-2, -1))
