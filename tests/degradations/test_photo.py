"""The degradation ``photo``: what is drawn how often, and that it can be repeated."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.degradations.photo import NUMBERS, RESIZE_KERNELS, Numbers, PhotoPreset, draw_steps
from nlcunet.degradations.presets import draw_record, find_preset, fixed_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.steps import Blur, Denoise, Jpeg, Noise, Resize, Sharpen, blur_kernel
from nlcunet.errors import ConfigError

COUNT = 4000
uniform_numbers = st.lists(st.floats(0, 1, exclude_max=True), min_size=NUMBERS, max_size=NUMBERS)


def draw_many(preset, count=COUNT, seed=0):
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(count, NUMBERS, dtype=torch.float64, generator=generator)
    return [draw_steps(preset, row) for row in table.tolist()]


def share(chosen, of):
    """How many of some things are what a function says, and how far chance may lead: four standard errors."""
    things = list(of)
    return sum(map(chosen, things)) / len(things), 4 * (0.25 / len(things)) ** 0.5


def assert_share(chosen, of, expected):
    found, chance = share(chosen, of)
    assert found == pytest.approx(expected, abs=chance)


def is_clean(steps):
    return len(steps) == 2 and isinstance(steps[0], Blur) and steps[1] == Resize()


DRAWN = {scale: draw_many(PhotoPreset(scale=scale)) for scale in (2, 4)}
WILD = draw_many(PhotoPreset(scale=4, clean_share=0.0, once_share=0.0))
ONCE = draw_many(PhotoPreset(scale=4, clean_share=0.0, once_share=1.0))


def every(kind, chains=WILD):
    return [step for steps in chains for step in steps if isinstance(step, kind)]


def before_the_reduction(steps):
    first = next(place for place, step in enumerate(steps) if isinstance(step, Resize))
    return steps[:first]


def detours(chains):
    return [step for steps in chains for step in steps if isinstance(step, Resize) and step.size != 1]


@pytest.mark.parametrize("scale", [2, 4])
def test_a_quarter_is_clean_as_in_setting_1(scale):
    # A few others have nothing but a blur and a bicubic reduction, too.
    few = 0.75 * 0.55 * 0.8 * 0.6 * 0.3 * 0.35 * 0.5 * 0.7 * 0.35
    assert_share(is_clean, DRAWN[scale], 0.25 + few)
    clean = draw_many(PhotoPreset(scale=scale, clean_share=1.0), 1000)
    assert all(map(is_clean, clean))
    sigmas = [steps[0].sigma_x_px for steps in clean]
    assert 0.2 <= min(sigmas) < 0.22
    assert 0.98 * scale < max(sigmas) <= scale
    assert sum(sigmas) / len(sigmas) == pytest.approx((0.2 + scale) / 2, rel=0.08)


def test_shares_of_0_leave_nothing_but_the_reduction():
    bare = PhotoPreset(
        scale=4,
        clean_share=0.0,
        once_share=0.0,
        blur_share=0.0,
        detour_share=0.0,
        noise_share=0.0,
        sharpen_share=0.0,
        first_jpeg_share=0.0,
        last_jpeg_share=0.0,
    )
    assert {steps[0].kind for steps in draw_many(bare, 100)} == {"resize"}
    assert {len(steps) for steps in draw_many(bare, 100)} == {1}


def test_blur_before_the_reduction():
    assert_share(lambda steps: len(before_the_reduction(steps)) == 1, WILD, 0.8)
    blurs = [step for steps in WILD for step in before_the_reduction(steps)]
    for kind, expected in (("ringing", 0.1), ("isotropic", 0.45), ("anisotropic", 0.45)):
        assert_share(lambda blur, kind=kind: blur.kernel == kind, blurs, expected)
    assert all(0.3 <= blur.sigma_x_px <= 3.0 for blur in blurs if blur.kernel == "isotropic")
    elliptic = [blur for blur in blurs if blur.kernel == "anisotropic"]
    assert all(0.4 <= sigma <= 4.0 for blur in elliptic for sigma in (blur.sigma_x_px, blur.sigma_y_px))
    assert all(torch.pi / 4 <= blur.cutoff_rad <= torch.pi for blur in blurs if blur.kernel == "ringing")


def test_sigmas_fall_with_the_scale():
    for steps, small in zip(WILD, draw_many(PhotoPreset(scale=2, clean_share=0.0, once_share=0.0)), strict=True):
        for blur, half in zip(before_the_reduction(steps), before_the_reduction(small), strict=True):
            assert half.sigma_x_px == pytest.approx(blur.sigma_x_px / 2)


def test_detours_and_the_kernels_of_reductions():
    assert_share(lambda steps: bool(detours([steps])), WILD, 0.4)
    large = [step for step in detours(WILD) if step.size > 1]
    assert_share(lambda step: step.size == 2.0, large, 0.5)
    assert {step.size for step in detours(DRAWN[2]) if step.size > 1} == {1.5}
    small = [step for step in detours(WILD) if step.size < 1]
    assert len(small) / len(detours(WILD)) == pytest.approx(0.4, abs=0.05)
    assert 0.6 <= min(step.size for step in small) < 0.62
    assert 0.93 < max(step.size for step in small) <= 0.95
    assert sum(each for _, each in RESIZE_KERNELS) == pytest.approx(1)
    for kernel, expected in RESIZE_KERNELS:
        assert_share(lambda step, kernel=kernel: step.kernel == kernel, every(Resize), expected)


@pytest.mark.parametrize(("size", "expected"), [("small", 0.65), ("large", 0.325)])
def test_noise_at_a_detour(size, expected):
    def is_at_one(steps):
        return any(isinstance(step, Resize) and (step.size < 1 if size == "small" else step.size > 1) for step in steps)

    def is_noisy(steps):
        first, last = (place for place, step in enumerate(steps) if isinstance(step, Resize))
        return any(isinstance(step, Noise) for step in steps[first:last])

    assert_share(is_noisy, filter(is_at_one, WILD), expected)


def test_noise():
    def at_the_end(steps):
        last = max(place for place, step in enumerate(steps) if isinstance(step, Resize))
        return any(isinstance(step, Noise) for step in steps[last:])

    assert_share(at_the_end, WILD, 0.65)
    noises = every(Noise)
    assert_share(lambda step: step.is_grey, noises, 0.4)
    assert_share(lambda step: step.grows_with_brightness, noises, 0.35)
    assert_share(lambda step: step.correlation_px > 0, noises, 0.35)
    assert all(step.correlation_px == 0 or 0.4 <= step.correlation_px <= 1.6 for step in noises)
    assert_share(lambda step: step.std_8bit < 25 * 0.5**2, noises, 0.5)  # half are weaker than a quarter of the most
    assert min(step.std_8bit for step in noises) >= 0
    assert 24 < max(step.std_8bit for step in noises) <= 25


def test_jpegs():
    for which, expected in (("first", 0.65), ("last", 0.5)):
        others = draw_many(PhotoPreset(scale=4, clean_share=0.0, once_share=0.0, **{f"{which}_jpeg_share": 0.0}))
        assert_share(lambda steps: bool(every(Jpeg, [steps])), others, expected)
    counts = [len(every(Jpeg, [steps])) for steps in WILD]
    assert sum(counts) / COUNT == pytest.approx(0.5 + 0.65, abs=0.05)
    jpegs = every(Jpeg)
    assert {step.quality for step in jpegs} == set(range(30, 99))
    assert_share(lambda step: step.quality < 64, jpegs, 34 / 69)
    assert_share(lambda step: step.chroma == "4:4:4", jpegs, 0.3)
    for axis in ("grid_top", "grid_left"):
        for place in range(16):
            assert_share(lambda step, axis=axis, place=place: getattr(step, axis) == place, jpegs, 1 / 16)


def after_the_reduction(steps):
    return tuple(step.kind for step in steps[len(before_the_reduction(steps)) + 1 :])


def test_damaged_once():
    assert_share(lambda steps: len(before_the_reduction(steps)) == 1, ONCE, 0.8)
    camera = ("noise", "denoise", "sharpen", "jpeg")
    soft, hard = ("noise", "resize", "jpeg"), ("noise", "resize", "sharpen", "jpeg")
    every_kind = ((("noise",), 0.32), (("jpeg",), 0.42), (camera, 0.17), (soft, 0.045), (hard, 0.045))
    for kinds, expected in every_kind:
        assert_share(lambda steps, kinds=kinds: after_the_reduction(steps) == kinds, ONCE, expected)
    for kinds, least in ((("jpeg",), 30), (camera, 75)):
        jpegs = every(Jpeg, [steps for steps in ONCE if after_the_reduction(steps) == kinds])
        assert {step.quality for step in jpegs} == set(range(least, 99))
    damaged = [steps for steps in DRAWN[4] if not is_clean(steps)]
    kinds_of_one = {kinds for kinds, _ in every_kind}
    one_kind = [steps for steps in damaged if after_the_reduction(steps) in kinds_of_one]
    # A few of those that may be damaged more than once happen to be damaged like that, too.
    few = 0.55 * 0.6 * (0.35 * 0.7 * (0.5 * 0.35 + 0.5 * 0.65) + 0.65 * 0.7 * 0.7 * 0.5 * 0.35)
    assert_share(lambda steps: steps in one_kind, damaged, 0.45 + few)


def test_a_sample_damaged_once_by_hand():
    uniform = [0.9, 0.1, 0.9]  # not clean, damaged once, no blur
    uniform += [0.4, 0.4]  # reduced by lanczos3, damaged by JPEG
    uniform += [0.9, 0.5, 0.5, 0.25]  # 4:2:0, quality 64, beginning at 8, 4
    steps = draw_steps(PhotoPreset(scale=4), uniform)
    assert steps == (Resize(kernel="lanczos3"), Jpeg(quality=64, grid_top=8, grid_left=4))


def test_a_noisy_sample_that_is_enlarged_by_hand():
    uniform = [0.9, 0.1, 0.9]  # not clean, damaged once, no blur
    uniform += [0.6, 0.95, 0.5]  # reduced by area, damaged by being enlarged, from halfway between 0.6 and 0.95
    uniform += [0.8, 0.1, 0.9, 0.1, 0.5]  # noise: 25 · 0.8², grey, the same everywhere, reaching far
    uniform += [0.1, 0.1, 0.5, 0.5]  # to its size bicubically, sharpened
    uniform += [0.1, 0.5, 0.5, 0.25]  # JPEG: 4:4:4, quality 64, beginning at 8, 4
    smaller, noise, *rest = draw_steps(PhotoPreset(scale=4), uniform)
    assert (smaller.size, smaller.kernel) == (pytest.approx(0.775), "area")
    assert (noise.std_8bit, noise.is_grey, noise.correlation_px) == (pytest.approx(16.0), True, pytest.approx(1.0))
    assert rest == [
        Resize(),
        Sharpen(radius_px=1.0, amount=0.7),
        Jpeg(quality=64, chroma="4:4:4", grid_top=8, grid_left=4),
    ]


def test_denoising_and_sharpening():
    noisy = [steps for steps in WILD if every(Noise, [steps])]
    assert_share(lambda steps: bool(every(Denoise, [steps])), noisy, 0.3)
    assert not every(Denoise, [steps for steps in WILD if not every(Noise, [steps])])
    assert all(step.filter == "bilateral" and step.radius_px in {1, 2} for step in every(Denoise))
    assert all(4 <= step.strength_8bit <= 24 for step in every(Denoise))
    assert_share(lambda steps: bool(every(Sharpen, [steps])), WILD, 0.3)
    assert all(0.5 <= step.radius_px <= 1.5 and 0.2 <= step.amount <= 1.2 for step in every(Sharpen))


def test_shares_are_those_told():
    preset = PhotoPreset(
        scale=4, clean_share=0.6, once_share=0.0, last_jpeg_share=0.1, first_jpeg_share=0.0, min_jpeg_quality=90
    )
    drawn = draw_many(preset)
    assert_share(lambda steps: bool(every(Jpeg, [steps])), drawn, 0.4 * 0.1)
    assert min(step.quality for step in every(Jpeg, drawn)) == 90


@given(uniform=uniform_numbers, scale=st.sampled_from([2, 3, 4]))
@settings(deadline=None)
def test_whatever_is_drawn_is_a_record_that_survives_json(uniform, scale):
    steps = draw_steps(PhotoPreset(scale=scale), uniform)
    record = DegradationRecord(scale=scale, steps=steps, seed=1)
    assert DegradationRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    for step in steps:
        if isinstance(step, Blur):
            assert blur_kernel(step).sum().item() == pytest.approx(1)


def test_what_is_drawn_depends_on_the_numbers_alone():
    preset = find_preset("photo", 4)
    first, second = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    records = [draw_record(preset, first) for _ in range(30)]
    assert records == [draw_record(preset, second) for _ in range(30)]
    # Every sample takes the same count of numbers: another share changes only what it is a share of.
    third = torch.Generator().manual_seed(3)
    clean = [draw_record(replace(preset, clean_share=1.0), third) for _ in range(30)]
    assert [record.seed for record in clean] == [record.seed for record in records]
    assert len({record.seed for record in records}) == 30


def test_a_sample_by_hand():
    uniform = [0.9, 0.9, 0.9, 0.9]  # not clean, damaged more than once, no blur, no JPEG before the last steps
    uniform += [0.1, 0.9, 0.7, 0.6, 0.9, 0.1, 0.0]  # a detour, to size 2, by area, no noise, a blur of the least sigma
    uniform += [0.4, 0.9, 0.9]  # to its size by lanczos3, no noise, no sharpening
    uniform += [0.1, 0.9, 0.5, 0.5, 0.25]  # JPEG: 4:2:0, quality 64, beginning at 8, 4
    steps = draw_steps(PhotoPreset(scale=4), uniform)
    assert steps == (
        Resize(size=2.0, kernel="area"),
        Blur(size_px=9, sigma_x_px=0.3, sigma_y_px=0.3),
        Resize(kernel="lanczos3"),
        Jpeg(quality=64, grid_top=8, grid_left=4),
    )


def test_numbers():
    numbers = Numbers(iter([0.5, 0.2, 0.2, 0.0, 0.999, 0.0, 0.49, 0.51, 0.999999]))
    assert numbers.uniform(2.0, 4.0) == 3.0
    assert [numbers.happens(0.3), numbers.happens(0.2)] == [True, False]
    assert [numbers.whole(30, 98), numbers.whole(30, 98)] == [30, 98]
    assert [numbers.one_of([("a", 0.5), ("b", 0.5 - 1e-5)]) for _ in range(4)] == ["a", "a", "b", "b"]


def test_it_leaves_too_much_to_chance_for_a_fixed_list():
    with pytest.raises(ConfigError, match="no random noise or JPEG"):
        fixed_records(find_preset("photo", 4))
    with pytest.raises(ConfigError, match="one of 2, 3, 4 for photo: got 8"):
        find_preset("photo", 8)
