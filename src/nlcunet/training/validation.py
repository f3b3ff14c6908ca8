"""Scores while training: validation crops under the evaluation kernels of the recipe's degradation."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nlcunet.data.photographs import Photographs
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import draw_record, find_preset, fixed_records
from nlcunet.metrics.psnr import psnr_y
from nlcunet.training.recipe import Recipe


@dataclass(frozen=True)
class ValidationPair:
    """One validation picture, degraded once and for all."""

    low_res: Tensor  # 1, 3, height, width
    high_res: Tensor  # 1, 3, scale · height, scale · width


def make_validation_pairs(photographs: Photographs, recipe: Recipe) -> tuple[ValidationPair, ...]:
    """Central crops spread evenly over the set, each with one kernel: Gaussian8's in turn for setting 1, else drawn."""
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
        pairs.append(ValidationPair(apply_records(high_res, [fixed[index % len(fixed)]]), high_res))
    return tuple(pairs)


@torch.inference_mode()
def validate(network: nn.Module, pairs: tuple[ValidationPair, ...], scale: int, device: torch.device) -> float:
    """Mean PSNR on Y in dB over all pairs, 8-bit, border of ``scale`` pixels cropped."""
    scores = [
        float(psnr_y(network(pair.low_res.to(device)).float().cpu(), pair.high_res, border=scale).mean())
        for pair in pairs
    ]
    return sum(scores) / len(scores)
