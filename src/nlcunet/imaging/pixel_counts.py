"""Tags that count pixels, or pixels per unit, or units per pixel: scaled with the picture, or left out by name.

EXIF 2.32, section 4.6.5 (focal plane, subject area); GeoTIFF 1.1, sections 7.1 and 7.2 (how rasters lie on the ground).
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.exif_editing import directories_of, without_tags
from nlcunet.imaging.tiff_tags import Layout, Slot, Slots

Number: TypeAlias = int | float | Fraction
SizePx: TypeAlias = tuple[int, int]
"""Columns and rows."""

_SUBJECT_AREA, _SUBJECT_LOCATION, _FOCAL_PLANE_X, _FOCAL_PLANE_Y = 0x9214, 0xA214, 0xA20E, 0xA20F
_GEO_PIXEL_SCALE, _GEO_TIEPOINTS, _GEO_TRANSFORMATION, _GEO_KEYS = 33550, 33922, 34264, 34735
_RASTER_TYPE_KEY, _PIXEL_IS_POINT = 1025, 2
_DESCRIPTION = 270
_LAYOUT_TEXTS = (b'{"shape":', b"<OME")
"""In descriptions that tell how samples are stored: those of tifffile, and of OME-TIFF."""

_LEFT_OUT = {
    33920: "geo matrix of Intergraph",
    50844: "rational polynomial coefficients",
    50719: "DNG crop origin",
    50720: "DNG crop size",
    50829: "DNG active area",
}
_DOUBLE = 12
_CODES = {tags.SHORT: "H", tags.LONG: "I", _DOUBLE: "d"}


@dataclass(frozen=True)
class Growth:
    """From one size to another."""

    across: Fraction
    down: Fraction
    pixel_is_point: bool = False

    @property
    def offset(self) -> float:
        """How far the point that coordinates count from lies within the first pixel."""
        return 0.5 if self.pixel_is_point else 0.0


def scaled_exif(exif: bytes, before: SizePx, after: SizePx) -> tuple[bytes, tuple[str, ...]]:
    """An EXIF block for a picture of another size, and the names of what had to be left out.

    Raises:
        ValueError: The block is damaged.
    """
    if before == after:
        return exif, ()
    layout, found = directories_of(exif)
    growth = Growth(Fraction(after[0], before[0]), Fraction(after[1], before[1]), _is_point(exif, layout, found[0][1]))
    patched, lost = bytearray(exif), dict[int, str]()
    for _, slots in found:
        lost |= {tag: name for tag, name in _LEFT_OUT.items() if tag in slots}
        lost |= _outdated_description(exif, slots)
        for tag, (name, change) in _CHANGES.items():
            if tag in slots and not _change(patched, layout, slots[tag], growth, change):
                lost[tag] = name
    return without_tags(bytes(patched), frozenset(lost)), tuple(lost.values())


def without_places(exif: bytes) -> tuple[bytes, tuple[str, ...]]:
    """An EXIF block without what tells places in the picture, for one that was turned; and the names of what is gone.

    Raises:
        ValueError: The block is damaged.
    """
    _, found = directories_of(exif)
    places = {tag: name for tag, (name, _) in _CHANGES.items()} | _LEFT_OUT
    lost = {tag: name for _, slots in found for tag, name in places.items() if tag in slots}
    return without_tags(exif, frozenset(lost)), tuple(lost.values())


def _is_point(exif: bytes, layout: Layout, slots: Slots) -> bool:
    """Whether GeoTIFF's keys say that coordinates are of the centres of pixels."""
    keys = tags.numbers_in(exif, layout, slots, _GEO_KEYS)
    entries = [keys[at : at + 4] for at in range(4, len(keys) - 3, 4)]
    return any(entry[0] == _RASTER_TYPE_KEY and entry[3] == _PIXEL_IS_POINT for entry in entries)


