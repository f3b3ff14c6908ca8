"""Colour profiles made from a few numbers: the exponent and primaries that a PNG tells (gAMA, cHRM)."""

import struct
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

_SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_D65 = (0.3127, 0.3290)
_SRGB_GAMMA = 0.45455
_TOLERANCE = 0.002
_D50 = np.array([0.9642, 1.0, 0.8249])  # of the profile connection space, ICC.1:2001-04, annex A.1
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class PngColour:
    """What a PNG without profile says of its colours (W3C PNG, sections 11.3.2.1 and 11.3.2.2)."""

    gamma: float
    white: tuple[float, float] = _D65
    primaries: tuple[tuple[float, float], ...] = _SRGB_PRIMARIES

    @property
    def is_srgb(self) -> bool:
        """Whether this is what PNG writes for sRGB."""
        expected = [_SRGB_GAMMA, *_D65, *(value for pair in _SRGB_PRIMARIES for value in pair)]
        got = [self.gamma, *self.white, *(value for pair in self.primaries for value in pair)]
        return bool(np.abs(np.subtract(got, expected)).max() <= _TOLERANCE)


def matrix_profile(colour: PngColour, *, is_grey: bool) -> bytes | None:
    """An ICC profile (ICC.1:2001-04, sections 6.3.1.1 and 6.3.1.2), ``None`` if the primaries lie in a line."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, min(round(256 / colour.gamma), 0xFFFF)) + b"\x00\x00"
    contents = {
        b"desc": _description(b"gamma and primaries of a PNG"),
        b"cprt": b"text\x00\x00\x00\x00no copyright\x00",
    }
    contents[b"wtpt"] = _xyz(_D50)
    if is_grey:
        return _profile(b"GRAY", contents | {b"kTRC": curve})
    try:
        matrix = _to_d50(colour)
    except np.linalg.LinAlgError:
        return None
    contents |= {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), matrix.T, strict=True)}
    return _profile(b"RGB ", contents | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def _to_d50(colour: PngColour) -> Float64[np.ndarray, "3 3"]:
    """From linear RGB to XYZ as seen under D50, by Bradford's adaptation (ICC.1:2010, annex E)."""
    columns = np.array([_place(x, y) for x, y in colour.primaries]).T
    white = _place(*colour.white)
    to_xyz = columns * np.linalg.solve(columns, white)
    cones = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    matrix: Float64[np.ndarray, "3 3"] = np.linalg.inv(_BRADFORD) @ (cones[:, None] * (_BRADFORD @ to_xyz))
    return matrix


def _place(x: float, y: float) -> Float64[np.ndarray, "3"]:
    """XYZ of a chromaticity at luminance 1."""
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _xyz(values: Float64[np.ndarray, "3"]) -> bytes:
    return b"XYZ \x00\x00\x00\x00" + struct.pack(">3i", *(round(float(value) * 65_536) for value in values))


def _description(text: bytes) -> bytes:
    content = b"desc\x00\x00\x00\x00" + struct.pack(">I", len(text) + 1) + text + b"\x00"
    return content + bytes(4 + 4 + 2 + 1 + 67)


def _profile(space: bytes, contents: dict[bytes, bytes]) -> bytes:
    table, body, start = b"", b"", 128 + 4 + 12 * len(contents)
    for name, content in contents.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = bytearray(128)
    struct.pack_into(">I4sI4s4s4s", head, 0, start + len(body), b"none", 0x02400000, b"mntr", space, b"XYZ ")
    head[36:40] = b"acsp"
    struct.pack_into(">3i", head, 68, *(round(float(value) * 65_536) for value in _D50))
    return bytes(head) + struct.pack(">I", len(contents)) + table + body
