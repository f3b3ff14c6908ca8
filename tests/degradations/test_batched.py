"""The batched pipeline does what the records say, like the picture-by-picture one."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.degradations.batched import (
    add_noise,
    compress,
    degrade_batch,
    fast_length,
    shrink_at_once,
    shrink_by_fourier,
    shrink_by_matrices,
    shrink_on_cpu,
)
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import draw_record, find_preset, isotropic_record
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError
from nlcunet.imaging.resize import resize_bicubic


def pictures(batch, height, width, seed=0):
    """Smooth and rough, in steps of 1/255."""
    generator = torch.Generator().manual_seed(seed)
    smooth = resize_bicubic(torch.rand(batch, 3, 6, 6, generator=generator), height, width)
    rough = 0.2 * torch.randn(batch, 3, height, width, generator=generator)
    return ((smooth + rough).clamp(0, 1) * 255).round() / 255


def records_of(name, scale, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [draw_record(find_preset(name, scale), generator) for _ in range(count)]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["bicubic", "isotropic", "anisotropic", "gaussian8"])
def test_blur_and_bicubic_equal_the_pipeline(name, scale):
    images, records = pictures(6, 24 * scale, 24 * scale), records_of(name, scale, 6)
    result, expected = degrade_batch(images, records), apply_records(images.double(), records).float()
    steps_apart = ((result - expected) * 255).abs()
    assert steps_apart.max() < 1.001
    assert (steps_apart < 0.5).float().mean() > 0.999


@given(
    size=st.tuples(st.integers(4, 14), st.integers(4, 14)),
    scale=st.sampled_from([1, 2, 3, 4]),
    kernel=st.sampled_from([3, 7, 11]),
    sigmas=st.tuples(st.floats(0.2, 5.0), st.floats(0.2, 5.0)),
    roughness=st.sampled_from([0.0, 0.25]),
)
@settings(max_examples=40, deadline=None)
def test_every_way_to_blur_and_shrink_gives_the_same(size, scale, kernel, sigmas, roughness):
    height, width = size[0] * scale + (6 if scale == 1 else 0), size[1] * scale + (6 if scale == 1 else 0)
    height, width = max(height, 6 * scale), max(width, 6 * scale)
    images = pictures(1, height, width)
    elliptic = DegradationRecord(
        scale=scale,
        kernel="anisotropic",
        kernel_size_px=kernel,
        sigma_x_px=sigmas[0],
        sigma_y_px=sigmas[1],
        angle_rad=0.7,
        kernel_noise=roughness,
        seed=11,
    )
    round_one = isotropic_record(kernel, sigmas[0], scale=scale)
    exact = shrink_at_once(images.double(), [elliptic])[0].float()
    torch.testing.assert_close(shrink_by_fourier(images[0], elliptic), exact, rtol=0, atol=2e-6)
    exact = shrink_at_once(images.double(), [round_one])[0].float()
    torch.testing.assert_close(shrink_by_fourier(images[0], round_one), exact, rtol=0, atol=2e-6)
    torch.testing.assert_close(shrink_by_matrices(images[0], round_one), exact, rtol=0, atol=2e-6)


def test_all_pictures_at_once_give_what_one_after_the_other_gives():
    images = pictures(4, 64, 64)
    for name in ("bicubic", "isotropic", "anisotropic"):
        records = records_of(name, 4, 4)
        torch.testing.assert_close(shrink_at_once(images, records), shrink_on_cpu(images, records), rtol=0, atol=2e-6)


def test_rectangles_and_any_memory_layout_are_fine():
    images = pictures(2, 48, 80)
    records = records_of("isotropic", 4, 2)
    result = degrade_batch(images, records)
    assert result.shape == (2, 3, 12, 20)
    assert torch.equal(result, degrade_batch(images.contiguous(memory_format=torch.channels_last), records))


@pytest.mark.parametrize("name", ["isotropic", "anisotropic", "diverse"])
def test_a_picture_does_not_depend_on_its_neighbours_in_the_batch(name):
    images, records = pictures(6, 64, 64), records_of(name, 4, 6, seed=2)
    together = degrade_batch(images, records)
    for index in range(6):
        assert torch.equal(together[index], degrade_batch(images[index : index + 1], records[index : index + 1])[0])
    turned = degrade_batch(images.flip(0), records[::-1])
    assert torch.equal(turned.flip(0), together)


def test_results_are_in_8_bit_steps_within_range():
    result = degrade_batch(pictures(8, 64, 64), records_of("diverse", 4, 8))
    assert 0 <= result.min() <= result.max() <= 1
    torch.testing.assert_close(result * 255, (result * 255).round(), rtol=0, atol=1e-4)
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_pictures_without_noise_and_compression_are_untouched_by_that_of_others():
    images = pictures(3, 64, 64)
    clean = isotropic_record(21, 2.0, scale=4)
    records = [clean, replace(clean, noise_std_8bit=10.0, seed=1), replace(clean, jpeg_quality=40)]
    mixed, plain = degrade_batch(images, records), degrade_batch(images, [clean] * 3)
    assert torch.equal(mixed[0], plain[0])
    assert not torch.equal(mixed[1], plain[1])
    assert not torch.equal(mixed[2], plain[2])


@pytest.mark.parametrize("chroma", ["4:2:0", "4:4:4"])
def test_compression_equals_the_pipeline_bit_for_bit(chroma):
    images = pictures(8, 64, 64)
    records = [
        replace(isotropic_record(21, 1.5, scale=4), jpeg_quality=quality, jpeg_chroma=chroma)
        for quality in (30, 39, 48, 57, 66, 75, 84, 95)
    ]
    same = (degrade_batch(images, records) == apply_records(images.double(), records).float()).flatten(1).all(1)
    # A pixel that tips between two steps before compression changes the blocks around it.
    assert same.float().mean() >= 7 / 8


def test_both_kinds_of_chroma_may_stand_in_one_batch():
    images = pictures(4, 32, 32)
    kinds = ("4:2:0", None, "4:4:4", "4:2:0")
    records = [
        DegradationRecord(scale=1) if c is None else DegradationRecord(scale=1, jpeg_quality=50, jpeg_chroma=c)
        for c in kinds
    ]
    together = compress(images, records)
    for index, record in enumerate(records):
        assert torch.equal(together[index], compress(images[index : index + 1], [record])[0])
    assert torch.equal(together[1], images[1])


def test_noise_has_the_strength_of_its_record():
    flat = torch.full((3, 3, 128, 128), 0.5)
    records = [DegradationRecord(scale=1, noise_std_8bit=std, seed=7) for std in (0.0, 5.0, 25.0)]
    noise = (add_noise(flat, records) - flat) * 255
    assert noise[0].abs().max() == 0
    assert noise[1].std().item() == pytest.approx(5.0, rel=0.02)
    assert noise[2].std().item() == pytest.approx(25.0, rel=0.02)


def test_grey_noise_is_equal_in_all_channels_and_colour_noise_is_not():
    flat = torch.full((2, 3, 32, 32), 0.5)
    records = [DegradationRecord(scale=1, noise_std_8bit=9.0, noise_is_grey=grey, seed=1) for grey in (True, False)]
    grey, colour = add_noise(flat, records)
    assert torch.equal(grey[0], grey[2])
    assert (colour[0] - colour[2]).std() * 255 == pytest.approx(9 * 2**0.5, rel=0.1)


def test_poisson_noise_is_that_of_the_pipeline():
    images = pictures(2, 32, 32)
    records = [
        DegradationRecord(scale=2, noise="poisson", noise_std_8bit=20.0, seed=5),
        DegradationRecord(scale=2, noise="gaussian", noise_std_8bit=20.0, seed=5),
    ]
    expected = apply_records(images, records)
    apart = ((degrade_batch(images, records) - expected) * 255).abs().flatten(1)
    assert (apart[0] < 0.5).float().mean() > 0.999
    assert apart[1].mean() > 5  # Gaussian noise comes from another source


@given(length=st.integers(1, 3000))
def test_fast_lengths_are_even_long_enough_and_smooth(length):
    found = fast_length(length)
    assert found % 2 == 0
    assert length <= found <= 1.2 * length + 4
    for prime in (2, 3, 5):
        while found % prime == 0:
            found //= prime
    assert found == 1


def test_impossible_batches_are_refused():
    images = pictures(2, 32, 32)
    record = isotropic_record(21, 2.0, scale=4)
    with pytest.raises(ConfigError, match="one record for each picture"):
        degrade_batch(images, [record])
    with pytest.raises(ConfigError, match="one record for each picture, all of one scale"):
        degrade_batch(images, [record, isotropic_record(21, 2.0, scale=2)])
    with pytest.raises(ConfigError, match="divide by the scale 3: got 32 × 32"):
        degrade_batch(images, [isotropic_record(21, 2.0, scale=3)] * 2)
    with pytest.raises(ConfigError, match="longer than half the kernel"):
        degrade_batch(pictures(1, 8, 8), [record])
    with pytest.raises(ConfigError, match="size must be odd"):
        degrade_batch(images, [replace(record, kernel_size_px=20)] * 2)
    with pytest.raises(ConfigError, match="sigma must be above 0"):
        degrade_batch(images, [replace(record, sigma_x_px=0.0)] * 2)


def test_nothing_of_it_is_differentiated():
    images = pictures(1, 32, 32).requires_grad_()
    assert not degrade_batch(images, [isotropic_record(21, 2.0, scale=4)]).requires_grad
