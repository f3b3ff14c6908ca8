"""Hairlines kept, and lines that are not there: two scores for pictures of `nlcunet.metrics.hairline_cases`.

Contrast is measured as an eye measures it: the centre line against the ground on both its sides. The true centre line
is known, so a line that is displaced, broken, blurred or gone scores less; one drawn too strongly scores above 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.imaging.colour import rgb_to_luma
from nlcunet.metrics.hairline_cases import HairlineCase
from nlcunet.metrics.ridges import find_ridges
from nlcunet.tensors import round_to_8bit

SIDE_DISTANCES_LOW_RES_PX = (1.5, 2.5)
"""Where the ground is looked at, from the curve's edges outwards."""
LINE_THRESHOLD = 0.03
"""Strength, see `nlcunet.metrics.ridges`, above which a line counts as seen: about 8 of 255 steps."""
KNOWN_SHARE = 0.5
"""A line is not false where the original has one of at least this share of its strength, near by."""
CASES_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class HairlineScore:
    """How well one picture kept its lines."""

    contrast_kept: float
    """Contrast along the true centre lines over that of the original: 1 as there, 0 gone, below 0 inverted."""
    false_lines: float
    """Lines, absent in the original, that a straight walk of 100 low-resolution pixels beside the curves crosses; the
    contours that too much sharpening draws along a curve are such lines."""


def score_hairlines(
    outputs: Float[Tensor, "batch 3 height width"], cases: Sequence[HairlineCase]
) -> tuple[HairlineScore, ...]:
    """The scores of enlarged pictures.

    Args:
        outputs: RGB in [0, 1]; clamped and rounded to 8 bits here. One for each case, of its original's size.
        cases: What was degraded and enlarged; all of one scale.

    Raises:
        ConfigError: If counts, sizes or scales differ.
    """
    sizes = {tuple(case.high_res.shape) for case in cases}
    if len(outputs) != len(cases) or sizes != {tuple(outputs.shape[1:])} or len({case.scale for case in cases}) != 1:
        raise ConfigError(
            f"there must be one output for each hairline picture, of the same size: got {tuple(outputs.shape)} for "
            f"{len(cases)} pictures of {sorted(sizes)}; enlarge by the scale that they were made for"
        )
    scores: list[HairlineScore] = []
    for start in range(0, len(cases), CASES_AT_ONCE):
        some = cases[start : start + CASES_AT_ONCE]
        seen = luma_of(outputs[start : start + CASES_AT_ONCE])
        true = luma_of(torch.stack([case.high_res for case in some]).to(outputs))
        false_lines = count_false_lines(seen, some)
        for number, case in enumerate(some):
            kept = line_contrast(seen[number], case).mean() / line_contrast(true[number], case).mean()
            scores.append(HairlineScore(contrast_kept=kept.item(), false_lines=false_lines[number].item()))
    return tuple(scores)


def luma_of(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch height width"]:
    """Brightness in [0, 1], as an 8-bit file would hold the picture."""
    return rgb_to_luma(round_to_8bit(images.float()))[:, 0]


def line_contrast(luma: Float[Tensor, "height width"], case: HairlineCase) -> Float[Tensor, " points"]:
    """How far each point of the centre lines stands out from the ground beside it, in the direction of the contrast."""
    points, normals = case.points.to(luma.device), case.normals.to(luma.device)
    reaches = [(case.width_low_res_px / 2 + side) * case.scale for side in SIDE_DISTANCES_LOW_RES_PX]
    sides = [sample(luma, points + sign * reach * normals) for reach in reaches for sign in (-1, 1)]
    difference = sample(luma, points) - torch.stack(sides).mean(dim=0)
    return difference if case.contrast > 0 else -difference


def sample(luma: Float[Tensor, "height width"], points: Float[Tensor, "points 2"]) -> Float[Tensor, " points"]:
    """Values at points x, y between pixels, linearly; a pixel's middle has the coordinates i + ½."""
    height, width = luma.shape
    grid = 2 * points / torch.tensor([width, height], device=luma.device) - 1
    return F.grid_sample(luma[None, None], grid[None, None], padding_mode="border", align_corners=False)[0, 0, 0]


def count_false_lines(
    luma: Float[Tensor, "batch height width"], cases: Sequence[HairlineCase]
) -> Float[Tensor, " batch"]:
    """See `HairlineScore.false_lines`.

    Lines of length L per area are crossed 2 L / π times per length of a straight walk in any direction (Buffon).
    """
    scale = cases[0].scale
    found = find_ridges(luma, scale)
    known = torch.stack([case.known_lines for case in cases], dim=1).to(luma)
    empty = torch.stack([case.empty for case in cases]).to(luma.device)
    is_false = empty & (found.strength > LINE_THRESHOLD) & (known < KNOWN_SHARE * found.strength)
    length, area = (found.length_px * is_false).sum(dim=(0, 2, 3)), empty.sum(dim=(1, 2))
    return 100 * scale * (2 / torch.pi) * length / area
