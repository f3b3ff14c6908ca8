"""Resampling: numbers worked out by hand, and what must hold for every kernel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.degradations.resampling import lanczos3, mitchell, resample, resampling_matrix, triangle
from nlcunet.imaging.resize import resize_bicubic

KERNELS = ("bicubic", "bilinear", "bilinear-plain", "area", "lanczos3", "mitchell", "nearest")
SMOOTH = tuple(kernel for kernel in KERNELS if kernel != "nearest")
sides = st.integers(1, 40)


def picture(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, dtype=torch.float64, generator=generator)


def matrix(length, new_length, kernel):
    return resampling_matrix(length, new_length, kernel, torch.float64, torch.device("cpu"))


@given(before=st.tuples(sides, sides), after=st.tuples(sides, sides), kernel=st.sampled_from(KERNELS))
@settings(max_examples=150, deadline=None)
def test_constants_stay_constant(before, after, kernel):
    flat = torch.full((2, 3, *before), 0.37, dtype=torch.float64)
    result = resample(flat, *after, kernel)
    assert result.shape == (2, 3, *after)
    torch.testing.assert_close(result, torch.full_like(result, 0.37), rtol=0, atol=1e-12)


@given(before=st.tuples(sides, sides), after=st.tuples(sides, sides), kernel=st.sampled_from(SMOOTH))
@settings(max_examples=150, deadline=None)
def test_the_mirrored_picture_gives_the_mirrored_result(before, after, kernel):
    image = picture(*before)
    for axis in (2, 3):
        mirrored = resample(image.flip(axis), *after, kernel).flip(axis)
        torch.testing.assert_close(mirrored, resample(image, *after, kernel), rtol=0, atol=1e-9)


@given(before=st.tuples(sides, sides), after=st.tuples(sides, sides))
@settings(max_examples=80, deadline=None)
def test_bicubic_is_the_one_of_the_protocols(before, after):
    image = picture(*before)
    torch.testing.assert_close(resample(image, *after, "bicubic"), resize_bicubic(image, *after), rtol=0, atol=1e-6)


@given(size=st.tuples(st.integers(1, 10), st.integers(1, 10)), factor=st.integers(1, 5))
@settings(deadline=None)
def test_area_by_a_whole_factor_is_the_mean_of_blocks(size, factor):
    height, width = size
    image = picture(height * factor, width * factor)
    means = image.view(1, 3, height, factor, width, factor).mean((3, 5))
    torch.testing.assert_close(resample(image, height, width, "area"), means)


def test_area_weights_pixels_by_how_much_is_covered():
    expected = [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]
    torch.testing.assert_close(matrix(3, 2, "area"), torch.tensor(expected, dtype=torch.float64))
    expected = [[0.4, 0.4, 0.2, 0, 0], [0, 0, 0.2, 0.4, 0.4]]
    torch.testing.assert_close(matrix(5, 2, "area"), torch.tensor(expected, dtype=torch.float64))


@given(length=sides, new_length=sides)
@settings(deadline=None)
def test_area_is_the_integral_of_a_picture_of_squares(length, new_length):
    if new_length > length:
        return
    edges = np.arange(new_length + 1) * length / new_length
    covered = np.clip(edges[1:, None], np.arange(length), np.arange(length) + 1)
    covered -= np.clip(edges[:-1, None], np.arange(length), np.arange(length) + 1)
    expected = torch.from_numpy(covered * new_length / length)
    torch.testing.assert_close(matrix(length, new_length, "area"), expected, rtol=0, atol=1e-9)


def test_nearest_picks_the_right_pixels():
    values = torch.arange(6, dtype=torch.float64)
    assert (matrix(6, 2, "nearest") @ values).tolist() == [1, 4]
    assert (matrix(6, 3, "nearest") @ values).tolist() == [1, 3, 5]  # between two the one behind
    assert (matrix(6, 4, "nearest") @ values).tolist() == [0, 2, 3, 5]
    assert (matrix(6, 12, "nearest") @ values).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    image = picture(12, 9)
    assert torch.equal(resample(image, 4, 3, "nearest"), image[..., 1::3, 1::3])


def test_plain_bilinear_looks_at_two_pixels_and_bilinear_at_all():
    plain, wide = matrix(16, 4, "bilinear-plain"), matrix(16, 4, "bilinear")
    assert plain[1].nonzero().flatten().tolist() == [5, 6]
    assert plain[1, 5:7].tolist() == [0.5, 0.5]
    expected = [0.03125, 0.09375, 0.15625, 0.21875, 0.21875, 0.15625, 0.09375, 0.03125]
    assert wide[1, 2:10].tolist() == pytest.approx(expected)
    assert wide[1].count_nonzero() == 8


def test_enlarging_bilinearly_mixes_quarters():
    expected = [[1, 0, 0], [0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0.75, 0.25], [0, 0.25, 0.75], [0, 0, 1]]
    for kernel in ("bilinear", "bilinear-plain"):
        torch.testing.assert_close(matrix(3, 6, kernel), torch.tensor(expected, dtype=torch.float64))


def test_kernels_at_known_distances():
    at = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    assert triangle(at).tolist() == [1, 0.5, 0, 0, 0, 0, 0]
    assert lanczos3(at) == pytest.approx(np.array([1, 0.6079271, 0, -0.1350949, 0, 0.0243171, 0]), abs=1e-6)
    assert mitchell(at) * 18 == pytest.approx(np.array([16, 9.625, 1, -0.625, 0, 0, 0]))


@given(kernel=st.sampled_from(KERNELS), length=sides)
@settings(deadline=None)
def test_the_same_size_changes_nothing_but_under_mitchell(kernel, length):
    same = torch.equal(matrix(length, length, kernel).round(decimals=9), torch.eye(length, dtype=torch.float64))
    assert same == (kernel != "mitchell" or length == 1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_single_precision_is_close_to_double(kernel):
    image = picture(40, 52)
    single = resample(image.float(), 13, 21, kernel)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), resample(image, 13, 21, kernel), rtol=0, atol=2e-6)
