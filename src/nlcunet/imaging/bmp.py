"""Windows bitmaps (BMP), which libvips has no reader for: palettes, packed bits, run lengths, alpha, profiles.

All headers from OS/2 1.x (12 bytes) to version 5 (124 bytes) as the Windows SDK describes them (wingdi.h,
BITMAPCOREHEADER to BITMAPV5HEADER). A bitmap whose palette is all grey is grey.
"""

import struct
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from nlcunet.imaging.formats import BMP_HEADER_BYTES, FileBytes
from nlcunet.imaging.png import dots_per_inch

_FILE_HEADER_BYTES, _OS2_BYTES, _WINDOWS_BYTES, _V5_BYTES = 14, 12, 40, 124
_RGB, _RLE8, _RLE4, _BITFIELDS, _ALPHA_BITFIELDS = 0, 1, 2, 3, 6
_MASKS_BY_BITS = {16: (0x7C00, 0x03E0, 0x001F, 0), 32: (0xFF0000, 0x00FF00, 0x0000FF, 0)}
LARGEST_SIDE_PX = 10_000_000
"""Longer sides are taken for damage; libvips has a limit, too."""
_EMBEDDED_PROFILE = b"DEBM"  # "MBED" as a little-endian number


@dataclass(frozen=True, kw_only=True)
class BmpHeader:
    """What a bitmap says of itself.

    Attributes:
        width: Columns.
        height: Rows.
        is_top_down: Whether the first row stored is the upper one.
        bits: Per pixel: 1, 2, 4, 8, 16, 24 or 32.
        compression: How pixels are stored.
        masks: Which bits of a pixel are red, green, blue and alpha; none without a mask.
        palette: Colours as red, green, blue; empty from 16 bits on.
        pixels_at: Where the pixels begin.
        icc_profile: The colour profile inside, if there is one.
        dots_per_inch: Horizontal and vertical resolution, if it is told.
    """

    width: int
    height: int
    is_top_down: bool
    bits: int
    compression: int
    masks: tuple[int, int, int, int]
    palette: UInt8[np.ndarray, "colours 3"]
    pixels_at: int
    icc_profile: bytes | None
    dots_per_inch: tuple[float, float] | None

    @property
    def is_grey(self) -> bool:
        """Whether all colours of the palette are grey."""
        return self.bits <= 8 and bool((self.palette == self.palette[:, :1]).all())

    @property
    def has_alpha(self) -> bool:
        """Whether some bits are marked as alpha."""
        return self.bits in {16, 32} and self.masks[3] != 0

    @property
    def bands(self) -> int:
        """Colours and alpha."""
        return (1 if self.is_grey else 3) + self.has_alpha

    @property
    def dtype(self) -> np.dtype:
        """Type of the samples: 16 bits where a colour has more than 8."""
        widest = max(mask.bit_count() for mask in self.masks) if self.bits in {16, 32} else 8
        return np.dtype(np.uint8 if widest <= 8 else np.uint16)


def read_bmp_header(data: FileBytes) -> BmpHeader:
    """Size and kind of a bitmap.

    Raises:
        ValueError: The header is damaged.
        NotImplementedError: It is of a variant that is not read.
    """
    try:
        return _read_header(data)
    except struct.error as error:
        raise ValueError("the header ends early") from error


