"""Networks as functions that enlarge a batch, whole or in tiles."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.resampling import resample
from nlcunet.inference.engines.torch import TorchEngine
from nlcunet.inference.tiling.blending import blend_tiles
from nlcunet.inference.tiling.tile_runner import TileRunner
from nlcunet.inference.tiling.tile_samples import pad_to_multiple
from nlcunet.inference.tiling.tiles import Span, plan_tiles
from nlcunet.models.weights import LoadedModel

Enlarge: TypeAlias = Callable[..., Float[Tensor, "batch 3 new_height new_width"]]
"""Takes float32 RGB in [0, 1] on the CPU to the same at `scale` times the size; clamping is left to the metrics. For a
network that must be told them, the pictures' blur kernels are a second argument, `batch size size`."""

LANCZOS = "Lanczos"
"""Name of the enlargement of `lanczos_enlarger` in tables and on sheets."""

BATCH_PIXELS = 2**18
"""Low-resolution pixels that run through a network at once; more would not be faster."""


def whole_picture_enlarger(model: LoadedModel, device: torch.device) -> Enlarge:
    """A model that sees each picture whole, in float32; padded to the sizes that it takes, its padding cut off."""
    network, header = model.network.to(device).eval(), model.header

    @torch.inference_mode()
    def enlarge(
        low_res: Float[Tensor, "batch 3 height width"], *kernels: Float[Tensor, "batch size size"]
    ) -> Float[Tensor, "batch 3 new_height new_width"]:
        height, width = low_res.shape[-2:]
        padded = pad_to_multiple(low_res, header.size_multiple, at_least=header.min_size)
        at_once = max(1, BATCH_PIXELS // (padded.shape[-2] * padded.shape[-1]))
        pieces = zip(*(torch.split(given, at_once) for given in (padded, *kernels)), strict=True)
        enlarged = torch.cat([network(*(one.to(device) for one in piece)).float().cpu() for piece in pieces])
        return enlarged[..., : height * header.scale, : width * header.scale]

    return enlarge


def lanczos_enlarger(scale: int) -> Enlarge:
    """Lanczos, the usual enlargement of an editor."""

    def enlarge(
        low_res: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 new_height new_width"]:
        height, width = low_res.shape[-2:]
        return resample(low_res, scale * height, scale * width, "lanczos3")

    return enlarge


def tiled_enlarger(model: LoadedModel, device: torch.device, tile: int) -> Enlarge:
    """A model that sees pictures in tiles, as those too large for the memory must be; side in low-resolution pixels.

    Raises:
        ConfigError: When called, if tiles of that side leave nothing between their overlaps.
    """
    header = model.header
    runner = TileRunner(TorchEngine(model, device, torch.float32), header.tile_overlap)

    def enlarge_one(picture: Float[Tensor, "3 height width"]) -> Float[Tensor, "3 new_height new_width"]:
        height, width = picture.shape[-2:]
        multiple, min_size = header.size_multiple, header.min_size
        plan = plan_tiles(height, width, tile=tile, overlap=header.tile_overlap, multiple=multiple, min_size=min_size)

        def enlarge_tile(rows: Span, columns: Span) -> Float[Tensor, "3 new_height new_width"]:
            part = picture[:, rows.start : rows.stop, columns.start : columns.stop]
            return runner(pad_to_multiple(part, multiple, at_least=min_size))

        return torch.cat(list(blend_tiles(plan, header.scale, enlarge_tile)), dim=1)

    @torch.inference_mode()
    def enlarge(
        low_res: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 new_height new_width"]:
        return torch.stack([enlarge_one(picture) for picture in low_res])

    return enlarge
