"""How pictures are enlarged and written: the settings that every door takes."""

from dataclasses import dataclass, field
from typing import Literal, TypedDict

import torch

from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, TiffLayout
from nlcunet.inference.quality import DEFAULT_QUALITY
from nlcunet.inference.sizes import SizeRequest


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How a model is loaded and run.

    Attributes:
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        precision: ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``; see ``nlcunet.runtime.Precision``.
        tile: longest side of a tile in low-resolution pixels; ``"auto"`` fits it to the free memory.
        overlap: what a tile reads beyond its part, in low-resolution pixels; by default what quality and model advise.
        threads: CPU threads while the network runs; by default torch's own number.
        strength: mix the model's PSNR weights (0) and GAN weights (1); by default exactly the weights named.
        denoise: mix weights that know noise (1) with those for clean pictures that they started from (0), so that some
            grain stays; with ``"auto"`` every picture then gets such weights. By default exactly the weights named.
        quality: ``"fast"``, ``"balanced"`` or ``"best"``; see ``nlcunet.inference.quality``.
        engine: ``"torch"``, ``"onnx"`` or ``"openvino"``; ``"auto"`` is torch for weights and goes by the ending of an
            exported file. For the latter two, weights are exported once into the cache folder.
    """

    device: str | torch.device = "auto"
    precision: str = "auto"
    tile: int | Literal["auto"] = "auto"
    overlap: int | None = None
    threads: int | None = None
    strength: float | int | None = None
    denoise: float | int | None = None
    quality: str = DEFAULT_QUALITY
    engine: str = "auto"


class EngineOptions(TypedDict, total=False):
    """The same as keyword arguments, each of which may be left out."""

    device: str | torch.device
    precision: str
    tile: int | Literal["auto"]
    overlap: int | None
    threads: int | None
    strength: float | int | None
    denoise: float | int | None
    quality: str
    engine: str


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How every picture of a batch is treated.

    Attributes:
        request: the size of the results.
        overwrite: replace results that are there, instead of skipping them.
        quality: 1 to 100 for lossy formats; by default the format's.
        strip_metadata: leave EXIF, XMP, IPTC and resolution out; the colour profile stays.
        max_pixels: inputs with more pixels are refused.
        layout: of large TIFFs, and of pyramids of any size.
    """

    request: SizeRequest
    overwrite: bool = False
    quality: int | None = None
    strip_metadata: bool = False
    max_pixels: int = DEFAULT_MAX_PIXELS
    layout: TiffLayout = field(default_factory=TiffLayout)
