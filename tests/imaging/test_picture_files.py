"""What goes into a file comes out again: pixels, alpha, profile, EXIF, XMP, IPTC, resolution."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
import pyvips
from photographs import (
    coverage,
    exif_tags,
    gradient,
    grey_profile,
    photograph,
    pillow_bytes,
    png_bytes,
    rgb_profile,
    vips_profile,
)
from PIL import Image, ImageCms

from nlcunet.errors import ImageError, ImageTooLargeError, ImageWriteError, TruncatedImageError
from nlcunet.imaging import files
from nlcunet.imaging.files import (
    Metadata,
    Picture,
    encode_picture,
    read_header,
    read_picture,
    readable_formats,
    writable_formats,
    write_picture,
)
from nlcunet.imaging.formats import FORMATS
from nlcunet.imaging.opening import open_file

DEPTHS = {"8 bit": np.uint8, "16 bit": np.uint16, "float": np.float32}
PROFILES = {"no": {1: None, 3: None}, "wide": {1: grey_profile(), 3: rgb_profile()}, "p3": {3: vips_profile("p3")}}
SOURCE = Path(__file__).parents[2] / "src"

needs_avif = pytest.mark.skipif("avif" not in writable_formats(), reason="this libvips has no AV1 coder")


def lossless(file_format):
    return None if FORMATS[file_format].default_quality is None else 100


@pytest.mark.parametrize("file_format", writable_formats())
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(("channels", "profile"), [(1, "no"), (1, "wide"), (3, "no"), (3, "wide"), (3, "p3")])
def test_what_a_format_can_hold_survives_and_the_rest_is_told(
    tmp_path, file_format, depth, alpha, *, channels, profile
):
    original = photograph(DEPTHS[depth], channels, alpha, PROFILES[profile][channels])
    target = tmp_path / f"Übergröße 画像.{file_format}"
    notes = write_picture(original, target, file_format=file_format, quality=lossless(file_format))
    copy, told, rules = read_picture(target), " ".join(notes), FORMATS[file_format]

    assert copy.source_format == file_format
    assert_pixels_survive(original, copy, rules, told)
    if copy.pixels.shape[2] == channels:
        assert copy.metadata.icc_profile == original.metadata.icc_profile
    assert copy.metadata.xmp == original.metadata.xmp
    assert exif_tags(original.metadata.exif).items() <= exif_tags(copy.metadata.exif).items()
    assert copy.metadata.iptc == original.metadata.iptc or "IPTC" in told
    assert copy.metadata.dots_per_inch == original.metadata.dots_per_inch or "resolution" in told
    assert [file.name for file in tmp_path.iterdir()] == [target.name]


def assert_pixels_survive(original, copy, rules, told):
    """Pixels and alpha are equal, or differ by what a note speaks of."""
    expected, alpha = original.pixels, original.alpha
    if alpha is not None and not rules.alpha:
        assert "laid over white" in told
        expected, alpha = over_white(expected, alpha), None
    if expected.shape[2] == 1 and not rules.grey:
        assert "written as RGB" in told
        if original.metadata.icc_profile is not None:  # tone curves differ: checked in a test of its own
            assert copy.metadata.icc_profile is None
            return
        expected = np.repeat(expected, 3, axis=2)
    bits = 32 if expected.dtype == np.float32 and rules.floats else min(rules.max_bits, 8 * expected.itemsize)
    if bits != 8 * expected.itemsize:
        assert f"{bits} bits" in told
    assert copy.pixels.shape == expected.shape
    assert copy.pixels.dtype == {8: np.uint8, 12: np.uint16, 16: np.uint16, 32: np.float32}[bits]
    step = 5 / 255 if rules.name == "jpeg" else 0.5 / (2**bits - 1) + (0.5 / 65_535 if bits == 12 else 1e-7)
    assert np.abs(as_unit(copy.pixels) - as_unit(expected)).max() <= (0 if bits == 32 else step)
    assert (alpha is None) == (copy.alpha is None)
    if alpha is not None:
        assert np.abs(as_unit(copy.alpha) - as_unit(alpha)).max() <= step


def as_unit(samples):
    return samples.astype(np.float64) / (1 if samples.dtype == np.float32 else np.iinfo(samples.dtype).max)


def over_white(pixels, alpha):
    covered = as_unit(alpha)[:, :, None]
    flat = as_unit(pixels) * covered + 1 - covered
    return flat.astype(np.float32) if pixels.dtype == np.float32 else quantised(flat, pixels.dtype)


def quantised(samples, dtype):
    return np.rint(samples * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize(("file_format", "dtype"), [("png", np.uint8), ("png", np.uint16), ("tiff", np.float32)])
def test_lossless_formats_give_back_the_very_samples(file_format, dtype):
    original = photograph(dtype, 3, alpha=True)
    copy = read_picture(encode_picture(original, file_format=file_format))
    np.testing.assert_array_equal(copy.pixels, original.pixels)
    np.testing.assert_array_equal(copy.alpha, original.alpha)


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp", pytest.param("avif", marks=needs_avif)])
def test_exif_survives_byte_for_byte(file_format):
    original = photograph()
    copy = read_picture(encode_picture(original, file_format=file_format))
    assert copy.metadata.exif == original.metadata.exif


def test_exif_in_tiff_is_stable_from_copy_to_copy():
    first = read_picture(encode_picture(photograph(), file_format="tiff"))
    assert read_picture(encode_picture(first, file_format="tiff")).metadata.exif == first.metadata.exif


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp", "tiff", pytest.param("avif", marks=needs_avif)])
def test_another_program_finds_everything(file_format):
    original = photograph(profile=rgb_profile())
    with Image.open(io.BytesIO(encode_picture(original, file_format=file_format))) as image:
        image.load()
        assert image.size == (56, 40)
        assert image.info["icc_profile"] == original.metadata.icc_profile
        exif = image.getexif()
        assert exif[0x010F].startswith("Cam")
        assert exif.get_ifd(0x8769)[0x9003] == "2026:05:17 12:34:56"
        assert exif.get_ifd(0x8825)[1] == "N"
        if file_format != "tiff":
            assert image.info["xmp"] == original.metadata.xmp
        if file_format in {"png", "jpeg", "tiff"}:
            assert [round(float(value)) for value in image.info["dpi"]] == [300, 240]


@pytest.mark.parametrize("file_format", writable_formats())
def test_a_file_without_metadata_gets_none(file_format):
    plain = Picture(pixels=gradient(np.uint8, 3))
    assert read_picture(encode_picture(plain, file_format=file_format)).metadata == Metadata()


@pytest.mark.parametrize("file_format", writable_formats())
def test_stripping_leaves_only_the_colour_profile(file_format):
    stripped = encode_picture(photograph(profile=rgb_profile()), file_format=file_format, strip_metadata=True)
    assert read_picture(stripped).metadata == Metadata(icc_profile=rgb_profile())
    assert b"Cam\x00" not in stripped
    assert b"xmpmeta" not in stripped


def test_resolution_goes_into_exif_where_the_format_has_no_other_place():
    picture = Picture(pixels=gradient(np.uint8, 3), metadata=Metadata(dots_per_inch=(300.0, 150.0)))
    assert read_picture(encode_picture(picture, file_format="webp")).metadata.dots_per_inch == (300.0, 150.0)


def test_hand_made_profiles_are_valid_for_an_independent_reader():
    for profile in (rgb_profile(), vips_profile("p3")):
        assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space == "RGB "
    assert ImageCms.ImageCmsProfile(io.BytesIO(grey_profile())).profile.xcolor_space == "GRAY"


def test_grey_with_a_profile_looks_the_same_as_rgb():
    shades = np.arange(48, 256, dtype=np.uint8).reshape(8, 26, 1)  # darker ones depend on the colour engine
    grey = Picture(pixels=shades, metadata=Metadata(icc_profile=grey_profile(gamma=1.8)))
    copy = read_picture(encode_picture(grey, file_format="webp", quality=100))
    light = (shades / 255) ** 1.8
    srgb = 1.055 * light ** (1 / 2.4) - 0.055
    assert copy.metadata.icc_profile is None
    assert np.abs(copy.pixels / 255 - srgb).max() < 1.5 / 255
    assert np.abs(copy.pixels.astype(int) - shades).max() > 10  # the profiles do differ


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pngs_of_another_program_are_read_as_they_are(mode):
    rgba = np.dstack([gradient(np.uint8, 3), coverage(np.uint8)])
    image = Image.fromarray(rgba)
    if mode == "I;16":
        image = Image.fromarray(gradient(np.uint16, 1)[:, :, 0])
    elif mode != "RGBA":
        image = image.convert("RGB").convert(mode) if mode in {"1", "P"} else image.convert(mode)
    picture = read_picture(pillow_bytes(image, "PNG"))
    expected = np.asarray(image.convert("RGB") if mode == "P" else image.convert("L") if mode == "1" else image)
    expected = np.atleast_3d(expected)
    num_colours = 1 if mode in {"1", "L", "LA", "I;16"} else 3
    np.testing.assert_array_equal(picture.pixels, expected[:, :, :num_colours])
    assert (picture.alpha is not None) == mode.endswith("A")
    if mode.endswith("A"):
        np.testing.assert_array_equal(picture.alpha, expected[:, :, -1])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palette_pngs_of_few_bits_and_their_transparency_are_read(bits):
    colours = 2**bits
    image = Image.fromarray((gradient(np.uint8, 1)[:, :, 0] // (256 // colours)).astype(np.uint8), "P")
    image.putpalette([value for index in range(colours) for value in (index * 255 // colours, 255 - index, 7)])
    picture = read_picture(pillow_bytes(image, "PNG", bits=bits, transparency=0))
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(picture.pixels, expected)
    np.testing.assert_array_equal(picture.alpha == 0, np.asarray(image) == 0)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_pngs_of_few_bits_reach_from_black_to_white(bits):
    stripes = pyvips.Image.new_from_array(np.array([[0, 255]], np.uint8)).copy(interpretation="b-w")
    picture = read_picture(stripes.pngsave_buffer(bitdepth=bits))
    assert picture.pixels.ravel().tolist() == [0, 255]


@needs_avif
@pytest.mark.parametrize("bits", [10, 12])
def test_white_stays_white_at_10_and_12_bits(bits):
    white = (pyvips.Image.black(16, 16, bands=3) + 65535).cast("ushort").copy(interpretation="rgb16")
    picture = read_picture(white.heifsave_buffer(compression="av1", bitdepth=bits, lossless=True))
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.min() == 65535


@needs_avif
def test_12_bit_avif_is_stable_from_copy_to_copy():
    first = read_picture(encode_picture(photograph(np.uint16), file_format="avif", quality=100))
    second = read_picture(encode_picture(first, file_format="avif", quality=100))
    np.testing.assert_array_equal(first.pixels, second.pixels)


@needs_avif
def test_a_monochrome_avif_is_grey():
    grey = Image.fromarray(gradient(np.uint8, 1)[:, :, 0])
    data = pillow_bytes(grey, "AVIF", quality=100)
    assert read_header(data).channels == 1
    assert np.abs(read_picture(data).pixels[:, :, 0].astype(int) - np.asarray(grey)).max() <= 2


def test_a_cmyk_photograph_with_its_profile_becomes_srgb_and_says_so():
    srgb = pyvips.Image.new_from_array(gradient(np.uint8, 3) // 2 + 64).copy(interpretation="srgb")
    data = srgb.icc_transform("cmyk", input_profile="srgb", intent="relative").jpegsave_buffer(Q=100)
    assert read_header(data).channels == 3
    picture = read_picture(data)
    assert picture.metadata.icc_profile is None
    assert "from CMYK to sRGB by the profile in the file" in picture.notes[0]
    assert np.abs(picture.pixels.astype(int) - srgb.numpy()).mean() < 6  # what ink on paper cannot show is lost


def test_inverted_cmyk_of_adobe_is_not_read_as_a_negative():
    paper = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    jpeg, tiff = (read_picture(pillow_bytes(paper, kind)) for kind in ("JPEG", "TIFF"))  # Pillow inverts JPEG as Adobe
    assert jpeg.pixels.min() > 250
    assert tiff.pixels.min() > 250
    assert "a general profile" in jpeg.notes[0]


def test_alpha_beside_cmyk_survives():
    inks = np.zeros((8, 9, 5), np.uint8)
    inks[:, :, 4] = 200
    image = pyvips.Image.new_from_array(inks).copy(interpretation="cmyk")
    picture = read_picture(image.tiffsave_buffer())
    assert picture.alpha.min() == picture.alpha.max() == 200


@pytest.mark.parametrize("space", ["lab", "labs", "labq"])
def test_lab_becomes_srgb_and_says_so(space):
    srgb = gradient(np.uint8, 3) // 2 + 64
    image = pyvips.Image.new_from_array(srgb).copy(interpretation="srgb").colourspace(space)
    data = image.tiffsave_buffer()
    picture = read_picture(data)
    assert "to sRGB" in picture.notes[0]
    assert read_header(data).bit_depth == 16
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels / 257 - srgb).max() < (4 if space == "labq" else 1)  # labq: written with 8 bits


def test_premultiplied_alpha_is_divided_out():
    rgba = np.dstack([np.full((8, 8, 3), 200, np.uint8), np.full((8, 8), 128, np.uint8)])
    image = pyvips.Image.new_from_array(rgba).copy(interpretation="srgb")
    picture = read_picture(image.tiffsave_buffer(premultiply=True))
    assert np.abs(picture.pixels.astype(int) - 200).max() <= 1


def test_a_profile_for_other_pixels_is_left_out_and_told():
    image = Image.fromarray(gradient(np.uint8, 1)[:, :, 0])
    picture = read_picture(pillow_bytes(image, "TIFF", icc_profile=rgb_profile()))
    assert picture.metadata.icc_profile is None
    assert "does not fit" in picture.notes[0]


def test_further_channels_are_left_out_and_told():
    six = pyvips.Image.new_from_array(np.full((8, 8, 6), 9, np.uint8)).copy(interpretation="srgb")
    picture = read_picture(six.tiffsave_buffer())
    assert picture.alpha is not None
    assert picture.pixels.shape == (8, 8, 3)
    assert "2 more channels" in picture.notes[0]


def test_quality_makes_files_larger():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    small, large = (encode_picture(Picture(pixels=noise), file_format="jpeg", quality=q) for q in (50, 95))
    assert len(small) < len(large)


def test_quality_for_a_lossless_format_is_told_to_be_ignored(tmp_path):
    assert "no meaning" in write_picture(photograph(), tmp_path / "a.png", quality=50)[-1]


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_out_of_range_is_refused(quality):
    with pytest.raises(ImageWriteError, match=f"quality must be 1 to 100: got {quality}"):
        encode_picture(photograph(), file_format="jpeg", quality=quality)


@pytest.mark.parametrize(("file_format", "side"), [("jpeg", 65_501), ("webp", 16_384)])
def test_sides_that_a_format_cannot_hold_are_refused(file_format, side):
    wide = Picture(pixels=np.zeros((1, side, 1), np.uint8))
    with pytest.raises(ImageWriteError, match=r"sides of at most [\d,]+ pixels: got .*; write png or (jpeg or )?tiff"):
        encode_picture(wide, file_format=file_format)


def test_the_widest_jpeg_is_written():
    wide = Picture(pixels=np.zeros((1, 65_500, 1), np.uint8))
    assert read_header(encode_picture(wide, file_format="jpeg")).width == 65_500


@pytest.mark.parametrize("name", ["photo.xyz", "photo", "photo.gif"])
def test_an_ending_without_a_format_is_refused(tmp_path, name):
    with pytest.raises(ImageWriteError, match=r"must end in one of \.png"):
        write_picture(photograph(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_nobody_has_is_refused():
    with pytest.raises(ImageWriteError, match="the format must be one of png"):
        encode_picture(photograph(), file_format="bmp")


def test_the_format_can_be_named_against_the_ending(tmp_path):
    write_picture(photograph(), tmp_path / "photo.part", file_format=".jpg")
    assert read_picture(tmp_path / "photo.part").source_format == "jpeg"


@pytest.mark.parametrize("file_format", writable_formats())
def test_headers_agree_with_pictures(file_format):
    data = encode_picture(photograph(np.uint16, 3, alpha=True), file_format=file_format)
    header, picture = read_header(data), read_picture(data)
    assert (header.height, header.width, header.channels) == picture.pixels.shape
    assert header.has_alpha == (picture.alpha is not None)
    assert header.bit_depth == 8 * picture.pixels.itemsize
    assert header.format == picture.source_format


def test_a_header_is_read_without_the_pixels():
    empty = png_bytes(40_000, 30_000, (b"IDAT", b""))
    assert (read_header(empty).width, read_header(empty).height) == (40_000, 30_000)


def test_everyday_formats_are_there():
    assert {"png", "jpeg", "webp", "tiff"} <= set(readable_formats()) & set(writable_formats())


def test_a_picture_of_other_numbers_is_refused():
    with pytest.raises(ImageError, match="of uint8, uint16 or float32: got shape"):
        Picture(pixels=np.zeros((4, 4, 3), np.int32))
    with pytest.raises(ImageError, match="alpha must be height × width"):
        replace(photograph(), alpha=np.zeros((40, 56), np.uint16))


def test_reading_pictures_does_not_load_torch():
    check = "import sys, nlcunet.imaging.files; sys.exit('torch' in sys.modules)"
    assert run([sys.executable, "-c", check], env={"PYTHONPATH": str(SOURCE)}, check=False).returncode == 0


@pytest.mark.parametrize("largest", [0, 1 << 20])
def test_an_opened_picture_is_decoded_from_the_same_opening(tmp_path, monkeypatch, largest):
    write_picture(photograph(), tmp_path / "a.png")
    openings = []

    def count(*arguments):
        openings.append(1)
        return open_file(*arguments)

    monkeypatch.setattr(files, "open_file", count)
    monkeypatch.setattr(files, "HELD_BYTES", largest)
    for source in (tmp_path / "a.png", (tmp_path / "a.png").read_bytes()):
        openings.clear()
        opened = files.OpenedPicture(source)
        assert (opened.header.width, opened.header.height) == (photograph().width, photograph().height)
        first = opened.read()
        assert len(openings) == (1 if largest or isinstance(source, bytes) else 2)
        assert np.array_equal(first.pixels, read_picture(source).pixels)
        assert np.array_equal(opened.read().pixels, first.pixels)
        with pytest.raises(ImageTooLargeError):
            files.OpenedPicture(source).read(max_pixels=10)


def test_an_opened_picture_that_ends_early_is_told_when_it_is_decoded(tmp_path):
    write_picture(photograph(), tmp_path / "a.png")
    cut = (tmp_path / "a.png").read_bytes()[:-200]
    opened = files.OpenedPicture(cut)
    messages = set()
    for _ in range(2):
        with pytest.raises(TruncatedImageError) as error:
            opened.read()
        messages.add(str(error.value))
    with pytest.raises(TruncatedImageError) as error:
        read_picture(cut)
    assert messages == {str(error.value)}
