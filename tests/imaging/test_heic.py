"""HEIC pictures: read where there is a decoder for HEVC, and an honest sentence where there is none."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from nlcunet.errors import ImageError, TruncatedImageError, UnreadableImageError
from nlcunet.imaging import formats, heic
from nlcunet.imaging.files import read_header, read_picture, readable_formats, writable_formats
from nlcunet.imaging.sampling import sample_picture
from nlcunet.imaging.spooling import spool_picture

PICTURES = Path(__file__).parents[1] / "assets" / "pictures"
"""Made with libheif and x265: a still of 48 × 48 in a grid as phones write it, and a gradient of 32 × 24."""

needs_decoder = pytest.mark.skipif(not heic.is_hevc_readable(), reason="no decoder for HEVC: pip install pillow-heif")


def ramp():
    rows, columns = np.mgrid[0:24, 0:32]
    return np.dstack([columns * 8, rows * 10, 255 - columns * 8]).astype(np.uint8)


@pytest.fixture
def _no_decoder(monkeypatch):
    monkeypatch.setattr(heic, "_library", lambda: None)
    if heic.libvips_decodes_hevc():
        pytest.skip("this libvips has a decoder for HEVC")


@pytest.mark.usefixtures("_no_decoder")
def test_without_a_decoder_every_door_names_the_coder_and_the_remedy(tmp_path):
    path = PICTURES / "phone.heic"
    doors = (
        read_header,
        read_picture,
        sample_picture,
        lambda source: spool_picture(source, tmp_path / "raw", max_pixels=10**6),
    )
    for read in doors:
        with pytest.raises(UnreadableImageError) as caught:
            read(path)
        told = str(caught.value)
        assert "coder HEVC" in told
        assert (
            "pip install '.[heic]' in the folder of nlcunet's source code, or save the picture as JPEG or PNG" in told
        )
        assert "damaged" not in told
    assert "heif" not in readable_formats()


@needs_decoder
def test_a_still_of_a_phone_is_read(tmp_path):
    path = PICTURES / "phone.heic"
    picture, header = read_picture(path), read_header(path)
    assert picture.pixels.shape == (header.height, header.width, header.channels) == (48, 48, 3)
    assert picture.pixels.std() > 10
    assert "heif" in readable_formats()
    spooled = spool_picture(path, tmp_path / "raw", max_pixels=10**6)
    with spooled.raw:
        np.testing.assert_array_equal(spooled.needful().read(slice(0, 48), slice(0, 48)).pixels, picture.pixels)


@needs_decoder
def test_alpha_depth_and_grey_survive():
    with_alpha = read_picture(PICTURES / "rgba.heic")
    assert np.abs(with_alpha.pixels.astype(int) - ramp()).mean() < 4
    assert np.abs(with_alpha.alpha.astype(int) - ramp()[:, :, 0]).mean() < 4
    deep = read_picture(PICTURES / "rgb16.heic")
    assert deep.pixels.dtype == np.uint16
    assert np.abs(deep.pixels / 257 - ramp()).mean() < 4
    grey = read_picture(PICTURES / "grey.heic")
    assert grey.pixels.shape == (24, 32, 1)
    assert np.abs(grey.pixels[:, :, 0].astype(int) - ramp()[:, :, 0]).mean() < 4


@needs_decoder
def test_a_turned_picture_stands_upright_with_its_metadata():
    """Stored 32 × 24 with orientation 6, which libheif applies."""
    picture = read_picture(PICTURES / "turned.heic")
    expected = np.rot90(ramp(), -1)
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 8
    assert b"Cam" in picture.metadata.exif
    assert picture.metadata.xmp == b"<x/>"


@needs_decoder
def test_a_damaged_heic_is_told_as_damaged():
    data = bytearray((PICTURES / "phone.heic").read_bytes())
    with pytest.raises(TruncatedImageError, match="bytes of heif that end early or are damaged"):
        read_picture(bytes(data[:700]))


@needs_decoder
def test_heic_files_with_changed_bytes_raise_nothing_but_image_errors():
    generator = np.random.default_rng(0)
    for path in sorted(PICTURES.glob("*.heic")) * 30:
        data = bytearray(path.read_bytes())
        for place in generator.integers(0, len(data), 4):
            data[place] = generator.integers(256)
        with contextlib.suppress(ImageError):
            read_picture(bytes(data), max_pixels=1_000_000)


def test_finding_out_what_can_be_read_and_written_says_nothing(caplog):
    formats._works.cache_clear()
    heic.libvips_decodes_hevc.cache_clear()
    with caplog.at_level("DEBUG"):
        assert "png" in readable_formats()
        assert "png" in writable_formats()
    assert [record for record in caplog.records if record.levelname not in {"DEBUG", "INFO"}] == []
