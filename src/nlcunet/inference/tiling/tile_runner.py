"""One tile through the network, whatever happens: memory that runs out, or numbers that do."""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import DeviceError, WeightsError
from nlcunet.inference.engines.engine import Engine
from nlcunet.inference.tiling.blending import blend_tiles
from nlcunet.inference.tiling.tile_samples import pad_to_multiple
from nlcunet.inference.tiling.tiles import Span, plan_tiles, smallest_tile
from nlcunet.runtime import is_out_of_memory, release_cached_memory

SMALLEST_TILE = 32
"""Tiles are not halved below this side: then something else takes the memory."""


class TileRunner:
    """Runs an engine over tiles that come from, and go back to, the CPU.

    When memory runs out, the tile at hand is cut into tiles of half the side, which are blended into what was asked
    for; later tiles are cut at once. When a result is not finite, it is computed again in a steadier number type, if
    the engine has one.
    """

    def __init__(self, engine: Engine, overlap: int) -> None:
        self.engine = engine
        self.header = engine.header
        self.device = engine.device
        self.overlap = overlap
        self.largest_side: int | None = None
        """Longest side that still fits, once memory has run out."""
        self._has_warned = False

    def __call__(self, tile: Float[Tensor, "3 height width"]) -> Float[Tensor, "3 out_height out_width"]:
        """Enlarge one tile; float32 on the CPU in and out, not clamped.

        Raises:
            DeviceError: memory ran out even for the smallest tile.
            WeightsError: the network gives non-finite numbers in the steadiest number type.
        """
        while self.largest_side is None or max(tile.shape[-2:]) <= self.largest_side:
            try:
                return self._run_finite(tile)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).strip().splitlines()[:1]
            # outside the handler: its traceback would keep the memory of the failed attempt alive
            release_cached_memory(self.device)
            self._halve(max(tile.shape[-2:]), reason)
        return self._run_in_parts(tile, self.largest_side)

    def _halve(self, side: int, reason: list[str]) -> None:
        multiple = self.header.size_multiple
        smallest = max(SMALLEST_TILE, smallest_tile(multiple, self.header.min_size))
        if side <= smallest:
            detail = f" ({reason[0]})" if reason else ""
            raise DeviceError(
                f"{self.device} must have memory for a tile of {side}×{side} pixels: it ran out{detail}; "
                "free some, raise the limit if there is one (ulimit -v, that of a container), or take another device"
            )
        self.largest_side = max(side // 2 // multiple * multiple, smallest)

    def _run_in_parts(self, tile: Tensor, side: int) -> Tensor:
        """The same result, from smaller tiles."""
        height, width = tile.shape[-2:]
        rules = self.header
        plan = plan_tiles(
            height, width, tile=side, overlap=self.overlap, multiple=rules.size_multiple, min_size=rules.min_size
        )

        def enlarge(rows: Span, columns: Span) -> Tensor:
            part = tile[:, rows.start : rows.stop, columns.start : columns.stop]
            return self(pad_to_multiple(part, rules.size_multiple, at_least=rules.min_size))

        return torch.cat(list(blend_tiles(plan, rules.scale, enlarge)), dim=1)

    def _run_finite(self, tile: Tensor) -> Tensor:
        chosen, *steadier = self.engine.precisions
        result = self._run(tile, chosen)
        for precision in steadier:
            if result.isfinite().all():
                return result
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"the network left the range of {chosen} in a tile; such tiles are computed again in "
                    f"{' or '.join(steadier)}; choose that precision to save time",
                    RuntimeWarning,
                    stacklevel=2,
                )
            result = self._run(tile, precision)
        if not result.isfinite().all():
            raise WeightsError(
                f"the network must give finite numbers: {self.header.name} gave infinities or NaN even in "
                f"{self.engine.precisions[-1]}; its weights are damaged or its training went astray"
            )
        return result

    def _run(self, tile: Tensor, precision: str) -> Tensor:
        return self.engine.run(tile.unsqueeze(0), precision).squeeze(0)
