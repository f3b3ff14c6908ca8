"""The pipeline: golden arrays of the original code, repeatability, and each picture its own degradation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.degradations.kernels import anisotropic_gaussian, isotropic_gaussian
from nlcunet.degradations.pipeline import apply_records, blur, degrade, is_separable, stack_kernels
from nlcunet.degradations.presets import PRESETS, find_preset, isotropic_record
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError
from nlcunet.tensors import round_to_8bit

GOLDEN = np.load(Path(__file__).parents[1] / "assets" / "degradations_and_metrics.npz")


def golden(name: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[name])


def pictures(count=2, height=48, width=36, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("separable", [None, True, False])
def test_blur_matches_the_original_code(separable):
    blurred = blur(golden("image"), isotropic_gaussian(21, 2.6), separable=separable)
    torch.testing.assert_close(blurred, golden("blurred_sigma2.6"), atol=1e-5, rtol=0)


def test_low_resolution_matches_the_original_code_after_rounding():
    low_res = apply_records(golden("image").double(), [isotropic_record(21, 2.6, scale=4)])
    expected = round_to_8bit(golden("lr_x4_sigma2.6"))
    torch.testing.assert_close(low_res.float(), expected, atol=1e-5, rtol=0)


def test_each_picture_gets_its_own_kernel():
    kernels = torch.stack([isotropic_gaussian(9, 0.5), anisotropic_gaussian(9, 3.0, 1.0, 0.4)])
    together = blur(pictures(), kernels)
    for index in (0, 1):
        alone = blur(pictures()[index : index + 1], kernels[index])
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-6, rtol=0)


def test_kernels_are_correlated_not_convolved():
    kernel = torch.zeros(5, 5)
    kernel[2, 4] = 1.0
    picture = pictures(1)
    torch.testing.assert_close(blur(picture, kernel)[..., :-2], picture[..., 2:])


def test_borders_are_reflected_without_the_edge_pixel():
    kernel = torch.zeros(3, 3)
    kernel[1, 0] = 1.0
    picture = pictures(1)
    torch.testing.assert_close(blur(picture, kernel)[..., 0], picture[..., 1])


@settings(deadline=None, max_examples=25)
@given(sigma_x=st.floats(0.3, 5), sigma_y=st.floats(0.3, 5), angle=st.floats(-3, 3))
def test_two_passes_are_chosen_only_where_they_are_exact(sigma_x, sigma_y, angle):
    kernel = anisotropic_gaussian(11, sigma_x, sigma_y, angle)
    picture = pictures(1, 24, 24).double()
    chosen, full = blur(picture, kernel), blur(picture, kernel, separable=False)
    torch.testing.assert_close(chosen, full, atol=1e-4, rtol=0)


def test_round_kernels_are_separable_and_turned_ellipses_are_not():
    assert is_separable(isotropic_gaussian(21, 2.0))
    assert is_separable(anisotropic_gaussian(21, 2.0, 4.0, 0.0))
    assert not is_separable(anisotropic_gaussian(21, 2.0, 4.0, 0.7))
    assert not is_separable(torch.stack([isotropic_gaussian(21, 2.0), anisotropic_gaussian(21, 2.0, 4.0, 0.7)]))


def test_blur_is_not_rounded_by_autocast():
    kernel = isotropic_gaussian(9, 1.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(blur(pictures(), kernel), blur(pictures(), kernel))
        assert blur(pictures(), kernel).dtype == torch.float32


@pytest.mark.parametrize(("name", "scale"), [(name, scale) for name in PRESETS for scale in PRESETS[name]])
def test_the_same_seed_gives_the_same_picture_bit_for_bit(name, scale):
    preset = find_preset(name, scale)
    first, second = (degrade(pictures(), preset, 42) for _ in range(2))
    assert first.records == second.records
    assert torch.equal(first.low_res, second.low_res)
    assert torch.equal(apply_records(pictures(), first.records), first.low_res)
    assert first.low_res.shape == (2, 3, 48 // scale, 36 // scale)


def test_another_seed_gives_another_picture():
    preset = find_preset("isotropic", 4)
    assert not torch.equal(degrade(pictures(), preset, 1).low_res, degrade(pictures(), preset, 2).low_res)


def test_a_generator_moves_on_and_can_be_set_back():
    preset, generator = find_preset("anisotropic", 2), torch.Generator().manual_seed(5)
    state = generator.get_state()
    first, second = degrade(pictures(), preset, generator), degrade(pictures(), preset, generator)
    assert first.records != second.records
    generator.set_state(state)
    assert degrade(pictures(), preset, generator).records == first.records


def test_global_random_state_is_neither_used_nor_touched():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    degrade(pictures(), find_preset("diverse", 4), 3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", PRESETS)
def test_low_resolution_is_in_8_bit_steps(name):
    steps = degrade(pictures(), find_preset(name, 4), 0).low_res * 255
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)
    assert steps.min() >= 0
    assert steps.max() <= 255


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_noise_is_added_after_downsampling(noise):
    grey = torch.full((1, 3, 128, 128), 0.5, dtype=torch.float64)
    record = DegradationRecord(scale=4, noise=noise, noise_std_8bit=8.0, seed=11)
    expected = 8.0 if noise == "gaussian" else 8.0 * 0.5**0.5
    assert apply_records(grey, [record]).std().item() * 255 == pytest.approx(expected, rel=0.06)


def test_jpeg_is_the_last_stage():
    clean = DegradationRecord(scale=2)
    low_res = apply_records(pictures(1), [clean])
    compressed = apply_records(pictures(1), [DegradationRecord(scale=2, jpeg_quality=20)])
    assert (compressed - low_res).abs().mean() > 0.02


def test_kernels_of_different_sizes_share_a_batch():
    records = [isotropic_record(5, 1.0, scale=2), isotropic_record(21, 3.0, scale=2), DegradationRecord(scale=2)]
    together = apply_records(pictures(3).double(), records)
    for index, record in enumerate(records):
        alone = apply_records(pictures(3).double()[index : index + 1], [record])
        assert torch.equal(together[index : index + 1], alone)
    assert stack_kernels([isotropic_gaussian(3, 1.0), torch.ones(1, 1).double()])[1, 1, 1] == 1


def test_impossible_batches_are_refused():
    preset = find_preset("isotropic", 4)
    with pytest.raises(ConfigError, match="divide by the scale 4: got 50 × 36"):
        degrade(pictures(1, 50, 36), preset, 0)
    with pytest.raises(ConfigError, match=r"longer than half the kernel .*got 8 × 36"):
        degrade(pictures(1, 8, 36), preset, 0)
    with pytest.raises(ConfigError, match=r"scale \[2, 4\] for 2 pictures"):
        apply_records(pictures(), [DegradationRecord(scale=2), DegradationRecord(scale=4)])
    with pytest.raises(ConfigError, match="got 3 for 2"):
        blur(pictures(), torch.ones(3, 1, 1))
    with pytest.raises(ConfigError, match="size must be odd: got 4"):
        blur(pictures(), torch.ones(4, 4) / 16)
