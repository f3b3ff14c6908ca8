"""No part of a file vanishes unnoticed, and nothing is claimed that is no longer so."""

import io
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyvips
from photographs import (
    ADOBE_RGB,
    IPTC,
    exif_block,
    gradient,
    photograph,
    pillow_bytes,
    png_bytes,
    rgb_profile,
    tiff_bytes,
)
from PIL import Image

from nlcunet.imaging.embedding import embed_jpeg
from nlcunet.imaging.files import Metadata, Picture, encode_picture, read_picture, writable_formats, write_picture
from nlcunet.imaging.parts import CONTAINERS, parts_as_markdown
from nlcunet.imaging.png import png_chunk, png_chunks
from nlcunet.imaging.tiff_tags import SUBFILE_TYPE, UNDEFINED, Value, directories

PAGE = Path(__file__).parents[2] / "docs" / "files.md"
TEXTS = (("Title", "Kite"), ("Copyright", "© A. Photographer"), ("prompt", '{"seed": 4711, "by": "画"}'))


def png_with(*chunks, pixels=None):
    """A PNG by libvips with further chunks in front of its pixels."""
    pixels = gradient(np.uint8, 3) if pixels is None else pixels
    data = encode_picture(Picture(pixels=pixels), file_format="png")
    at = next(start for kind, start, _ in png_chunks(data) if kind == b"IDAT") - 8
    return data[:at] + b"".join(png_chunk(kind, content) for kind, content in chunks) + data[at:]


def jpeg_with(*segments, behind=b"", metadata=None):
    """A JPEG with further segments in front of its tables, and something behind its end."""
    data = encode_picture(Picture(pixels=gradient(np.uint8, 3), metadata=metadata or Metadata()), file_format="jpeg")
    body = b"".join(struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments)
    return data[:2] + body + data[2:] + behind


def notes_of(data):
    return " ".join(read_picture(data).notes)


@pytest.mark.parametrize("file_format", writable_formats())
def test_files_of_ones_own_hold_nothing_that_is_not_known(file_format):
    assert read_picture(encode_picture(photograph(alpha=True), file_format=file_format)).notes == ()


def test_texts_of_a_png_are_kept_in_every_form(tmp_path):
    chunks = [
        (b"tEXt", b"Title\x00Kite"),
        (b"zTXt", b"Copyright\x00\x00" + zlib.compress(TEXTS[1][1].encode("latin-1"))),
    ]
    chunks += [(b"iTXt", b"prompt\x00\x01\x00en\x00\x00" + zlib.compress(TEXTS[2][1].encode()))]
    chunks += [(b"tEXt", b"Thumb::Image::Width\x0056"), (b"tIME", bytes(7))]
    picture = read_picture(png_with(*chunks))
    assert picture.metadata.texts == TEXTS
    assert picture.notes == ()
    assert write_picture(picture, tmp_path / "a.png") == ()
    with Image.open(tmp_path / "a.png") as image:
        assert tuple(image.text.items()) == TEXTS
    assert read_picture(tmp_path / "a.png").metadata.texts == TEXTS
    assert read_picture(encode_picture(picture, file_format="png", strip_metadata=True)).metadata.texts == ()


@pytest.mark.parametrize("file_format", [name for name in writable_formats() if name != "png"])
def test_formats_without_a_place_for_texts_name_them(tmp_path, file_format):
    picture = replace(photograph(), metadata=Metadata(texts=TEXTS))
    (note,) = write_picture(picture, tmp_path / "a", file_format=file_format)
    assert note == f"{file_format} has no place for texts (Title, Copyright, prompt); they were left out."


def test_texts_that_cannot_be_read_are_named():
    bomb = zlib.compress(bytes(17 * 2**20))
    told = notes_of(
        png_with((b"zTXt", b"cut\x00\x00" + zlib.compress(b"text")[:-3]), (b"zTXt", b"bomb\x00\x00" + bomb))
    )
    assert "unreadable text cut, unreadable text bomb" in told