def _outdated_description(exif: bytes, slots: Slots) -> dict[int, str]:
    """The description, where it is no text for people but tells how samples are stored."""
    slot = slots.get(_DESCRIPTION)
    text = b"" if slot is None else exif[slot.value_at : slot.value_at + slot.num_bytes]
    return {_DESCRIPTION: "description of the layout of samples"} if any(mark in text for mark in _LAYOUT_TEXTS) else {}


Change: TypeAlias = Callable[[list[Number], Growth], Sequence[Number]]


def _scale_place(values: list[Number], growth: Growth) -> list[Number]:
    """Columns, rows, and perhaps a diameter, or width and height."""
    factors = (growth.across, growth.down, growth.across, growth.down)
    return [round(Fraction(value) * factor) for value, factor in zip(values, factors, strict=False)]


def _scale_tiepoints(values: list[Number], growth: Growth) -> list[Number]:
    """Column, row and layer of a point, and its place on the ground."""
    for at in range(0, len(values) - 5, 6):
        for index, factor in ((at, growth.across), (at + 1, growth.down)):
            values[index] = (float(values[index]) + growth.offset) * float(factor) - growth.offset
    return values


def _scale_transformation(values: list[Number], growth: Growth) -> list[Number]:
    """A 4 × 4 matrix, row by row, from columns and rows to the ground."""
    for row in range(0, len(values) - 3, 4):
        for column, factor in ((0, growth.across), (1, growth.down)):
            per_pixel = float(values[row + column])
            values[row + column] = per_pixel / float(factor)
            values[row + 3] = float(values[row + 3]) + per_pixel * growth.offset * (1 / float(factor) - 1)
    return values


def _scale_pixel_size(values: list[Number], growth: Growth) -> list[Number]:
    """Ground per pixel across and down, and per step of height."""
    return [float(values[0]) / float(growth.across), float(values[1]) / float(growth.down), *values[2:]]


_CHANGES: dict[int, tuple[str, Change]] = {
    _SUBJECT_AREA: ("subject area", _scale_place),
    _SUBJECT_LOCATION: ("subject location", _scale_place),
    _FOCAL_PLANE_X: ("focal plane resolution", lambda values, growth: [values[0] * growth.across]),
    _FOCAL_PLANE_Y: ("focal plane resolution", lambda values, growth: [values[0] * growth.down]),
    _GEO_PIXEL_SCALE: ("geo pixel scale", _scale_pixel_size),
    _GEO_TIEPOINTS: ("geo tie points", _scale_tiepoints),
    _GEO_TRANSFORMATION: ("geo transformation", _scale_transformation),
}


def _change(patched: bytearray, layout: Layout, slot: Slot, growth: Growth, change: Change) -> bool:
    """Change the values of one tag in place; not possible where they are no numbers, too few or too large."""
    try:
        values = change(_read(patched, layout, slot), growth)
        struct.pack_into(*_packed(layout, slot, values, patched))
    except (IndexError, ZeroDivisionError, OverflowError, struct.error):
        return False
    return True


def _read(data: bytearray, layout: Layout, slot: Slot) -> list[Number]:
    """The values of a tag; none where they are no numbers."""
    if slot.kind == tags.RATIONAL:
        words = struct.unpack_from(f"{layout.order}{2 * slot.count}I", data, slot.value_at)
        return [Fraction(words[at], words[at + 1]) for at in range(0, len(words), 2)]
    if slot.kind not in _CODES:
        raise IndexError("no numbers")
    return list(struct.unpack_from(f"{layout.order}{slot.count}{_CODES[slot.kind]}", data, slot.value_at))


def _packed(
    layout: Layout, slot: Slot, values: Sequence[Number], target: bytearray
) -> tuple[str, bytearray, int, *tuple[Number, ...]]:
    """Arguments of :func:`struct.pack_into` that put values in the place of a tag."""
    if slot.kind != tags.RATIONAL:
        return f"{layout.order}{len(values)}{_CODES[slot.kind]}", target, slot.value_at, *values
    fractions = [Fraction(value).limit_denominator(65_535) for value in values]
    words = [word for fraction in fractions for word in fraction.as_integer_ratio()]
    return f"{layout.order}{len(words)}I", target, slot.value_at, *words
