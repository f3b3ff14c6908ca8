"""What the steps of a chain do to pixels: numbers worked out anew, and what must hold for every picture."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from nlcunet.degradations import chain
from nlcunet.degradations.batched import degrade_batch
from nlcunet.degradations.chain import apply_chains, apply_step
from nlcunet.degradations.jpeg import compress_jpeg
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import draw_record, find_preset, isotropic_record
from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.steps import Blur, Denoise, Jpeg, Mosaic, Noise, Resize, Sharpen, WebP, blur_kernel
from nlcunet.errors import ConfigError
from nlcunet.imaging.resize import resize_bicubic

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def pictures(batch, height, width, seed=0):
    """Smooth and rough, in steps of 1/255."""
    generator = torch.Generator().manual_seed(seed)
    smooth = resize_bicubic(torch.rand(batch, 3, 6, 6, generator=generator), height, width)
    rough = 0.1 * torch.randn(batch, 3, height, width, generator=generator)
    return ((smooth + rough).clamp(0, 1) * 255).round() / 255


def flat(value, side=96):
    return torch.full((1, 3, side, side), value, dtype=torch.float64)


def do(step, image, seed="0 step 0"):
    return apply_step(image, [step], [seed], *image.shape[2:])


def photo_records(count, scale=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [draw_record(find_preset("photo", scale), generator) for _ in range(count)]


def group_on_the_cpu(monkeypatch):
    """Lets pictures go through their steps together, as they do on an accelerator."""

    real = chain._alike

    def alike(images, records, place):
        return real([image.to("meta") for image in images], records, place)

    monkeypatch.setattr(chain, "_alike", alike)


# Whole chains


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_same_records_give_the_same_bits_and_every_picture_goes_alone(scale):
    images, records = pictures(12, 24 * scale, 20 * scale), photo_records(12, scale)
    together = degrade_batch(images, records)
    assert together.shape == (12, 3, 24, 20)
    assert torch.equal(together, degrade_batch(images, records))
    assert torch.equal(together.flip(0), degrade_batch(images.flip(0), records[::-1]))
    for number, record in enumerate(records):
        restored = DegradationRecord.from_dict(record.to_dict())
        assert torch.equal(degrade_batch(images[number : number + 1], [restored])[0], together[number])
    assert torch.equal(together, apply_records(images, records))


def test_results_are_in_8_bit_steps_within_range():
    result = degrade_batch(pictures(24, 64, 64), photo_records(24, seed=1))
    assert 0 <= result.min() <= result.max() <= 1
    torch.testing.assert_close(result * 255, (result * 255).round(), rtol=0, atol=1e-4)
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_single_precision_tips_few_pixels_only():
    images, records = pictures(24, 64, 64), photo_records(24, seed=2)
    # A pixel that tips before a JPEG changes the blocks around it; whatever stays without one must agree.
    single, double = degrade_batch(images, records), apply_records(images.double(), records).float()
    apart = ((single - double) * 255).abs().flatten(1)
    quiet = [not any(isinstance(step, Jpeg) for step in record.steps) for record in records]
    assert sum(quiet) >= 6
    assert apart[quiet].max() < 1.001
    assert (apart[quiet] > 0.5).float().mean() < 1e-3
    assert apart.mean() < 0.1


@pytest.mark.parametrize("sigma", [0.2, 1.3, 4.0])
def test_a_clean_chain_is_setting_1(sigma):
    steps = (Blur(size_px=21, sigma_x_px=sigma, sigma_y_px=sigma), Resize())
    images = pictures(2, 128, 96)
    expected = apply_records(images.double(), [isotropic_record(21, sigma, scale=4)] * 2).float()
    apart = ((degrade_batch(images, [DegradationRecord(scale=4, steps=steps)] * 2) - expected) * 255).abs()
    assert apart.max() < 1.001
    assert (apart > 0.5).float().mean() < 1e-3


def test_records_with_and_without_steps_may_stand_in_one_batch():
    images = pictures(3, 64, 64)
    records = [isotropic_record(21, 1.2, scale=4), photo_records(1, seed=4)[0], isotropic_record(21, 2.0, scale=4)]
    for apply in (degrade_batch, apply_records):
        together = apply(images, records)
        for number, record in enumerate(records):
            assert torch.equal(together[number], apply(images[number : number + 1], [record])[0])


@pytest.mark.parametrize("scale", [2, 4])
def test_pictures_that_go_together_as_on_an_accelerator_become_what_they_do_alone(scale, monkeypatch):
    # Jpeg rounds: so each step is compared from the same pictures.
    images, records = pictures(48, 16 * scale, 12 * scale), photo_records(48, scale, seed=3)
    current = list(images.chunk(48))
    sizes_of_groups = []
    group_on_the_cpu(monkeypatch)
    for place in range(max(len(record.steps) for record in records)):
        for group in chain._alike(current, records, place):
            steps = [records[number].steps[place] for number in group]
            seeds = [f"{number} step {place}" for number in group]
            together = apply_step(torch.cat([current[number] for number in group]), steps, seeds, 16, 12)
            sizes_of_groups.append(len(group))
            for number, step, seed, result in zip(group, steps, seeds, together, strict=True):
                current[number] = apply_step(current[number], [step], [seed], 16, 12)
                apart = (result - current[number][0]).abs()
                if isinstance(step, Jpeg):
                    assert torch.equal(result, current[number][0])
                else:
                    assert apart.max() < 1e-5
    assert max(sizes_of_groups) >= 10


def test_whole_chains_together_tip_few_pixels(monkeypatch):
    images, records = pictures(32, 64, 64), photo_records(32, seed=6)
    alone = apply_chains(images, records)
    group_on_the_cpu(monkeypatch)
    apart = ((apply_chains(images, records) - alone) * 255).abs().flatten(1)
    assert (apart.amax(1) < 0.5).float().mean() > 0.7
    assert apart.mean() < 0.02


def test_what_cannot_go_together_does_not():
    def key(step):
        return chain._batch_key(step)

    assert key(Blur(size_px=21)) == key(Blur(size_px=21, kernel="ringing"))
    assert key(Blur(size_px=21)) != key(Blur(size_px=25))
    assert key(Blur(size_px=21)) != key(Blur(size_px=21, kernel="none"))
    assert key(Jpeg(quality=3)) == key(Jpeg(quality=90, grid_top=5))
    assert key(Jpeg(quality=3)) != key(Jpeg(quality=3, chroma="4:4:4"))
    assert key(Resize(size=2.0)) != key(Resize())
    assert key(Noise(std_8bit=1.0)) != key(Noise(std_8bit=1.0, is_grey=True))
    assert key(Denoise(radius_px=1)) != key(Denoise(radius_px=2))
    assert key(Sharpen(radius_px=1.0, amount=1.0)) == key(Sharpen(radius_px=0.5, amount=0.3))


def test_bad_sizes_are_refused():
    record = photo_records(1)[0]
    for apply in (degrade_batch, apply_records):
        with pytest.raises(ConfigError, match="divide by the scale 4: got 30 × 32"):
            apply(pictures(1, 30, 32), [record])
        with pytest.raises(ConfigError, match="one record for each picture"):
            apply(pictures(2, 32, 32), [record])
    with pytest.raises(ConfigError, match="at least 2 pixels on both sides: got 1 × 4"):
        do(Mosaic(), pictures(1, 1, 4))


@given(size=sizes, seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_pictures_of_any_size_go_through(size, seed):
    height, width = size
    result = degrade_batch(pictures(1, 2 * height, 2 * width), photo_records(1, 2, seed))
    assert result.shape == (1, 3, height, width)
    assert result.isfinite().all()


# Blur and resize


@pytest.mark.parametrize(
    "blur",
    [
        Blur(size_px=9, sigma_x_px=1.2, sigma_y_px=1.2),
        Blur(kernel="anisotropic", size_px=11, sigma_x_px=0.7, sigma_y_px=2.0, angle_rad=0.6),
        Blur(kernel="motion", size_px=11, length_px=6.0, angle_rad=0.3),
        Blur(kernel="defocus", size_px=9, radius_px=2.5),
        Blur(kernel="ringing", size_px=11, cutoff_rad=1.4),
    ],
)
def test_blur_is_the_correlation_with_the_kernel(blur):
    image = pictures(1, 30, 37).double()
    reach = blur.size_px // 2
    padded = F.pad(image, (reach,) * 4, mode="reflect")
    kernel = blur_kernel(blur)
    expected = sum(
        kernel[down, right] * padded[..., down : down + 30, right : right + 37]
        for down in range(blur.size_px)
        for right in range(blur.size_px)
    )
    torch.testing.assert_close(do(blur, image), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(do(blur, image.float()).double(), expected, rtol=0, atol=1e-5)


def test_no_blur_is_no_blur_and_a_rough_kernel_follows_the_seed():
    image = pictures(1, 20, 20)
    torch.testing.assert_close(do(Blur(kernel="none"), image), image, rtol=0, atol=1e-6)
    rough = Blur(kernel="anisotropic", size_px=9, sigma_x_px=1.0, sigma_y_px=2.0, kernel_noise=0.25)
    assert torch.equal(do(rough, image, "4 step 0"), do(rough, image, "4 step 0"))
    assert not torch.equal(do(rough, image, "4 step 0"), do(rough, image, "5 step 0"))


def test_sizes_are_told_relative_to_the_end():
    image = pictures(1, 48, 36)
    assert apply_step(image, [Resize(size=1.5)], [""], 12, 9).shape == (1, 3, 18, 14)
    assert apply_step(image, [Resize(size=0.01)], [""], 12, 9).shape == (1, 3, 1, 1)


# Noise


@pytest.mark.parametrize("std", [1.0, 7.5, 25.0])
@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.7, 1.0])
def test_noise_has_the_strength_it_is_told_to_have(std, correlation):
    noise = do(Noise(std_8bit=std, correlation_px=correlation), flat(0.5, 256)) - 0.5
    assert noise.std().item() * 255 == pytest.approx(std, rel=0.03)
    assert abs(noise.mean().item() * 255) < 0.03 * std


def test_correlated_noise_reaches_the_neighbours_as_far_as_told():
    for sigma in (0.5, 1.0):
        noise = do(Noise(std_8bit=10.0, correlation_px=sigma), flat(0.5, 256)) - 0.5
        beside = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
        taps = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(-4, 5)]
        expected = sum(a * b for a, b in pairwise(taps)) / sum(a * a for a in taps)
        assert beside.item() == pytest.approx(expected, abs=0.03)
    independent = do(Noise(std_8bit=10.0), flat(0.5, 256)) - 0.5
    assert abs((independent[..., 1:] * independent[..., :-1]).mean() / independent.square().mean()) < 0.01


def test_grey_noise_is_equal_in_all_channels_and_colour_noise_is_not():
    for grows in (False, True):
        noise = Noise(std_8bit=9.0, is_grey=True, grows_with_brightness=grows)
        grey = do(noise, flat(0.5)) - 0.5
        torch.testing.assert_close(grey[:, 0], grey[:, 2], rtol=0, atol=1e-12)
        colour = do(replace(noise, is_grey=False), flat(0.5)) - 0.5
        channels = colour[0].flatten(1)
        assert torch.corrcoef(channels).fill_diagonal_(0).abs().max() < 0.05


def test_noise_of_photons_grows_with_the_root_of_the_brightness():
    for is_grey in (False, True):
        step = Noise(std_8bit=20.0, grows_with_brightness=True, is_grey=is_grey)
        for light in (0.0, 0.04, 0.25, 1.0):
            noise = do(step, flat(light, 128)) - light
            assert noise.std().item() * 255 == pytest.approx(20.0 * light**0.5, rel=0.03, abs=1e-9)
    image = flat(0.5, 64)
    image[:, 0] = 0.04
    noise = do(Noise(std_8bit=20.0, grows_with_brightness=True), image) - image
    assert noise[:, 0].std().item() * 255 == pytest.approx(4.0, rel=0.05)


def test_noise_follows_the_seed_of_the_record_and_the_place_of_the_step():
    step = Noise(std_8bit=10.0)
    image = flat(0.5, 32)
    one = DegradationRecord(scale=1, seed=7, steps=(step,))
    first = do(step, image, "7 step 0")
    assert torch.equal(apply_chains(image, [one]), (first.clamp(0, 1) * 255).round() / 255)
    assert not torch.equal(first, do(step, image, "7 step 1"))
    assert not torch.equal(first, do(step, image, "8 step 0"))


def test_noise_of_strength_0_is_none():
    image = pictures(1, 16, 16)
    assert torch.equal(do(Noise(std_8bit=0.0), image), image)


# Mosaic


@given(height=st.integers(2, 24), width=st.integers(2, 24))
@settings(deadline=None)
def test_a_mosaic_keeps_the_pixels_that_it_knows(height, width):
    image = pictures(1, height, width)
    result = do(Mosaic(), image)
    assert torch.equal(result[:, 0, ::2, ::2], image[:, 0, ::2, ::2])
    assert torch.equal(result[:, 1, ::2, 1::2], image[:, 1, ::2, 1::2])
    assert torch.equal(result[:, 1, 1::2, ::2], image[:, 1, 1::2, ::2])
    assert torch.equal(result[:, 2, 1::2, 1::2], image[:, 2, 1::2, 1::2])


def test_a_mosaic_fills_in_the_means_of_the_neighbours_and_keeps_constants():
    image = pictures(1, 8, 8).double()
    result = do(Mosaic(), image)
    red, green = image[0, 0], image[0, 1]
    assert result[0, 0, 2, 3].item() == pytest.approx((red[2, 2] + red[2, 4]).item() / 2)
    assert result[0, 0, 3, 3].item() == pytest.approx((red[2, 2] + red[2, 4] + red[4, 2] + red[4, 4]).item() / 4)
    around = (green[1, 2] + green[3, 2] + green[2, 1] + green[2, 3]).item() / 4
    assert result[0, 1, 2, 2].item() == pytest.approx(around)
    colours = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, 9, 7)
    torch.testing.assert_close(do(Mosaic(), colours), colours)


def test_a_mosaic_keeps_slopes_inside():
    slope = torch.arange(12, dtype=torch.float64).view(1, 1, 1, 12).expand(1, 3, 12, 12) / 12
    torch.testing.assert_close(do(Mosaic(), slope)[..., 1:-1, 1:-1], slope[..., 1:-1, 1:-1])


# Denoising and sharpening

FILTERS = [Denoise(filter="median"), Denoise(filter="bilateral"), Denoise(filter="median", radius_px=1)]


@pytest.mark.parametrize("step", FILTERS)
def test_denoising_keeps_constants_and_edges_and_lowers_noise(step):
    torch.testing.assert_close(do(step, flat(0.4, 16)), flat(0.4, 16))
    edge = flat(0.2, 32)
    edge[..., 16:] = 0.8
    torch.testing.assert_close(do(step, edge), edge, rtol=0, atol=1e-6)
    noisy = do(Noise(std_8bit=4.0), edge)
    calm = do(step, noisy)
    assert (calm - edge).std() < 0.6 * (noisy - edge).std()
    assert (calm[..., 16] - calm[..., 15]).mean() > 0.55


def test_the_median_is_that_of_the_window():
    image = pictures(1, 9, 9).double()
    result = do(Denoise(filter="median", radius_px=1), image)
    assert result[0, 1, 4, 5] == image[0, 1, 3:6, 4:7].flatten().sort().values[4]
    assert result[0, 2, 0, 0] == image[0, 2][[1, 0, 1]][:, [1, 0, 1]].flatten().sort().values[4]


def test_the_bilateral_filter_is_its_formula():
    image = pictures(1, 9, 9).double()
    result = do(Denoise(radius_px=2, strength_8bit=12.0), image)
    total, weights = torch.zeros(3, dtype=torch.float64), 0.0
    for down in range(-2, 3):
        for right in range(-2, 3):
            other, apart = image[0, :, 4 + down, 3 + right], image[0, :, 4 + down, 3 + right] - image[0, :, 4, 3]
            likeness = apart.square().mean().item() / (2 * (12 / 255) ** 2)
            weight = math.exp(-likeness - (down**2 + right**2) / (2 * (2 / 1.5) ** 2))
            total, weights = total + weight * other, weights + weight
    torch.testing.assert_close(result[0, :, 4, 3], total / weights)


def test_sharpening_keeps_constants_steepens_edges_and_stays_in_range():
    step = Sharpen(radius_px=1.0, amount=1.5)
    torch.testing.assert_close(do(step, flat(0.4, 16)), flat(0.4, 16))
    edge = flat(0.3, 32)
    edge[..., 16:] = 0.7
    sharp = do(step, edge)
    assert sharp[..., 15].max() < 0.25
    assert sharp[..., 16].min() > 0.75
    harsh = do(Sharpen(radius_px=1.5, amount=20.0), edge)
    assert harsh.min() == 0
    assert harsh.max() == 1


def test_sharpening_adds_the_difference_to_a_blurred_copy():
    image = 0.25 + pictures(1, 20, 22).double() / 2
    blurred = do(Blur(size_px=13, sigma_x_px=0.8, sigma_y_px=0.8), image)
    expected = (image + 0.5 * (image - blurred)).clamp(0, 1)
    torch.testing.assert_close(do(Sharpen(radius_px=0.8, amount=0.5), image), expected)


# Compression


@given(size=sizes, quality=st.integers(1, 100), chroma=st.sampled_from(["4:2:0", "4:4:4"]), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_a_jpeg_that_begins_at_its_grid_is_a_real_file(size, quality, chroma, seed):
    image = pictures(1, *size, seed)
    result = do(Jpeg(quality=quality, chroma=chroma), image)[0]
    assert torch.equal(result, compress_jpeg(image[0], quality, chroma=chroma))


@given(
    size=st.tuples(st.integers(16, 40), st.integers(16, 40)),
    grid=st.tuples(st.integers(0, 15), st.integers(0, 15)),
    quality=st.integers(5, 100),
    chroma=st.sampled_from(["4:2:0", "4:4:4"]),
)
@settings(max_examples=60, deadline=None)
def test_a_jpeg_off_its_grid_is_a_real_file_of_a_larger_picture(size, grid, quality, chroma):
    (height, width), (top, left) = size, grid
    image = pictures(1, height, width)
    larger = F.pad(image, (left, 0, top, 0), mode="reflect")[0]
    expected = compress_jpeg(larger, quality, chroma=chroma)[:, top:, left:]
    step = Jpeg(quality=quality, chroma=chroma, grid_top=top, grid_left=left)
    assert torch.equal(do(step, image)[0], expected)


@given(
    size=st.tuples(st.integers(16, 40), st.integers(16, 40)),
    grids=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=2, max_size=5),
    chroma=st.sampled_from(["4:2:0", "4:4:4"]),
)
@settings(max_examples=60, deadline=None)
def test_jpegs_of_one_batch_do_not_depend_on_each_other(size, grids, chroma):
    images = pictures(len(grids), *size)
    steps = [
        Jpeg(quality=20 + 15 * place, chroma=chroma, grid_top=top, grid_left=left)
        for place, (top, left) in enumerate(grids)
    ]
    together = apply_step(images, steps, [""] * len(steps), *size)
    for image, step, result in zip(images, steps, together, strict=True):
        assert torch.equal(result, do(step, image[None])[0])


def test_the_seams_of_a_jpeg_lie_on_its_grid():
    image = pictures(1, 64, 64)
    for left in (0, 3, 13):
        result = do(Jpeg(quality=10, chroma="4:4:4", grid_left=left), image)
        steps = (result[..., 1:] - result[..., :-1]).abs().mean((0, 1, 2))
        across = torch.stack([steps[seam::8].mean() for seam in range(8)])
        assert across.argmax() == (7 - left) % 8


def test_webp_rounds_and_compresses_each_picture():
    images = pictures(2, 33, 40)
    result = apply_step(images, [WebP(quality=80)] * 2, ["", ""], 33, 40)
    assert torch.equal(result[1:], do(WebP(quality=80), images[1:]))
    torch.testing.assert_close(result * 255, (result * 255).round(), rtol=0, atol=1e-4)
    coarse = do(WebP(quality=5), images[:1])
    assert (coarse - images[:1]).abs().mean() > (result[:1] - images[:1]).abs().mean() > 0
