"""What the upscaler asks of an engine, and nothing more."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.models.weights import WeightsHeader

ENGINES = ("torch", "onnx", "openvino")
"""Names that ``--engine`` takes, besides ``auto``."""


ENGINE_OF_SUFFIX = {".onnx": "onnx", ".xml": "openvino", ".pt2": "torch"}
"""What runs an exported file when no engine is named."""


@runtime_checkable
class Engine(Protocol):
    """Runs one network on batches of tiles; made for one device and one precision.

    An engine that runs out of memory raises what ``nlcunet.runtime.is_out_of_memory`` knows.
    """

    name: str
    """One of ``ENGINES``."""
    header: WeightsHeader
    device: torch.device
    """Whose memory the tiles take."""
    precisions: tuple[str, ...]
    """Number types that it can compute in: the chosen one, then steadier ones for results that are not finite."""

    tiles_at_once: int
    """In how many threads ``run`` may be called at a time, and pays."""

    def run(
        self, batch: Float[Tensor, "batch 3 height width"], precision: str
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Enlarge a batch of tiles; float32 on the CPU in and out, not clamped.

        Args:
            batch: sides are multiples of the header's size multiple.
            precision: one of ``precisions``.
        """
        ...
