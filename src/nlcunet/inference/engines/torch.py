"""The engine that is always there: the network itself, in PyTorch."""

from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.models.weights import LoadedModel

STEADIER_TYPES = {
    torch.float16: (torch.bfloat16, torch.float32),
    torch.bfloat16: (torch.float32,),
    torch.float32: (),
}
"""What to compute in again when a type overflows: bfloat16 has the range of float32."""


class TorchEngine:
    """Runs the network on a device; 16-bit types through autocast.

    Args:
        model: its network is moved to the device and set to evaluation mode.
        device: where to compute.
        dtype: number type.
    """

    name = "torch"

    def __init__(self, model: LoadedModel, device: torch.device, dtype: torch.dtype) -> None:
        self.header = model.header
        self.network = model.network.to(device).eval()
        self.device = device
        self.precisions = tuple(_name(each) for each in (dtype, *STEADIER_TYPES[dtype]))

    @torch.inference_mode()
    def run(
        self, batch: Float[Tensor, "batch 3 height width"], precision: str
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Enlarge a batch of tiles; see ``Engine``."""
        dtype: torch.dtype = getattr(torch, precision)
        memory_format = torch.contiguous_format if self.device.type == "mps" else torch.channels_last
        context = nullcontext() if dtype == torch.float32 else torch.autocast(self.device.type, dtype=dtype)
        with context:
            result: Tensor = self.network(batch.to(self.device).contiguous(memory_format=memory_format))
        return result.float().cpu().contiguous()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
