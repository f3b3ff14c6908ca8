"""Samples as pictures of libvips."""

from typing import Any

import numpy as np
import pyvips
from jaxtyping import Shaped

_BAND_FORMATS = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}
_INTERPRETATIONS = {"uint8": ("b-w", "srgb"), "uint16": ("grey16", "rgb16"), "float32": ("b-w", "scrgb")}


def samples_to_image(samples: Shaped[np.ndarray, "height width bands"], icc_profile: bytes | None = None) -> Any:
    """Samples as libvips sees them, with the profile attached."""
    samples = np.ascontiguousarray(samples)
    height, width, bands = samples.shape
    image = pyvips.Image.new_from_memory(samples.data, width, height, bands, _BAND_FORMATS[samples.dtype.name])
    return interpreted(image, samples.dtype, icc_profile)


def interpreted(image: Any, dtype: np.dtype, icc_profile: bytes | None) -> Any:
    """An image that says what its samples mean, with the profile attached."""
    image = image.copy(interpretation=_INTERPRETATIONS[dtype.name][image.bands >= 3])
    if icc_profile is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc_profile)
    return image


def with_fields_of(header: Any, image: Any) -> Any:
    """A picture with everything that another one says of itself but its pixels."""
    image = image.copy(interpretation=header.interpretation)
    for name in ("icc-profile-data", "exif-data", "xmp-data"):
        if header.get_typeof(name):
            image.set_type(pyvips.GValue.blob_type, name, header.get(name))
    if header.get_typeof("bits-per-sample"):
        image.set_type(pyvips.GValue.gint_type, "bits-per-sample", header.get("bits-per-sample"))
    return image
