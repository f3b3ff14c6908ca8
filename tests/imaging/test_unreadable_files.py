"""Files that are no photographs are refused by name and reason, and nothing else is raised."""

import contextlib
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import gradient, photograph, pillow_bytes, png_bytes
from PIL import Image

from nlcunet.errors import (
    AnimatedImageError,
    ImageError,
    ImageTooLargeError,
    TruncatedImageError,
    UnreadableImageError,
)
from nlcunet.imaging.files import encode_picture, read_header, read_picture, writable_formats
from nlcunet.imaging.libvips import reason_of

FILES = {name: encode_picture(photograph(alpha=True), file_format=name) for name in writable_formats()}
DAMAGEABLE = FILES | {
    f"bmp {mode}": pillow_bytes(Image.fromarray(gradient(np.uint8, 3)).convert(mode), "BMP") for mode in ("P", "RGB")
}


def frames():
    """Three small pictures, made anew: Pillow leaves settings of one format behind in them."""
    return [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (0, 90, 180)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "got an empty file"),
        (b"Dear diary, this is no picture.", "starts with b'Dear diary, '"),
        (b"\x89PNG\r\n", "starts with"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "got an SVG drawing"),
        (b"%PDF-1.7\n", "got a PDF document"),
        (b"BM, as a letter begins", "starts with b'BM, as a let'"),
        (b"8BPS" + bytes(60), "got a Photoshop document"),
        (bytes(range(256)), "starts with"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_content(tmp_path, content, reason):
    disguised = tmp_path / "holiday ☀.png"
    disguised.write_bytes(content)
    for read in (read_picture, read_header):
        with pytest.raises(UnreadableImageError, match=reason) as caught:
            read(disguised)
        assert "holiday ☀.png" in str(caught.value)


def test_formats_outside_of_the_list_never_reach_libvips(monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("libvips was asked")

    monkeypatch.setattr(pyvips.Operation, "call", refuse)
    monkeypatch.setattr(pyvips.Source, "new_from_memory", refuse)
    for content in (
        b"<svg/>",
        b"%PDF-1.7",
        b"push graphic-context\nimage over 0,0 0,0 'https://example.com'\n",
        b"P6 1 1 255",
    ):
        with pytest.raises(UnreadableImageError):
            read_picture(content)


def test_folders_and_missing_files_are_refused(tmp_path):
    with pytest.raises(UnreadableImageError, match="directory"):
        read_picture(tmp_path)
    for read in (read_picture, read_header):
        with pytest.raises(UnreadableImageError, match="No such file"):
            read(tmp_path / "missing.png")


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_several_frames_are_refused_with_their_number(file_format):
    if file_format == "AVIF" and "avif" not in writable_formats():
        pytest.skip("this libvips has no AV1 coder")
    data = pillow_bytes(frames()[0], file_format, save_all=True, append_images=frames()[1:])
    for read in (read_picture, read_header):
        with pytest.raises(AnimatedImageError, match="must hold one picture: got 3 frames"):
            read(data)


def test_a_still_gif_is_refused_with_advice():
    with pytest.raises(UnreadableImageError, match=r"got a GIF.*convert it to PNG"):
        read_picture(pillow_bytes(frames()[0], "GIF"))


def test_a_multi_picture_jpeg_gives_its_first_picture():
    data = pillow_bytes(frames()[1], "MPO", save_all=True, append_images=frames()[2:])
    assert np.abs(read_picture(data).pixels[:, :, 0].astype(int) - 90).max() <= 2


def test_an_animated_png_of_one_frame_is_a_picture():
    chunks = (b"acTL", struct.pack(">II", 1, 0)), (b"IDAT", zlib.compress(b"\x00\x07\x08\x09"))
    assert read_picture(png_bytes(1, 1, *chunks)).pixels.ravel().tolist() == [7, 8, 9]


@pytest.mark.parametrize("with_sub_directories", [False, True])
def test_a_tiff_with_reduced_copies_of_its_picture_is_one_picture(with_sub_directories):
    large = pyvips.Image.new_from_array(gradient(np.uint8, 3, 300, 400))
    data = large.tiffsave_buffer(tile=True, tile_width=128, tile_height=128, pyramid=True, subifd=with_sub_directories)
    assert read_picture(data).pixels.shape == (300, 400, 3)


def test_camera_raw_is_refused_instead_of_showing_its_thumbnail():
    reduced = pillow_bytes(Image.new("L", (8, 8)), "TIFF", tiffinfo={254: 1})
    dng = pillow_bytes(Image.new("L", (8, 8)), "TIFF", tiffinfo={50706: b"\x01\x04\x00\x00"})
    for data in (reduced, dng):
        with pytest.raises(UnreadableImageError, match="camera raw"):
            read_picture(data)


@pytest.mark.parametrize("file_format", writable_formats())
@pytest.mark.parametrize("share", [0.05, 0.4, 0.7, 0.9])
def test_truncated_files_are_errors_that_say_what_was_got(file_format, share):
    whole = FILES[file_format]
    cut = whole[: int(len(whole) * share)]
    with pytest.raises(TruncatedImageError, match=rf"must be a whole file: got {len(cut):,} bytes of {file_format}"):
        read_picture(cut)


@pytest.mark.parametrize("file_format", ["png", "jpeg"])
def test_truncated_photographs_are_errors_at_every_length(file_format):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    whole = pillow_bytes(Image.fromarray(noise), file_format.upper())
    end = {"png": 12 + 4, "jpeg": 0}[file_format]  # behind the last pixel: the end chunk and a checksum
    for length in range(16, len(whole) - end - 8, 97):
        with pytest.raises(ImageError):
            read_picture(whole[:length])


def test_a_picture_of_a_billion_pixels_is_refused_before_it_is_decoded():
    bomb = png_bytes(40_000, 40_000, (b"IDAT", zlib.compress(b"\x00")))
    with pytest.raises(ImageTooLargeError, match=r"at most 500,000,000 pixels: got 40000 × 40000 = 1,600,000,000"):
        read_picture(bomb)


def test_the_limit_can_be_moved():
    data = FILES["png"]
    assert read_picture(data, max_pixels=40 * 56).pixels.shape == (40, 56, 3)
    with pytest.raises(ImageTooLargeError, match="at most 2,239 pixels"):
        read_picture(data, max_pixels=40 * 56 - 1)


@pytest.mark.parametrize("sample", ["char", "short", "int"])
def test_signed_samples_are_refused(sample):
    data = pyvips.Image.black(8, 8).cast(sample).tiffsave_buffer()
    with pytest.raises(UnreadableImageError, match=f"unsigned or floating point samples: got {sample}"):
        read_picture(data)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(DAMAGEABLE)), st.data())
