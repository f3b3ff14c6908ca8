"""Colour for pixels that nobody sees, so that enlarging does not pull it into those that are seen."""

import numpy as np
from jaxtyping import Float32, Shaped

from nlcunet.imaging.picture import full_scale

_TRUSTED_ALPHA = 8 / 255  # below this coverage, an 8 bit file has rounded most of the colour away


def bleed_colour_under_alpha(
    pixels: Shaped[np.ndarray, "height width channels"], alpha: Shaped[np.ndarray, "height width"]
) -> Shaped[np.ndarray, "height width channels"]:
    """Pixels whose colour under (nearly) transparent places continues that of their visible neighbours.

    Editors leave anything there, often black. An upscaler that mixes neighbours would draw it as a fringe along every
    edge. Here a pyramid of averages weighted by coverage is built down to one pixel, and holes are filled
    from the finest level that knows a colour (push-pull: Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4).

    Returns:
        Pixels of the same type. Where coverage is at least 8/255 they are unchanged; if nothing is visible, all are.
    """
    full = full_scale(pixels.dtype)
    coverage = (alpha.astype(np.float32) / np.float32(full))[:, :, None].clip(0, 1)
    trust = (coverage / np.float32(_TRUSTED_ALPHA)).clip(0, 1)
    if trust.min() == 1 or trust.max() == 0:
        return pixels
    filled = _push_pull(pixels.astype(np.float32), trust)
    if pixels.dtype != np.float32:
        filled = np.rint(filled).clip(0, full)
    return np.where(trust == 1, pixels, filled.astype(pixels.dtype))


def _push_pull(
    colour: Float32[np.ndarray, "height width channels"], trust: Float32[np.ndarray, "height width 1"]
) -> Float32[np.ndarray, "height width channels"]:
    """Blend each colour with that of the level above by how far it is trusted."""
    if trust.min() == 1 or trust.shape[:2] == (1, 1):
        return colour
    weight = _halve(trust)
    coarse = _halve(colour * trust) / np.maximum(weight, np.float32(1e-12))
    # any trusted pixel is worth a level's full trust: holes are to be filled from nearby, not from far away
    coarse = _push_pull(coarse, (weight * 4).clip(0, 1))
    behind = _double(coarse, trust.shape[0], trust.shape[1])
    return np.asarray(colour * trust + behind * (1 - trust), np.float32)


def _halve(image: Float32[np.ndarray, "height width bands"]) -> Float32[np.ndarray, "half_height half_width bands"]:
    """Means of 2×2 pixels; an odd last row or column counts as if followed by zeros."""
    rows, columns = image.shape[0] % 2, image.shape[1] % 2
    padded = np.pad(image, ((0, rows), (0, columns), (0, 0)))
    total = padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
    return np.asarray(total * 0.25, np.float32)


def _double(
    image: Float32[np.ndarray, "half_height half_width bands"], height: int, width: int
) -> Float32[np.ndarray, "height width bands"]:
    """Twice the size with weights 3/4 and 1/4, centres of 2×2 pixels kept, cut to ``height`` × ``width``."""
    for axis, length in ((0, height), (1, width)):
        source = np.moveaxis(image, axis, 0)
        doubled = np.empty((2 * len(source), *source.shape[1:]), np.float32)
        np.multiply(source, 0.75, out=doubled[::2])
        doubled[1::2] = doubled[::2]
        quarter = source * np.float32(0.25)
        doubled[2::2] += quarter[:-1]
        doubled[1:-1:2] += quarter[1:]
        doubled[0] += quarter[0]
        doubled[-1] += quarter[-1]
        image = np.moveaxis(doubled[:length], 0, axis)
    return image
