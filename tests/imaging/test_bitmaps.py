"""Windows bitmaps of every kind are read as other programs read them."""

import struct

import numpy as np
import pytest
from photographs import gradient, pillow_bytes, rgb_profile
from PIL import Image

from nlcunet.errors import ImageWriteError, TruncatedImageError, UnreadableImageError
from nlcunet.imaging.files import Picture, encode_picture, read_header, read_picture, readable_formats, writable_formats
from nlcunet.imaging.spooling import spool_picture

OS2, WINDOWS, V4, V5 = 12, 40, 108, 124


def bmp(width, height, bits, body, *, size=WINDOWS, compression=0, palette=b"", masks=(), tail=b"", profile=(0, 0)):
    """A bitmap of one's own making; a negative height is stored from the top down."""
    if size == OS2:
        header = struct.pack("<IHHHH", size, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, len(body), 11811, 9449, 0, 0)
    if size >= V4:
        header += struct.pack("<4I", *masks, *[0] * (4 - len(masks)))
        header = header.ljust(size, b"\x00")
        if profile[1]:
            header = header[:56] + b"DEBM" + header[60:112] + struct.pack("<II", *profile) + header[120:]
    else:
        header += struct.pack(f"<{len(masks)}I", *masks)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + palette + body + tail


def padded(samples):
    """Rows from the bottom up, each of a multiple of four bytes."""
    rows = [row.tobytes() for row in samples[::-1]]
    return b"".join(row + bytes(-len(row) % 4) for row in rows)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("width", [53, 54, 55, 56])
