"""Alpha is the band that a TIFF marks as alpha; any other band beside the colours never touches them."""

import numpy as np
import pytest
from photographs import gradient, tiff_bytes

from nlcunet.imaging.files import read_header, read_picture
from nlcunet.imaging.spooling import spool_picture

UNSPECIFIED, MULTIPLIED_IN, ALPHA = 0, 1, 2
PHOTOMETRIC = {1: 1, 3: 2}


def file_with(dtype, channels, extra):
    """A picture, and a TIFF of it with bands that are all 0 or, where marked as alpha, half transparent."""
    pixels = gradient(dtype, channels)
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    bands = [np.full(pixels.shape[:2], full // 2 if mark else 0, dtype) for mark in extra]
    return pixels, tiff_bytes(np.dstack([pixels, *bands]), PHOTOMETRIC[channels], extra)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("extra", [(UNSPECIFIED,), (UNSPECIFIED, UNSPECIFIED)])
def test_bands_without_a_mark_are_no_alpha_and_told(dtype, channels, extra):
    pixels, data = file_with(dtype, channels, extra)
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.alpha is None
    assert not read_header(data).has_alpha
    assert any(f"{len(extra)} more channel" in note for note in picture.notes)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("extra", [(UNSPECIFIED, ALPHA), (ALPHA, UNSPECIFIED), (UNSPECIFIED, ALPHA, UNSPECIFIED)])
def test_alpha_is_found_wherever_it_stands(channels, extra):
    pixels, data = file_with(np.uint8, channels, extra)
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.alpha.min() == picture.alpha.max() == 127
    assert read_header(data).has_alpha
    assert any(f"{len(extra) - 1} more channel" in note for note in picture.notes)


def test_multiplied_alpha_behind_another_band_is_divided_out():
    half = np.full((8, 9, 5), 127, np.uint8)
    half[:, :, :3], half[:, :, 3] = 100, 0
    picture = read_picture(tiff_bytes(half, 2, (UNSPECIFIED, MULTIPLIED_IN)))
    assert np.abs(picture.pixels.astype(int) - 201).max() <= 1
    assert picture.alpha.min() == picture.alpha.max() == 127


def test_a_fourth_band_that_nothing_is_said_of_is_no_alpha():
    four = np.dstack([gradient(np.uint8, 3), np.zeros((40, 56), np.uint8)])
    assert read_picture(tiff_bytes(four)).alpha is None


@pytest.mark.parametrize("extra", [(UNSPECIFIED,), (UNSPECIFIED, ALPHA)])
def test_inks_and_lab_have_other_bands_as_well(extra):
    inks = np.zeros((8, 9, 4 + len(extra)), np.uint8)
    lab = np.full((8, 9, 3 + len(extra)), 60, np.uint8)
    for samples, photometric in ((inks, 5), (lab, 8)):
        samples[:, :, -1] = 200
        picture = read_picture(tiff_bytes(samples, photometric, extra))
        assert (picture.alpha is not None) == (ALPHA in extra)
        if picture.alpha is not None:
            full = np.iinfo(picture.alpha.dtype).max
            assert np.abs(picture.alpha / full - 200 / 255).max() < 0.001


def test_a_picture_on_disk_has_the_same_alpha(tmp_path):
    pixels, data = file_with(np.uint8, 3, (UNSPECIFIED, ALPHA))
    spooled = spool_picture(data, tmp_path / "raw", max_pixels=10**6)
    with spooled.raw:
        assert spooled.facts.flat_alpha == 127
        np.testing.assert_array_equal(spooled.needful().read(slice(0, 40), slice(0, 56)).pixels, pixels)
