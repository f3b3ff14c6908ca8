"""Readings of files, bytes and pictures in memory; nothing that is a picture makes them fail."""

import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms

from nlcunet.errors import ImageTooLargeError, TruncatedImageError, UnreadableImageError
from nlcunet.imaging.files import Metadata, Picture, read_picture, write_picture
from nlcunet.inspection.ranges import embedded_headers
from nlcunet.inspection.reading import measure, read


def all_numbers(value):
    if isinstance(value, dict | list):
        return [each for inner in (value.values() if isinstance(value, dict) else value) for each in all_numbers(inner)]
    return [value] if isinstance(value, float) else []


def test_a_file_its_bytes_and_its_picture_are_read_alike(degraded, tmp_path):
    picture = Picture(pixels=degraded(0.5, noise_std_8bit=2.0, seed=1))
    write_picture(picture, tmp_path / "photo.png")
    from_file, from_memory = read(tmp_path / "photo.png"), read(picture)
    assert read((tmp_path / "photo.png").read_bytes()) == from_file == read(str(tmp_path / "photo.png"))
    assert (from_file.file_format, from_file.orientation) == ("png", 1)
    assert (from_memory.file_format, from_memory.orientation) == ("", None)
    assert from_memory.blur == from_file.blur
    assert from_memory.noise_std_8bit == from_file.noise_std_8bit
    assert from_memory.advice == from_file.advice


def test_it_tells_what_a_file_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 50, 1), dtype=np.uint16)
    write_picture(Picture(pixels=pixels, alpha=pixels[:, :, 0].copy()), tmp_path / "scan.tif")
    reading = read(tmp_path / "scan.tif")
    assert (reading.width, reading.height, reading.file_format) == (50, 30, "tiff")
    assert (reading.bit_depth, reading.channels, reading.has_alpha) == (16, 1, True)
    assert reading.colour_profile is None


def test_profile_and_orientation_are_those_of_the_file(degraded, tmp_path):
    image = Image.fromarray(degraded(0.5))
    exif = image.getexif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "turned.jpg", quality=85, subsampling=2, exif=exif, icc_profile=profile)
    reading = read(tmp_path / "turned.jpg")
    assert (reading.width, reading.height) == (352, 256)  # the right way up
    assert reading.orientation == 6
    assert "sRGB" in reading.colour_profile
    assert (reading.jpeg.quality, reading.jpeg.chroma, reading.jpeg.source) == (85, "4:2:0", "tables")


@pytest.mark.parametrize("repeats", [(1, 1, 1), (5, 6, 1)])
def test_what_was_decoded_already_shows_the_same_traces(degraded, tmp_path, repeats):
    image = Image.fromarray(np.tile(degraded(0.5, noise_std_8bit=3.0, seed=1), repeats))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", quality=85, exif=exif)
    for source in (tmp_path / "turned.jpg", (tmp_path / "turned.jpg").read_bytes()):
        decoded = read_picture(source)
        assert measure(source, decoded=decoded).traces == measure(source).traces
        assert measure(source, decoded=decoded).jpeg.source == "tables"


def test_pixels_that_were_a_jpeg_are_told_from_those_that_are(degraded, tmp_path):
    file = io.BytesIO()
    Image.fromarray(degraded(0.5)).save(file, "jpeg", quality=70)
    Image.open(file).save(tmp_path / "was.png")
    assert read(file.getvalue()).jpeg.source == "tables"
    assert (read(tmp_path / "was.png").jpeg.quality, read(tmp_path / "was.png").jpeg.source) == (70, "pixels")


def test_a_profile_in_memory_is_named():
    picture = Picture(pixels=np.zeros((8, 8, 3), np.uint8), metadata=Metadata(icc_profile=b"no profile at all"))
    assert read(picture).colour_profile == "unnamed"


def test_every_embedded_model_is_judged(degraded):
    reading = read(Picture(pixels=degraded(0.6)))
    assert [fit.name for fit in reading.models] == [header.name for header in embedded_headers()]
    assert all(fit.is_inside for fit in reading.models)
    assert reading.advice.warnings == ()


def test_large_pictures_are_read_by_windows_like_whole_ones(degraded):
    pixels = np.tile(degraded(0.8, noise_std_8bit=2.0, seed=1), (5, 6, 1))
    large, small = read(Picture(pixels=pixels)), read(Picture(pixels=pixels[:352, :256].copy()))
    assert (large.width, large.height) == (1536, 1760)
    assert large.blur.sigma_px == pytest.approx(small.blur.sigma_px, abs=0.1)
    assert large.noise_std_8bit == pytest.approx(small.noise_std_8bit, abs=0.3)


def test_json_holds_plain_values_of_three_digits(degraded):
    values = read(Picture(pixels=degraded(0.6))).as_json()
    assert json.loads(json.dumps(values)) == values
    assert all(round(number, 3) == number for number in all_numbers(values))
    assert values["models"][0]["is_inside"] is True
    assert values["models"][0]["range"]["is_round"] is True
    assert values["notes"] == []


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1, 1), np.uint8),
        np.full((1, 1, 3), 0.5, np.float32),
        np.full((300, 3, 3), 9, np.uint8),
        np.full((64, 64, 3), 77, np.uint8),
        np.full((64, 64, 3), 255, np.uint8),
        np.full((64, 64, 3), np.nan, np.float32),
        np.full((64, 64, 3), np.inf, np.float32),
        np.full((64, 64, 3), 3e38, np.float32),
        np.full((64, 64, 1), -5.0, np.float32),
    ],
    ids=["one", "one float", "thin", "flat", "white", "nan", "infinite", "huge", "negative"],
)
def test_empty_pictures_are_unknown(pixels):
    reading = read(Picture(pixels=pixels))
    assert reading.blur is None
    assert reading.noise_std_8bit in {None, 0.0}
    assert reading.jpeg is None
    assert reading.advice.shrink_to is None


def test_wholly_transparent_pictures_are_unknown(degraded):
    pixels = degraded(0.5, noise_std_8bit=4.0)
    reading = read(Picture(pixels=pixels, alpha=np.zeros(pixels.shape[:2], np.uint8)))
    assert (reading.blur, reading.noise_std_8bit, reading.jpeg) == (None, None, None)


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32]),
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3])),
    )
)
def test_any_picture_can_be_read(pixels):
    values = read(Picture(pixels=pixels)).as_json()
    assert all(math.isfinite(number) for number in all_numbers(values))
    assert values["blur"] is None or 0 <= values["blur"]["minor_sigma_px"] <= values["blur"]["major_sigma_px"]


def test_what_is_no_picture_is_refused(tmp_path):
    with pytest.raises(UnreadableImageError, match="must be a picture file"):
        read(tmp_path / "missing.png")
    with pytest.raises(UnreadableImageError, match="must be one of"):
        read(b"some text")


def test_damaged_and_large_files_are_refused(degraded, tmp_path):
    write_picture(Picture(pixels=degraded(0.5)), tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    with pytest.raises(TruncatedImageError):
        read(data[: len(data) // 2])
    with pytest.raises(ImageTooLargeError):
        read(data, max_pixels=1000)
