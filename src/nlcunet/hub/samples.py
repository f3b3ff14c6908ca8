"""Pictures that show what a model does: a detail of the photograph inside the package, before and after."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nlcunet.export.pictures import read_pictures
from nlcunet.imaging.files import write_picture
from nlcunet.imaging.picture import Picture
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import LoadedModel, load_model

SIDE_PX = 96
TOP_PX, LEFT_PX = 27, 75
"""The bird's head and bill."""
LOW_RES, BICUBIC, ENLARGED = "images/low_res.png", "images/bicubic.png", "images/enlarged.png"


def write_samples(model: LoadedModel, folder: Path) -> None:
    """Write the detail as it is, enlarged by bicubic interpolation, and enlarged by the model; on the CPU."""
    (photograph,) = read_pictures()
    detail = photograph[:, TOP_PX : TOP_PX + SIDE_PX, LEFT_PX : LEFT_PX + SIDE_PX]
    bicubic = load_model(f"bicubic-x{model.header.scale}")
    (folder / LOW_RES).parent.mkdir()
    _write(detail, folder / LOW_RES)
    for name, each in ((BICUBIC, bicubic), (ENLARGED, model)):
        _write(Upscaler(each, device="cpu").upscale(detail), folder / name)


def _write(pixels: Float[Tensor, "3 height width"], path: Path) -> None:
    samples = (pixels * 255).round().byte().permute(1, 2, 0).numpy()
    write_picture(Picture(pixels=np.ascontiguousarray(samples)), path)
