"""Consistency: the original gives back its input up to rounding; what contradicts the input does not."""

import math
from functools import partial

import pytest
import torch

from nlcunet.degradations.kernels import isotropic_gaussian
from nlcunet.degradations.pipeline import blur
from nlcunet.errors import ConfigError
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.consistency import consistency
from nlcunet.tensors import round_to_8bit

ROUNDING_LIMIT_DB = 10 * math.log10(12 * 255**2)  # uniform errors of ± half a step
KERNEL = isotropic_gaussian(21, 2.0)


def degrade(images, scale=4):
    height, width = images.shape[-2:]
    return resize_bicubic(blur(images, KERNEL), height // scale, width // scale)


def original(batch=1):
    coarse = torch.rand(batch, 3, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return round_to_8bit(0.1 + 0.8 * resize_bicubic(coarse, 160, 160).clamp(0, 1))


def test_the_original_scores_what_rounding_allows():
    high_res = original()
    low_res = round_to_8bit(degrade(high_res))
    assert consistency(high_res, low_res, degrade).item() == pytest.approx(ROUNDING_LIMIT_DB, abs=0.3)


def test_noise_above_the_inputs_resolution_hardly_costs():
    # a checkerboard vanishes in the blur; the same amount of brightness does not
    high_res = original()
    low_res = round_to_8bit(degrade(high_res))
    board = (torch.arange(160)[:, None] + torch.arange(160)[None, :]) % 2 * 2 - 1
    invented = consistency(high_res + 8 / 255 * board, low_res, degrade).item()
    brighter = consistency(high_res + 8 / 255, low_res, degrade).item()
    assert invented > ROUNDING_LIMIT_DB - 1
    assert brighter == pytest.approx(-20 * math.log10(8 / 255), abs=0.05)


def test_further_shifts_score_less():
    high_res = original()
    low_res = round_to_8bit(degrade(high_res))
    scores = [consistency(high_res.roll(shift, dims=-1), low_res, degrade).item() for shift in (0, 1, 2, 4)]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] < scores[0] - 10


def test_a_blurred_output_scores_less_than_the_original():
    high_res = original()
    low_res = round_to_8bit(degrade(high_res))
    enlarged = resize_bicubic(low_res, 160, 160)
    assert consistency(enlarged, low_res, degrade).item() < 45


def test_outputs_are_clamped_and_rounded_first():
    high_res = original()
    low_res = round_to_8bit(degrade(high_res))
    assert torch.equal(consistency(high_res + 0.4 / 255, low_res, degrade), consistency(high_res, low_res, degrade))
    white = torch.ones(1, 3, 160, 160)
    assert consistency(white * 3, torch.ones(1, 3, 40, 40), degrade).item() > 200


def test_each_picture_of_a_batch_has_its_own_score():
    high_res = original(3)
    low_res = round_to_8bit(degrade(high_res))
    outputs = high_res + torch.tensor([0.0, 0.01, 0.1]).view(3, 1, 1, 1)
    together = consistency(outputs, low_res, degrade)
    alone = [consistency(outputs[i : i + 1], low_res[i : i + 1], degrade) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert together[0] > together[1] > together[2]


def test_inputs_of_another_size_are_refused():
    with pytest.raises(ConfigError, match=r"same shape: got \(1, 3, 80, 80\) and \(1, 3, 40, 40\)"):
        consistency(original(), torch.zeros(1, 3, 40, 40), partial(degrade, scale=2))
