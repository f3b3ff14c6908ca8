"""The engines that run exported graphs: ONNX Runtime and OpenVINO, and PyTorch for its own exchange format."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.export.facts import ExportFacts
from nlcunet.export.sessions import Session

ENGINE_OF_SUFFIX = {".onnx": "onnx", ".xml": "openvino", ".pt2": "torch"}
"""What runs an exported file when no engine is named."""


class ExportedEngine:
    """Runs an exported graph.

    Args:
        name: of the engine.
        session: runs the graph.
        facts: what the graph says of itself.
        device: whose memory tiles take.
    """

    tiles_at_once = 1  # both engines use all threads for one tile

    def __init__(self, name: str, session: Session, facts: ExportFacts, device: torch.device) -> None:
        self.name = name
        self.header = facts.header
        self.facts = facts
        self.device = device
        self.precisions: tuple[str, ...] = (facts.precision,)
        self._session = session

    def run(
        self,
        batch: Float[Tensor, "batch 3 height width"],
        precision: str,  # noqa: ARG002 - a file has one
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Enlarge a batch of tiles; see ``Engine``."""
        return self._session(batch)[0]


def is_exported(name_or_path: str | Path) -> bool:
    """Whether a model is named by an exported file."""
    return Path(name_or_path).suffix.lower() in ENGINE_OF_SUFFIX
