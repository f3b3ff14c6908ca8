"""Records of steps: they survive JSON, and refuse what cannot be with words that help."""

import json
import math
from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.degradations.kernels import anisotropic_gaussian, isotropic_gaussian, ringing_lowpass
from nlcunet.degradations.record import DegradationRecord, record_kernel
from nlcunet.degradations.steps import (
    STEPS,
    Blur,
    Denoise,
    Jpeg,
    Mosaic,
    Noise,
    Resize,
    Sharpen,
    WebP,
    blur_kernel,
    step_from_dict,
)
from nlcunet.errors import ConfigError

numbers = st.floats(0.1, 4.0)
KERNELS = ("bicubic", "bilinear", "bilinear-plain", "area", "lanczos3", "mitchell", "nearest")
any_step = st.one_of(
    st.builds(
        Blur,
        kernel=st.sampled_from(["none", "isotropic", "anisotropic", "motion", "defocus", "ringing"]),
        size_px=st.sampled_from([9, 21]),
        sigma_x_px=numbers,
        sigma_y_px=numbers,
        angle_rad=st.floats(-math.pi, math.pi),
    ),
    st.builds(Resize, size=numbers, kernel=st.sampled_from(KERNELS)),
    st.builds(
        Noise,
        std_8bit=numbers,
        is_grey=st.booleans(),
        grows_with_brightness=st.booleans(),
        correlation_px=st.floats(0, 1),
    ),
    st.just(Mosaic()),
    st.builds(Denoise, filter=st.sampled_from(["bilateral", "median"]), radius_px=st.integers(1, 3)),
    st.builds(Sharpen, radius_px=numbers, amount=numbers),
    st.builds(
        Jpeg,
        quality=st.integers(1, 100),
        chroma=st.sampled_from(["4:2:0", "4:4:4"]),
        grid_top=st.integers(0, 15),
        grid_left=st.integers(0, 15),
    ),
    st.builds(WebP, quality=st.integers(1, 100)),
)


@given(steps=st.lists(any_step, max_size=6), seed=st.integers(0, 2**48 - 1))
@settings(deadline=None)
def test_records_survive_json(steps, seed):
    record = DegradationRecord(scale=4, steps=(*steps, Resize()), seed=seed)
    restored = DegradationRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert restored == record
    assert [type(step) for step in restored.steps] == [type(step) for step in record.steps]


def test_a_record_as_it_stands_in_files():
    record = DegradationRecord(scale=2, steps=(Resize(), Jpeg(quality=80, grid_left=3)), seed=5)
    written = record.to_dict()
    assert written["steps"] == [
        {"size": 1.0, "kernel": "bicubic", "kind": "resize"},
        {"quality": 80, "chroma": "4:2:0", "grid_top": 0, "grid_left": 3, "kind": "jpeg"},
    ]
    short = {"scale": 2, "seed": 5, "steps": [{"kind": "resize"}, {"kind": "jpeg", "quality": 80, "grid_left": 3}]}
    assert DegradationRecord.from_dict(short) == record


def test_records_written_before_there_were_steps_are_read():
    assert DegradationRecord.from_dict({"scale": 4, "jpeg_quality": 60}).steps == ()


def test_every_kind_has_its_name():
    assert list(STEPS) == ["blur", "resize", "noise", "mosaic", "denoise", "sharpen", "jpeg", "webp"]
    for name, kind in STEPS.items():
        assert kind.kind == name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "fog"}, "must be one of blur, resize, .*: got 'fog'"),
        ({"size": 1.0}, "must be one of blur, .*: got None"),
        ({"kind": "resize", "sise": 1.0}, "resize must hold no unknown names: got sise"),
        ({"kind": "jpeg"}, "jpeg must be complete: .*quality"),
        ({"kind": "noise"}, "noise must be complete: .*std_8bit"),
        ({"kind": "resize", "size": 0.0}, "size above 0: got 0"),
        ({"kind": "resize", "size": math.nan}, "size above 0: got nan"),
        ({"kind": "resize", "kernel": "cubic"}, "kernel of a step resize must be one of bicubic, .*: got 'cubic'"),
        ({"kind": "blur", "kernel": "disc"}, "kernel of a step blur must be one of none, .*: got 'disc'"),
        ({"kind": "denoise", "filter": "mean"}, "filter of a step denoise must be one of bilateral, median: got"),
        ({"kind": "denoise", "radius_px": 0}, "radius of at least 1 px and a strength above 0: got 0 px"),
        ({"kind": "denoise", "strength_8bit": 0.0}, "strength above 0: got 2 px and 0"),
        ({"kind": "sharpen", "radius_px": 0.0, "amount": 1.0}, "radius above 0 px: got 0"),
        ({"kind": "noise", "std_8bit": -1.0}, "no negative numbers"),
        ({"kind": "noise", "std_8bit": 1.0, "correlation_px": -0.5}, "no negative numbers"),
        ({"kind": "jpeg", "quality": 0}, "jpeg quality must be 1 to 100: got 0"),
        ({"kind": "jpeg", "quality": 101}, "jpeg quality must be 1 to 100: got 101"),
        ({"kind": "jpeg", "quality": 50, "chroma": "4:1:1"}, "chroma of a step jpeg must be one of 4:2:0, 4:4:4"),
        ({"kind": "jpeg", "quality": 50, "grid_top": 16}, "must begin at 0 to 15: got 16, 0"),
        ({"kind": "jpeg", "quality": 50, "grid_left": -1}, "must begin at 0 to 15: got 0, -1"),
        ({"kind": "webp", "quality": 0}, "WebP quality must be 1 to 100: got 0"),
    ],
)
def test_impossible_steps_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        step_from_dict(values)


