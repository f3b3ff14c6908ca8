"""What an exported file says of itself; written into each format's own metadata as JSON."""

from pydantic import BaseModel, ConfigDict

from nlcunet.models.weights import WeightsHeader
from nlcunet.version import __version__

FACTS_KEY = "nlcunet"
"""Under this name the facts stand in the metadata of every format."""

INPUT_NAME = "low_res"
OUTPUT_NAME = "high_res"


class Parity(BaseModel):
    """How far an export is from PyTorch in float32 on tiles of real pictures; differences of values in [0, 1]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tiles: int
    max_difference: float
    mean_difference: float
    psnr_db: float
    """PSNR between the two, in dB; 200 stands for equal to the last bit."""
    tokens: int
    """Tokens of sparse attention, over all layers, rounds and tiles."""
    moved_tokens: int
    """Those in another bucket than in PyTorch, because their features differ by rounding."""


class ExportFacts(BaseModel):
    """What an exported file is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str = __version__
    """Of nlcunet."""
    target: str
    """``onnx``, ``openvino``, ``torch`` or ``aotinductor``."""
    precision: str
    """``float32``, ``float16`` or ``int8``."""
    tiles: tuple[int, ...]
    """Sides that were verified. The graph takes every size that the header allows."""
    weights_sha256: str
    """Checksum of header and tensors of the source."""
    header: WeightsHeader
    parity: Parity
