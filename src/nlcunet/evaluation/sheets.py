"""Contact sheets of real pictures: what systems make of them side by side, where no original exists to measure with.

At the top stand whole pictures scaled down, below them crops at full size, found by a rule and never picked by hand:
where the systems differ most from Lanczos.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import torch
from jaxtyping import UInt8

from nlcunet.degradations.resampling import resample
from nlcunet.errors import ConfigError
from nlcunet.evaluation.report.kept import luma
from nlcunet.evaluation.report.places import CropWindow, find_disagreement
from nlcunet.imaging.drawing import render_svg

Pixels = UInt8[np.ndarray, "_ _ 3"]

GAP_PX, LABEL_PX = 6, 22


def enlarge_lanczos(pixels: Pixels, scale: int) -> Pixels:
    """The usual enlargement of an editor."""
    return resized(pixels, scale * pixels.shape[0], scale * pixels.shape[1])


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Pixels at another size, by Lanczos."""
    image = torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)[None]
    steps = (resample(image, height, width, "lanczos3")[0].clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(steps.permute(1, 2, 0).numpy())


def find_places(outputs: Mapping[str, Pixels], *, count: int, crop_px: int, scale: int) -> list[CropWindow]:
    """Where outputs differ most from the first of them, at places that do not overlap."""
    first, *others = (luma(pixels) for pixels in outputs.values())
    errors = {"first": np.zeros_like(first)}
    errors |= {str(number): np.square(other - first) for number, other in enumerate(others)}
    places: list[CropWindow] = []
    for _ in range(count):
        found = find_disagreement(errors, crop_px=crop_px, scale=scale, taken=places)
        if found is None:
            break
        places.append(found)
    return places


def make_sheet(outputs: Mapping[str, Pixels], *, places: int, crop_px: int, scale: int) -> Pixels:
    """One picture by all systems: a column for each, its name on top, then the whole, then crops at full size.

    Raises:
        ConfigError: If there are fewer than two systems, or their pictures differ in size.
        ImageError: If this libvips cannot draw text.
    """
    if len(outputs) < 2 or len({pixels.shape for pixels in outputs.values()}) != 1:
        raise ConfigError("a sheet compares at least two systems of one scale: name a --model of the others' scale")
    crops = find_places(outputs, count=places, crop_px=crop_px, scale=scale)
    columns = []
    for name, pixels in outputs.items():
        height = max(1, round(pixels.shape[0] * crop_px / pixels.shape[1]))
        cells = [label(name, crop_px), resized(pixels, height, crop_px)]
        cells += [pixels[one.top : one.top + one.height, one.left : one.left + one.width] for one in crops]
        columns.append(stacked(cells, crop_px))
    return beside(columns)


def label(text: str, width_px: int) -> Pixels:
    """A line of text, black on white; what is too long becomes smaller."""
    size = max(width_px, LABEL_PX)
    font_px = min(14.0, (size - 8) / (0.65 * max(1, len(text))))
    line = f'<text x="4" y="15" font-family="sans-serif" font-size="{font_px:.1f}">{escape(text)}</text>'
    layer = render_svg(f'<rect width="100%" height="100%" fill="white"/>{line}', size)[:LABEL_PX, :width_px, :3]
    pixels: Pixels = (np.clip(layer, 0, 1) * 255).round().astype(np.uint8)
    return pixels


def stacked(cells: Sequence[Pixels], width_px: int) -> Pixels:
    """Cells below each other, on white."""
    return np.concatenate([_framed(cell, cell.shape[0] + GAP_PX, width_px + GAP_PX) for cell in cells])


def beside(columns: Sequence[Pixels]) -> Pixels:
    """Columns beside each other, on white."""
    height = max(len(column) for column in columns)
    return np.concatenate([_framed(column, height, column.shape[1]) for column in columns], axis=1)


def _framed(cell: Pixels, height: int, width: int) -> Pixels:
    area = np.full((height, width, 3), 255, dtype=np.uint8)
    area[: cell.shape[0], : cell.shape[1]] = cell
    return area