def test_a_chain_holds_all_that_is_done():
    with pytest.raises(ConfigError, match="only scale and seed beside them: got kernel, jpeg_quality"):
        DegradationRecord(scale=2, kernel="isotropic", jpeg_quality=50, steps=(Resize(),))


def test_a_chain_ends_at_size_1():
    with pytest.raises(ConfigError, match=r"last resize of a chain must have the size 1: got \[1.0, 1.5\]"):
        DegradationRecord(scale=2, steps=(Resize(), Resize(size=1.5)))
    with pytest.raises(ConfigError, match="last resize of a chain must have the size 1: got none"):
        DegradationRecord(scale=2, steps=(Jpeg(quality=50),))
    assert DegradationRecord(scale=1, steps=(Jpeg(quality=50),)).steps
    assert DegradationRecord(scale=2, steps=(Resize(size=1.5), Resize())).steps


def test_kernels_of_blurs_are_those_of_records():
    record = DegradationRecord(
        scale=3, kernel="anisotropic", kernel_size_px=11, sigma_x_px=1.0, sigma_y_px=2.0, angle_rad=0.5
    )
    blur = Blur(kernel="anisotropic", size_px=11, sigma_x_px=1.0, sigma_y_px=2.0, angle_rad=0.5)
    assert torch.equal(blur_kernel(blur), record_kernel(record))
    assert torch.equal(blur_kernel(blur), anisotropic_gaussian(11, 1.0, 2.0, 0.5))
    round_one = Blur(kernel="isotropic", size_px=9, sigma_x_px=1.5, sigma_y_px=1.5)
    assert torch.equal(blur_kernel(round_one), isotropic_gaussian(9, 1.5))
    assert blur_kernel(Blur(kernel="none")).tolist() == [[1.0]]


def test_a_rough_kernel_follows_its_seed():
    blur = Blur(kernel="anisotropic", size_px=11, sigma_x_px=1.0, sigma_y_px=2.0, kernel_noise=0.25)
    assert torch.equal(blur_kernel(blur, seed=3), blur_kernel(blur, seed=3))
    assert not torch.equal(blur_kernel(blur, seed=3), blur_kernel(blur, seed=4))
    assert blur_kernel(blur).sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("blur", "message"),
    [
        (Blur(size_px=20, sigma_x_px=1.0, sigma_y_px=1.0), "odd and at least 1: got 20"),
        (Blur(size_px=21), "sigma must be above 0 px"),
        (Blur(kernel="ringing", size_px=21, cutoff_rad=0.0), "cutoff must lie above 0"),
        (Blur(kernel="ringing", size_px=21, cutoff_rad=3.2), "cutoff must lie above 0"),
        (Blur(kernel="ringing", size_px=4, cutoff_rad=1.0), "odd and at least 1: got 4"),
        (Blur(kernel="defocus", size_px=5, radius_px=9.0), "must fit into its square of 5 px"),
    ],
)
def test_impossible_kernels_are_refused(blur, message):
    with pytest.raises(ConfigError, match=message):
        blur_kernel(blur)


def bessel_j1(x):
    """By its integral, with the midpoint rule, which is exact to rounding for periodic functions."""
    count = 200
    return sum(math.cos(t - x * math.sin(t)) for t in ((i + 0.5) * math.pi / count for i in range(count))) / count


def test_the_ringing_kernel_is_its_formula():
    cutoff = 2.0
    kernel = ringing_lowpass(7, cutoff)

    def value(down, right):
        r = math.hypot(down, right)
        return cutoff**2 / (4 * math.pi) if r == 0 else cutoff * bessel_j1(cutoff * r) / (2 * math.pi * r)

    expected = torch.tensor([[value(i - 3, j - 3) for j in range(7)] for i in range(7)], dtype=torch.float64)
    # The Bessel function of PyTorch is good to eight digits only.
    torch.testing.assert_close(kernel, expected / expected.sum(), rtol=0, atol=2e-7)


@given(cutoff=st.floats(0.5, math.pi))
@settings(deadline=None)
def test_ringing_kernels_sum_to_one_look_alike_from_every_side_and_swing(cutoff):
    kernel = ringing_lowpass(21, cutoff)
    assert kernel.sum().item() == pytest.approx(1.0)
    assert kernel.min() < 0
    for same in (kernel.flip(0), kernel.flip(1), kernel.T):
        torch.testing.assert_close(same, kernel)


def test_a_ringing_kernel_passes_what_lies_below_its_cutoff():
    kernel = ringing_lowpass(41, 1.5)
    axis = torch.arange(41, dtype=torch.float64) - 20
    passed = [(kernel.sum(0) * torch.cos(frequency * axis)).sum().item() for frequency in (0.5, 1.0, 2.0, 2.5)]
    assert passed[:2] == pytest.approx([1.0, 1.0], abs=0.1)
    assert passed[2:] == pytest.approx([0.0, 0.0], abs=0.1)


def test_steps_are_plain_values():
    assert asdict(Mosaic()) == {"kind": "mosaic"}
    assert step_from_dict({"kind": "mosaic"}) == Mosaic()
