"""Bicubic resizing: MATLAB's arithmetic, pinned by golden arrays of the original research code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.errors import ConfigError
from nlcunet.imaging.resize import axis_tap_tensors, axis_taps, resize_bicubic, shifted_sum

GOLDEN = np.load(Path(__file__).parents[1] / "assets" / "degradations_and_metrics.npz")
lengths = st.integers(1, 40)


def golden(name: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[name])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shrinking_matches_the_original_code(scale):
    small = resize_bicubic(golden("image"), 96 // scale, 84 // scale)
    torch.testing.assert_close(small, golden(f"bicubic_down_x{scale}"), atol=1e-5, rtol=0)


def test_shrinking_after_blur_matches_the_original_code():
    small = resize_bicubic(golden("blurred_sigma2.6"), 24, 21)
    torch.testing.assert_close(small, golden("lr_x4_sigma2.6"), atol=1e-5, rtol=0)


def test_doubling_follows_keys_formula():
    # Keys' kernel with a = -0.5 at the distances 0.25, 0.75, 1.25, 1.75, worked out by hand.
    weights = [0.8671875, 0.2265625, -0.0703125, -0.0234375]
    row = torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    doubled = resize_bicubic(row, 1, 14)[0]
    expected = [0, 0, 0, weights[3], weights[2], weights[1], weights[0], weights[0], weights[1], weights[2]]
    torch.testing.assert_close(doubled[:10], torch.tensor(expected, dtype=torch.float64))


def test_borders_repeat_the_edge_pixel_mirrored():
    picture = torch.rand(1, 9, 9, dtype=torch.float64)
    mirrored = torch.cat([picture.flip(1), picture, picture.flip(1)], dim=1)
    torch.testing.assert_close(resize_bicubic(mirrored, 81, 9)[:, 27:54], resize_bicubic(picture, 27, 9))


@settings(deadline=None, max_examples=60)
@given(height=lengths, width=lengths, new_height=lengths, new_width=lengths, antialias=st.booleans())
def test_flat_pictures_stay_flat_at_every_size(height, width, new_height, new_width, antialias):
    flat = torch.full((2, 3, height, width), 0.37)
    resized = resize_bicubic(flat, new_height, new_width, antialias=antialias)
    torch.testing.assert_close(resized, torch.full((2, 3, new_height, new_width), 0.37))


@settings(deadline=None, max_examples=60)
@given(height=lengths, width=lengths, new_height=lengths, new_width=lengths)
def test_flipping_before_or_after_makes_no_difference(height, width, new_height, new_width):
    picture = torch.rand(1, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(height))
    flipped_first = resize_bicubic(picture.flip(-1, -2), new_height, new_width)
    # At a tap that lies within rounding of the support's end, one side may count a weight of 1e-16 and the other not.
    torch.testing.assert_close(
        flipped_first, resize_bicubic(picture, new_height, new_width).flip(-1, -2), atol=1e-12, rtol=0
    )


@settings(deadline=None, max_examples=30)
@given(in_length=st.integers(1, 300), out_length=st.integers(1, 300), antialias=st.booleans())
def test_accelerator_path_equals_cpu_path(in_length, out_length, antialias):
    picture = torch.rand(2, in_length, 3, dtype=torch.float64)
    taps = axis_tap_tensors(in_length, out_length, antialias, torch.float64, torch.device("cpu"))
    shifted = shifted_sum(picture, 1, taps)
    torch.testing.assert_close(shifted, resize_bicubic(picture, out_length, 3, antialias=antialias))
    torch.testing.assert_close(shifted_sum(picture.mT, 2, taps), shifted.mT)


def test_parabolas_are_kept_exactly_when_enlarging():
    # With a = -0.5 cubic convolution reproduces polynomials of degree 2 away from the borders.
    centres = (torch.arange(60, dtype=torch.float64) + 0.5) / 3 - 0.5
    row = torch.arange(20, dtype=torch.float64) ** 2
    resized = resize_bicubic(row[None], 1, 60)[0]
    torch.testing.assert_close(resized[9:-9], centres[9:-9] ** 2)


def test_same_size_is_the_same_picture():
    picture = torch.rand(3, 7, 5)
    assert torch.equal(resize_bicubic(picture, 7, 5), picture)


def test_gradients_flow_after_use_in_inference_mode():
    axis_tap_tensors.cache_clear()
    picture = torch.rand(1, 11, 13)
    with torch.inference_mode():
        resize_bicubic(picture, 44, 52)
    picture.requires_grad_()
    resize_bicubic(picture, 44, 52).sum().backward()
    assert picture.grad is not None
    torch.testing.assert_close(picture.grad.sum(), torch.tensor(44.0 * 52))


def test_autocast_does_not_lower_the_precision():
    picture = torch.rand(3, 16, 16)
    exact = resize_bicubic(picture, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(resize_bicubic(picture, 4, 4), exact)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_data_type_is_kept(dtype):
    assert resize_bicubic(torch.rand(1, 3, 8, 8).to(dtype), 4, 4).dtype == dtype


def test_without_antialiasing_four_pixels_count():
    assert axis_taps(100, 25, False).weights.shape[1] <= 4
    assert axis_taps(100, 25, True).weights.shape[1] == 16


def test_parts_of_a_pixel_are_refused():
    with pytest.raises(ConfigError, match=r"at least 1 pixel on every side.* 8 × 8 to 0 × 3"):
        resize_bicubic(torch.rand(1, 8, 8), 0, 3)
