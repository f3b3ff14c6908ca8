"""Pictures that are decoded into raw rows and encoded from rows as they come."""

from pathlib import Path

import numpy as np
import pytest
import pyvips

from nlcunet.errors import ImageTooLargeError, ImageWriteError, TruncatedImageError
from nlcunet.imaging import tiff_tags
from nlcunet.imaging.files import Metadata, Picture, encode_picture, read_picture, write_picture
from nlcunet.imaging.float_range import float_range_of
from nlcunet.imaging.formats import FORMATS
from nlcunet.imaging.picture import TiffLayout
from nlcunet.imaging.pixel_sources import PictureSource, PixelSource, RawPixels, RawSource
from nlcunet.imaging.row_encoding import encode_rows, tile_height
from nlcunet.imaging.spooling import spool_picture
from nlcunet.imaging.strip_source import RowPicture

EXIF = b"II*\x00\x08\x00\x00\x00\x01\x00\x0e\x01\x02\x00\x03\x00\x00\x00by\x00\x00\x00\x00\x00\x00"
"""One tag: ImageDescription, "by"."""


def make(
    dtype: str = "uint8", channels: int = 3, *, has_alpha: bool = False, height: int = 150, width: int = 70
) -> Picture:
    generator = np.random.default_rng(1)

    def noise(*shape: int) -> np.ndarray:
        if dtype == "float32":
            return generator.random(shape, dtype=np.float32)
        return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)

    return Picture(
        pixels=noise(height, width, channels),
        alpha=noise(height, width) if has_alpha else None,
        metadata=Metadata(
            exif=EXIF,
            xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
            iptc=b"\x1c\x02\x05\x00\x01n",
            dots_per_inch=(300.0, 300.0),
        ),
    )


def encode(
    picture: Picture, target: Path, name: str, *, layout: TiffLayout | None = None, quality: int | None = None
) -> tuple[str, ...]:
    source = PictureSource(picture)
    rows = RowPicture(
        height=source.height,
        width=source.width,
        channels=source.channels,
        has_alpha=source.has_alpha,
        dtype=source.dtype,
        metadata=picture.metadata,
        values=float_range_of(picture),
        read_rows=lambda rows: source.read(rows, slice(0, source.width)),
    )
    return encode_rows(rows, target, FORMATS[name], layout=layout or TiffLayout(), quality=quality)


def assert_same(one: Picture, other: Picture) -> None:
    assert one.pixels.dtype == other.pixels.dtype
    assert np.array_equal(one.pixels, other.pixels)
    assert (one.alpha is None) == (other.alpha is None)
    assert one.alpha is None or other.alpha is None or np.array_equal(one.alpha, other.alpha)
    assert one.metadata == other.metadata


def test_rows_beyond_the_range_are_told_as_whole_pictures_tell_them(tmp_path: Path) -> None:
    picture = Picture(pixels=np.linspace(-0.2, 1.3, 60, dtype=np.float32).reshape(10, 6, 1))
    notes = encode(picture, tmp_path / "a.png", "png")
    assert notes == write_picture(picture, tmp_path / "b.png")
    assert "were clipped" in notes[0]


