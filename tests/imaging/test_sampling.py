"""Windows of picture files: the same pixels as of the decoded picture, few of them, spread all over it."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nlcunet.errors import ImageTooLargeError, TruncatedImageError, UnreadableImageError
from nlcunet.imaging.files import Picture, read_header, read_picture, write_picture
from nlcunet.imaging.sampling import GRID_PX, MAX_WINDOWS, WHOLE_PIXELS, WINDOW_PX, place_windows, sample_picture

SIDES = st.integers(1, 40_000)


def noise(height, width, channels=3, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype)


def assert_windows_are_crops(path: Path) -> None:
    sample, picture = sample_picture(path), read_picture(path)
    places = place_windows(picture.height, picture.width)
    assert sample.header == read_header(path)
    assert sample.metadata == picture.metadata
    assert sample.notes == picture.notes
    assert len(sample.windows) == len(places)
    for window, (rows, columns) in zip(sample.windows, places, strict=True):
        assert np.array_equal(window.pixels, picture.pixels[rows, columns])
        assert (window.alpha is None) == (picture.alpha is None)
        assert picture.alpha is None or np.array_equal(window.alpha, picture.alpha[rows, columns])


@given(SIDES, SIDES)
def test_windows_lie_inside_and_are_bounded(height, width):
    windows = place_windows(height, width)
    assert 1 <= len(windows) <= MAX_WINDOWS
    for rows, columns in windows:
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width
    area = sum((rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in windows)
    assert area <= max(WHOLE_PIXELS, MAX_WINDOWS * WINDOW_PX**2)
    assert height * width > WHOLE_PIXELS or area == height * width


@given(SIDES, SIDES)
def test_windows_begin_on_one_grid_and_do_not_overlap(height, width):
    windows = place_windows(height, width)
    assert all(part.start % GRID_PX == 0 for window in windows for part in window)
    for rows, columns in windows:
        same = [other for other in windows if other[0] == rows]
        assert sum(part.start < columns.stop and columns.start < part.stop for _, part in same) == 1


@given(SIDES, SIDES)
def test_windows_reach_from_border_to_border(height, width):
    windows = place_windows(height, width)
    for axis, side in ((0, height), (1, width)):
        parts = {window[axis].start: window[axis].stop for window in windows}
        assert len(parts) == 1 or (min(parts) == 0 and max(parts.values()) > side - GRID_PX)


@pytest.mark.parametrize(("name", "channels", "dtype"), [("a.png", 3, np.uint8), ("a.tif", 1, np.uint16)])
def test_windows_of_a_large_file_are_those_of_its_picture(tmp_path, name, channels, dtype):
    pixels = noise(1230, 1250, channels, dtype)
    write_picture(Picture(pixels=pixels, alpha=pixels[:, :, 0].copy()), tmp_path / name)
    assert_windows_are_crops(tmp_path / name)


def test_a_small_file_is_one_window(tmp_path):
    write_picture(Picture(pixels=noise(40, 30)), tmp_path / "a.png")
    assert_windows_are_crops(tmp_path / "a.png")
    assert len(sample_picture((tmp_path / "a.png").read_bytes()).windows) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_windows_are_turned_the_right_way_up(tmp_path, orientation):
    image = Image.fromarray(noise(1260, 1220))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", quality=50, exif=exif)
    assert sample_picture(tmp_path / "a.jpg").orientation == orientation
    assert_windows_are_crops(tmp_path / "a.jpg")


def test_a_profile_stays_when_colours_are_converted():
    file = io.BytesIO()
    Image.fromarray(noise(20, 20, 4)).convert("CMYK").save(file, "jpeg", icc_profile=bytes(200))
    sample = sample_picture(file.getvalue())
    assert sample.icc_profile == bytes(200)
    assert sample.windows[0].pixels.shape == (20, 20, 3)


def test_files_that_end_early_are_noticed_below_the_last_window(tmp_path):
    write_picture(Picture(pixels=noise(1999, 300)), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    with pytest.raises(TruncatedImageError, match="must be a whole file"):
        sample_picture(data[: int(0.9 * len(data))])


def test_too_large_and_missing_files_are_refused(tmp_path):
    write_picture(Picture(pixels=noise(40, 30)), tmp_path / "a.png")
    with pytest.raises(ImageTooLargeError, match="at most 100 pixels"):
        sample_picture(tmp_path / "a.png", max_pixels=100)
    with pytest.raises(UnreadableImageError, match="missing"):
        sample_picture(tmp_path / "missing.png")
