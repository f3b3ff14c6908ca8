"""Kernels of motion and defocus, and plain subsampling: their geometry, and where the result lies."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.degradations.batched import degrade_batch
from nlcunet.degradations.kernels import defocus_disc, motion_line
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord, record_kernel
from nlcunet.errors import ConfigError
from nlcunet.tensors import round_to_8bit

MOTION = DegradationRecord(scale=4, kernel="motion", kernel_size_px=21, length_px=8.0, angle_rad=0.5)
DEFOCUS = DegradationRecord(scale=4, kernel="defocus", kernel_size_px=21, radius_px=4.0)


def moments(kernel):
    """Mean and covariance in pixels, x to the right and y downwards, from the middle pixel."""
    axis = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    x, y = axis.expand(len(kernel), -1), axis[:, None].expand(-1, len(kernel))
    means = [(kernel * x).sum(), (kernel * y).sum()]
    return torch.stack(means), torch.stack(
        [(kernel * (x - means[0]) ** 2).sum(), (kernel * (y - means[1]) ** 2).sum(), (kernel * x * y).sum()]
    )


@settings(max_examples=30, deadline=None)
@given(length=st.floats(0.5, 19), angle=st.floats(-math.pi, math.pi), centre=st.sampled_from([0.0, -0.5]))
def test_motion_has_its_length_direction_and_middle(length, angle, centre):
    kernel = motion_line(21, length, angle, centre_px=centre)
    means, _ = moments(kernel)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1)
    torch.testing.assert_close(means, torch.full((2,), centre, dtype=torch.float64), atol=1e-9, rtol=0)


def test_level_motion_is_an_even_row_and_slanted_motion_leans_clockwise():
    level = motion_line(21, 8.0, 0.0)
    torch.testing.assert_close(level[10, 7:14], torch.full((7,), 1 / 8, dtype=torch.float64), atol=0.002, rtol=0)
    assert level[:10].sum() == level[11:].sum() == 0
    _, (xx, yy, xy) = moments(motion_line(21, 12.0, 0.4))
    # A line of length L has the variance L²/12 along itself; sharing among neighbours adds less than 1/4.
    assert xx + yy == pytest.approx(144 / 12, abs=0.6)
    assert xy > 0


@pytest.mark.parametrize("radius", [0.7, 2.0, 6.0, 10.0])
def test_defocus_is_an_even_disc(radius):
    kernel = defocus_disc(21, radius)
    means, (xx, yy, xy) = moments(kernel)
    assert kernel.sum() == pytest.approx(1)
    assert means.abs().max() < 1e-9
    # A disc has the variance r²/4 along each axis; pixels of finite size add 1/12.
    assert xx.item() == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.02, abs=0.04)
    assert xx == pytest.approx(yy.item())
    assert abs(xy) < 1e-9
    if radius >= 2:
        assert kernel[10, 10] == pytest.approx(1 / (math.pi * radius**2), rel=0.02)


def test_kernels_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="odd and at least 1: got 20"):
        motion_line(20, 5.0, 0.0)
    with pytest.raises(ConfigError, match="length must be above 0 px: got 0"):
        motion_line(21, 0.0, 0.0)
    with pytest.raises(ConfigError, match=r"radius of 11\.0 px; use a size of at least 23"):
        defocus_disc(21, 11.0)
    with pytest.raises(ConfigError, match=r"radius of 10\.0 px; use a size of at least 23"):
        defocus_disc(21, 10.0, centre_px=-0.5)


def ramp(height=48, width=48):
    """A picture whose brightness grows evenly downwards and to the right: shifts show as differences."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (((x + 2 * y) / (3 * height)).double()).expand(1, 3, -1, -1)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel", ["motion", "defocus", "isotropic"])
def test_plain_subsampling_of_a_blurred_picture_lies_straight_on_it(scale, kernel):
    shape = {"sigma_x_px": 2.0, "sigma_y_px": 2.0, "length_px": 4.0, "radius_px": 3.0}
    plain = DegradationRecord(
        scale=scale, kernel=kernel, kernel_size_px=21, downsampling="plain", angle_rad=0.3, **shape
    )
    image = ramp()
    low_res = apply_records(image, [plain])[0, 0]
    # On a ramp the mean of a block is its middle.
    blocks = torch.nn.functional.avg_pool2d(image, scale)[0, 0]
    inner = slice(12 // scale, -(12 // scale))
    torch.testing.assert_close(low_res[inner, inner], round_to_8bit(blocks)[inner, inner], atol=1.01 / 255, rtol=0)
    assert (low_res - blocks)[inner, inner].mean().abs() < 0.2 / 255


def test_plain_subsampling_without_blur_keeps_pixels_as_they_are():
    image = round_to_8bit(torch.rand(1, 3, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    low_res = apply_records(image, [DegradationRecord(scale=4, downsampling="plain")])
    assert torch.equal(low_res, image[..., 2::4, 2::4])


def test_one_batch_may_hold_both_kinds_of_downsampling_and_training_gives_the_same():
    records = [MOTION, DegradationRecord(scale=4, downsampling="plain"), DEFOCUS]
    images = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    together = apply_records(images.double(), records)
    for image, record, low_res in zip(images.double(), records, together, strict=True):
        torch.testing.assert_close(apply_records(image[None], [record])[0], low_res, atol=1.01 / 255, rtol=0)
    apart = (degrade_batch(images, records) - together.float()).abs() * 255
    assert apart.max() < 1.001
    assert (apart < 0.5).float().mean() > 0.99


def test_records_of_older_files_are_read_and_mean_what_they_meant():
    old = {"scale": 4, "kernel": "isotropic", "kernel_size_px": 21, "sigma_x_px": 1.8, "sigma_y_px": 1.8, "seed": 0}
    record = DegradationRecord.from_dict(old)
    assert (record.downsampling, record.length_px, record.radius_px) == ("bicubic", 0.0, 0.0)
    assert DegradationRecord.from_dict(record.to_dict()) == record
    assert DegradationRecord.from_dict(MOTION.to_dict()) == MOTION
    with pytest.raises(ConfigError, match="downsampling must be one of bicubic, plain: got 'nearest'"):
        DegradationRecord.from_dict({"scale": 4, "downsampling": "nearest"})


def test_kernels_of_records_are_those_functions():
    assert torch.equal(record_kernel(MOTION), motion_line(21, 8.0, 0.5))
    assert torch.equal(record_kernel(DEFOCUS), defocus_disc(21, 4.0))
