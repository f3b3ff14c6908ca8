"""WebP in memory: what libwebp does to a picture, and what is refused."""

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.errors import ConfigError
from nlcunet.imaging.lossy import webp_round_trip


def picture(height, width, seed=0):
    """Colours that change slowly, with a little noise."""
    random = np.random.default_rng(seed)
    down, right = np.mgrid[:height, :width]
    smooth = np.stack([128 + 90 * np.sin(down / 9 + shift + right / 13) for shift in (0, 1, 2)], axis=-1)
    return (smooth + random.normal(0, 4, smooth.shape)).clip(0, 255).round().astype(np.uint8)


@given(size=st.tuples(st.integers(1, 40), st.integers(1, 40)), quality=st.integers(1, 100))
@settings(max_examples=40, deadline=None)
def test_every_size_stays_as_it_is(size, quality):
    result = webp_round_trip(picture(*size), quality)
    assert result.shape == (*size, 3)
    assert result.dtype == np.uint8


def test_it_is_what_a_file_holds(tmp_path):
    pixels = picture(37, 50)
    path = str(tmp_path / "a.webp")
    pyvips.Image.new_from_array(pixels).copy(interpretation="srgb").webpsave(path, Q=70)
    assert np.array_equal(webp_round_trip(pixels, 70), pyvips.Image.new_from_file(path).numpy())


def test_the_same_picture_gives_the_same_bits_and_stays_itself():
    pixels = picture(30, 30)
    before = pixels.copy()
    assert np.array_equal(webp_round_trip(pixels, 50), webp_round_trip(pixels[:, :, ::1], 50))
    assert np.array_equal(pixels, before)
    turned = np.ascontiguousarray(pixels.transpose(1, 0, 2)).transpose(1, 0, 2)  # any memory layout
    assert np.array_equal(webp_round_trip(turned, 50), webp_round_trip(pixels, 50))


def test_better_quality_is_closer_to_the_picture():
    pixels = picture(96, 96)
    errors = [np.abs(webp_round_trip(pixels, quality).astype(int) - pixels).mean() for quality in (5, 40, 75, 98)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2 * errors[-1] > 0


def test_flat_grey_stays_what_it_is():
    for value in (0, 128, 255):
        flat = np.full((20, 20, 3), value, np.uint8)
        assert np.abs(webp_round_trip(flat, 80).astype(int) - value).max() <= 1


@pytest.mark.parametrize("quality", [0, 101])
def test_impossible_qualities_are_refused(quality):
    with pytest.raises(ConfigError, match=f"WebP quality must be 1 to 100: got {quality}"):
        webp_round_trip(picture(8, 8), quality)


@pytest.mark.parametrize("pixels", [picture(8, 8) / 255, picture(8, 8)[..., :1], picture(8, 8)[..., 0]])
def test_other_pixels_are_refused(pixels):
    with pytest.raises(ConfigError, match=r"uint8 pixels of shape \(height, width, 3\): got .*; round first"):
        webp_round_trip(pixels, 80)