def raw_profile(kind, content):
    digits = re.sub("(.{72})", "\\1\n", content.hex())
    return b"zTXt", f"Raw profile type {kind}".encode() + b"\x00\x00" + zlib.compress(
        f"\n{kind}\n{len(content):8}\n{digits}\n".encode()
    )


@pytest.mark.parametrize("kind", ["exif", "APP1"])
def test_metadata_in_texts_is_found(kind):
    resources = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(IPTC)) + IPTC + bytes(len(IPTC) % 2)
    chunks = [
        raw_profile(kind, b"Exif\x00\x00" + exif_block()),
        raw_profile("8bim", resources),
        raw_profile("odd", b"x"),
    ]
    chunks += [raw_profile("xmp", b"<x/>")]
    picture = read_picture(png_with(*chunks))
    assert picture.metadata.exif == exif_block()
    assert picture.metadata.iptc == IPTC
    assert picture.metadata.xmp == b"<x/>"
    assert "raw profile odd" in picture.notes[0]


def shown_as_srgb(picture):
    """What a program that heeds the profile shows."""
    bands = picture.pixels.shape[2]
    image = pyvips.Image.new_from_array(picture.pixels).copy(interpretation="srgb" if bands == 3 else "b-w")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.metadata.icc_profile)
    return image.icc_transform("srgb", embedded=True, intent="relative").numpy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("file_format", ["png", "jpeg", "tiff"])
def test_a_linear_png_looks_the_same_afterwards(channels, file_format):
    shades = np.full((16, 16, channels), 128, np.uint8)
    picture = read_picture(png_with((b"gAMA", struct.pack(">I", 100_000)), pixels=shades))
    copy = read_picture(
        encode_picture(picture, file_format=file_format, quality=100 if file_format == "jpeg" else None)
    )
    assert np.abs(shown_as_srgb(copy).astype(int) - 188).max() <= 1  # (128/255) as light in sRGB: 1.055·l^(1/2.4)−0.055
    assert "became a colour profile" in picture.notes[0]