@pytest.mark.parametrize("name", ["png", "tiff", "jpeg"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_rows_make_the_file_that_the_whole_picture_makes(
    tmp_path: Path, *, name: str, dtype: str, channels: int, has_alpha: bool
) -> None:
    picture = make(dtype, channels, has_alpha=has_alpha)
    whole = write_picture(picture, tmp_path / "whole", file_format=name)
    notes = encode(picture, tmp_path / "rows", name)
    assert set(notes) == set(whole)
    assert_same(read_picture(tmp_path / "rows"), read_picture(tmp_path / "whole"))


@pytest.mark.parametrize("name", ["png", "tiff", "jpeg"])
def test_a_picture_without_metadata_gets_none_from_rows(tmp_path: Path, name: str) -> None:
    picture = Picture(pixels=make().pixels)
    encode(picture, tmp_path / "rows", name)
    assert read_picture(tmp_path / "rows").metadata == Metadata()


@pytest.mark.parametrize(("compression", "code"), [("deflate", 8), ("lzw", 5), ("none", 1)])
def test_a_tiff_from_rows_is_tiled_and_packed_as_asked(tmp_path: Path, compression: str, code: int) -> None:
    picture = make(height=700, width=600)
    encode(picture, tmp_path / "a.tif", "tiff", layout=TiffLayout(compression=compression))
    assert_same(read_picture(tmp_path / "a.tif"), read_picture(encode_picture(picture, file_format="tiff")))
    data = (tmp_path / "a.tif").read_bytes()
    slots = next(iter(tiff_tags.directories(data)))
    compression_tag, tile_width_tag = 259, 322
    found = [
        tiff_tags.number_in(data, tiff_tags.read_layout(data), slots, tag) for tag in (compression_tag, tile_width_tag)
    ]
    assert found == [code, 256]


def test_rows_of_tiles_get_lower_where_a_picture_is_very_wide() -> None:
    assert [tile_height(width) for width in (1, 100_000, 100_001, 10**6, 10**7)] == [256, 256, 128, 16, 16]


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(ImageWriteError, match="must be one of deflate, lzw, none"):
        TiffLayout(compression="zip")


def test_a_pyramid_is_a_bigtiff_of_halved_pages_with_the_metadata_on_the_first(tmp_path: Path) -> None:
    picture = make(height=700, width=600)
    encode(picture, tmp_path / "a.tif", "tiff", layout=TiffLayout(pyramid=True))
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\x00"
    assert_same(read_picture(tmp_path / "a.tif"), read_picture(encode_picture(picture, file_format="tiff")))
    sizes = []
    for page in range(3):
        image = pyvips.Image.tiffload(str(tmp_path / "a.tif"), page=page)
        sizes.append((image.width, image.height))
    assert sizes == [(600, 700), (300, 350), (150, 175)]


def test_rows_are_asked_for_once_from_top_to_bottom_and_few_at_a_time(tmp_path: Path) -> None:
    picture, asked = make(height=3000, width=4000), []

    def read_rows(rows: slice) -> Picture:
        asked.append(rows)
        return PictureSource(picture).read(rows, slice(0, 4000))

    rows = RowPicture(
        height=3000, width=4000, channels=3, has_alpha=False, dtype=np.dtype(np.uint8), metadata=Metadata(),
        read_rows=read_rows,
    )  # fmt: skip
    encode_rows(rows, tmp_path / "a.jpg", FORMATS["jpeg"], layout=TiffLayout())
    assert [rows.start for rows in asked] == [0, *(rows.stop for rows in asked[:-1])]
    assert asked[-1].stop == 3000
    assert max(rows.stop - rows.start for rows in asked) * 4000 * 3 <= 4 * 2**20


def test_what_goes_wrong_with_the_rows_is_told_as_it_is(tmp_path: Path) -> None:
    def fail(rows: slice) -> Picture:
        raise KeyError(rows.start)

    rows = RowPicture(
        height=9, width=9, channels=3, has_alpha=False, dtype=np.dtype(np.uint8), metadata=Metadata(), read_rows=fail
    )
    for name in ("png", "tiff", "jpeg"):
        with pytest.raises(KeyError, match="0"):
            encode_rows(rows, tmp_path / name, FORMATS[name], layout=TiffLayout())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
@pytest.mark.parametrize("name", ["png", "tiff", "jpeg"])
def test_a_full_disk_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(ImageWriteError, match="is there room on the disk"):
        encode(make(height=900, width=900), tmp_path / "full", name)


def windows(source: PixelSource) -> list[tuple[slice, slice]]:
    height, width = source.height, source.width
    whole = (slice(0, height), slice(0, width))
    return [
        whole,
        (slice(0, 1), slice(width - 1, width)),
        (slice(10, 40), slice(5, 25)),
        (slice(7, 9), slice(0, width)),
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("has_alpha", [False, True])
def test_raw_samples_are_read_upright_window_by_window(tmp_path: Path, orientation: int, *, has_alpha: bool) -> None:
    path = tmp_path / "a.tif"
    plain = make(has_alpha=has_alpha)
    bands = plain.pixels if plain.alpha is None else np.dstack([plain.pixels, plain.alpha])
    image = pyvips.Image.new_from_array(bands, interpretation="srgb")
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    image.tiffsave(str(path))
    expected = read_picture(path)
    spooled = spool_picture(path, tmp_path / "raw", max_pixels=10**6)
    with spooled.raw:
        source = spooled.needful()
        assert (spooled.header.height, spooled.header.width) == (source.height, source.width)
        assert (source.height, source.width) == expected.pixels.shape[:2]
        for rows, columns in windows(source):
            window = source.read(rows, columns)
            assert np.array_equal(window.pixels, expected.pixels[rows, columns])
            assert expected.alpha is None or np.array_equal(window.alpha, expected.alpha[rows, columns])


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff", "webp", "avif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_spooling_reads_what_reading_reads(tmp_path: Path, *, name: str, dtype: str, has_alpha: bool) -> None:
    write_picture(make(dtype, has_alpha=has_alpha), tmp_path / "a", file_format=name)
    expected = read_picture(tmp_path / "a")
    for source in (tmp_path / "a", (tmp_path / "a").read_bytes()):
        spooled = spool_picture(source, tmp_path / "raw", max_pixels=10**6)
        with spooled.raw:
            whole = spooled.needful().read(slice(0, expected.height), slice(0, expected.width))
        assert np.array_equal(whole.pixels, expected.pixels)
        assert expected.alpha is None or np.array_equal(whole.alpha, expected.alpha)
        assert (spooled.metadata, spooled.notes) == (expected.metadata, expected.notes)


def test_needless_channels_are_seen_while_spooling(tmp_path: Path) -> None:
    grey = make(channels=1)
    picture = Picture(pixels=grey.pixels.repeat(3, axis=2), alpha=np.full((150, 70), 7, np.uint8))
    write_picture(picture, tmp_path / "a.png")
    spooled = spool_picture(tmp_path / "a.png", tmp_path / "raw", max_pixels=10**6)
    with spooled.raw:
        source = spooled.needful()
        assert (spooled.facts.is_grey, spooled.facts.flat_alpha) == (True, 7)
        assert (source.channels, source.has_alpha) == (1, False)
        assert np.array_equal(source.read(slice(0, 150), slice(0, 70)).pixels, grey.pixels)


def test_other_pixels_have_another_checksum(tmp_path: Path) -> None:
    sums = set()
    for seed in range(2):
        pixels = make().pixels.copy()
        pixels[149, 69, 2] = seed
        write_picture(Picture(pixels=pixels), tmp_path / "a.png")
        spooled = spool_picture(tmp_path / "a.png", tmp_path / "raw", max_pixels=10**6)
        spooled.raw.close()
        sums.add(spooled.facts.checksum)
    assert len(sums) == 2


def test_a_file_that_ends_early_or_is_too_large_is_refused_while_spooling(tmp_path: Path) -> None:
    write_picture(make(), tmp_path / "a.png")
    with pytest.raises(ImageTooLargeError, match="at most 100 pixels"):
        spool_picture(tmp_path / "a.png", tmp_path / "raw", max_pixels=100)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-5000])
    with pytest.raises(TruncatedImageError, match="must be a whole file"):
        spool_picture(tmp_path / "a.png", tmp_path / "raw", max_pixels=10**6)


def test_raw_samples_written_in_windows_are_read_as_a_whole(tmp_path: Path) -> None:
    picture = make("uint16", has_alpha=True)
    bands = np.dstack([picture.pixels, picture.alpha])
    with (
        RawPixels(tmp_path / "raw", 150, 70, 4, bands.dtype) as raw,
        RawPixels(raw.path, 150, 70, 4, raw.dtype) as other,
    ):
        for top in (0, 100):
            for left in (0, 30):
                raw.write(top, left, bands[top : top + 100, left : left + 30 if left == 0 else 70])
        assert np.array_equal(other.read(slice(0, 150), slice(0, 70)), bands)
        assert RawSource(other, 3, has_alpha=True).read(slice(3, 5), slice(1, 2)).pixels.shape == (2, 1, 3)
        assert raw.path.stat().st_size == raw.num_bytes
