"""EXIF blocks and XMP packets that fit the pixels they travel with."""

import struct
from dataclasses import replace

from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.exif_editing import main_slots, orientation_of, with_numbers, without_thumbnail
from nlcunet.imaging.picture import Metadata
from nlcunet.imaging.pixel_counts import scaled_exif, without_places
from nlcunet.imaging.tiff_tags import Directory, Layout, Slots, Value
from nlcunet.imaging.xmp import scaled_xmp, set_numbers, without_xmp_places

_PREFIX = b"Exif\x00\x00"
_WIDTH_TAGS = (0x0100, 0xA002, 0x1001)  # ImageWidth, PixelXDimension, RelatedImageWidth
_HEIGHT_TAGS = (0x0101, 0xA003, 0x1002)  # ImageLength, PixelYDimension, RelatedImageLength

_LITTLE = Layout("<")
_HEADER = b"II*\x00\x08\x00\x00\x00"

_PIXEL_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291}
    | {292, 293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337, 338, 339, 340, 341}
    | {342, 343, 344, 345, 346, 347, 351, *range(512, 522), 529, 530, 531, 532, 32995, 32996, 32997, 32998}
    | {tags.XMP_PACKET, tags.IPTC_RECORDS, tags.ICC_PROFILE, tags.PHOTOSHOP_RESOURCES, tags.PHOTOSHOP_LAYERS, 400}
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


def upright_metadata(metadata: Metadata, orientation: int = 1) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata for pixels that are the right way up: orientation tags say so; notes tell what was left out.

    Args:
        metadata: What to change.
        orientation: EXIF orientation 1..8 by which the pixels were turned; by default what the EXIF block says.
    """
    notes: tuple[str, ...] = ()
    exif, xmp = metadata.exif, metadata.xmp
    lost: tuple[str, ...] = ()
    if exif is not None:
        try:
            if orientation == 1:
                orientation = orientation_of(exif)
            if orientation != 1:
                exif, lost = without_places(exif)
            exif = with_numbers(exif, {tags.ORIENTATION: 1})
        except ValueError as error:
            exif, notes = None, (f"The EXIF block is damaged ({error}) and was left out.",)
    if xmp is not None:
        xmp = set_numbers(xmp, {b"tiff:Orientation": 1})
        if 2 <= orientation <= 8:
            xmp, lost_in_xmp = without_xmp_places(xmp)
            lost += lost_in_xmp
    if lost:
        notes += (f"The picture was turned upright; places in the stored one were left out: {_listed(lost)}.",)
    return replace(metadata, exif=exif, xmp=xmp), notes


def sized_metadata(metadata: Metadata, width: int, height: int) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata for an upright picture of this size; notes tell what was left out."""
    upright, turned = upright_metadata(metadata)
    sized, notes = resized_metadata(upright, width, height)
    return sized, (*turned, *notes)


def resized_metadata(metadata: Metadata, width: int, height: int) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata for a picture of this size: dimensions where the tags exist, and no outdated thumbnail.

    Where it tells which size it describes, everything that counts pixels, or pixels per unit, is scaled with it.
    """
    notes: tuple[str, ...] = ()
    exif, xmp = metadata.exif, metadata.xmp
    before, after = metadata.size_px or (width, height), (width, height)
    lost: tuple[str, ...] = ()
    if exif is not None:
        try:
            exif = with_numbers(
                without_thumbnail(exif), dict.fromkeys(_WIDTH_TAGS, width) | dict.fromkeys(_HEIGHT_TAGS, height)
            )
            exif, lost = scaled_exif(exif, before, after)
        except ValueError as error:
            exif, notes = None, (f"The EXIF block is damaged ({error}) and was left out.",)
    if xmp is not None:
        sides = {b"tiff:ImageWidth": width, b"exif:PixelXDimension": width}
        sides |= {b"tiff:ImageLength": height, b"exif:PixelYDimension": height}
        xmp, lost_in_xmp = scaled_xmp(set_numbers(xmp, sides), before, after)
        lost += lost_in_xmp
    if lost:
        notes += (f"What counts pixels of the old size was left out: {_listed(lost)}.",)
    return replace(metadata, exif=exif, xmp=xmp, size_px=after), notes


def _listed(names: tuple[str, ...]) -> str:
    """Names in order, each once."""
    return ", ".join(dict.fromkeys(names))


def exif_resolution(exif: bytes | None) -> tuple[float, float] | None:
    """Dots per inch as the EXIF block says, ``None`` if it does not."""
    if exif is None:
        return None
    try:
        layout, slots, _ = main_slots(exif)
    except ValueError:
        return None
    per_inch = {None: 1.0, 2: 1.0, 3: 2.54}.get(tags.number_in(exif, layout, slots, tags.RESOLUTION_UNIT))
    across, down = (_fraction(exif, layout, slots, tag) for tag in (tags.X_RESOLUTION, tags.Y_RESOLUTION))
    return (round(across * per_inch, 4), round(down * per_inch, 4)) if per_inch and across and down else None


def _fraction(exif: bytes, layout: Layout, slots: Slots, tag: int) -> float | None:
    slot = slots.get(tag)
    if slot is None or slot.kind != tags.RATIONAL:
        return None
    numerator, denominator = struct.unpack_from(layout.order + "II", exif, slot.value_at)
    return numerator / denominator if denominator else None


def resolution_values(dots_per_inch: tuple[float, float]) -> dict[int, Value]:
    """TIFF tags for a resolution."""
    largest = 0xFFFFFFFF // 10_000  # beyond any device
    pairs = [struct.pack("<II", round(min(value, largest) * 10_000), 10_000) for value in dots_per_inch]
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
