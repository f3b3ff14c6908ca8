"""EXIF blocks changed in place: no value moves, so that makers' notes that hold offsets stay readable."""

import struct

from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.tiff_tags import Layout, Slots

_THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x0201, 0x0202


def main_slots(exif: bytes) -> tuple[Layout, Slots, int]:
    """Layout, tags of the first directory, and where the link to the thumbnail's directory is.

    Raises:
        ValueError: The block is damaged.
    """
    layout = tags.read_layout(exif)
    if layout.big:
        raise ValueError("an EXIF block must have 32 bit offsets")
    at = tags.read_offset(exif, layout, layout.first_offset_at)
    return layout, *tags.read_slots(exif, layout, at, strict=False)


def with_numbers(exif: bytes, numbers: dict[int, int]) -> bytes:
    """An EXIF block with whole-number tags set where they exist in one of its directories; nothing moves.

    Raises:
        ValueError: The block is damaged.
    """
    layout, found = directories_of(exif)
    patched = bytearray(exif)
    for _, directory in found:
        for tag in directory.keys() & numbers.keys():
            slot = directory[tag]
            if slot.count != 1 or slot.kind not in {tags.SHORT, tags.LONG}:
                continue
            kind = slot.kind if numbers[tag] <= 0xFFFF else tags.LONG  # an entry has room for a LONG in any case
            struct.pack_into(layout.order + "HHI", patched, slot.entry_at, tag, kind, 1)
            code = "I" if kind == tags.LONG else "H2x"
            struct.pack_into(layout.order + code, patched, slot.entry_at + 8, numbers[tag])
    return bytes(patched)


def without_thumbnail(exif: bytes) -> bytes:
    """An EXIF block whose thumbnail is unlinked and blanked, or cut off if it lies at the end.

    Raises:
        ValueError: The block is damaged.
    """
    layout, _, link_at = main_slots(exif)
    if link_at + 4 > len(exif):
        return exif
    thumbnail_directory = tags.read_offset(exif, layout, link_at)
    if not thumbnail_directory:
        return exif
    patched = bytearray(exif)
    struct.pack_into(layout.offset, patched, link_at, 0)
    try:
        slots, _ = tags.read_slots(exif, layout, thumbnail_directory, strict=False)
    except ValueError:  # a thumbnail that cannot be found cannot be outdated
        return bytes(patched)
    start = tags.number_in(exif, layout, slots, _THUMBNAIL_AT)
    length = tags.number_in(exif, layout, slots, _THUMBNAIL_BYTES)
    if not start or not length or start + length > len(exif):
        return bytes(patched)
    patched[start : start + length] = bytes(length)
    return bytes(patched[:start] if len(exif) - start - length < 2 else patched)


def directories_of(exif: bytes) -> tuple[Layout, list[tuple[int, Slots]]]:
    """Layout, and offset and tags of the main directory, that of EXIF and that of interoperability, as far as there.

    Raises:
        ValueError: The block is damaged.
    """
    layout, slots, _ = main_slots(exif)
    found = [(tags.read_offset(exif, layout, layout.first_offset_at), slots)]
    for pointer in (tags.EXIF_POINTER, tags.INTEROPERABILITY_POINTER):
        at = tags.number_in(exif, layout, found[-1][1], pointer)
        if not at:
            break
        found.append((at, tags.read_slots(exif, layout, at, strict=False)[0]))
    return layout, found


def orientation_of(exif: bytes) -> int:
    """EXIF orientation 1..8; 1 where the block has none.

    Raises:
        ValueError: The block is damaged.
    """
    layout, slots, _ = main_slots(exif)
    number = tags.number_in(exif, layout, slots, tags.ORIENTATION)
    return number if number is not None and 1 <= number <= 8 else 1


def without_tags(exif: bytes, unwanted: frozenset[int]) -> bytes:
    """An EXIF block without some tags in its directories; the entries behind them move up, no value moves.

    Raises:
        ValueError: The block is damaged.
    """
    layout, found = directories_of(exif)
    patched = bytearray(exif)
    for at, slots in found:
        gone = {slots[tag].entry_at for tag in slots.keys() & unwanted}
        if not gone:
            continue
        (count,) = struct.unpack_from(layout.order + "H", exif, at)
        starts = range(at + 2, at + 2 + 12 * count, 12)
        kept = [exif[start : start + 12] for start in starts if start not in gone]
        link = exif[starts.stop : starts.stop + 4]
        struct.pack_into(layout.order + "H", patched, at, len(kept))
        patched[at + 2 : starts.stop + len(link)] = (b"".join(kept) + link).ljust(
            starts.stop + len(link) - at - 2, b"\x00"
        )
    return bytes(patched)
