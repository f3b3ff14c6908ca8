"""Folders of sharp originals: found, read and made ready for measuring."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import DataError
from nlcunet.imaging.colour import grey_to_rgb
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.formats import PICTURE_SUFFIXES_IN_WORDS
from nlcunet.imaging.listing import list_pictures
from nlcunet.imaging.picture import full_scale
from nlcunet.metrics.ssim import WINDOW_PX


def find_originals(folder: Path) -> tuple[Path, ...]:
    """The picture files of a folder, by their endings, in the order of their names; folders inside are not entered.

    Raises:
        DataError: If there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"originals must be a folder of pictures: found no folder {folder}; check the path")
    files = list_pictures(folder)
    if not files:
        raise DataError(f"the folder must hold pictures ({PICTURE_SUFFIXES_IN_WORDS}): found none in {folder}")
    return tuple(files)


def to_tensor(pixels: np.ndarray) -> Float[Tensor, "1 channels height width"]:
    """Pixels of 8 or 16 bits, or floating-point ones, as RGB or grey in [0, 1], float64."""
    values = torch.from_numpy(pixels.astype(np.float64) / full_scale(pixels.dtype))
    return values.permute(2, 0, 1)[None].contiguous()


def read_original(path: Path, scale: int) -> Float[Tensor, "1 3 height width"]:
    """A picture as the truth to measure against.

    Grey becomes RGB, alpha is ignored, and rows at the bottom and columns at the right go until both sides divide by
    the scale.

    Returns:
        RGB in [0, 1], float64: the inputs made from it are then the same on every machine.

    Raises:
        ImageError: If the file cannot be read.
        DataError: If the picture is too small to be measured.
    """
    image = to_tensor(read_picture(path).pixels)
    if image.shape[1] == 1:
        image = grey_to_rgb(image)
    height, width = (side - side % scale for side in image.shape[-2:])
    smallest = WINDOW_PX + 2 * scale
    if min(height, width) < smallest:
        raise DataError(
            f"an original must have at least {smallest} pixels on both sides at ×{scale}: "
            f"{path.name} has {image.shape[-2]} × {image.shape[-1]}; leave it out"
        )
    return image[..., :height, :width]
