"""EXIF, XMP and IPTC follow the pixels: turned upright, enlarged, moved between formats."""

import io
import re
import struct
from dataclasses import replace

import numpy as np
import pytest
from photographs import (
    IMAGE_WIDTH,
    IPTC,
    MAKER_NOTE,
    ORIENTATION,
    PIXEL_X,
    PIXEL_Y,
    XMP,
    coverage,
    exif_block,
    exif_tags,
    gradient,
    photograph,
    pillow_bytes,
    rgb_profile,
)
from PIL import Image, ImageOps

from nlcunet.imaging.embedding import embed_heif, embed_jpeg, iptc_in_jpeg
from nlcunet.imaging.exif import sized_metadata, upright_metadata
from nlcunet.imaging.files import (
    Metadata,
    Picture,
    encode_picture,
    read_header,
    read_picture,
    writable_formats,
    write_picture,
)

THUMBNAIL = b"\xff\xd8thumbnail of the small picture\xff\xd9"
TURNABLE = [name for name in ("png", "jpeg", "webp", "tiff", "avif") if name in writable_formats()]


def turned(file_format, orientation, alpha):
    """A file by Pillow whose stored pixels need turning, and the upright pixels by Pillow as well."""
    image = Image.fromarray(gradient(np.uint8, 3))
    if alpha and file_format != "jpeg":
        image.putalpha(Image.fromarray(coverage(np.uint8)))
    arguments = {"png": {}, "jpeg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True, "exact": True}}
    arguments |= {"tiff": {}, "avif": {"quality": 100, "subsampling": "4:4:4"}}
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = pillow_bytes(image, file_format.upper(), exif=exif, **arguments[file_format])
    exif_holder = image.copy()
    exif_holder.getexif()[ORIENTATION] = orientation
    return data, np.asarray(ImageOps.exif_transpose(exif_holder))


@pytest.mark.parametrize("file_format", TURNABLE)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("alpha", [False, True])
def test_all_eight_orientations_are_baked_in_and_reset(file_format, orientation, alpha):
    data, expected = turned(file_format, orientation, alpha)
    picture, header = read_picture(data), read_header(data)
    assert picture.pixels.shape[:2] == expected.shape[:2] == (header.height, header.width)
    assert np.abs(picture.pixels.astype(int) - expected[:, :, :3]).max() <= {"jpeg": 5, "avif": 6}.get(file_format, 0)
    if alpha and file_format != "jpeg":
        assert np.abs(picture.alpha.astype(int) - expected[:, :, 3]).max() <= (3 if file_format == "avif" else 0)
    assert_upright(picture)
    assert_upright(read_picture(encode_picture(picture, file_format=file_format)))


def assert_upright(picture):
    if picture.metadata.exif is not None:
        assert exif_tags(picture.metadata.exif).get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_only_the_orientation_changes_in_the_exif_block(order):
    sideways = exif_block(6, order=order)
    upright, notes = upright_metadata(Metadata(exif=sideways))
    assert upright.exif == exif_block(1, order=order)
    assert notes == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'<rdf:Description tiff:Orientation="8"/>', b'<rdf:Description tiff:Orientation="1"/>'),
        (b"<rdf:Description tiff:Orientation = '3'/>", b"<rdf:Description tiff:Orientation = '1'/>"),
        (b"<tiff:Orientation>6</tiff:Orientation>", b"<tiff:Orientation>1</tiff:Orientation>"),
        (b"<other:Orientation>6</other:Orientation>", b"<other:Orientation>6</other:Orientation>"),
    ],
)
def test_the_orientation_in_xmp_is_reset_as_well(before, after):
    assert upright_metadata(Metadata(xmp=before))[0].xmp == after


def test_enlarging_puts_the_new_size_into_exif_and_xmp():
    xmp = b"<d exif:PixelXDimension='56'/><tiff:ImageLength>40</tiff:ImageLength>"
    small = replace(photograph(), metadata=Metadata(exif=exif_block(), xmp=xmp))
    large = replace(small, pixels=gradient(np.uint8, 3, 160, 224))
    copy = read_picture(encode_picture(large, file_format="jpeg"))
    tags = exif_tags(copy.metadata.exif)
    assert (tags[PIXEL_X], tags[PIXEL_Y]) == (224, 160)
    assert IMAGE_WIDTH not in tags
    assert copy.metadata.xmp == b"<d exif:PixelXDimension='224'/><tiff:ImageLength>160</tiff:ImageLength>"


@pytest.mark.parametrize("order", ["<", ">"])
def test_sizes_above_16_bits_fit_into_exif(order):
    metadata, _ = sized_metadata(Metadata(exif=exif_block(order=order)), 70_000, 80_000)
    tags = exif_tags(metadata.exif)
    assert (tags[PIXEL_X], tags[PIXEL_Y]) == (70_000, 80_000)


def test_an_outdated_thumbnail_is_removed_and_the_rest_stays():
    metadata = Metadata(exif=exif_block(thumbnail=THUMBNAIL))
    assert THUMBNAIL in metadata.exif
    sized, _ = sized_metadata(metadata, 56, 40)
    assert b"thumbnail" not in sized.exif
    assert exif_tags(sized.exif) == exif_tags(metadata.exif)
    assert len(sized.exif) == len(metadata.exif) - len(THUMBNAIL)


def test_a_thumbnail_amid_the_block_is_blanked_without_moving_anything():
    metadata = Metadata(exif=exif_block(thumbnail=THUMBNAIL) + b"something behind it")
    sized, _ = sized_metadata(metadata, 56, 40)
    assert b"thumbnail" not in sized.exif
    assert sized.exif.endswith(b"something behind it")
    assert len(sized.exif) == len(metadata.exif)