def _read_header(data: FileBytes) -> BmpHeader:
    pixels_at, size = struct.unpack_from("<II", data, 10)
    if size == _OS2_BYTES:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression, across, down, num_colours = _RGB, 0, 0, 0
    elif size in BMP_HEADER_BYTES:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
        across, down, num_colours = struct.unpack_from("<iiI", data, 38)
    else:
        raise NotImplementedError(f"a header of {size} bytes")
    _check_kind(bits, compression)
    if not 0 < width <= LARGEST_SIDE_PX or not 0 < abs(height) <= LARGEST_SIDE_PX:
        raise ValueError(f"it has {width} × {height} pixels")
    num_masks = {_BITFIELDS: 3, _ALPHA_BITFIELDS: 4}.get(compression, 0) if size == _WINDOWS_BYTES else 0
    palette_at = _FILE_HEADER_BYTES + size + 4 * num_masks
    return BmpHeader(
        width=width,
        height=abs(height),
        is_top_down=height < 0,
        bits=bits,
        compression=compression,
        masks=_masks(data, size, bits, compression),
        palette=_palette(data, palette_at, bits, num_colours, 3 if size == _OS2_BYTES else 4),
        pixels_at=pixels_at,
        icc_profile=_profile(data) if size == _V5_BYTES else None,
        dots_per_inch=(dots_per_inch(across), dots_per_inch(down)) if across > 0 and down > 0 else None,
    )


def _check_kind(bits: int, compression: int) -> None:
    """Refuse what is not read."""
    fitting = {
        _RGB: {1, 2, 4, 8, 16, 24, 32},
        _RLE8: {8},
        _RLE4: {4},
        _BITFIELDS: {16, 32},
        _ALPHA_BITFIELDS: {16, 32},
    }
    if bits not in fitting.get(compression, ()):
        raise NotImplementedError(f"{bits} bits per pixel with compression {compression}")


def _masks(data: FileBytes, size: int, bits: int, compression: int) -> tuple[int, int, int, int]:
    """Bits of red, green, blue and alpha; those of version 3 on are part of the header."""
    if compression not in {_BITFIELDS, _ALPHA_BITFIELDS}:
        return _MASKS_BY_BITS.get(bits, (0, 0, 0, 0))
    red, green, blue = struct.unpack_from("<III", data, _FILE_HEADER_BYTES + _WINDOWS_BYTES)
    has_alpha = size > 52 or compression == _ALPHA_BITFIELDS
    alpha = struct.unpack_from("<I", data, _FILE_HEADER_BYTES + _WINDOWS_BYTES + 12)[0] if has_alpha else 0
    if not (red and green and blue):
        raise ValueError("a colour has no bits")
    return red, green, blue, alpha


def _palette(data: FileBytes, at: int, bits: int, num_colours: int, entry_bytes: int) -> UInt8[np.ndarray, "colours 3"]:
    """As many colours as pixels can name; those that the file leaves out are black."""
    if bits > 8:
        return np.zeros((0, 3), np.uint8)
    count = min(num_colours or 2**bits, 2**bits)
    entries = np.frombuffer(bytes(data[at : at + count * entry_bytes]), np.uint8)
    if len(entries) < count * entry_bytes:
        raise ValueError("the palette ends early")
    palette = np.zeros((2**bits, 3), np.uint8)
    palette[:count] = entries.reshape(count, entry_bytes)[:, 2::-1]
    return palette


def _profile(data: FileBytes) -> bytes | None:
    if bytes(data[_FILE_HEADER_BYTES + 56 : _FILE_HEADER_BYTES + 60]) != _EMBEDDED_PROFILE:
        return None
    start, size = struct.unpack_from("<II", data, _FILE_HEADER_BYTES + 112)
    return bytes(data[_FILE_HEADER_BYTES + start : _FILE_HEADER_BYTES + start + size]) or None


def has_unmarked_alpha(data: FileBytes) -> bool:
    """Whether pixels of 32 bits use bits that no mask names, as programs write alpha without saying so."""
    header = read_bmp_header(data)
    if header.bits != 32 or header.has_alpha:
        return False
    named = header.masks[0] | header.masks[1] | header.masks[2]
    pixels = np.frombuffer(bytes(data[header.pixels_at :][: header.width * header.height * 4]), "u1")
    others = np.frombuffer(struct.pack("<I", ~named & 0xFFFFFFFF), "u1")
    return any(bool((pixels[index::4] & mask).any()) for index, mask in enumerate(others) if mask)