def test_bitmaps_of_another_program_are_read_as_they_are(mode, width):
    image = Image.fromarray(gradient(np.uint8, 3, width=width)).convert(mode)
    data = pillow_bytes(image, "BMP", dpi=(300, 240))
    picture, header = read_picture(data), read_header(data)
    expected = np.atleast_3d(np.asarray(image.convert({"1": "L", "P": "RGB"}.get(mode, mode))))
    channels = 1 if mode in {"1", "L"} else 3
    np.testing.assert_array_equal(picture.pixels, expected)
    assert (header.height, header.width, header.channels, header.bit_depth) == (40, width, channels, 8)
    assert not header.has_alpha
    assert picture.alpha is None
    assert picture.metadata.dots_per_inch == (300.0, 240.0)
    assert picture.source_format == "bmp"


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("size", [OS2, WINDOWS])
def test_palettes_of_every_width_and_header(bits, size):
    colours = 2**bits
    numbers = (np.arange(3 * 5).reshape(3, 5) * 7 % colours).astype(np.uint8)
    palette = np.array([[index * 255 // (colours - 1), 7, 255 - index] for index in range(colours)], np.uint8)
    packed = np.packbits(np.unpackbits(numbers[:, :, None], axis=2)[:, :, 8 - bits :].reshape(3, -1), axis=1)
    entry_bytes = np.concatenate([palette[:, ::-1], np.zeros((colours, 1), np.uint8)], axis=1)
    entries = palette[:, ::-1] if size == OS2 else entry_bytes
    data = bmp(5, 3, bits, padded(packed), size=size, palette=np.ascontiguousarray(entries).tobytes())
    np.testing.assert_array_equal(read_picture(data).pixels, palette[numbers])


def test_rows_from_the_top_down_and_from_the_bottom_up():
    pixels = gradient(np.uint8, 3)
    up = bmp(56, 40, 24, padded(pixels[:, :, ::-1]))
    down = bmp(56, -40, 24, padded(pixels[::-1, :, ::-1]))
    for data in (up, down):
        np.testing.assert_array_equal(read_picture(data).pixels, pixels)


def test_16_bits_of_555_and_565():
    numbers = np.array([[0x7FFF, 0x7C00, 0x001F, 0]], "<u2")
    plain = read_picture(bmp(4, 1, 16, padded(numbers))).pixels
    assert plain.tolist() == [[[255, 255, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0]]]
    numbers = np.array([[0xFFFF, 0xF800, 0x07E0, 0x0410]], "<u2")
    masked = read_picture(bmp(4, 1, 16, padded(numbers), compression=3, masks=(0xF800, 0x07E0, 0x001F))).pixels
    assert masked.tolist() == [[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 130, 132]]]


def test_10_bits_per_colour_become_16():
    numbers = np.array([[0x3FF00000, 0x000003FF]], "<u4")
    data = bmp(2, 1, 32, padded(numbers), compression=3, masks=(0x3FF00000, 0x000FFC00, 0x000003FF))
    assert read_header(data).bit_depth == 16
    assert read_picture(data).pixels.tolist() == [[[65535, 0, 0], [0, 0, 65535]]]


def test_the_fourth_byte_is_alpha_only_where_it_is_marked():
    numbers = np.array([[0x80112233, 0x00112233]], "<u4")
    masks = (0xFF0000, 0xFF00, 0xFF)
    unmarked = read_picture(bmp(2, 1, 32, padded(numbers)))
    assert unmarked.alpha is None
    marked = read_picture(bmp(2, 1, 32, padded(numbers), size=V4, compression=3, masks=(*masks, 0xFF000000)))
    assert marked.alpha.tolist() == [[128, 0]]
    assert marked.pixels.tolist() == unmarked.pixels.tolist() == [[[0x11, 0x22, 0x33]] * 2]


def test_run_lengths_of_8_and_4_bits():
    palette = bytes(value for index in range(256) for value in (index, index, index, 0))
    runs = b"\x03\x09\x00\x03\x01\x02\x03\x00\x00\x00" + b"\x00\x02\x02\x00\x01\x07\x00\x01"
    picture = read_picture(bmp(6, 2, 8, runs, compression=1, palette=palette))
    assert picture.pixels[:, :, 0].tolist() == [[0, 0, 7, 0, 0, 0], [9, 9, 9, 1, 2, 3]]
    runs = b"\x03\x12\x00\x03\x34\x50\x00\x00\x00\x01"
    picture = read_picture(bmp(6, 1, 4, runs, compression=2, palette=palette[:64]))
    assert picture.pixels[:, :, 0].tolist() == [[1, 2, 1, 3, 4, 5]]


def test_a_colour_profile_inside_is_kept():
    body, profile = padded(gradient(np.uint8, 3)[:, :, ::-1]), rgb_profile()
    data = bmp(56, 40, 24, body, size=V5, tail=profile, profile=(V5 + len(body), len(profile)))
    assert read_picture(data).metadata.icc_profile == profile


@pytest.mark.parametrize("cut", [20, 53, 60, 200])
def test_damaged_bitmaps_are_told(cut):
    data = pillow_bytes(Image.fromarray(gradient(np.uint8, 3)), "BMP")
    with pytest.raises(TruncatedImageError, match=f"got {cut} bytes of bmp that end early or are damaged"):
        read_picture(data[:cut])
    with pytest.raises(TruncatedImageError, match="it has 1073741824 × 1 pixels"):
        read_header(bmp(2**30, 1, 24, b""))
    runs = bmp(600, 2, 8, b"\xff\x01", compression=1, palette=bytes(1024))
    with pytest.raises(TruncatedImageError, match="the pixels end early"):
        read_picture(runs)


def test_a_bitmap_around_a_jpeg_is_refused():
    with pytest.raises(UnreadableImageError, match="24 bits per pixel with compression 4; convert it to PNG"):
        read_picture(bmp(8, 8, 24, b"\xff\xd8", compression=4))


def test_bitmaps_are_read_and_not_written(tmp_path):
    assert "bmp" in readable_formats()
    assert "bmp" not in writable_formats()
    with pytest.raises(ImageWriteError, match="got bmp"):
        encode_picture(Picture(pixels=gradient(np.uint8, 1)), file_format="bmp")
    data = pillow_bytes(Image.fromarray(gradient(np.uint8, 3)), "BMP")
    spooled = spool_picture(data, tmp_path / "raw", max_pixels=10**6)
    with spooled.raw:
        whole = spooled.needful().read(slice(0, 40), slice(0, 56))
    np.testing.assert_array_equal(whole.pixels, gradient(np.uint8, 3))
