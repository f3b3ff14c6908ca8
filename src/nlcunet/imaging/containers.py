"""The skeletons of picture files: JPEG segments, RIFF chunks, GIF blocks.

Just enough to count frames and to find or place metadata; pixels are libvips' business.
Walkers stop quietly where a file ends early: whether that is an error is decided by the decoder.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from nlcunet.imaging.formats import FileBytes

MOST_BOXES = 1 << 16
"""Of a HEIF file: more are there to keep a reader busy."""

MOST_GIF_BLOCKS = 1 << 18
"""Up to which frames are counted: 67 MB of full blocks."""


def jpeg_segments(data: FileBytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start of the content and its length for each JPEG segment before the first scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker == 0xDA or length < 2:
            return
        yield marker, position + 4, length - 2
        position += 2 + length


def jpeg_end(data: FileBytes) -> int | None:
    """Where the first picture of a JPEG ends, ``None`` if it does not: in the scans, only markers follow 0xFF."""
    position = 2
    for _, start, length in jpeg_segments(data):
        position = start + length
    while found := _SCAN_MARKER.search(data, position):
        marker = data[found.start() + 1]
        if marker == 0xD9:
            return found.start() + 2
        if found.start() + 4 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, found.start() + 2)
        position = found.start() + 2 + max(length, 2)
    return None


_SCAN_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def riff_chunks(data: FileBytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and length of each chunk of a RIFF file such as WebP."""
    position = 12
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        yield bytes(data[position : position + 4]), position + 8, length
        position += 8 + length + length % 2


def riff_chunk(kind: bytes, content: bytes) -> bytes:
    """One RIFF chunk, padded to an even length."""
    return kind + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)


def count_gif_frames(data: FileBytes) -> int:
    """Frames of a GIF, up to where it is damaged, or has had many blocks."""
    frames, blocks = 0, count()
    position = 13 + _gif_table_bytes(data, 10)
    while position < len(data):
        block = data[position]
        if block == 0x2C:  # an image: descriptor, colour table, code size, data
            frames += 1
            position = _after_gif_data(data, position + 11 + _gif_table_bytes(data, position + 9), blocks)
        elif block == 0x21:  # an extension: label, data
            position = _after_gif_data(data, position + 2, blocks)
        else:
            break
    return frames


def _gif_table_bytes(data: FileBytes, flags_at: int) -> int:
    """Size of the colour table that a GIF's flag byte announces."""
    flags = data[flags_at] if flags_at < len(data) else 0
    return int(3 << ((flags & 7) + 1)) if flags & 0x80 else 0


def _after_gif_data(data: FileBytes, position: int, blocks: Iterator[int]) -> int:
    """Position behind a chain of GIF data blocks; the end of the file where there have been many."""
    while next(blocks) < MOST_GIF_BLOCKS and position < len(data):
        if not data[position]:
            return position + 1
        position += data[position] + 1
    return len(data)


def is_monochrome_heif(data: FileBytes) -> bool:
    """Whether every item of a HEIF file has one channel (``pixi`` property, ISO/IEC 23008-12, section 6.5.6)."""
    properties = _heif_box(data, b"meta")
    channels = [properties[at + 8] for at in _all_at(properties, b"pixi") if at + 8 < len(properties)]
    return bool(channels) and set(channels) == {1}


def has_wide_signalled_colour(data: FileBytes) -> bool:
    """Whether a HEIF file without ICC profile signals colours other than sRGB (``nclx``, codes of ITU-T H.273)."""
    properties = _heif_box(data, b"meta")
    if b"colrprof" in properties or b"colrrICC" in properties:
        return False
    unspecified_or_709, hdr_curves = {1, 2}, {16, 18}
    for at in _all_at(properties, b"colrnclx"):
        primaries, transfer = struct.unpack_from(">HH", properties.ljust(at + 12, b"\x00"), at + 8)
        if primaries not in unspecified_or_709 or transfer in hdr_curves:
            return True
    return False


def count_heif_frames(data: FileBytes) -> int:
    """Frames of an image sequence beside the still picture; libvips would show the still and say nothing."""
    sequence = _heif_box(data, b"moov")
    counts = [struct.unpack_from(">I", sequence, at + 12)[0] for at in _all_at(sequence[:-16], b"stsz")]
    return int(max(counts, default=1))


@dataclass(frozen=True)
class HeifItem:
    """A picture or a block of metadata in a HEIF file."""

    kind: str
    content_type: str = ""


def heif_items(data: FileBytes) -> Iterator[HeifItem]:
    """The items of a HEIF file (``infe`` boxes, ISO/IEC 14496-12, section 8.11.6)."""
    properties = _heif_box(data, b"meta")
    for at in _all_at(properties, b"infe"):
        version = properties[at + 4] if at + 4 < len(properties) else 0
        kind_at = at + {2: 12, 3: 14}.get(version, len(properties))
        kind = properties[kind_at : kind_at + 4].decode("latin-1")
        if len(kind) == 4:
            _name, _, behind = properties[kind_at + 4 :].partition(b"\x00")
            yield HeifItem(kind, behind.partition(b"\x00")[0].decode("latin-1") if kind == "mime" else "")


def auxiliary_heif_pictures(data: FileBytes) -> Iterator[str]:
    """What the pictures beside the main one are for (``auxC``, ISO/IEC 23008-12, section 6.5.8)."""
    properties = _heif_box(data, b"meta")
    for at in _all_at(properties, b"auxC"):
        yield properties[at + 8 :].partition(b"\x00")[0].decode("latin-1")


def heif_boxes(data: FileBytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and length of each top-level box of a HEIF file."""
    position = 0
    for _ in range(MOST_BOXES):
        if position + 8 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if length == 1 and position + 16 <= len(data):
            (length,), head = struct.unpack_from(">Q", data, position + 8), 16
        if length == 0:  # up to the end
            length = len(data) - position
        if length < head:
            break
        yield kind, position + head, length - head
        position += length


def _heif_box(data: FileBytes, wanted: bytes) -> bytes:
    """The content of a top-level box of a HEIF file, empty if there is none."""
    for kind, start, length in heif_boxes(data):
        if kind == wanted:
            return bytes(data[start : start + length])
    return b""


def _all_at(haystack: bytes, needle: bytes) -> Iterator[int]:
    at = haystack.find(needle)
    for _ in range(MOST_BOXES):
        if at < 0:
            break
        yield at
        at = haystack.find(needle, at + 1)
