import pytest
import torch

from nlcunet.data.crops import CropSettings
from nlcunet.data.pairs import PairSettings, draw_sample, seed_of, steps_to_pairs
from nlcunet.degradations.presets import DegradationPreset, IsotropicRange, find_preset
from nlcunet.errors import ConfigError


def settings(degradation="isotropic", scale=4, seed=1, **changes):
    return PairSettings(
        preset=find_preset(degradation, scale), seed=seed, patch_px=16, crops=CropSettings(kind="random"), **changes
    )


def smooth_patch(size):
    rows = torch.linspace(0, 255, size)
    return torch.stack(
        [rows.expand(size, -1), rows[:, None].expand(-1, size), rows.flip(0).expand(size, -1)], -1
    ).byte()


@pytest.mark.parametrize("degradation", ["isotropic", "anisotropic", "diverse"])
@pytest.mark.parametrize("scale", [2, 4])
def test_pairs_have_matching_sizes_and_8_bit_steps(degradation, scale):
    chosen = settings(degradation, scale)
    records = [draw_sample(chosen, number).record for number in range(3)]
    pairs = steps_to_pairs([smooth_patch(chosen.size_px)] * 3, records)
    assert pairs.low_res.shape == (3, 3, 16, 16)
    assert pairs.high_res.shape == (3, 3, 16 * scale, 16 * scale)
    for pixels in (pairs.low_res, pairs.high_res):
        assert pixels.dtype == torch.float32
        assert pixels.min() >= 0
        assert pixels.max() <= 1
        torch.testing.assert_close(pixels * 255, (pixels * 255).round(), rtol=0, atol=1e-4)
        assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_low_resolution_shows_the_same_place_as_high_resolution():
    chosen = settings()
    pairs = steps_to_pairs([smooth_patch(chosen.size_px)], [draw_sample(chosen, 0).record])
    means = pairs.high_res.unfold(2, 4, 4).unfold(3, 4, 4).mean((-1, -2))
    assert (pairs.low_res - means).abs().mean() < 0.01


def test_a_sample_is_a_function_of_seed_and_number():
    assert draw_sample(settings(), 5) == draw_sample(settings(), 5)
    assert draw_sample(settings(), 5) != draw_sample(settings(), 6)
    assert draw_sample(settings(), 5) != draw_sample(settings(seed=2), 5)


def test_seeds_of_different_samples_differ():
    assert len({seed_of(seed, number) for seed in range(10) for number in range(1000)}) == 10_000


def test_everything_in_a_sample_varies_evenly():
    samples = [draw_sample(settings(drawn_ratio=0.25), number) for number in range(2000)]
    for numbers in (
        [s.picture for s in samples],
        [s.crop.cell for s in samples],
        [s.crop.row for s in samples],
        [s.crop.column for s in samples],
        [(s.crop.orientation + 0.5) / 8 for s in samples],
        [(s.record.sigma_px - 0.2) / 3.8 for s in samples],
    ):
        counts = torch.histc(torch.tensor(numbers), 8, min=0.0, max=1.0)
        # 250 expected; 4.5 standard deviations of a binomial with n = 2000 and p = 1/8
        assert (counts - 250).abs().max() < 67
    assert sum(s.is_drawn for s in samples) / 2000 == pytest.approx(0.25, abs=0.044)


def test_what_is_drawn_for_one_purpose_says_nothing_about_another():
    samples = [draw_sample(settings(), number) for number in range(4000)]
    table = torch.tensor([(s.picture, s.crop.cell, s.crop.row, s.crop.column, s.record.sigma_px) for s in samples]).T
    correlations = torch.corrcoef(table) - torch.eye(5)
    assert correlations.abs().max() < 4.5 / 4000**0.5


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="patch_px must be at least 1: got 0"):
        PairSettings(preset=find_preset("isotropic", 4), seed=1, patch_px=0, crops=CropSettings())
    with pytest.raises(ConfigError, match=r"drawn_ratio must lie in 0 to 1: got 1\.5"):
        settings(drawn_ratio=1.5)


def test_patches_too_small_for_the_kernel_are_refused():
    preset = DegradationPreset(scale=2, kernels=IsotropicRange(size_px=21, min_sigma_px=1.0, max_sigma_px=2.0))
    chosen = PairSettings(preset=preset, seed=1, patch_px=5, crops=CropSettings())
    with pytest.raises(ConfigError, match="longer than half the kernel"):
        steps_to_pairs([smooth_patch(10)], [draw_sample(chosen, 0).record])
