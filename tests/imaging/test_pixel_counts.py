"""What counts pixels grows with the picture, per axis; what cannot is left out by name."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
from photographs import exif_tags, gradient, pillow_bytes, tiff_bytes
from PIL import Image

from nlcunet.imaging.exif import directory_to_exif, sized_metadata
from nlcunet.imaging.files import Metadata, Picture, encode_picture, read_picture, write_picture
from nlcunet.imaging.float_range import float_range_of
from nlcunet.imaging.formats import FORMATS
from nlcunet.imaging.picture import TiffLayout
from nlcunet.imaging.pixel_sources import PictureSource
from nlcunet.imaging.row_encoding import encode_rows
from nlcunet.imaging.strip_source import RowPicture
from nlcunet.imaging.tiff_tags import (
    ASCII,
    EXIF_POINTER,
    RATIONAL,
    SHORT,
    Directory,
    Layout,
    Value,
    serialise_directory,
)
from nlcunet.imaging.xmp import scaled_xmp

DOUBLE = 12
SUBJECT_AREA, SUBJECT_LOCATION, FOCAL_X, FOCAL_Y = 0x9214, 0xA214, 0xA20E, 0xA20F
PIXEL_SCALE, TIEPOINTS, TRANSFORMATION, RPC, DESCRIPTION = 33550, 33922, 34264, 50844, 270
AREA, POINT = 1, 2


def doubles(*numbers):
    return Value(DOUBLE, len(numbers), struct.pack(f"<{len(numbers)}d", *numbers))


def shorts(*numbers):
    return Value(SHORT, len(numbers), struct.pack(f"<{len(numbers)}H", *numbers))


def fraction(numerator, denominator):
    return Value(RATIONAL, 1, struct.pack("<II", numerator, denominator))


def geo_tiff(raster_type=AREA, **tags):
    keys = shorts(1, 1, 0, 1, 1025, 0, 1, raster_type)
    return tiff_bytes(gradient(np.uint8, 3, 40, 56), tag_34735=keys, **tags)


def enlarged(picture, down=4, across=4):
    return replace(picture, pixels=picture.pixels.repeat(down, 0).repeat(across, 1))


def tiff_tags_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return dict(image.tag_v2)


def ground(tags, column, row):
    """Where a place in the raster lies, by GeoTIFF 1.1, annex B.6."""
    if TRANSFORMATION in tags:
        matrix = np.reshape(tags[TRANSFORMATION], (4, 4))
        return tuple((matrix @ [column, row, 0, 1])[:2])
    across, down, _ = tags[PIXEL_SCALE]
    i, j, _, x, y, _ = tags[TIEPOINTS]
    return x + (column - i) * across, y - (row - j) * down


@pytest.mark.parametrize("raster_type", [AREA, POINT])
@pytest.mark.parametrize("form", ["tie point", "matrix"])
def test_an_enlarged_geotiff_covers_the_same_ground(raster_type, form):
    if form == "matrix":
        tags = {f"tag_{TRANSFORMATION}": doubles(10, 0, 0, 500_000, 0, -20, 0, 5_400_000, *[0] * 7, 1)}
    else:
        tie = doubles(3, 5, 0, 500_030, 5_399_900, 0)
        tags = {f"tag_{PIXEL_SCALE}": doubles(10, 20, 0), f"tag_{TIEPOINTS}": tie}
    data = geo_tiff(raster_type, **tags)
    picture = read_picture(data)
    before = tiff_tags_of(data)
    after = tiff_tags_of(encode_picture(enlarged(picture, down=2), file_format="tiff"))
    edge = 0.5 if raster_type == POINT else 0.0  # of the first pixel, in coordinates of its raster
    for column, row in ((0, 0), (56, 40), (10, 7)):
        old = ground(before, column - edge, row - edge)
        assert ground(after, 4 * column - edge, 2 * row - edge) == pytest.approx(old, abs=1e-6)


def test_a_geotiff_that_is_not_enlarged_keeps_its_numbers():
    data = geo_tiff(tag_33550=doubles(10, 20, 0), tag_33922=doubles(3, 5, 0, 500_030, 5_399_900, 0))
    before, after = tiff_tags_of(data), tiff_tags_of(encode_picture(read_picture(data), file_format="tiff"))
    assert [after[tag] for tag in (PIXEL_SCALE, TIEPOINTS)] == [before[tag] for tag in (PIXEL_SCALE, TIEPOINTS)]


def test_rows_that_come_one_by_one_carry_the_same_numbers(tmp_path):
    picture = enlarged(read_picture(geo_tiff(tag_33550=doubles(10, 20, 0))))
    source = PictureSource(picture)
    rows = RowPicture(
        height=source.height,
        width=source.width,
        channels=3,
        has_alpha=False,
        dtype=source.dtype,
        metadata=picture.metadata,
        values=float_range_of(picture),
        read_rows=lambda rows: source.read(rows, slice(0, source.width)),
    )
    encode_rows(rows, tmp_path / "a.tif", FORMATS["tiff"], layout=TiffLayout())
    assert tiff_tags_of((tmp_path / "a.tif").read_bytes())[PIXEL_SCALE] == (2.5, 5.0, 0.0)


def test_what_cannot_be_scaled_is_left_out_by_name(tmp_path):
    layout = b'{"shape": [40, 56, 3]}\x00'
    description = Value(ASCII, len(layout), layout)
    picture = read_picture(geo_tiff(tag_50844=doubles(*range(92)), tag_270=description))
    notes = write_picture(enlarged(picture), tmp_path / "a.tif")
    told = "What counts pixels of the old size was left out: "
    assert told + "rational polynomial coefficients, description of the layout of samples." in notes
    assert not {RPC, DESCRIPTION} & tiff_tags_of((tmp_path / "a.tif").read_bytes()).keys()
    assert not write_picture(picture, tmp_path / "b.tif")


def exif_with(order="<", **tags):
    """An EXIF block with tags in the directory of the camera; an artist stands before it."""
    values = {int(tag.removeprefix("tag_")): value for tag, value in tags.items()}
    main = Directory({315: Value(ASCII, 6, b"Artist"[:5] + b"\x00")}, {EXIF_POINTER: Directory(values)})
    if order == "<":
        return directory_to_exif(main)
    return b"MM\x00*\x00\x00\x00\x08" + serialise_directory(main, Layout(">"), 8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("place", [(20, 24), (20, 24, 6), (20, 24, 8, 9)])
def test_places_and_focal_planes_in_exif_grow_per_axis(order, place):
    exif = exif_with(
        order,
        tag_37396=shorts(*place),
        tag_41492=shorts(20, 24),
        tag_41486=fraction(7, 3),
        tag_41487=fraction(8, 3),
        tag_41488=shorts(2),
    )
    sized, notes = sized_metadata(Metadata(exif=exif, size_px=(56, 40)), 56 * 3, 40 * 2)
    tags = exif_tags(sized.exif)
    assert tags[SUBJECT_AREA] == tuple(value * factor for value, factor in zip(place, (3, 2, 3, 2), strict=False))
    assert tags[SUBJECT_LOCATION] == (60, 48)
    assert (tags[FOCAL_X], tags[FOCAL_Y]) == (7, pytest.approx(16 / 3))
    assert tags[315] == "Artis"
    assert notes == ()
    assert sized_metadata(sized, 56 * 3, 40 * 2)[0].exif == sized.exif


def test_a_place_that_has_no_room_is_left_out():
    exif = exif_with(tag_41492=shorts(40_000, 24), tag_41488=shorts(2))
    sized, notes = sized_metadata(Metadata(exif=exif, size_px=(50_000, 40)), 100_000, 80)
    assert SUBJECT_LOCATION not in exif_tags(sized.exif)
    assert exif_tags(sized.exif)[41488] == 2
    assert notes == ("What counts pixels of the old size was left out: subject location.",)


def test_metadata_that_does_not_tell_its_size_is_for_the_pixels_beside_it():
    exif = exif_with(tag_41492=shorts(20, 24))
    picture = Picture(pixels=gradient(np.uint8, 3, 80, 112), metadata=Metadata(exif=exif))
    assert read_picture(encode_picture(picture, file_format="png")).metadata.exif == exif


def test_places_in_a_picture_that_was_turned_are_left_out_and_told():
    exif = Image.Exif()
    exif[0x0112], exif.get_ifd(EXIF_POINTER)[SUBJECT_AREA] = 6, (20, 24)
    xmp = b'<x a:b="c" exif:SubjectLocation="1"><mwg-rs:Regions><stArea:x>0.5</stArea:x></mwg-rs:Regions></x>'
    data = pillow_bytes(Image.fromarray(gradient(np.uint8, 3)), "JPEG", exif=exif, xmp=xmp)
    picture = read_picture(data)
    assert SUBJECT_AREA not in exif_tags(picture.metadata.exif)
    assert picture.metadata.xmp == b'<x a:b="c"></x>'
    assert (
        "places in the stored one were left out: subject area, exif:SubjectLocation, mwg-rs:Regions" in picture.notes[0]
    )


PANORAMA = (
    b"<GPano:CroppedAreaImageWidthPixels>48</GPano:CroppedAreaImageWidthPixels><d GPano:CroppedAreaTopPixels='4'/>"
    b'<GPano:InitialViewHeadingDegrees>12</GPano:InitialViewHeadingDegrees><d GPano:FullPanoHeightPixels = "24" />'
)


def test_panoramas_grow_in_xmp_of_both_forms():
    scaled, lost = scaled_xmp(PANORAMA, (48, 24), (192, 48))
    assert lost == ()
    assert scaled == (
        b"<GPano:CroppedAreaImageWidthPixels>192</GPano:CroppedAreaImageWidthPixels><d GPano:CroppedAreaTopPixels='8'/>"
        b'<GPano:InitialViewHeadingDegrees>12</GPano:InitialViewHeadingDegrees><d GPano:FullPanoHeightPixels = "48" />'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"<mwg-rs:AppliedToDimensions><stDim:h>24</stDim:h><stDim:unit>pixel</stDim:unit></mwg-rs:AppliedToDimensions>",
            b"<mwg-rs:AppliedToDimensions><stDim:h>48</stDim:h><stDim:unit>pixel</stDim:unit></mwg-rs:AppliedToDimensions>",
        ),
        (
            b'<mwg-rs:AppliedToDimensions stDim:w="48" stDim:h="24" stDim:unit="pixel"/>',
            b'<mwg-rs:AppliedToDimensions stDim:w="192" stDim:h="48" stDim:unit="pixel"/>',
        ),
        (
            b'<xmpTPg:MaxPageSize stDim:w="4" stDim:unit="inch"/>',
            b'<xmpTPg:MaxPageSize stDim:w="4" stDim:unit="inch"/>',
        ),
        (
            b"<exif:SubjectArea><rdf:Seq><rdf:li>10</rdf:li><rdf:li>11</rdf:li></rdf:Seq></exif:SubjectArea><rdf:li>1</rdf:li>",
            b"<exif:SubjectArea><rdf:Seq><rdf:li>40</rdf:li><rdf:li>22</rdf:li></rdf:Seq></exif:SubjectArea><rdf:li>1</rdf:li>",
        ),
        (
            b"<exif:FocalPlaneXResolution>7/3</exif:FocalPlaneXResolution>",
            b"<exif:FocalPlaneXResolution>28/3</exif:FocalPlaneXResolution>",
        ),
        (b'<d drone-dji:CalibratedFocalLength="3666.5"/>', b'<d drone-dji:CalibratedFocalLength="14666.000000"/>'),
        (b'<d drone-dji:DewarpData="2021;3666"/>', b"<d/>"),
        (b'<a/><mwg-rs:Regions><d stArea:unit="pixel"/></mwg-rs:Regions>', b"<a/>"),
        (b'<mwg-rs:Regions><d stArea:x="0.5" stArea:unit="normalized"/></mwg-rs:Regions>',) * 2,
        (b"<mwg-rs:Regions><d stArea:unit='pixel'>",) * 2,
    ],
)
def test_other_properties_grow_too_or_are_left_out(before, after):
    scaled, lost = scaled_xmp(before, (48, 24), (192, 48))
    assert scaled == after
    assert bool(lost) == (len(after) < len(before) - 2)


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp", "tiff"])
def test_the_numbers_grow_on_the_way_through_a_file(file_format):
    exif = exif_with(tag_41492=shorts(20, 24))
    small = Picture(pixels=gradient(np.uint8, 3, 24, 48), metadata=Metadata(exif=exif, xmp=PANORAMA))
    picture = enlarged(read_picture(encode_picture(small, file_format=file_format)))
    copy = read_picture(encode_picture(picture, file_format=file_format))
    assert b'FullPanoHeightPixels = "96"' in copy.metadata.xmp
    assert exif_tags(copy.metadata.exif)[SUBJECT_LOCATION] == (80, 96)
