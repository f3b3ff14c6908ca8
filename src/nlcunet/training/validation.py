"""Scores while training: validation crops under the evaluation kernels of the recipe's degradation."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.data.paired import central_pair
from nlcunet.data.photographs import Photographs
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import draw_record, find_preset, fixed_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.psnr import psnr_y
from nlcunet.training.blind import known_kernels
from nlcunet.training.recipe import Recipe

SHEET_ROWS = 6
SHEET_GAP_PX = 4


@dataclass(frozen=True)
class ValidationPair:
    """One validation picture, degraded once and for all."""

    low_res: Tensor  # 1, 3, height, width
    high_res: Tensor  # 1, 3, scale · height, scale · width
    record: DegradationRecord | None = None  # what was done; none where pairs were there already


@dataclass(frozen=True)
class Validation:
    """How the averaged weights do."""

    psnr_y: float
    """Mean PSNR on Y in dB, 8-bit, border of ``scale`` pixels cropped; pictures of one colour, which come out exact,
    are left out."""
    sheet: Float[Tensor, "3 height width"]
    """Contact sheet in [0, 1]: a row per picture with the bicubic enlargement, the result and the original."""


def make_validation_pairs(
    photographs: Photographs, recipe: Recipe, low_res: Photographs | None = None
) -> tuple[ValidationPair, ...]:
    """Central crops spread evenly over the set, each with one kernel: Gaussian8's in turn for setting 1, else drawn."""
    if low_res is not None:
        return _existing_pairs(photographs, low_res, recipe)
    if recipe.data.degradation == "isotropic":
        fixed = fixed_records(find_preset("gaussian8", recipe.scale))
    else:
        generator = torch.Generator().manual_seed(recipe.seed)
        preset = find_preset(recipe.data.degradation, recipe.scale)
        fixed = tuple(draw_record(preset, generator) for _ in range(recipe.validation.pictures))
    count = min(recipe.validation.pictures, len(photographs))
    unit = 4 * recipe.scale
    pairs = []
    for index in range(count):
        picture = photographs.pictures[index * len(photographs) // count]
        height, width = (min(side, recipe.validation.crop_px) // unit * unit for side in picture.shape[:2])
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        crop = picture[top : top + height, left : left + width]
        high_res = crop.permute(2, 0, 1)[None].float() / 255.0
        record = fixed[index % len(fixed)]
        pairs.append(ValidationPair(apply_records(high_res, [record]), high_res, record))
    return tuple(pairs)


def _existing_pairs(photographs: Photographs, low_res: Photographs, recipe: Recipe) -> tuple[ValidationPair, ...]:
    """Central crops of pairs that exist already."""
    count = min(recipe.validation.pictures, len(photographs))
    pairs = []
    for index in (number * len(photographs) // count for number in range(count)):
        low, high = low_res.pictures[index], photographs.pictures[index]
        size = min(*low.shape[:2], recipe.validation.crop_px // recipe.scale) // 4 * 4
        low_crop, high_crop = (crop.permute(2, 0, 1)[None].float() / 255.0 for crop in central_pair(low, high, size))
        pairs.append(ValidationPair(low_crop, high_crop))
    return tuple(pairs)


@torch.inference_mode()
def validate(network: nn.Module, pairs: tuple[ValidationPair, ...], scale: int, device: torch.device) -> Validation:
    """Restore every pair."""
    scores: list[float] = []
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    step = max(1, len(pairs) // SHEET_ROWS)
    for index, pair in enumerate(pairs):
        records = () if pair.record is None else (pair.record,)
        restored = network(pair.low_res.to(device), *known_kernels(network, records, device)).float().cpu()
        scores.append(float(psnr_y(restored, pair.high_res, border=scale).mean()))
        if index % step == 0 and len(rows) < SHEET_ROWS:
            bicubic = resize_bicubic(pair.low_res, *pair.high_res.shape[-2:])
            rows.append((bicubic[0], restored[0], pair.high_res[0]))
    finite = [score for score in scores if math.isfinite(score)]
    return Validation(sum(finite) / len(finite) if finite else math.nan, _contact_sheet(rows))


def _contact_sheet(rows: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Pictures of any sizes on white, each row as high as its pictures."""
    gap = SHEET_GAP_PX
    width = max(sum(picture.shape[-1] + gap for picture in row) for row in rows) - gap
    height = sum(row[0].shape[-2] + gap for row in rows) - gap
    sheet = torch.ones(3, height, width)
    top = 0
    for row in rows:
        left = 0
        for picture in row:
            sheet[:, top : top + picture.shape[-2], left : left + picture.shape[-1]] = picture.clamp(0.0, 1.0)
            left += picture.shape[-1] + gap
        top += row[0].shape[-2] + gap
    return sheet
