import pytest
import torch

from nlcunet.data.pairs import draw_pairs, random_crop, random_flip, seed_of
from nlcunet.data.photographs import Photographs
from nlcunet.degradations.presets import find_preset

# Pixels that tell where they stand: red is the row, green the column.
ROWS, COLUMNS = torch.meshgrid(torch.arange(200), torch.arange(240), indexing="ij")
MAP = torch.stack([ROWS, COLUMNS, torch.zeros_like(ROWS)], dim=-1).to(torch.uint8)


def crops(central_px, count=400):
    generator = torch.Generator().manual_seed(0)
    return [random_crop(MAP, 32, central_px, generator) for _ in range(count)]


def test_central_crops_stay_in_the_central_square_and_reach_its_corners():
    corners = torch.stack([crop[0, 0, :2].long() for crop in crops(central_px=64, count=4000)])
    assert corners.amin(0).tolist() == [(200 - 64) // 2, (240 - 64) // 2]
    assert corners.amax(0).tolist() == [(200 - 64) // 2 + 32, (240 - 64) // 2 + 32]


def test_free_crops_reach_the_whole_photograph():
    corners = torch.stack([crop[0, 0, :2].long() for crop in crops(central_px=None, count=4000)])
    assert corners.amin(0).tolist() == [0, 0]
    assert corners.amax(0).tolist() == [200 - 32, 240 - 32]


def test_crops_are_squares_without_gaps():
    for crop in crops(central_px=100, count=20):
        assert crop.shape == (32, 32, 3)
        assert (crop[1:, :, 0].long() - crop[:-1, :, 0].long() == 1).all()


def test_all_eight_flips_occur():
    generator = torch.Generator().manual_seed(0)
    patch = MAP[:8, :8]
    seen = {tuple(random_flip(patch, generator).flatten().tolist()) for _ in range(200)}
    assert len(seen) == 8


def make(step, seed=1, degradation="isotropic", scale=4):
    photographs = Photographs((MAP, MAP.flip(0)), ("a", "b"), "")
    preset = find_preset(degradation, scale)
    return draw_pairs(photographs, preset, step=step, seed=seed, batch=3, patch_px=16, central_px=128)


@pytest.mark.parametrize("degradation", ["isotropic", "anisotropic"])
@pytest.mark.parametrize("scale", [2, 4])
def test_pairs_have_matching_sizes_and_8_bit_steps(degradation, scale):
    pairs = make(0, degradation=degradation, scale=scale)
    assert pairs.low_res.shape == (3, 3, 16, 16)
    assert pairs.high_res.shape == (3, 3, 16 * scale, 16 * scale)
    for pixels in (pairs.low_res, pairs.high_res):
        assert pixels.min() >= 0
        assert pixels.max() <= 1
        torch.testing.assert_close(pixels * 255, (pixels * 255).round(), rtol=0, atol=1e-4)


def test_low_resolution_shows_the_same_place_as_high_resolution():
    pairs = make(3)
    means = pairs.high_res.unfold(2, 4, 4).unfold(3, 4, 4).mean((-1, -2))
    assert (pairs.low_res - means).abs().mean() < 0.01


def test_a_batch_is_a_function_of_seed_and_step():
    again, other_step, other_seed = make(5), make(6), make(5, seed=2)
    first = make(5)
    assert torch.equal(first.low_res, again.low_res)
    assert torch.equal(first.high_res, again.high_res)
    assert not torch.equal(first.high_res, other_step.high_res)
    assert not torch.equal(first.high_res, other_seed.high_res)
    assert len({seed_of(1, step) for step in range(1000)}) == 1000
