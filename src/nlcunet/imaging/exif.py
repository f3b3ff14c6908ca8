"""EXIF blocks and XMP packets that fit the pixels they travel with.

Blocks are changed in place: every tag keeps its position, so that makers' notes that hold offsets stay readable.
"""

import re
import struct
from dataclasses import replace

from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.picture import Metadata
from nlcunet.imaging.tiff_tags import Directory, Layout, Slots, Value

_PREFIX = b"Exif\x00\x00"
_WIDTH_TAGS = (0x0100, 0xA002)  # ImageWidth, PixelXDimension
_HEIGHT_TAGS = (0x0101, 0xA003)  # ImageLength, PixelYDimension
_THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x0201, 0x0202

_LITTLE = Layout("<")
_HEADER = b"II*\x00\x08\x00\x00\x00"

_PIXEL_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291}
    | {292, 293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337, 338, 339, 340, 341}
    | {342, 343, 344, 345, 346, 347, 351, *range(512, 522), 529, 530, 531, 532, 32995, 32996, 32997, 32998}
    | {tags.XMP_PACKET, tags.IPTC_RECORDS, tags.ICC_PROFILE, 34377, 37724}
)
"""Tags of a TIFF directory that describe how its pixels are stored, or that are metadata of another kind than EXIF."""

_PLAIN_TAGS = frozenset({tags.X_RESOLUTION, tags.Y_RESOLUTION, tags.RESOLUTION_UNIT, tags.ORIENTATION})
"""Tags that any TIFF may have, and that make no EXIF block by themselves."""


def without_prefix(block: bytes) -> bytes:
    """An EXIF block from its TIFF header on."""
    return block.removeprefix(_PREFIX)


def with_prefix(exif: bytes) -> bytes:
    """An EXIF block as JPEG and HEIF files hold it."""
    return _PREFIX + exif


