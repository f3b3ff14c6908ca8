"""Crops side by side, pixel for pixel, inside the page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nlcunet.evaluation.report.kept import Pixels, luma, squared_error
from nlcunet.evaluation.report.markup import escape, name_of, number
from nlcunet.evaluation.report.places import CropWindow
from nlcunet.imaging.files import encode_picture
from nlcunet.imaging.picture import Picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.planes import PEAK

WHOLE_PX = 192
"""Longest side of the small picture that tells where a crop is."""
WHOLE_QUALITY = 70


@dataclass(frozen=True, kw_only=True)
class CropTile:
    """One crop."""

    name: str
    pixels: Pixels
    """The whole picture it is cut from."""
    step: int = 1
    """Pixels of the original per pixel of this picture: the scale for inputs."""
    is_output: bool = True
    """Whether it is measured against the original."""


def make_tiles(original: Pixels, tiles: Sequence[CropTile], place: CropWindow) -> str:
    """A row of crops: where it is, the original, the tiles. Each output has its PSNR within the crop below it."""
    errors = [_crop_error(tile.pixels, original, place) if tile.is_output else None for tile in tiles]
    best = min((error for error in errors if error is not None), default=None)
    source = _lossless(_cut(original, place, 1))
    truth = f'<img data-original alt="original" src="{source}"><figcaption>original</figcaption>'
    parts = [_whole(original, place), f'<figure class="tile">{truth}</figure>']
    parts += [
        _tile(tile, place, error, is_best=error is not None and error == best)
        for tile, error in zip(tiles, errors, strict=True)
    ]
    return f'<div class="tiles" style="--w:{place.width};--h:{place.height}">{"".join(parts)}</div>'


def _tile(tile: CropTile, place: CropWindow, error: float | None, *, is_best: bool) -> str:
    source = _lossless(_cut(tile.pixels, place, tile.step))
    if error is None:
        words, below = tile.name, ""
    else:
        decibels = f"{number(decibels_of(error), 2)} dB"
        words = f"{tile.name}, {decibels}"
        below = f"<br>{f'<b>{decibels}</b>' if is_best else decibels}"
    kind = " data-output" if tile.is_output else ""
    return (
        f'<figure class="tile"><img{kind} alt="{escape(words)}" src="{source}">'
        f"<figcaption>{name_of(tile.name)}{below}</figcaption></figure>"
    )


def decibels_of(mean_square: float) -> float:
    """PSNR of a mean squared error of Y."""
    return float(10 * np.log10(PEAK**2 / mean_square)) if mean_square > 0 else float("inf")


def _crop_error(pixels: Pixels, original: Pixels, place: CropWindow) -> float:
    return float(squared_error(luma(_cut(pixels, place, 1)), luma(_cut(original, place, 1)), 0).mean())


def _cut(pixels: Pixels, place: CropWindow, step: int) -> Pixels:
    rows = slice(place.top // step, (place.top + place.height) // step)
    columns = slice(place.left // step, (place.left + place.width) // step)
    return np.ascontiguousarray(pixels[rows, columns])


def _whole(original: Pixels, place: CropWindow) -> str:
    """The whole original, small, with a frame around the place."""
    height, width = original.shape[:2]
    factor = min(1.0, WHOLE_PX / max(height, width))
    image = torch.from_numpy(original.astype(np.float32)).permute(2, 0, 1).contiguous()
    small = resize_bicubic(image, max(1, round(height * factor)), max(1, round(width * factor)))
    samples = small.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    data = encode_picture(Picture(pixels=samples), file_format="webp", quality=WHOLE_QUALITY)
    shares = [
        f"{name}:{100 * part / side:.2f}%"
        for name, part, side in (
            ("left", place.left, width),
            ("top", place.top, height),
            ("width", place.width, width),
            ("height", place.height, height),
        )
    ]
    return (
        f'<figure class="tile"><div class="whole"><img alt="the whole picture" width="{samples.shape[1]}" '
        f'height="{samples.shape[0]}" src="{_uri(data)}"><i style="{";".join(shares)}"></i></div>'
        "<figcaption>where</figcaption></figure>"
    )


def _lossless(pixels: Pixels) -> str:
    return _uri(encode_picture(Picture(pixels=pixels), file_format="webp", quality=100))


def _uri(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
