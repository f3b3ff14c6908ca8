"""Floating point samples keep their values, or it is told what becomes of them."""

import numpy as np
import pytest
import pyvips
from photographs import gradient

from nlcunet.errors import ImageWriteError, UnreadableImageError
from nlcunet.imaging.files import Picture, encode_picture, read_picture, writable_formats, write_picture
from nlcunet.imaging.formats import FORMATS


def test_values_outside_of_the_range_are_clipped_and_told(tmp_path):
    pixels = gradient(np.float32, 3) * 1.8 - 0.4
    picture = Picture(pixels=pixels)
    assert "outside of [0, 1] were clipped" in write_picture(picture, tmp_path / "a.png")[0]
    copy = read_picture(tmp_path / "a.png")
    assert copy.pixels.min() == 0
    assert copy.pixels.max() == 65535
    in_tiff = read_picture(encode_picture(picture, file_format="tiff"))
    np.testing.assert_array_equal(in_tiff.pixels, pixels)
    assert in_tiff.notes == ()


@pytest.mark.parametrize("file_format", [name for name in writable_formats() if not FORMATS[name].floats])
def test_heights_are_not_written_as_white(tmp_path, file_format):
    heights = Picture(pixels=gradient(np.float32, 1) * 800 + 201)
    with pytest.raises(ImageWriteError, match=r"samples in \[0, 1\]: got floating point samples from .*; write tiff"):
        write_picture(heights, tmp_path / "a", file_format=file_format)
    assert list(tmp_path.iterdir()) == []


def test_samples_that_are_no_numbers_become_black_and_it_is_told(tmp_path):
    pixels = gradient(np.float32, 1)
    pixels[3, 4] = np.nan
    assert "no numbers became black" in write_picture(Picture(pixels=pixels), tmp_path / "a.png")[0]
    assert read_picture(tmp_path / "a.png").pixels[3, 4, 0] == 0


def test_double_precision_is_reduced_and_told_or_it_is_told_what_to_do():
    data = (
        pyvips.Image.new_from_array(gradient(np.float32, 1).astype(np.float64)[:, :, 0])
        .copy(interpretation="b-w")
        .tiffsave_buffer()
    )
    try:
        told = " ".join(read_picture(data).notes)
    except UnreadableImageError as error:  # libvips 8.18 says "samples out of range"
        told = str(error)
    assert "from double to single precision" in told or "save it as TIFF of 8, 16 or floating 32 bits" in told
