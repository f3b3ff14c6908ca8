"""Colour under transparent pixels comes from what is visible next to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nlcunet.imaging.files import bleed_colour_under_alpha


def disc(size=64, radius=20):
    rows, columns = np.mgrid[0:size, 0:size] - size / 2 + 0.5
    return np.hypot(rows, columns) < radius


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_red_disc_on_nothing_becomes_a_red_plane(dtype):
    full = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    visible = disc()
    pixels = np.zeros((64, 64, 3), dtype)
    pixels[visible] = np.array([full, 0, full // 2 if full > 1 else 0.5])
    filled = bleed_colour_under_alpha(pixels, (visible * full).astype(dtype))
    assert filled.dtype == dtype
    assert np.abs(filled.astype(float) / full - pixels[32, 32] / full).max() < 1e-3


def test_visible_pixels_are_untouched():
    noise = np.random.default_rng(1).integers(0, 256, (50, 37, 3), np.uint8)
    alpha = np.random.default_rng(2).choice(np.array([0, 8, 100, 255], np.uint8), (50, 37))
    filled = bleed_colour_under_alpha(noise, alpha)
    np.testing.assert_array_equal(filled[alpha >= 8], noise[alpha >= 8])


def test_holes_take_the_colour_of_the_nearer_side():
    pixels = np.zeros((32, 64, 1), np.uint8)
    pixels[:, :16], pixels[:, 48:] = 50, 200
    alpha = np.zeros((32, 64), np.uint8)
    alpha[:, :16] = alpha[:, 48:] = 255
    filled = bleed_colour_under_alpha(pixels, alpha)
    assert abs(int(filled[16, 17, 0]) - 50) < 40
    assert abs(int(filled[16, 46, 0]) - 200) < 40
    assert np.all(np.diff(filled[16, 16:48, 0].astype(int)) >= 0)


def test_opaque_and_empty_pictures_are_returned_as_they_are():
    pixels = np.random.default_rng(3).integers(0, 256, (9, 7, 3), np.uint8)
    assert bleed_colour_under_alpha(pixels, np.full((9, 7), 255, np.uint8)) is pixels
    assert bleed_colour_under_alpha(pixels, np.zeros((9, 7), np.uint8)) is pixels


def test_enlarging_after_bleeding_leaves_no_dark_fringe():
    visible = disc()
    pixels = np.where(visible[:, :, None], 200, 0).astype(np.uint8)
    alpha = np.where(visible, 255, 0).astype(np.uint8)

    def darkest_visible(image):
        wide = image.astype(float).repeat(2, 0).repeat(2, 1)
        blurred = (wide + np.roll(wide, 3, 0) + np.roll(wide, -3, 0) + np.roll(wide, 3, 1) + np.roll(wide, -3, 1)) / 5
        return blurred[visible.repeat(2, 0).repeat(2, 1)].min()

    assert darkest_visible(pixels) < 130
    assert darkest_visible(bleed_colour_under_alpha(pixels, alpha)) > 198


@settings(deadline=None, max_examples=50)
@given(st.data(), st.integers(1, 20), st.integers(1, 20))
def test_filled_colours_stay_between_the_visible_ones(data, height, width):
    pixels = data.draw(arrays(np.uint8, (height, width, 3)))
    alpha = data.draw(arrays(np.uint8, (height, width), elements=st.sampled_from([0, 255])))
    filled = bleed_colour_under_alpha(pixels, alpha)
    if alpha.any():
        seen = pixels[alpha > 0].astype(int)
        assert np.all(filled >= seen.min(axis=0) - 1)
        assert np.all(filled <= seen.max(axis=0) + 1)
