"""What lossy WebP does to a picture: compressed and decoded again, in memory."""

import numpy as np
import pyvips

from nlcunet.errors import ConfigError


def webp_round_trip(pixels: np.ndarray, quality: int) -> np.ndarray:
    """The picture after one lossy WebP compression.

    Args:
        pixels: (height, width, 3) RGB, uint8.
        quality: 1 (smallest) to 100 (best), on libwebp's scale.

    Returns:
        The decoded pixels, same shape, uint8.

    Raises:
        ConfigError: If the pixels are of another type or shape, or the quality is outside 1 to 100.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ConfigError(
            f"WebP needs uint8 pixels of shape (height, width, 3): got {pixels.dtype} {pixels.shape}; round first"
        )
    if not 1 <= quality <= 100:
        raise ConfigError(f"WebP quality must be 1 to 100: got {quality}")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels)).copy(interpretation="srgb")
    decoded: np.ndarray = pyvips.Image.webpload_buffer(image.webpsave_buffer(Q=quality, keep="none")).numpy()
    return decoded
