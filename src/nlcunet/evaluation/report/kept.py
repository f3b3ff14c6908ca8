"""The pictures that a run has kept, read again to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from nlcunet.degradations.pipeline import blur_and_shrink
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import DataError
from nlcunet.evaluation.records import PairRecord
from nlcunet.imaging.colour import rgb_to_y_bt601_studio
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.picture import Picture, full_scale
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.tensors import round_to_8bit

Pixels = UInt8[np.ndarray, "_ _ 3"]

BICUBIC = "bicubic, made here"
"""Name of the enlargement that stands in where no system of the records is bicubic."""


@dataclass(frozen=True, kw_only=True)
class KeptPair:
    """One pair with all outputs that were kept, as 8-bit RGB."""

    record: PairRecord
    scale: int
    original: Pixels
    """Cropped to multiples of the scale."""
    low_res: Pixels
    outputs: dict[str, Pixels]
    """By system, in the order of the tables."""


def has_files(record: PairRecord) -> bool:
    """Whether original, input and output of a result were all kept."""
    return bool(record.output_file and record.high_res_file and record.low_res_file)


def read_pair(records: Sequence[PairRecord], scale: int) -> KeptPair:
    """Read the files of one pair, from the results of different systems on it.

    Raises:
        DataError: sizes do not fit, so that these are not the files of this pair.
        ImageError: a file is gone or damaged.
    """
    first = records[0]
    original, low_res = read_pixels(Path(first.high_res_file)), read_pixels(Path(first.low_res_file))
    outputs = {one.system: read_pixels(Path(one.output_file)) for one in records}
    wanted = (scale * low_res.shape[0], scale * low_res.shape[1])
    for name, pixels in {"original": original, **outputs}.items():
        if pixels.shape[:2] != wanted:
            raise DataError(
                f"kept pictures must be {scale} times their input: {name} of {first.image} has "
                f"{pixels.shape[1]}×{pixels.shape[0]} pixels, not {wanted[1]}×{wanted[0]}; run it again"
            )
    return KeptPair(record=first, scale=scale, original=original, low_res=low_res, outputs=outputs)


def read_pixels(path: Path) -> Pixels:
    """A picture file as 8-bit RGB."""
    return rgb_of(read_picture(path))


def rgb_of(picture: Picture) -> Pixels:
    """A picture as 8-bit RGB; grey as three equal channels, what lies below an alpha channel as it is."""
    pixels = picture.pixels
    if pixels.dtype != np.uint8:
        values = pixels.astype(np.float64) / full_scale(pixels.dtype)
        pixels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


@lru_cache(maxsize=1)
def _luma_weights() -> Float[np.ndarray, "4"]:
    """What a step of red, green and blue adds to Y, and Y of black."""
    colours = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]], dtype=torch.float64)[:, None]
    red, green, blue, black = rgb_to_y_bt601_studio(colours).flatten().tolist()
    return np.array([(red - black) / 255, (green - black) / 255, (blue - black) / 255, black])


def luma(pixels: Pixels) -> Float[np.ndarray, "height width"]:
    """Y as the protocol measures it."""
    *weights, black = _luma_weights()
    plane: np.ndarray = pixels.astype(np.float64) @ np.array(weights) + black
    return plane


def squared_error(
    output: Float[np.ndarray, "height width"], original: Float[np.ndarray, "height width"], border: int
) -> Float[np.ndarray, "height width"]:
    """Squared difference of two Y, 0 in the border that the protocol leaves out."""
    error: np.ndarray = np.square(output - original)
    height, width = error.shape
    inner: np.ndarray = np.zeros_like(error)
    inner[border : height - border, border : width - border] = error[border : height - border, border : width - border]
    return inner


def enlarge_bicubic(low_res: Pixels, scale: int) -> Pixels:
    """The yardstick."""
    height, width = low_res.shape[:2]
    return _to_8bit(resize_bicubic(_to_float(low_res), scale * height, scale * width))


def degrade_again(output: Pixels, record: PairRecord) -> Pixels:
    """What blur and downsampling of the pair make of an output.

    From the true original it would be the input itself, but for noise and compression.
    """
    repeated = DegradationRecord.from_dict(record.degradation)
    return _to_8bit(blur_and_shrink(_to_float(output)[None], repeated)[0])


def _to_float(pixels: Pixels) -> Float[torch.Tensor, "3 height width"]:
    return torch.from_numpy(pixels.astype(np.float64) / 255).permute(2, 0, 1).contiguous()


def _to_8bit(image: Float[torch.Tensor, "3 height width"]) -> Pixels:
    steps = (round_to_8bit(image) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    return np.asarray(steps)
