"""Real pictures to verify and calibrate on: a folder of the user's, or the photograph inside the package."""

from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ExportError, ImageError
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.picture import full_scale

EMBEDDED = "anhinga.webp"
"""A CC0 photograph of 320×440 pixels, blurred and reduced to a quarter as the embedded weights expect it."""
MOST_PICTURES = 24
"""So many of a folder are read, evenly spread; more would cost time and change nothing."""
MOST_SIDE = 512
"""The middle of larger pictures is taken."""


def read_pictures(folder: Path | None = None) -> list[Float[Tensor, "3 _ _"]]:
    """Pictures in [0, 1], in the order of their names; files that are no pictures are passed over.

    Raises:
        ExportError: the folder is none, or holds no picture.
    """
    if folder is None:
        with resources.as_file(resources.files("nlcunet.export") / EMBEDDED) as path:
            return [_read(path)]
    if not folder.is_dir():
        raise ExportError(f"pictures to verify or calibrate on must lie in a folder: got {folder}")
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    pictures = []
    for path in files[:: -(-len(files) // MOST_PICTURES) or 1]:
        try:
            pictures.append(_read(path))
        except ImageError:
            continue  # a list or a licence among the pictures
    if not pictures:
        raise ExportError(f"the folder must hold pictures: found none that can be read in {folder}")
    return pictures


def _read(path: Path) -> Float[Tensor, "3 height width"]:
    pixels = read_picture(path).pixels
    height, width = pixels.shape[:2]
    top, left = max(0, height - MOST_SIDE) // 2, max(0, width - MOST_SIDE) // 2
    middle = pixels[top : top + MOST_SIDE, left : left + MOST_SIDE].astype(np.float32) / full_scale(pixels.dtype)
    colour = np.broadcast_to(middle, (*middle.shape[:2], 3))
    return torch.from_numpy(np.ascontiguousarray(colour.transpose(2, 0, 1))).clamp(0.0, 1.0)
