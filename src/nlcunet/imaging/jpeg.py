"""What JPEG does to a picture: compressed and decoded again, in memory."""

from typing import Literal

import numpy as np
import pyvips

from nlcunet.errors import ConfigError


def jpeg_round_trip(pixels: np.ndarray, quality: int, *, chroma: Literal["4:2:0", "4:4:4"] = "4:2:0") -> np.ndarray:
    """The picture after one baseline JPEG compression.

    Args:
        pixels: (height, width, 3) RGB or (height, width, 1) grey, uint8.
        quality: 1 (smallest) to 100 (best), on libjpeg's scale.
        chroma: "4:2:0" halves the colour's resolution on both axes, as most cameras and websites do; "4:4:4" keeps it.

    Returns:
        The decoded pixels, same shape, uint8.

    Raises:
        ConfigError: If the pixels are of another type or shape, or the quality is outside 1 to 100.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in {1, 3}:
        raise ConfigError(
            f"JPEG needs uint8 pixels of shape (height, width, 1 or 3): got {pixels.dtype} {pixels.shape}; round first"
        )
    if not 1 <= quality <= 100:
        raise ConfigError(f"JPEG quality must be 1 to 100: got {quality}")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    image = image.copy(interpretation="srgb" if pixels.shape[2] == 3 else "b-w")
    encoded = image.jpegsave_buffer(Q=quality, subsample_mode="on" if chroma == "4:2:0" else "off", keep="none")
    decoded: np.ndarray = pyvips.Image.jpegload_buffer(encoded).numpy()
    return decoded.reshape(pixels.shape)
