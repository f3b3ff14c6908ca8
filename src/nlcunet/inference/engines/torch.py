"""The engine that is always there: the network itself, in PyTorch."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, cast

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.models.weights import LoadedModel

if TYPE_CHECKING:
    from nlcunet.inference.engines.cuda_graphs import CudaLane
    from nlcunet.models.foreign.network import ForeignNetwork

STEADIER_TYPES = {
    torch.float16: (torch.bfloat16, torch.float32),
    torch.bfloat16: (torch.float32,),
    torch.float32: (),
}
"""What to compute in again when a type overflows: bfloat16 has the range of float32."""


TILES_AT_ONCE = {"cuda": 3, "cpu": 4}
"""On CUDA one tile is computed while another one's result is copied and a third one's is blended. On a CPU threads that
each have a tile of their own never wait for each other, as threads inside a tile do after every operation; more than
four would only take memory."""


class TorchEngine:
    """Runs the network on a device; 16-bit types through autocast, and on CUDA as recorded graphs."""

    name = "torch"

    def __init__(self, model: LoadedModel, device: torch.device, dtype: torch.dtype) -> None:
        self.header = model.header
        # Also in channels-last memory: else every convolution would bring its weights into that order again.
        foreign = cast("ForeignNetwork", model.network) if self.header.is_foreign else None
        # Other people's networks may count on this order, keep things between two runs, or not bear being recorded.
        is_plain = foreign is not None or device.type == "mps"
        self._memory_format = torch.contiguous_format if is_plain else torch.channels_last
        self.network = model.network.to(device, memory_format=self._memory_format).eval()  # type: ignore[call-overload]
        self.device = device
        self.precisions = tuple(_name(each) for each in _dtypes(dtype, foreign))
        self.lane = _lane_of(device) if foreign is None else None
        self.tiles_at_once = TILES_AT_ONCE.get(device.type, 1) if foreign is None else 1

    @torch.inference_mode()
    def run(
        self, batch: Float[Tensor, "batch 3 height width"], precision: str
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Enlarge a batch of tiles; see ``Engine``."""
        dtype: torch.dtype = getattr(torch, precision)

        def forward(batch: Tensor) -> Tensor:
            # Weights in 16 bits are made anew for every run: a cache of them would not outlive a recording.
            is_exact = dtype == torch.float32
            context = nullcontext() if is_exact else torch.autocast(self.device.type, dtype, cache_enabled=False)
            with context:
                result: Tensor = self.network(batch)
            return result.float()

        batch = batch.contiguous(memory_format=self._memory_format)
        if self.lane is not None:
            return self.lane.run(forward, batch, precision)
        return forward(batch.to(self.device)).cpu().contiguous()


def _dtypes(dtype: torch.dtype, foreign: "ForeignNetwork | None") -> tuple[torch.dtype, ...]:
    """The number type asked for and steadier ones; other people's networks that do not bear it take float32.

    Not bfloat16: most end in a convolution, whose results it would round to 8 bits.
    """
    if foreign is None:
        return (dtype, *STEADIER_TYPES[dtype])
    return (dtype, torch.float32) if dtype != torch.float32 and foreign.supports(dtype) else (torch.float32,)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _lane_of(device: torch.device) -> "CudaLane | None":
    """What copies beside computing and records graphs, where there is a CUDA device."""
    if device.type != "cuda":
        return None
    from nlcunet.inference.engines.cuda_graphs import CudaLane

    return CudaLane(device)
