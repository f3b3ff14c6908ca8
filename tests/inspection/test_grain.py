"""Noise is told from texture."""

import numpy as np
import pytest

from nlcunet.imaging.files import Picture
from nlcunet.imaging.lossy import jpeg_round_trip
from nlcunet.inspection.grain import is_noisy, quietness
from nlcunet.inspection.noise import estimate_noise
from nlcunet.inspection.windows import windows_of


def noisy(pixels, alpha=None):
    windows = windows_of(Picture(pixels=pixels, alpha=alpha))
    return is_noisy(windows, estimate_noise(windows))


@pytest.mark.parametrize("sigma_px", [0.0, 0.5, 0.8])
def test_a_clean_photograph_is_not_noisy(degraded, sigma_px):
    assert not noisy(degraded(sigma_px))


@pytest.mark.parametrize("std_8bit", [2.0, 5.0, 20.0])
@pytest.mark.parametrize("is_grey", [False, True])
def test_a_noisy_one_is(degraded, std_8bit, is_grey):
    assert noisy(degraded(0.5, noise_std_8bit=std_8bit, noise_is_grey=is_grey, seed=1))


def test_compression_is_no_noise(degraded):
    assert not noisy(jpeg_round_trip(degraded(0.6), 80))


def test_flat_and_tiny_pictures_tell_nothing():
    assert quietness(windows_of(Picture(pixels=np.full((64, 64, 3), 90, np.uint8)))) is None
    assert not noisy(np.zeros((3, 5, 1), np.uint8))
    assert quietness(()) is None


def test_hidden_pixels_do_not_count(degraded):
    pixels = degraded(0.6, noise_std_8bit=5.0, seed=1)
    half = pixels.shape[1] // 2
    pixels[:, :half] = degraded(0.6)[:, :half]
    alpha = np.full(pixels.shape[:2], 255, np.uint8)
    alpha[:, :half] = 0
    assert not noisy(pixels)
    assert noisy(pixels, alpha)
