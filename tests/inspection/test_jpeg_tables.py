"""Quantisation tables: read out of files, and told apart by quality."""

import io
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from nlcunet.inspection.jpeg_tables import compression_of_file, from_zigzag, nearest_quality, standard_tables


def jpeg(mode="RGB", **settings):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "jpeg", **settings)
    return file.getvalue()


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


@pytest.mark.parametrize("quality", [1, 2, 10, 24, 25, 49, 50, 51, 75, 90, 95, 99, 100])
def test_the_quality_that_a_file_was_saved_with_is_read(quality):
    found = compression_of_file(jpeg(quality=quality))
    assert (found.quality, found.is_standard, found.source) == (quality, True, "tables")


@pytest.mark.parametrize(
    ("settings", "chroma"),
    [
        ({"subsampling": 0}, "4:4:4"),
        ({"subsampling": 1}, "4:2:2"),
        ({"subsampling": 2}, "4:2:0"),
        ({"mode": "L"}, "grey"),
        ({"progressive": True, "subsampling": 2}, "4:2:0"),
    ],
)
def test_the_storage_of_colours_is_read(settings, chroma):
    assert compression_of_file(jpeg(quality=80, **settings)).chroma == chroma


def test_other_tables_get_the_nearest_quality():
    table = [min(255, max(1, round(1.1 * step))) for step in standard_tables()[79].ravel()]
    found = compression_of_file(jpeg(qtables=[table, table]))
    assert not found.is_standard
    assert found.quality == pytest.approx(80, abs=3)


def test_standard_tables_are_those_of_the_annex_and_of_the_scale():
    tables = standard_tables()
    assert tables[49, 0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]  # quality 50: ITU-T T.81, table K.1
    assert tables[74, 0].tolist() == [8, 6, 5, 8, 12, 20, 26, 31]  # quality 75, as libjpeg writes it
    assert (tables[99] == 1).all()
    assert tables[0].min() == 255
    assert (np.diff(tables, axis=0) <= 0).all()


def test_every_table_is_nearest_to_itself():
    for quality, table in enumerate(standard_tables(), 1):
        found, distance = nearest_quality(table)
        assert distance == 0.0
        assert (standard_tables()[found - 1] == table).all()
        assert found <= quality  # the lowest of those that share a table


def test_the_zigzag_runs_along_antidiagonals():
    square = from_zigzag(tuple(range(64)))
    assert square[0].tolist() == [0, 1, 5, 6, 14, 15, 27, 28]
    assert square[:, 0].tolist() == [0, 2, 3, 9, 10, 20, 21, 35]
    assert square[7, 7] == 63


def test_tables_of_16_bits_are_read():
    table = segment(0xDB, bytes([0x10]) + struct.pack(">64H", *[300] * 64))
    frame = segment(0xC1, bytes([8, 0, 8, 0, 8, 1, 1, 0x11, 0]))
    found = compression_of_file(b"\xff\xd8" + table + frame)
    assert (found.quality, found.chroma) == (1, "grey")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8",
        b"\xff\xd8" + segment(0xDB, bytes([0]) + bytes(range(1, 65))),  # no frame
        b"\xff\xd8" + segment(0xC0, bytes([8, 0, 8, 0, 8, 1, 1, 0x11, 0])),  # no table
        b"\xff\xd8" + segment(0xDB, bytes([0, 1, 2])) + segment(0xC0, bytes([8, 0, 8, 0, 8, 1, 1, 0x11, 0])),  # cut
    ],
)
def test_headers_without_frame_or_table_tell_nothing(data):
    assert compression_of_file(data) is None


@given(st.binary(max_size=300))
@example(b"\xdb\x00\x43\x00" + bytes(64) + b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x00\x00")
def test_damaged_headers_do_no_harm(data):
    found = compression_of_file(b"\xff\xd8\xff" + data)
    assert found is None or 1 <= found.quality <= 100