def upright_metadata(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata for pixels that are the right way up: orientation tags say so; notes tell of blocks left out."""
    if metadata.exif is None:
        return replace(metadata, xmp=_patch_xmp(metadata.xmp, {b"tiff:Orientation": 1})), ()
    exif: bytes | None = None
    notes: tuple[str, ...] = ()
    try:
        exif = _patch_exif(metadata.exif, {tags.ORIENTATION: 1})
    except ValueError as error:
        notes = (f"The EXIF block is damaged ({error}) and was left out.",)
    return replace(metadata, exif=exif, xmp=_patch_xmp(metadata.xmp, {b"tiff:Orientation": 1})), notes


def sized_metadata(metadata: Metadata, width: int, height: int) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata for an upright picture of this size: dimensions where the tags exist, and no outdated thumbnail."""
    metadata, notes = upright_metadata(metadata)
    exif = metadata.exif
    if exif is not None:
        try:
            exif = _without_thumbnail(exif)
            exif = _patch_exif(exif, dict.fromkeys(_WIDTH_TAGS, width) | dict.fromkeys(_HEIGHT_TAGS, height))
        except ValueError as error:
            exif, notes = None, (*notes, f"The EXIF block is damaged ({error}) and was left out.")
    sides = {b"tiff:ImageWidth": width, b"exif:PixelXDimension": width}
    sides |= {b"tiff:ImageLength": height, b"exif:PixelYDimension": height}
    return replace(metadata, exif=exif, xmp=_patch_xmp(metadata.xmp, sides)), notes


def _main_slots(exif: bytes) -> tuple[Layout, Slots, int]:
    """Layout, tags of the first directory, and where the link to the thumbnail's directory is.

    Raises:
        ValueError: The block is damaged.
    """
    layout = tags.read_layout(exif)
    if layout.big:
        raise ValueError("an EXIF block must have 32 bit offsets")
    at = tags.read_offset(exif, layout, layout.first_offset_at)
    return layout, *tags.read_slots(exif, layout, at, strict=False)


def _patch_exif(exif: bytes, numbers: dict[int, int]) -> bytes:
    """Set whole-number tags where they exist in the main or the EXIF directory; nothing moves.

    Raises:
        ValueError: The block is damaged.
    """
    layout, slots, _ = _main_slots(exif)
    patched = bytearray(exif)
    found = [slots]
    exif_at = tags.number_in(exif, layout, slots, tags.EXIF_POINTER)
    if exif_at:
        found.append(tags.read_slots(exif, layout, exif_at, strict=False)[0])
    for directory in found:
        for tag in directory.keys() & numbers.keys():
            slot = directory[tag]
            if slot.count != 1 or slot.kind not in {tags.SHORT, tags.LONG}:
                continue
            kind = slot.kind if numbers[tag] <= 0xFFFF else tags.LONG  # an entry has room for a LONG in any case
            struct.pack_into(layout.order + "HHI", patched, slot.entry_at, tag, kind, 1)
            code = "I" if kind == tags.LONG else "H2x"
            struct.pack_into(layout.order + code, patched, slot.entry_at + 8, numbers[tag])
    return bytes(patched)


def _without_thumbnail(exif: bytes) -> bytes:
    """Unlink the thumbnail's directory and blank the thumbnail; cut it off if it lies at the end.

    Raises:
        ValueError: The block is damaged.
    """
    layout, _, link_at = _main_slots(exif)
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


def _patch_xmp(xmp: bytes | None, numbers: dict[bytes, int]) -> bytes | None:
    """Set whole-number properties of an XMP packet where they exist, written as attribute or as element."""
    if xmp is None:
        return None
    for name, number in numbers.items():
        pattern = rb"(%s\s*=\s*[\"']|<%s>)\s*\d+\s*(?=[\"'<])" % (name, name)
        xmp = re.sub(pattern, rb"\g<1>%d" % number, xmp)
    return xmp


def exif_resolution(exif: bytes | None) -> tuple[float, float] | None:
    """Dots per inch as the EXIF block says, ``None`` if it does not."""
    if exif is None:
        return None
    try:
        layout, slots, _ = _main_slots(exif)
    except ValueError:
        return None
    per_inch = {None: 1.0, 2: 1.0, 3: 2.54}.get(tags.number_in(exif, layout, slots, tags.RESOLUTION_UNIT))
    across, down = (_fraction(exif, layout, slots, tag) for tag in (tags.X_RESOLUTION, tags.Y_RESOLUTION))
    return (round(across * per_inch, 4), round(down * per_inch, 4)) if per_inch and across and down else None


def _fraction(exif: bytes, layout: Layout, slots: Slots, tag: int) -> float | None:
    """The first item of a fraction tag."""
    slot = slots.get(tag)
    if slot is None or slot.kind != tags.RATIONAL:
        return None
    numerator, denominator = struct.unpack_from(layout.order + "II", exif, slot.value_at)
    return numerator / denominator if denominator else None


def resolution_values(dots_per_inch: tuple[float, float]) -> dict[int, Value]:
    """TIFF tags for a resolution."""
    pairs = [struct.pack("<II", round(value * 10_000), 10_000) for value in dots_per_inch]
    return {
        tags.X_RESOLUTION: Value(tags.RATIONAL, 1, pairs[0]),
        tags.Y_RESOLUTION: Value(tags.RATIONAL, 1, pairs[1]),
        tags.RESOLUTION_UNIT: Value(tags.SHORT, 1, struct.pack("<H", 2)),
    }


def directory_to_exif(directory: Directory) -> bytes:
    """An EXIF block of its own."""
    return _HEADER + tags.serialise_directory(directory, _LITTLE, len(_HEADER))


def exif_to_directory(exif: bytes) -> Directory:
    """Tags of an EXIF block that a TIFF file takes into its own directories.

    Raises:
        ValueError: The block is damaged.
    """
    layout = tags.read_layout(exif)
    return _about_the_photograph(
        tags.read_directory(exif, layout, tags.read_offset(exif, layout, layout.first_offset_at))
    )


def tiff_to_exif(directory: Directory) -> bytes | None:
    """The EXIF block that a TIFF file holds spread over its directories, ``None`` if there is none."""
    photograph = _about_the_photograph(directory)
    if not photograph.children and not photograph.values.keys() - _PLAIN_TAGS:
        return None
    return directory_to_exif(photograph)


def _about_the_photograph(directory: Directory) -> Directory:
    """A main directory without the tags that describe how pixels are stored."""
    kept = {tag: value for tag, value in directory.values.items() if tag not in _PIXEL_TAGS}
    return Directory(kept, directory.children)
