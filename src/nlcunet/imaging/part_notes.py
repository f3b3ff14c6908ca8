"""The parts of a picture file that do not come along, by name: what the tables of :mod:`nlcunet.imaging.parts` note."""

import struct
from collections.abc import Iterator

from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.containers import (
    HeifItem,
    auxiliary_heif_pictures,
    heif_boxes,
    heif_items,
    jpeg_end,
    jpeg_segments,
    riff_chunks,
)
from nlcunet.imaging.formats import FileBytes
from nlcunet.imaging.parts import HEIF, JPEG, WEBP, behind, clean, noted
from nlcunet.imaging.photoshop import photoshop_block, resources_in

_JPEG_TABLES = {*range(0xC0, 0xD0), *range(0xD8, 0xE0), 0x01}  # all that decoding needs, ITU-T T.81, table B.1
_LARGE_THUMBNAIL = 0x01  # kind of a picture in MPF: a preview (CIPA DC-007, section 5.2.3.3)
_OUTDATED_RESOURCES = {1005, 1033, 1036, 1061}  # of Photoshop: resolution, thumbnails, checksum of IPTC
_ALPHA_URNS = ("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:avc:2015:auxid:1")
_CONTENT_CREDENTIALS = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # UUID of C2PA's box
_KNOWN_BOXES = {b"ftyp", b"meta", b"mdat", b"free", b"skip", b"moov"}
_MASK = 0b100


def lost_parts(data: FileBytes, format_name: str) -> tuple[str, ...]:
    """What of a file does not come along, each named once; a PNG tells it itself, see ``PngContents``."""
    walkers = {"jpeg": _in_jpeg, "webp": _in_webp, "tiff": _in_tiff, "avif": _in_heif, "heif": _in_heif}
    walk = walkers.get(format_name)
    return tuple(dict.fromkeys(walk(data))) if walk is not None else ()


def _in_jpeg(data: FileBytes) -> Iterator[str]:
    explained = 0
    for marker, start, length in jpeg_segments(data):
        if marker in _JPEG_TABLES:
            continue
        content = bytes(data[start : start + min(length, 64)])
        mark = _jpeg_mark(marker, content)
        if mark == "APP2 MPF":
            further, num_bytes = _further_pictures(bytes(data[start + 4 : start + length]))
            explained += num_bytes
            if further:
                yield f"{further} further picture{'s' if further > 1 else ''} (as a gain map or a second view)"
        elif mark is not None:
            yield from noted(JPEG, mark, "")
        else:
            name = content[:12].partition(b"\x00")[0].decode("latin-1")
            yield f"unknown segment 0x{marker:02X} {clean(name)}".rstrip()
    for number in resources_in(photoshop_block(data)):
        if number != tags.PHOTOSHOP_IPTC and number not in _OUTDATED_RESOURCES:
            yield f"Photoshop resource {number}"
    end = jpeg_end(data)
    if end is not None:
        yield from behind(data, end, explained)


def _jpeg_mark(marker: int, content: bytes) -> str | None:
    """The mark of a segment in the table."""
    if marker == 0xFE:
        return "COM"
    for mark in JPEG:
        application, _, name = mark.partition(" ")
        if application == f"APP{marker - 0xE0}" and content.startswith(name.encode()):
            return mark
    return None


def _further_pictures(index: bytes) -> tuple[int, int]:
    """How many pictures an MPF index names beside the first and previews, and the bytes of all but the first."""
    try:
        layout = tags.read_layout(index)
        at = tags.read_offset(index, layout, layout.first_offset_at)
        slot = tags.read_slots(index, layout, at, strict=False)[0].get(0xB002)
    except ValueError:
        return 1, 0
    if slot is None:
        return 1, 0
    words = layout.order + "II"
    entries = [struct.unpack_from(words, index, slot.value_at + at) for at in range(16, slot.num_bytes - 15, 16)]
    further = [entry for entry in entries if entry[0] >> 16 & 0xFF != _LARGE_THUMBNAIL]
    return len(further), sum(size for _, size in entries)


def _in_webp(data: FileBytes) -> Iterator[str]:
    end = 12
    for kind, start, length in riff_chunks(data):
        yield from noted(WEBP, kind.decode("latin-1").strip(), f"chunk {clean(kind.decode('latin-1'))}")
        end = start + length + length % 2
    yield from behind(data, end)


def _in_heif(data: FileBytes) -> Iterator[str]:
    for item in heif_items(data):
        yield from _heif_item(item)
    for urn in auxiliary_heif_pictures(data):
        if urn not in _ALPHA_URNS:
            mark = next((mark for mark in ("hdrgainmap", "depth") if mark in urn or urn.endswith("auxid:2")), None)
            yield from [f"auxiliary picture {clean(urn)}"] if mark is None else noted(HEIF, mark, "")
    for kind, start, _ in heif_boxes(data):
        if kind == b"uuid" and bytes(data[start : start + 16]) == _CONTENT_CREDENTIALS:
            yield from noted(HEIF, "c2pa", "")
        elif kind not in _KNOWN_BOXES:
            yield f"unknown box {clean(kind.decode('latin-1'))}"


def _heif_item(item: HeifItem) -> Iterator[str]:
    if item.kind != "mime":
        yield from noted(HEIF, item.kind, f"item {clean(item.kind)}")
    elif item.content_type != "application/rdf+xml":
        yield f"item of type {clean(item.content_type)}"


def _in_tiff(data: FileBytes) -> Iterator[str]:
    layout = tags.read_layout(data)
    pages = list(tags.directories(data))
    if any((tags.number_in(data, layout, slots, tags.SUBFILE_TYPE) or 0) & _MASK for slots in pages):
        yield "transparency mask"
    slot = pages[0].get(tags.PHOTOSHOP_RESOURCES)
    if slot is not None:
        numbers = resources_in(bytes(data[slot.value_at : slot.value_at + slot.num_bytes]))
        yield from (
            f"Photoshop resource {number}"
            for number in numbers
            if number != tags.PHOTOSHOP_IPTC and number not in _OUTDATED_RESOURCES
        )
    if tags.PHOTOSHOP_LAYERS in pages[0]:
        yield "layers of Photoshop"
