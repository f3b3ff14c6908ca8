"""One tile through the network, whatever happens: memory that runs out, or numbers that do."""

import warnings
from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.errors import DeviceError, WeightsError
from nlcunet.inference.bands import blend_tiles
from nlcunet.inference.padding import pad_to_multiple
from nlcunet.inference.tiles import Span, plan_tiles, smallest_tile
from nlcunet.models.weights import WeightsHeader
from nlcunet.runtime import is_out_of_memory, release_cached_memory

SMALLEST_TILE = 32
"""Tiles are not halved below this side: then something else takes the memory."""

STEADIER_TYPES = {torch.float16: (torch.bfloat16, torch.float32), torch.bfloat16: (torch.float32,), torch.float32: ()}
"""What to compute in again when a type overflows: bfloat16 has the range of float32."""


class TileRunner:
    """Runs a network on a device over tiles that come from, and go back to, the CPU.

    When memory runs out, the tile at hand is cut into tiles of half the side, which are blended into what was asked
    for; later tiles are cut at once. When a result is not finite, it is computed again in a steadier number type.

    Args:
        network: in evaluation mode, on ``device``.
        header: its scale and size rules.
        device: where to compute.
        dtype: number type; float32, or a 16-bit type used through autocast.
        overlap: context of tiles that are cut further, in pixels.
    """

    def __init__(
        self, network: nn.Module, header: WeightsHeader, device: torch.device, dtype: torch.dtype, overlap: int
    ) -> None:
        self.network = network
        self.header = header
        self.device = device
        self.dtype = dtype
        self.overlap = overlap
        self.largest_side: int | None = None
        """Longest side that still fits, once memory has run out."""
        self._has_warned = False

    def __call__(self, tile: Float[Tensor, "3 height width"]) -> Float[Tensor, "3 out_height out_width"]:
        """Enlarge one tile; float32 on the CPU in and out, not clamped.

        Raises:
            DeviceError: memory ran out even for the smallest tile.
            WeightsError: the network gives non-finite numbers in float32.
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
                "free some, or take another device"
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
        result = self._run(tile, self.dtype)
        for steadier in STEADIER_TYPES[self.dtype]:
            if result.isfinite().all():
                return result
            if not self._has_warned:
                self._has_warned = True
                others = " or ".join(_name(dtype) for dtype in STEADIER_TYPES[self.dtype])
                warnings.warn(
                    f"the network left the range of {_name(self.dtype)} in a tile; such tiles are computed again in "
                    f"{others}; choose that precision to save time",
                    RuntimeWarning,
                    stacklevel=2,
                )
            result = self._run(tile, steadier)
        if not result.isfinite().all():
            raise WeightsError(
                f"the network must give finite numbers: {self.header.name} gave infinities or NaN even in float32; "
                "its weights are damaged or its training went astray"
            )
        return result

    @torch.inference_mode()
    def _run(self, tile: Tensor, dtype: torch.dtype) -> Tensor:
        memory_format = torch.contiguous_format if self.device.type == "mps" else torch.channels_last
        batch = tile.unsqueeze(0).to(self.device).contiguous(memory_format=memory_format)
        context = nullcontext() if dtype == torch.float32 else torch.autocast(self.device.type, dtype=dtype)
        with context:
            result: Tensor = self.network(batch)
        return result.squeeze(0).float().cpu().contiguous()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