@pytest.mark.parametrize("damaged", [b"", b"II*", b"no EXIF at all", exif_block()[:40], b"II+\x00" + bytes(20)])
def test_a_damaged_exif_block_is_left_out_and_told(tmp_path, damaged):
    picture = replace(photograph(), metadata=Metadata(exif=damaged))
    notes = write_picture(picture, tmp_path / "a.png")
    assert re.search(r"EXIF block is damaged \(.+\) and was left out", notes[0])
    assert read_picture(tmp_path / "a.png").metadata.exif is None


def test_a_damaged_gps_directory_does_not_stop_a_tiff(tmp_path):
    block = bytearray(exif_block())
    struct.pack_into(">I", block, 8 + 2 + 3 * 12 + 8, 60_000)  # the GPS pointer leads out of the block
    notes = write_picture(replace(photograph(), metadata=Metadata(exif=bytes(block))), tmp_path / "a.tif")
    assert "EXIF block is damaged" in notes[-1]
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, photograph().pixels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_travels_through_tiff_into_jpeg(order):
    original = replace(photograph(), metadata=Metadata(exif=exif_block(order=order)))
    as_tiff = read_picture(encode_picture(original, file_format="tiff"))
    as_jpeg = read_picture(encode_picture(as_tiff, file_format="jpeg"))
    assert exif_tags(as_jpeg.metadata.exif) == exif_tags(original.metadata.exif)
    assert exif_tags(as_jpeg.metadata.exif)[MAKER_NOTE] == b"NOTE" + bytes(range(60))


def test_big_tiffs_keep_everything_too():
    import pyvips

    from nlcunet.imaging.embedding import embed_tiff, metadata_in_tiff

    plain = pyvips.Image.new_from_array(gradient(np.uint8, 3)).tiffsave_buffer(bigtiff=True, keep="none")
    metadata = photograph().metadata
    data, notes = embed_tiff(plain, metadata)
    assert notes == ()
    found = metadata_in_tiff(data, None)
    assert (found.xmp, found.iptc, found.dots_per_inch) == (XMP, IPTC, (300.0, 240.0))
    assert exif_tags(metadata.exif).items() <= exif_tags(found.exif).items()
    np.testing.assert_array_equal(read_picture(data).pixels, gradient(np.uint8, 3))


def test_resolution_per_centimetre_becomes_dots_per_inch():
    image = Image.fromarray(gradient(np.uint8, 3))
    data = pillow_bytes(image, "TIFF", resolution_unit="cm", x_resolution=100.0, y_resolution=200.0)
    assert read_picture(data).metadata.dots_per_inch == (254.0, 508.0)


@pytest.mark.parametrize("dots_per_inch", [(72.0, 72.0), (300.0, 300.0), (240.0, 600.0)])
@pytest.mark.parametrize("file_format", ["png", "jpeg", "tiff"])
def test_resolution_survives(file_format, dots_per_inch):
    picture = replace(photograph(), metadata=Metadata(dots_per_inch=dots_per_inch))
    data = encode_picture(picture, file_format=file_format)
    assert read_picture(data).metadata.dots_per_inch == dots_per_inch
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["dpi"] == pytest.approx(dots_per_inch, abs=0.01)


@pytest.mark.parametrize("file_format", ["png", "jpeg", "tiff", "webp"])
def test_a_resolution_beyond_any_device_does_not_stop_the_writing(file_format):
    picture = replace(photograph(), metadata=Metadata(dots_per_inch=(4e9, 1e12)))
    assert read_picture(encode_picture(picture, file_format=file_format)).pixels.shape == picture.pixels.shape


def test_iptc_of_photoshop_is_found_among_its_other_resources():
    other = b"8BIM" + struct.pack(">HB", 0x03ED, 3) + b"abc" + struct.pack(">I", 3) + b"xyz\x00"
    records = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(IPTC)) + IPTC
    content = b"Photoshop 3.0\x00" + other + records
    jpeg = encode_picture(Picture(pixels=gradient(np.uint8, 3)), file_format="jpeg")
    segment = struct.pack(">BBH", 0xFF, 0xED, len(content) + 2) + content
    assert read_picture(jpeg[:2] + segment + jpeg[2:]).metadata.iptc == IPTC


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_cut_photoshop_blocks_do_no_harm(cut):
    whole, _ = embed_jpeg(b"\xff\xd8\xff\xd9", Metadata(iptc=IPTC))
    found = iptc_in_jpeg(whole[:-cut])
    assert found is None or IPTC.startswith(found)


@pytest.mark.parametrize("kind", ["exif", "xmp", "iptc"])
def test_what_is_too_large_for_a_jpeg_segment_is_told(tmp_path, kind):
    large = {"exif": exif_block() + bytes(70_000), "xmp": XMP + b" " * 70_000, "iptc": IPTC * 4_000}[kind]
    picture = replace(photograph(), metadata=replace(Metadata(), **{kind: large}))
    notes = write_picture(picture, tmp_path / "a.jpg")
    assert "too large for JPEG" in notes[0]
    assert getattr(read_picture(tmp_path / "a.jpg").metadata, kind) is None


def test_a_large_profile_is_spread_over_several_jpeg_segments():
    profile = rgb_profile() + bytes(150_000)
    profile = struct.pack(">I", len(profile)) + profile[4:]
    picture = replace(photograph(), metadata=Metadata(icc_profile=profile))
    assert read_picture(encode_picture(picture, file_format="jpeg")).metadata.icc_profile == profile


def test_a_heif_without_the_expected_place_for_exif_is_not_touched():
    assert embed_heif(b"\x00\x00\x00\x1cftypavif" + bytes(100), exif_block()) is None