def test_primaries_of_a_png_become_those_of_its_profile():
    adobe = (31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000)
    chunks = (b"gAMA", struct.pack(">I", round(100_000 * 256 / 563))), (b"cHRM", struct.pack(">8I", *adobe))
    picture = read_picture(png_with(*chunks))
    expected = replace(picture, metadata=Metadata(icc_profile=rgb_profile(ADOBE_RGB)))
    assert np.abs(shown_as_srgb(picture).astype(int) - shown_as_srgb(expected)).max() <= 1
    with Image.open(io.BytesIO(encode_picture(picture, file_format="png"))) as image:
        assert image.info["icc_profile"] == picture.metadata.icc_profile


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", struct.pack(">I", 45_455))],
        [(b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\x00")],
        [(b"gAMA", bytes(4))],
        [(b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", struct.pack(">8I", *[31_270, 32_900, *[0] * 6]))],
        [(b"cICP", b"\x01\x0d\x00\x01")],
    ],
)
def test_what_means_srgb_needs_no_profile(chunks):
    picture = read_picture(png_with(*chunks))
    assert picture.metadata.icc_profile is None
    assert picture.notes == ()


@pytest.mark.parametrize(
    ("chunk", "name"),
    [
        ((b"bKGD", bytes(6)), "background colour (bKGD)"),
        ((b"cICP", b"\x09\x10\x00\x01"), "colour codes (HDR, wide gamut) (cICP)"),
        ((b"caBX", b"jumb"), "content credentials (caBX)"),
        ((b"qqQq", b"?"), "unknown chunk qqQq"),
        ((b"cHRM", struct.pack(">8I", *range(1, 9))), "primaries without an exponent (cHRM)"),
    ],
)
def test_chunks_that_do_not_come_along_are_named(chunk, name):
    assert notes_of(png_with(chunk)) == f"Parts of the file were left out: {name}."


def test_what_lies_behind_a_picture_is_counted():
    assert "7 bytes behind the picture" in notes_of(png_with() + b"a video")
    assert "7 bytes behind the picture" in notes_of(jpeg_with(behind=b"a video"))
    assert "30 bytes behind the picture (with a video)" in notes_of(
        jpeg_with(behind=b"\x00\x00\x00\x1eftypmp42" + b"." * 18)
    )
    assert notes_of(jpeg_with(behind=bytes(500))) == ""


def test_the_end_of_a_progressive_jpeg_is_found():
    data = pillow_bytes(Image.fromarray(gradient(np.uint8, 3)), "JPEG", progressive=True, restart_marker_blocks=3)
    assert notes_of(data) == ""
    assert "1 bytes" in notes_of(data + b"x")


def test_the_comment_of_a_jpeg_is_kept(tmp_path):
    for content in ("seed 4711, Müller".encode(), "seed 4711, Müller".encode("latin-1")):
        picture = read_picture(jpeg_with((0xFE, content)))
        assert picture.metadata.texts == (("Comment", "seed 4711, Müller"),)
        for name in ("a.jpg", "a.png"):
            assert write_picture(picture, tmp_path / name) == ()
            assert read_picture(tmp_path / name).metadata.texts == picture.metadata.texts
        with Image.open(tmp_path / "a.jpg") as image:
            assert image.info["comment"] == "seed 4711, Müller".encode()
        assert "no place for texts (Comment)" in write_picture(picture, tmp_path / "a.webp")[0]
    long = replace(picture, metadata=Metadata(texts=(("Comment", "x" * 70_000),)))
    assert "too large for JPEG" in write_picture(long, tmp_path / "a.jpg")[0]


def ultra_hdr():
    """A JPEG with a gain map behind it, the index of both, and XMP that tells of it."""
    gain_map = pillow_bytes(Image.new("L", (8, 8)), "JPEG")
    entries = struct.pack(">IIIIIIII", 0x030000, 0, 0, 0, 0, len(gain_map), 1000, 0)
    index = b"MM\x00*" + struct.pack(">IHHHII", 8, 1, 0xB002, 7, 32, 26) + bytes(4) + entries
    xmp = (
        b'<x:xmpmeta><rdf:Description hdrgm:Version="1.0" dc:title="Kite" GCamera:MotionPhoto="1">'
        b"<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Length='1104'/></rdf:li></rdf:Seq>"
        b"</Container:Directory></rdf:Description></x:xmpmeta>"
    )
    return jpeg_with((0xE2, b"MPF\x00" + index), behind=gain_map, metadata=Metadata(xmp=xmp))


def test_a_gain_map_is_told_and_no_longer_announced():
    picture = read_picture(ultra_hdr())
    assert picture.metadata.xmp == b'<x:xmpmeta><rdf:Description dc:title="Kite"></rdf:Description></x:xmpmeta>'
    (note,) = picture.notes
    assert note == (
        "Parts of the file were left out: 1 further picture (as a gain map or a second view), what XMP says of them "
        "(hdrgm:Version, GCamera:MotionPhoto, Container:Directory)."
    )


def test_previews_are_no_further_pictures():
    preview = ultra_hdr().replace(
        struct.pack(">IIII", 0x030000, 0, 0, 0) + bytes(3), struct.pack(">IIII", 0x030000, 0, 0, 0) + b"\x00\x01\x00"
    )
    assert "further picture" not in notes_of(preview)


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ((0xE3, b"Meta\x00\x00abc"), "unknown segment 0xE3 Meta"),
        ((0xE1, b"http://ns.adobe.com/xmp/extension/\x00" + bytes(50)), "extended XMP"),
        ((0xE2, b"urn:iso:std:iso:ts:21496:-1\x00\x00\x00\x00\x00"), "HDR gain map"),
        ((0xEB, b"JP\x00\x01"), "JUMBF boxes (content credentials)"),
        ((0xED, b"Photoshop 3.0\x008BIM" + struct.pack(">HHI", 2000, 0, 2) + b"ab"), "Photoshop resource 2000"),
    ],
)
def test_segments_that_do_not_come_along_are_named(segment, name):
    assert name in notes_of(jpeg_with(segment))


