"""Pictures for a screen: right colours, the right way up, every size, any part."""

import io

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from nlcunet.errors import ImageError, ImageTooLargeError, ImageWriteError, TruncatedImageError
from nlcunet.imaging.files import Metadata, Picture, write_picture
from nlcunet.imaging.orientation import upright
from nlcunet.imaging.pyramid import TILE_PX, Level, make_thumbnail, read_levels, read_tile, write_pyramid

EVEN = 1.5
"""Largest mean difference that JPEG of quality 95 may make, in steps of 8 bits."""


def smooth(height, width, channels=3):
    """A picture without noise, different at every side."""
    rows, columns = np.mgrid[0:height, 0:width]
    bands = [60 + 120 * rows / height + 60 * columns / width * band / 2 for band in range(channels)]
    return np.ascontiguousarray(np.stack(bands, axis=-1).astype(np.uint8))


def shown(path, tmp_path):
    """The picture at its full size, from its tiles."""
    write_pyramid(path, tmp_path / "view", max_pixels=10**9)
    (first, *_), rows = read_levels(tmp_path / "view"), []
    for row in range(-(-first.height // TILE_PX)):
        tiles = [read_tile(tmp_path / "view", 0, column, row) for column in range(-(-first.width // TILE_PX))]
        rows.append(np.concatenate([decoded(tile) for tile in tiles], axis=1))
    return np.concatenate(rows)


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def written(tmp_path, pixels, alpha=None, name="in.png", **metadata):
    write_picture(Picture(pixels=pixels, alpha=alpha, metadata=Metadata(**metadata)), tmp_path / name)
    return tmp_path / name


def test_tiles_make_up_the_picture(tmp_path):
    pixels = smooth(300, 530)
    result = shown(written(tmp_path, pixels), tmp_path)
    assert result.shape == pixels.shape
    assert np.abs(result - pixels).mean() < EVEN


def test_every_level_is_half_the_one_before_until_one_tile_holds_all(tmp_path):
    path = written(tmp_path, smooth(300, 1100))
    write_pyramid(path, tmp_path / "view", max_pixels=10**6)
    levels = read_levels(tmp_path / "view")
    assert levels == (Level(1100, 300), Level(550, 150), Level(275, 75), Level(137, 37))
    small = decoded(read_tile(tmp_path / "view", 3, 0, 0))
    assert small.shape == (37, 137, 3)
    assert np.abs(small - smooth(37, 137)).mean() < 3


@pytest.mark.parametrize(
    ("dtype", "white", "name"), [(np.uint16, 65_535, "in.png"), (np.float32, 1.0, "in.tif"), (np.uint8, 255, "in.webp")]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_depth_is_shown_in_8_bits(tmp_path, dtype, white, name, channels):
    pixels = smooth(40, 50, channels)
    scaled = (pixels / 255 * white).astype(dtype)
    result = shown(written(tmp_path, scaled, name=name), tmp_path)
    assert np.abs(result - np.broadcast_to(pixels, result.shape)).mean() < 2.5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_transparent_lies_over_white(tmp_path, dtype):
    most = np.iinfo(dtype).max
    alpha = np.zeros((40, 50), dtype)
    alpha[:, 25:] = most
    result = shown(written(tmp_path, np.zeros((40, 50, 3), dtype), alpha), tmp_path)
    assert result[:, :20].min() > 250
    assert result[:, 30:].max() < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = smooth(30, 60)
    Image.fromarray(pixels).save(tmp_path / "in.jpg", quality=98, subsampling=0, exif=exif)
    expected = upright(pixels, orientation)
    result = shown(tmp_path / "in.jpg", tmp_path)
    assert result.shape == expected.shape
    assert np.abs(result - expected).mean() < 2.5
    assert decoded(make_thumbnail(tmp_path / "in.jpg", 20, max_pixels=10**6)).shape[:2] in {(10, 20), (20, 10)}


def test_profiles_are_applied(tmp_path):
    """Swapped primaries: what the file calls red is shown as the profile says."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(shown(written(tmp_path, smooth(20, 20), icc_profile=lab), tmp_path) - smooth(20, 20)).mean() < 2.5
    display_p3 = pyvips.Image.black(8, 8, bands=3).copy(interpretation="srgb").icc_transform("p3", input_profile="srgb")
    red = np.zeros((20, 20, 3), np.uint8)
    red[:] = (200, 100, 50)
    wide = shown(written(tmp_path, red, icc_profile=display_p3.get("icc-profile-data")), tmp_path)
    assert wide[10, 10, 0] > 210  # the same numbers mean a stronger red there


def test_thumbnails_fit_a_square_and_are_never_enlarged(tmp_path):
    assert decoded(make_thumbnail(written(tmp_path, smooth(100, 400)), 64, max_pixels=10**6)).shape == (16, 64, 3)
    assert decoded(make_thumbnail(written(tmp_path, smooth(10, 20)), 64, max_pixels=10**6)).shape == (10, 20, 3)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path):
    path = written(tmp_path, smooth(100, 101))
    for refuse in (
        lambda: write_pyramid(path, tmp_path / "v", max_pixels=10_000),
        lambda: make_thumbnail(path, 9, max_pixels=9),
    ):
        with pytest.raises(ImageTooLargeError):
            refuse()
    assert not (tmp_path / "v").exists()


def test_cut_pictures_and_missing_folders_are_told(tmp_path):
    path = written(tmp_path, np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    with pytest.raises(ImageWriteError, match="writable"):
        write_pyramid(path, tmp_path / "nowhere" / "view", max_pixels=10**6)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ImageError, match=r"in\.png"):
        make_thumbnail(path, 64, max_pixels=10**6)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(TruncatedImageError, match="whole file"):
        make_thumbnail(path, 64, max_pixels=10**6)


@pytest.mark.parametrize("place", [(0, 2, 0), (0, 0, 1), (0, -1, 0), (5, 0, 0)])
def test_tiles_outside_of_the_picture_are_refused(tmp_path, place):
    write_pyramid(written(tmp_path, smooth(200, 300)), tmp_path / "view", max_pixels=10**6)
    with pytest.raises(ImageError):
        read_tile(tmp_path / "view", *place)
