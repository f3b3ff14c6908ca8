"""Windows of pictures as planes of numbers on one scale."""

import numpy as np
import pytest

from nlcunet.imaging.files import Picture
from nlcunet.inspection.windows import picture_to_window, windows_of


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)])
def test_white_is_255_at_any_depth(dtype, white):
    pixels = np.zeros((4, 5, 3), dtype)
    pixels[1] = white
    window = picture_to_window(Picture(pixels=pixels))
    assert window.channels.shape == (3, 4, 5)
    assert np.unique(window.channels).tolist() == [0.0, 255.0]
    assert window.luma[1] == pytest.approx(255.0)
    assert window.usable is None
    assert window.clipped.all()


def test_luma_is_that_of_jpeg_and_of_grey_the_grey():
    pixels = np.array([[[10, 20, 30]]], np.uint8)
    assert picture_to_window(Picture(pixels=pixels)).luma[0, 0] == pytest.approx(0.299 * 10 + 0.587 * 20 + 0.114 * 30)
    assert picture_to_window(Picture(pixels=pixels[:, :, :1])).luma[0, 0] == 10.0


@pytest.mark.parametrize(("dtype", "opaque"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)])
def test_only_opaque_pixels_count(dtype, opaque):
    alpha = np.array([[opaque, opaque * 0.99, 0]]).astype(dtype)
    window = picture_to_window(Picture(pixels=np.ones((1, 3, 1), dtype), alpha=alpha))
    assert window.usable.tolist() == [[True, False, False]]
    assert window.channels[0, 0, 1:].tolist() == [0.0, 0.0]
    assert window.clipped.tolist()[0][1:] == [True, True]


def test_alpha_that_hides_nothing_is_forgotten():
    alpha = np.full((2, 2), 255, np.uint8)
    assert picture_to_window(Picture(pixels=np.ones((2, 2, 1), np.uint8), alpha=alpha)).usable is None


def test_floats_that_are_no_numbers_or_lamps_do_not_count():
    pixels = np.array([[[0.5], [np.nan], [np.inf], [-np.inf], [1e9], [4.0]]], np.float32)
    window = picture_to_window(Picture(pixels=pixels))
    assert window.usable.tolist() == [[True, False, False, False, False, True]]
    assert np.isfinite(window.channels).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture_is_left_as_it_was(channels):
    pixels = np.full((3, 3, channels), 0.25, np.float32)
    pixels[0, 0] = np.nan
    before = pixels.copy()
    picture_to_window(Picture(pixels=pixels, alpha=np.zeros((3, 3), np.float32)))
    assert np.array_equal(pixels, before, equal_nan=True)


def test_windows_of_a_large_picture_carry_its_alpha():
    pixels, alpha = np.ones((1300, 1300, 1), np.uint8), np.full((1300, 1300), 255, np.uint8)
    alpha[:100] = 0
    windows = windows_of(Picture(pixels=pixels, alpha=alpha))
    assert len(windows) == 16
    assert not windows[0].usable[:100].any()
    assert windows[-1].usable is None


def test_heights_are_measured_in_their_own_range():
    heights = Picture(pixels=np.array([[[201.0], [602.5], [1004.0]]], np.float32))
    (window,) = windows_of(heights)
    np.testing.assert_allclose(window.channels, [[[0.0, 127.5, 255.0]]], rtol=1e-6)