def decode_bmp(data: FileBytes, header: BmpHeader) -> Shaped[np.ndarray, "height width bands"]:
    """All pixels, colours before alpha.

    Raises:
        ValueError: The file ends early.
    """
    if header.compression in {_RLE8, _RLE4}:
        rows = _decode_runs(bytes(data[header.pixels_at :]), header)
    else:
        rows = _stored_rows(data, header)
    if not header.is_top_down:
        rows = rows[::-1]
    if header.bits <= 8:
        colours: UInt8[np.ndarray, "height width 3"] = header.palette[rows]
        return colours[:, :, : header.bands]
    if header.bits == 24:
        return rows[:, :, ::-1]
    used = header.masks if header.has_alpha else header.masks[:3]
    top = np.iinfo(header.dtype).max
    bands = [_scaled(rows, mask, top).astype(header.dtype) for mask in used]
    return np.stack(bands, axis=2)


def _stored_rows(data: FileBytes, header: BmpHeader) -> Shaped[np.ndarray, "height width *bytes"]:
    """Pixels as stored, in the order of the file: numbers up to 16 bits and of 32, three bytes of 24."""
    row_bytes = (header.width * header.bits + 31) // 32 * 4
    stored = bytes(data[header.pixels_at : header.pixels_at + row_bytes * header.height])
    if len(stored) < row_bytes * header.height:
        raise ValueError("the pixels end early")
    rows = np.frombuffer(stored, np.uint8).reshape(header.height, row_bytes)
    if header.bits < 8:
        shifts = np.arange(8 - header.bits, -1, -header.bits, dtype=np.uint8)
        parts: UInt8[np.ndarray, "height bytes numbers"] = (rows[:, :, None] >> shifts) & (2**header.bits - 1)
        return parts.reshape(header.height, -1)[:, : header.width]
    if header.bits == 24:
        return rows[:, : header.width * 3].reshape(header.height, header.width, 3)
    return rows.view({8: "u1", 16: "<u2", 32: "<u4"}[header.bits])[:, : header.width]


def _scaled(pixels: Shaped[np.ndarray, "height width"], mask: int, top: int) -> Shaped[np.ndarray, "height width"]:
    shift = (mask & -mask).bit_length() - 1
    largest = mask >> shift
    values: Shaped[np.ndarray, "height width"] = (pixels.astype(np.uint64) & mask) >> shift
    scaled: Shaped[np.ndarray, "height width"] = (values * top + largest // 2) // largest
    return scaled


def _decode_runs(stored: bytes, header: BmpHeader) -> UInt8[np.ndarray, "height width"]:
    """Numbers of palette colours from run lengths; what is jumped over is colour 0."""
    rows = np.zeros((header.height, header.width), np.uint8)
    at = row = column = 0
    while row < header.height:
        if at + 2 > len(stored):
            raise ValueError("the pixels end early")
        count, value = stored[at], stored[at + 1]
        at += 2
        if count:
            run = _unpacked(bytes([value]) * ((count + 1) // 2 if header.bits == 4 else count), header.bits)[:count]
        elif value == 0:
            row, column = row + 1, 0
            continue
        elif value == 1:
            break
        elif value == 2:
            if at + 2 > len(stored):
                raise ValueError("the pixels end early")
            column, row = column + stored[at], row + stored[at + 1]
            at += 2
            continue
        else:
            num_bytes = (value * header.bits + 7) // 8
            run = _unpacked(stored[at : at + num_bytes], header.bits)[:value]
            at += num_bytes + num_bytes % 2
        fitting = run[: max(header.width - column, 0)]
        rows[row, column : column + len(fitting)] = fitting
        column += len(run)
    return rows


def _unpacked(stored: bytes, bits: int) -> UInt8[np.ndarray, " pixels"]:
    """One number of each byte, or two of 4 bits."""
    values = np.frombuffer(stored, np.uint8)
    return values if bits == 8 else np.stack([values >> 4, values & 15], axis=1).ravel()
