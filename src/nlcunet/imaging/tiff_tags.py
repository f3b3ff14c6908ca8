"""Directories of tags, as TIFF files and EXIF blocks have them (TIFF 6.0, section 2; BigTIFF; EXIF 2.32, section 4.6).

libvips neither reads nor writes EXIF in TIFF files, and rebuilds EXIF blocks elsewhere; here they are kept as they are.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from nlcunet.imaging.formats import FileBytes

EXIF_POINTER, GPS_POINTER, INTEROPERABILITY_POINTER = 34665, 34853, 40965
ORIENTATION, XMP_PACKET, IPTC_RECORDS, ICC_PROFILE, DNG_VERSION, SUBFILE_TYPE = 274, 700, 33723, 34675, 50706, 254
MAKER_NOTE, BITS_PER_SAMPLE, EXTRA_SAMPLES = 37500, 258, 338
PHOTOSHOP_RESOURCES, PHOTOSHOP_LAYERS, PHOTOSHOP_IPTC = 34377, 37724, 1028  # tags, and the resource of IPTC
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WORD_BYTES = _TYPE_BYTES | {5: 4, 10: 4}  # a fraction is two words
_WHOLE_NUMBER_CODES = {BYTE: "B", SHORT: "H", LONG: "I", 13: "I", 16: "Q", 18: "Q"}

_POINTERS = frozenset({EXIF_POINTER, GPS_POINTER, INTEROPERABILITY_POINTER})
_MAX_ENTRIES = 4096  # a directory of more is damage: the largest known have some hundred
_MAX_DIRECTORIES, _MAX_TAGS = 4096, 1 << 16  # of a file: directories may overlap, so that few bytes make many


@dataclass(frozen=True)
class Layout:
    """How numbers are stored: byte order, and 32 or 64 bit offsets (BigTIFF)."""

    order: str
    big: bool = False

    @property
    def count(self) -> str:
        """Format of the number of entries of a directory."""
        return self.order + ("Q" if self.big else "H")

    @property
    def offset(self) -> str:
        """Format of an offset, which is also the room for a value inside its entry."""
        return self.order + ("Q" if self.big else "I")

    @property
    def entry(self) -> str:
        """Format of tag, type and count."""
        return self.order + ("HHQ" if self.big else "HHI")

    @property
    def first_offset_at(self) -> int:
        """Where the header says where the first directory is."""
        return 8 if self.big else 4


@dataclass(frozen=True)
class Slot:
    """One tag in place: where its entry and its value lie in the bytes."""

    tag: int
    kind: int
    count: int
    entry_at: int
    value_at: int
    num_bytes: int


@dataclass(frozen=True)
class Value:
    """One tag taken out: its type, number of items and little-endian bytes."""

    kind: int
    count: int
    content: bytes


@dataclass
class Directory:
    """Tags of one directory, and the directories that some of them point to."""

    values: dict[int, Value] = field(default_factory=dict)
    children: "dict[int, Directory]" = field(default_factory=dict)


Slots: TypeAlias = dict[int, Slot]


def read_layout(data: FileBytes) -> Layout:
    """Byte order and offset size.

    Raises:
        ValueError: The bytes are no TIFF or EXIF block.
    """
    layouts = {b"II*\x00": ("<", False), b"MM\x00*": (">", False), b"II+\x00": ("<", True), b"MM\x00+": (">", True)}
    head = bytes(data[:4])
    if head not in layouts:
        raise ValueError(f"a tag block must start with II or MM: got {head!r}")
    return Layout(*layouts[head])


def read_offset(data: FileBytes, layout: Layout, at: int) -> int:
    """The offset stored at a position."""
    return int(_unpack(layout.offset, data, at))


def read_slots(data: FileBytes, layout: Layout, at: int, *, strict: bool = True) -> tuple[Slots, int]:
    """Where the tags of the directory at ``at`` lie, and where the link to the next directory is.

    Args:
        data: A TIFF file or EXIF block.
        layout: Byte order and offset size.
        at: Offset of the directory.
        strict: Whether a tag whose value lies outside of the data is an error; otherwise it is passed over.

    Raises:
        ValueError: The directory, or by ``strict`` a value, lies outside of the data.
    """
    num_entries = int(_unpack(layout.count, data, at))
    if num_entries > _MAX_ENTRIES:
        raise ValueError(f"a directory must have at most {_MAX_ENTRIES} tags: got {num_entries}")
    room = struct.calcsize(layout.offset)
    head = struct.calcsize(layout.entry)
    position = at + struct.calcsize(layout.count)
    slots: Slots = {}
    for _ in range(num_entries):
        if position + head + room > len(data):
            raise ValueError("a directory of tags ends early")
        tag, kind, count = struct.unpack_from(layout.entry, data, position)
        num_bytes = _TYPE_BYTES.get(kind, 0) * count
        value_at = position + head if num_bytes <= room else read_offset(data, layout, position + head)
        is_inside = value_at + num_bytes <= len(data)
        if strict and not is_inside:
            raise ValueError(f"tag {tag} ends behind the end")
        if num_bytes and is_inside:
            slots.setdefault(tag, Slot(tag, kind, count, position, value_at, num_bytes))
        position += head + room
    return slots, position


def directories(data: FileBytes) -> Iterator[Slots]:
    """The chain of main directories, one per page.

    Raises:
        ValueError: The bytes are no TIFF, a directory lies outside of them, or there are more than any picture has.
    """
    layout = read_layout(data)
    at = read_offset(data, layout, layout.first_offset_at)
    if not at:
        raise ValueError("there is no directory of tags")
    seen, num_tags = set(), 0
    while at and at not in seen:
        seen.add(at)
        num_tags += int(_unpack(layout.count, data, at))
        if len(seen) > _MAX_DIRECTORIES or num_tags > _MAX_TAGS:
            raise ValueError(f"it must have at most {_MAX_DIRECTORIES} directories of {_MAX_TAGS} tags in all")
        slots, link_at = read_slots(data, layout, at)
        yield slots
        at = read_offset(data, layout, link_at) if link_at + struct.calcsize(layout.offset) <= len(data) else 0


def number_in(data: FileBytes, layout: Layout, slots: Slots, tag: int) -> int | None:
    """The first item of a whole-number tag, ``None`` if the tag is missing or no number."""
    slot = slots.get(tag)
    if slot is None or slot.kind not in _WHOLE_NUMBER_CODES:
        return None
    return int(_unpack(layout.order + _WHOLE_NUMBER_CODES[slot.kind], data, slot.value_at))


def numbers_in(data: FileBytes, layout: Layout, slots: Slots, tag: int) -> tuple[int, ...]:
    """All items of a whole-number tag, none if the tag is missing or no number."""
    slot = slots.get(tag)
    if slot is None or slot.kind not in _WHOLE_NUMBER_CODES:
        return ()
    return struct.unpack_from(f"{layout.order}{slot.count}{_WHOLE_NUMBER_CODES[slot.kind]}", data, slot.value_at)


def read_directory(data: FileBytes, layout: Layout, at: int, depth: int = 0) -> Directory:
    """Tags of a directory and of its EXIF, GPS and interoperability directories, all little-endian.

    Raises:
        ValueError: A directory lies outside of the data.
    """
    slots, _ = read_slots(data, layout, at)
    directory = Directory()
    for tag, slot in slots.items():
        if tag in _POINTERS:
            child_at = number_in(data, layout, slots, tag)
            if child_at and depth < 2:
                directory.children[tag] = read_directory(data, layout, child_at, depth + 1)
        else:
            content = bytes(data[slot.value_at : slot.value_at + slot.num_bytes])
            directory.values[tag] = Value(slot.kind, slot.count, _to_little(content, slot.kind, layout.order))
    return directory


def serialise_directory(directory: Directory, layout: Layout, base: int, link: int = 0) -> bytes:
    """Bytes of a directory that will lie at offset ``base``, values and children behind it.

    Args:
        directory: What to write.
        layout: Byte order and offset size; only little-endian values are held, other orders are converted.
        base: Even offset of the first byte returned.
        link: Offset of the next directory in the chain, 0 for the last.
    """
    tags = sorted({*directory.values, *directory.children})
    room = struct.calcsize(layout.offset)
    behind = base + struct.calcsize(layout.count) + len(tags) * (struct.calcsize(layout.entry) + room) + room
    entries, tail = bytearray(struct.pack(layout.count, len(tags))), bytearray()
    for tag in tags:
        if len(tail) % 2:
            tail += b"\x00"
        if tag in directory.children:
            value = _pointer(layout, behind + len(tail))
            tail += serialise_directory(directory.children[tag], layout, behind + len(tail))
        else:
            value = directory.values[tag]
        content = _to_little(value.content, value.kind, layout.order)
        entries += struct.pack(layout.entry, tag, value.kind, value.count)
        if len(content) <= room:
            entries += content.ljust(room, b"\x00")
        else:
            entries += struct.pack(layout.offset, behind + len(tail))
            tail += content
    return bytes(entries + struct.pack(layout.offset, link) + tail)


def _pointer(layout: Layout, offset: int) -> Value:
    return Value(18, 1, struct.pack("<Q", offset)) if layout.big else Value(LONG, 1, struct.pack("<I", offset))


def _to_little(content: bytes, kind: int, order: str) -> bytes:
    """Swap between little-endian and ``order``, each item by its own size; its own inverse."""
    size = _WORD_BYTES.get(kind, 1)
    if order == "<" or size == 1:
        return content
    return b"".join(content[at : at + size][::-1] for at in range(0, len(content), size))


def _unpack(layout_format: str, data: FileBytes, at: int) -> int:
    """One number."""
    try:
        return int(struct.unpack_from(layout_format, data, at)[0])
    except (struct.error, OverflowError, IndexError) as error:
        raise ValueError("a directory of tags points outside of its file") from error