def test_damaged_files_raise_nothing_but_image_errors(file_format, data):
    damaged = bytearray(DAMAGEABLE[file_format])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):  # any other error fails the test
        read_header(bytes(damaged))
        read_picture(bytes(damaged), max_pixels=1_000_000)


@settings(deadline=None, max_examples=100)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"GIF89a", b"II*\x00", b"MM\x00+", b"\x89PNG\r\n\x1a\n", b"RIFF"])
)
def test_random_bytes_raise_nothing_but_image_errors(content, magic):
    with pytest.raises(ImageError):
        read_picture(magic + content)


def test_nothing_is_printed_about_damaged_files(capfd):
    for file_format, whole in FILES.items():
        with pytest.raises(ImageError):
            read_picture(whole[: len(whole) * 2 // 3])
        assert file_format in FILES
    assert capfd.readouterr() == ("", "")


def test_a_message_of_libvips_that_is_no_text_still_gives_a_reason():
    broken = UnicodeDecodeError("utf-8", b"meta\xfe", 4, 5, "invalid start byte")
    assert reason_of(broken) == "libvips cannot decode it"


def test_files_that_fail_side_by_side_are_told_their_own_reasons(tmp_path):
    """libvips has one error text for all threads."""
    paths = []
    for number in range(24):
        name = ("png", "jpeg", "webp")[number % 3]
        whole = FILES[name]
        paths.append(tmp_path / f"{number}.{name}")
        paths[-1].write_bytes(whole[: len(whole) // 2 + number])

    def reason(path):
        with pytest.raises(ImageError) as caught:
            read_picture(path)
        return str(caught.value)

    alone = [reason(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(4):
            assert list(pool.map(reason, paths)) == alone
