"""Pictures for a screen: every size from whole to a thumbnail in one file, of which any part is read at once.

For looking only: 8-bit sRGB, over white where transparent, in JPEG tiles of high quality. What is looked at may be a
hundred megapixels; a screen shows a few, and gets no more.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from nlcunet.errors import ImageError, ImageWriteError
from nlcunet.imaging.decoding import DecodableFile, prepare_decoding
from nlcunet.imaging.formats import FileBytes
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, interpreted, reason_of, with_own_errors
from nlcunet.imaging.opening import bytes_of, check_size, name_of, open_file, unreadable

TILE_PX = 256
"""Side of a tile: a multiple of JPEG's blocks, so that a tile encoded twice changes hardly."""

QUALITY = 95
"""Of the tiles; libvips stores the colours of JPEG in TIFF at full resolution from 90 on."""

_TYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_TURNS = {3: "d180", 4: "d180", 5: "d90", 6: "d90", 7: "d270", 8: "d270"}
_MIRRORED = {2, 4, 5, 7}


@dataclass(frozen=True)
class Level:
    """One size of a picture in a pyramid."""

    width: int
    height: int


def write_pyramid(source: Path, target: Path, *, max_pixels: int, enlarged_to: Level | None = None) -> None:
    """Write a picture in all sizes, each half the one before.

    Raises:
        ImageError: the picture cannot be read, or has more pixels.
        ImageWriteError: the target cannot be written.
    """
    image, _data = _for_screen(source, max_pixels)
    try:
        if enlarged_to is not None:
            across, down = enlarged_to.width / image.width, enlarged_to.height / image.height
            image = image.resize(across, vscale=down, kernel="cubic")
        image.tiffsave(
            os.fsencode(target),
            tile=True,
            pyramid=True,
            compression="jpeg",
            Q=QUALITY,
            tile_width=TILE_PX,
            tile_height=TILE_PX,
            region_shrink="mean",
            depth="onetile",
            keep="none",
            bigtiff=True,
        )
    except LIBVIPS_ERRORS as error:
        raise ImageWriteError(f"{source.name} must be whole, and its folder writable: {reason_of(error)}") from error


def read_levels(pyramid: Path) -> tuple[Level, ...]:
    """The sizes of a pyramid, the largest first.

    Raises:
        ImageError: it cannot be read.
    """
    first = _open(pyramid, 0)
    count = int(first.get("n-pages")) if first.get_typeof("n-pages") else 1
    levels = [first, *(_open(pyramid, level) for level in range(1, count))]
    return tuple(Level(each.width, each.height) for each in levels)


def read_tile(pyramid: Path, level: int, column: int, row: int) -> bytes:
    """One tile as JPEG; those at the right and lower edge may be smaller than ``TILE_PX``.

    Raises:
        ImageError: there is no such tile.
    """
    image = _open(pyramid, level)
    left, top = column * TILE_PX, row * TILE_PX
    width, height = min(TILE_PX, image.width - left), min(TILE_PX, image.height - top)
    if min(column, row) < 0 or min(width, height) < 1:
        raise ImageError(f"a tile must lie in {image.width}×{image.height}: got column {column}, row {row}")
    try:
        tile = image.crop(left, top, width, height)
        return bytes(tile.jpegsave_buffer(Q=QUALITY, subsample_mode="off", keep="none"))
    except LIBVIPS_ERRORS as error:
        raise ImageError(f"a view cannot be read: {reason_of(error)}") from error


def make_thumbnail(source: Path, side_px: int, *, max_pixels: int) -> bytes:
    """A small JPEG of a picture.

    Raises:
        ImageError: the picture cannot be read, or has more pixels.
    """
    image, _data = _for_screen(source, max_pixels)
    try:
        small = image.thumbnail_image(side_px, size="down")
        return bytes(small.jpegsave_buffer(Q=85, keep="none"))
    except LIBVIPS_ERRORS as error:
        raise ImageError(f"{source.name} must be a whole file: {reason_of(error)}") from error


def _open(pyramid: Path, level: int) -> Any:
    """One size, read part by part."""
    if level < 0:
        raise ImageError(f"a view must have level {level}: the largest is 0")  # libvips would take it for all
    try:
        return pyvips.Image.tiffload(os.fsencode(pyramid), page=level, access="random")
    except LIBVIPS_ERRORS as error:
        raise ImageError(f"a view must have level {level}: {reason_of(error)}") from error


def _for_screen(source: Path, max_pixels: int) -> tuple[Any, FileBytes]:
    """A picture in 8-bit sRGB of three bands, upright, not decoded yet; and its bytes, which have to outlive it."""
    data, name = bytes_of(source, mapped=True), name_of(source)

    def prepare() -> Any:
        file = open_file(data, name, source)
        check_size(file, max_pixels)
        prepared = prepare_decoding(file)
        try:
            return _upright(_to_srgb(prepared), file.orientation)
        except LIBVIPS_ERRORS as error:
            raise unreadable(name, data, file.format, error) from error

    return with_own_errors(prepare), data


def _to_srgb(prepared: DecodableFile) -> Any:
    """Colours as a screen shows them."""
    image = prepared.image
    if image.format == "float":
        image = (image * 65_535 + 0.5).cast("ushort")
    image = interpreted(image, np.dtype(_TYPES[image.format]), prepared.metadata.icc_profile)
    if prepared.has_alpha:
        image = image.flatten(background=[255 if image.format == "uchar" else 65_535])
    if prepared.metadata.icc_profile is not None:
        image = image.icc_transform("srgb", embedded=True, depth=8, intent="relative")
    elif image.format == "ushort":
        image = (image * (255 / 65_535) + 0.5).cast("uchar")
    if image.bands == 1:
        image = image.bandjoin([image, image])
    return image.copy(interpretation="srgb")


def _upright(image: Any, orientation: int) -> Any:
    """Turned as EXIF says; a picture that is read from top to bottom must lie in memory for that."""
    if orientation == 1:
        return image
    image = image.copy_memory()
    if orientation in _TURNS:
        image = image.rot(_TURNS[orientation])
    return image.fliphor() if orientation in _MIRRORED else image
