"""JPEG compression of tensors."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.steps import JpegChroma
from nlcunet.imaging.lossy import jpeg_round_trip


def compress_jpeg(
    image: Float[Tensor, "3 height width"], quality: int, *, chroma: JpegChroma = "4:2:0"
) -> Float[Tensor, "3 height width"]:
    """The picture after 8-bit rounding and one JPEG compression; computed on the CPU, returned on its own device.

    Args:
        image: RGB; clamped to [0, 1] and rounded to steps of 1/255 first, since JPEG takes 8 bits.
        quality: 1 to 100.
        chroma: Chroma subsampling.

    Returns:
        RGB in [0, 1], in steps of 1/255.

    Raises:
        ConfigError: If the quality is outside 1 to 100.
    """
    steps = (image.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    decoded = jpeg_round_trip(steps.permute(1, 2, 0).numpy(), quality, chroma=chroma)
    restored = torch.from_numpy(np.ascontiguousarray(decoded.transpose(2, 0, 1)))
    return restored.to(image) / 255