def test_a_chunk_of_a_webp_that_is_not_known_is_named():
    data = encode_picture(photograph(), file_format="webp")
    body = data[8:] + b"ODD \x02\x00\x00\x00ab"
    assert "unknown chunk ODD" in notes_of(b"RIFF" + struct.pack("<I", len(body)) + body)


@pytest.mark.skipif("avif" not in writable_formats(), reason="this libvips has no AV1 coder")
def test_pictures_beside_that_of_an_avif_are_named():
    data = encode_picture(photograph(alpha=True), file_format="avif")
    assert "depth map (depth)" in notes_of(data.replace(b"auxiliary:alpha", b"auxiliary:depth"))
    assert "auxiliary picture urn:mpeg:mpegB:cicp:systems:auxiliary:gloss" in notes_of(
        data.replace(b"auxiliary:alpha", b"auxiliary:gloss")
    )
    credentials = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    assert "content credentials (c2pa)" in notes_of(data + struct.pack(">I4s", 24, b"uuid") + credentials)
    assert "unknown box oddb" in notes_of(data + struct.pack(">I4s", 8, b"oddb"))


def test_layers_and_resources_of_photoshop_in_a_tiff():
    resources = b"8BIM" + struct.pack(">HHI", 2000, 0, 2) + b"ab"
    resources += b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(IPTC)) + IPTC + bytes(len(IPTC) % 2)
    tags = {"tag_34377": Value(UNDEFINED, len(resources), resources), "tag_37724": Value(UNDEFINED, 8, b"Adobe Ph")}
    picture = read_picture(tiff_bytes(gradient(np.uint8, 3), **tags))
    assert picture.notes == ("Parts of the file were left out: Photoshop resource 2000, layers of Photoshop.",)
    assert picture.metadata.iptc == IPTC


def test_a_mask_beside_a_tiff_is_told():
    first, mask = (Image.fromarray(gradient(np.uint8, channels).squeeze()) for channels in (3, 1))
    data = bytearray(pillow_bytes(first, "TIFF", save_all=True, append_images=[mask], tiffinfo={254: 0}))
    second = list(directories(bytes(data)))[1][SUBFILE_TYPE]
    struct.pack_into("<I", data, second.value_at, 4)
    assert "transparency mask" in notes_of(bytes(data))


def test_a_fourth_byte_of_a_bitmap_that_is_not_marked_is_told():
    rgba = np.dstack([gradient(np.uint8, 3), np.full((40, 56), 9, np.uint8)])
    assert "fourth byte" in notes_of(pillow_bytes(Image.fromarray(rgba), "BMP"))
    rgba[:, :, 3] = 0
    assert notes_of(pillow_bytes(Image.fromarray(rgba), "BMP")) == ""


def test_a_png_that_ends_early_is_told_as_such_and_not_as_parts():
    header_only = png_bytes(8, 8, (b"tEXt", b"a\x00b"))
    with pytest.raises(Exception, match="end early or are damaged"):
        read_picture(header_only)


def test_the_page_shows_the_tables():
    assert parts_as_markdown() in PAGE.read_text(encoding="utf-8")
    assert {"PNG", "JPEG", "WebP", "TIFF", "BMP"} <= CONTAINERS.keys()


def test_a_comment_stands_in_the_head_of_a_jpeg():
    head, notes = embed_jpeg(b"\xff\xd8", Metadata(texts=(("Comment", "by"), ("Title", "x"))))
    assert b"\xff\xfe\x00\x04by" in head
    assert notes == ()
