"""What lossy formats do to a picture: compressed and decoded again, in memory."""

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
    image = _image_of(pixels, quality, "JPEG", {1: "b-w", 3: "srgb"})
    encoded = image.jpegsave_buffer(Q=quality, subsample_mode="on" if chroma == "4:2:0" else "off", keep="none")
    decoded: np.ndarray = pyvips.Image.jpegload_buffer(encoded).numpy()
    return decoded.reshape(pixels.shape)


def webp_round_trip(pixels: np.ndarray, quality: int) -> np.ndarray:
    """The picture, (height, width, 3) RGB uint8, after one lossy WebP compression.

    Raises:
        ConfigError: If the pixels are of another type or shape, or the quality is outside 1 to 100 (libwebp's scale).
    """
    image = _image_of(pixels, quality, "WebP", {3: "srgb"})
    decoded: np.ndarray = pyvips.Image.webpload_buffer(image.webpsave_buffer(Q=quality, keep="none")).numpy()
    return decoded


def _image_of(pixels: np.ndarray, quality: int, name: str, colours: dict[int, str]) -> pyvips.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in colours:
        channels = " or ".join(map(str, colours))
        raise ConfigError(
            f"{name} needs uint8 pixels of shape (height, width, {channels}): got {pixels.dtype} {pixels.shape}; "
            "round first"
        )
    if not 1 <= quality <= 100:
        raise ConfigError(f"{name} quality must be 1 to 100: got {quality}")
    return pyvips.Image.new_from_array(np.ascontiguousarray(pixels)).copy(interpretation=colours[pixels.shape[2]])
