"""XMP packets that fit the pixels they travel with.

Packets are changed as text, so that all else keeps its bytes; properties are known by their usual prefixes, and may be
written as attributes or as elements (XMP specification, part 1, section 7).
"""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

_ACROSS = (
    b"GPano:CroppedAreaImageWidthPixels",
    b"GPano:CroppedAreaLeftPixels",
    b"GPano:FullPanoWidthPixels",
    b"GPano:LargestValidInteriorRectLeft",
    b"GPano:LargestValidInteriorRectWidth",
    b"exif:FocalPlaneXResolution",
    b"drone-dji:CalibratedFocalLength",
    b"drone-dji:CalibratedOpticalCenterX",
)
_DOWN = (
    b"GPano:CroppedAreaImageHeightPixels",
    b"GPano:CroppedAreaTopPixels",
    b"GPano:FullPanoHeightPixels",
    b"GPano:LargestValidInteriorRectTop",
    b"GPano:LargestValidInteriorRectHeight",
    b"exif:FocalPlaneYResolution",
    b"drone-dji:CalibratedOpticalCenterY",
)
_PLACES = (b"exif:SubjectArea", b"exif:SubjectLocation")
_REGIONS = (b"mwg-rs:Regions", b"MP:RegionInfo", b"Iptc4xmpExt:ImageRegion")
_LEFT_OUT = (b"drone-dji:DewarpData",)
_PIXEL_REGIONS = ((b"mwg-rs:Regions", b"stArea:unit"), (b"Iptc4xmpExt:ImageRegion", b"Iptc4xmpExt:rbUnit"))
"""Regions, and the property that says whether they are told in pixels or in parts of the picture."""

_CLAIMS = (
    rb"hdrgm:\w+",
    rb"HDRGainMap:\w+",
    rb"apdi:\w+",
    rb"Container:Directory",
    rb"(?:G?Camera):(?:MotionPhoto|MicroVideo)\w*",
    rb"GDepth:\w+",
    rb"GImage:\w+",
    rb"GAudio:\w+",
    rb"Device:\w+",
    rb"xmpNote:HasExtendedXMP",
    rb"xmp:Thumbnails",
    rb"dcterms:provenance",
)
"""Properties about what lies elsewhere in the same file, which never comes along: gain maps, videos, depth, sounds."""

_NUMBER = rb"-?\d+(?:\.\d+|/\d+)?"


def set_numbers(xmp: bytes, numbers: dict[bytes, int]) -> bytes:
    """A packet with whole-number properties set where they exist."""
    for name, number in numbers.items():
        pattern = rb"(%s\s*=\s*[\"']|<%s>)\s*\d+\s*(?=[\"'<])" % (name, name)
        xmp = re.sub(pattern, rb"\g<1>%d" % number, xmp)
    return xmp


def without_claims(xmp: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A packet that no longer speaks of pictures, videos and packets beside it; and the names of what is gone."""
    found = dict.fromkeys(re.findall(rb"(?<=[\s<])(?:%s)(?=[\s=/>])" % rb"|".join(_CLAIMS), xmp))
    return without_properties(xmp, tuple(found))


def scaled_xmp(xmp: bytes, before: tuple[int, int], after: tuple[int, int]) -> tuple[bytes, tuple[str, ...]]:
    """A packet for a picture of another size, and the names of what had to be left out."""
    if before == after:
        return xmp, ()
    across, down = Fraction(after[0], before[0]), Fraction(after[1], before[1])
    for names, factor in ((_ACROSS, across), (_DOWN, down)):
        for name in names:
            xmp = _scale_number(xmp, name, factor)
    xmp = _in_elements(xmp, b"mwg-rs:AppliedToDimensions", lambda part: _scale_dimensions(part, across, down))
    for name in _PLACES:
        xmp = _in_elements(xmp, name, lambda part: _scale_list(part, across, down))
    in_pixels = [name for name, unit in _PIXEL_REGIONS if re.search(rb"%s(?:\s*=\s*[\"']|>)\s*pixel" % unit, xmp)]
    return without_properties(xmp, (*in_pixels, *_LEFT_OUT))


def without_xmp_places(xmp: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A packet without what tells places in the picture, for one that was turned; and the names of what is gone."""
    return without_properties(xmp, (*_ACROSS, *_DOWN, *_PLACES, *_REGIONS, *_LEFT_OUT))


def without_properties(xmp: bytes, names: tuple[bytes, ...]) -> tuple[bytes, tuple[str, ...]]:
    """A packet without these properties, and the names of those that were there."""
    lost = []
    for name in names:
        shorter = re.sub(rb"\s%s\s*=\s*(?:\"[^\"]*\"|'[^']*')" % re.escape(name), b"", xmp)
        shorter = _in_elements(shorter, name, lambda _: b"")
        if shorter != xmp:
            lost.append(name.decode())
        xmp = shorter
    return xmp, tuple(lost)


def _scale_number(xmp: bytes, name: bytes, factor: Fraction) -> bytes:
    pattern = rb"(%s\s*=\s*[\"']|<%s>)(\s*)(%s)(?=\s*[\"'<])" % (name, name, _NUMBER)
    return re.sub(pattern, lambda found: found[1] + found[2] + _scaled(found[3], factor), xmp)


def _scaled(number: bytes, factor: Fraction) -> bytes:
    """A number times a factor, written in the same way: whole, with a point, or as a fraction."""
    if b"/" in number:
        numerator, denominator = number.split(b"/")
        if not int(denominator):
            return number
        product = (Fraction(int(numerator), int(denominator)) * factor).limit_denominator(65_535)
        return b"%d/%d" % product.as_integer_ratio()
    if b"." in number:
        return f"{float(number) * float(factor):.6f}".encode()
    return b"%d" % round(int(number) * factor)


def _scale_dimensions(part: bytes, across: Fraction, down: Fraction) -> bytes:
    """The size of the picture that regions apply to, where it is told in pixels."""
    if b"pixel" not in part:
        return part
    return _scale_number(_scale_number(part, b"stDim:w", across), b"stDim:h", down)


def _scale_list(part: bytes, across: Fraction, down: Fraction) -> bytes:
    """A list of columns, rows, and perhaps a diameter, or width and height."""
    factors = iter((across, down, across, down))
    pattern = rb"(<rdf:li>\s*)(%s)" % _NUMBER
    return re.sub(pattern, lambda found: found[1] + _scaled(found[2], next(factors, Fraction(1))), part)


def _in_elements(xmp: bytes, name: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A packet with every element of a name changed."""
    pieces, behind = [], 0
    for start, stop in _elements(xmp, name):
        pieces += [xmp[behind:start], change(xmp[start:stop])]
        behind = stop
    return b"".join([*pieces, xmp[behind:]])


def _elements(xmp: bytes, name: bytes) -> Iterator[tuple[int, int]]:
    """Where elements of a name begin and end; in time that grows with the packet, however it is damaged."""
    opening, closing = re.compile(rb"<%s(?=[\s/>])" % re.escape(name)), b"</%s>" % name
    behind = 0
    while found := opening.search(xmp, behind):
        bracket = xmp.find(b">", found.end())
        if bracket < 0:
            return
        if xmp[bracket - 1 : bracket] == b"/":
            behind = bracket + 1
        else:
            end = xmp.find(closing, bracket)
            if end < 0:
                return
            behind = end + len(closing)
        yield found.start(), behind
