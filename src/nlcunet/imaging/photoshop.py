"""Photoshop's image resource blocks, in which JPEG and TIFF files keep IPTC (Photoshop file formats specification)."""

import struct

from nlcunet.imaging.containers import jpeg_segments
from nlcunet.imaging.formats import FileBytes
from nlcunet.imaging.tiff_tags import PHOTOSHOP_IPTC

PHOTOSHOP_SEGMENT = b"Photoshop 3.0\x00"


def photoshop_block(data: FileBytes) -> bytes:
    """All resources of a JPEG, which may span several segments."""
    parts = []
    for marker, start, length in jpeg_segments(data):
        content = bytes(data[start : start + length])
        if marker == 0xED and content.startswith(PHOTOSHOP_SEGMENT):
            parts.append(content[len(PHOTOSHOP_SEGMENT) :])
    return b"".join(parts)


def resources_in(block: bytes) -> dict[int, bytes]:
    """Number and content of each resource, up to where the block is damaged."""
    found: dict[int, bytes] = {}
    position = 0
    while block[position : position + 4] == b"8BIM" and position + 12 <= len(block):
        number, name_length = struct.unpack_from(">HB", block, position + 4)
        size_at = position + 6 + (name_length + 2) // 2 * 2
        if size_at + 4 > len(block):
            break
        (size,) = struct.unpack_from(">I", block, size_at)
        found.setdefault(number, block[size_at + 4 : size_at + 4 + size])
        position = size_at + 4 + size + size % 2
    return found


def iptc_in(block: bytes) -> bytes | None:
    """IPTC-IIM records among the resources."""
    return resources_in(block).get(PHOTOSHOP_IPTC) or None


def block_of_iptc(iptc: bytes) -> bytes:
    """Records as the only resource."""
    return b"8BIM" + struct.pack(">HHI", PHOTOSHOP_IPTC, 0, len(iptc)) + iptc + b"\x00" * (len(iptc) % 2)
