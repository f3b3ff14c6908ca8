"""PNG files: their chunks, what they tell beside the pixels, and how that gets into a new file.

Texts are titles, authors, prompts, and metadata that programs without eXIf hid in them as hexadecimal (W3C PNG, third
edition, section 11.3.3; ImageMagick's and ExifTool's "Raw profile type" for the latter).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile

from nlcunet.imaging.exif import exif_resolution, without_prefix
from nlcunet.imaging.formats import FileBytes
from nlcunet.imaging.matrix_profile import PngColour, matrix_profile
from nlcunet.imaging.parts import PNG, Fate, behind, clean, noted
from nlcunet.imaging.photoshop import iptc_in
from nlcunet.imaging.picture import Metadata

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

MOST_CHUNKS = 1 << 16
"""Before the pixels: more are there to keep a reader busy."""

LARGEST_TEXT_BYTES = 16 * 2**20
"""Longer texts are left out: compressed ones could fill the memory."""

_XMP_KEYWORD = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "
_OUTDATED = "Thumb::"  # a thumbnail's facts about the picture that it was made from
_SILENT = frozenset(mark for mark, part in PNG.items() if part.fate is not Fate.NOTED)
_CODES_OF_SRGB = {b"\x01\x01", b"\x01\x0d"}  # primaries and curve, ITU-T H.273
_METRES_PER_INCH = 0.0254


def png_chunks(data: FileBytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and length of each PNG chunk."""
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        yield bytes(data[position + 4 : position + 8]), position + 8, length
        position += 12 + length


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def has_many_chunks(data: FileBytes) -> bool:
    """Whether a PNG has more chunks before its pixels than any honest one."""
    before = takewhile(lambda chunk: chunk[0] != b"IDAT", png_chunks(data))
    return next(islice(before, MOST_CHUNKS, None), None) is not None


def count_png_frames(data: FileBytes) -> int:
    """Frames of an animated PNG; 1 for all others. libvips would show the first frame and say nothing."""
    for kind, start, length in png_chunks(data):
        if kind == b"acTL" and length >= 4:
            return int(struct.unpack_from(">I", data, start)[0])
        if kind == b"IDAT":
            break
    return 1


@dataclass
class PngTexts:
    """All texts of a file.

    Attributes:
        texts: keyword and text of each, in order.
        profiles: metadata hidden in texts, by its kind: exif, iptc, xmp, and others.
        unread: keywords of texts that cannot be read.
    """

    texts: list[tuple[str, str]] = field(default_factory=list)
    profiles: dict[str, bytes] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def png_texts(data: FileBytes) -> PngTexts:
    """The texts of a PNG but for its XMP packet."""
    found = PngTexts()
    for kind, start, length in png_chunks(data):
        if kind not in {b"tEXt", b"zTXt", b"iTXt"}:
            continue
        keyword, _, content = bytes(data[start : start + length]).partition(b"\x00")
        name = keyword.decode("latin-1")
        text = _text_of(kind, content)
        if text is None:
            found.unread.append(name)
        elif name.startswith(_RAW_PROFILE):
            _take_profile(found, name.removeprefix(_RAW_PROFILE).strip().lower(), text)
        elif name != _XMP_KEYWORD and not name.startswith(_OUTDATED):
            found.texts.append((name, text))
    return found


def _text_of(kind: bytes, content: bytes) -> str | None:
    """The text behind a keyword, ``None`` if it is damaged or too long."""
    if kind == b"tEXt":
        return content.decode("latin-1") if len(content) <= LARGEST_TEXT_BYTES else None
    if kind == b"zTXt":
        unpacked = _unpacked(content[1:])
        return None if unpacked is None else unpacked.decode("latin-1")
    is_packed, rest = content[:1] == b"\x01", content[2:]
    _language, _, rest = rest.partition(b"\x00")
    _translated, _, rest = rest.partition(b"\x00")
    unpacked = _unpacked(rest) if is_packed else rest
    if unpacked is None or len(unpacked) > LARGEST_TEXT_BYTES:
        return None
    return unpacked.decode("utf-8", "replace")


def _unpacked(content: bytes) -> bytes | None:
    decompressor = zlib.decompressobj()
    try:
        unpacked = decompressor.decompress(content, LARGEST_TEXT_BYTES)
    except zlib.error:
        return None
    return unpacked if decompressor.eof else None


def _take_profile(found: PngTexts, kind: str, text: str) -> None:
    """Metadata as hexadecimal, behind its kind and its length; ``app1`` is EXIF or XMP as in a JPEG."""
    _, _, digits = text.strip().partition("\n")
    _, _, digits = digits.strip().partition("\n")
    try:
        content = bytes.fromhex(digits)
    except ValueError:
        found.unread.append(_RAW_PROFILE + kind)
        return
    is_xmp = content.startswith(b"http://ns.adobe.com/xap/1.0/\x00")
    if kind == "app1":
        kind = "xmp" if is_xmp else "exif"
    found.profiles[kind] = content.removeprefix(b"http://ns.adobe.com/xap/1.0/\x00")


def png_colour(data: FileBytes) -> PngColour | None:
    """The colours of a PNG whose exponent is told, unless something of higher rank says more: sRGB, iCCP, cICP."""
    gamma, places = 0, ()
    for kind, start, length in png_chunks(data):
        if kind in {b"sRGB", b"iCCP", b"cICP"}:
            return None
        if kind == b"gAMA" and length == 4:
            (gamma,) = struct.unpack_from(">I", data, start)
        elif kind == b"cHRM" and length == 32:
            places = struct.unpack_from(">8I", data, start)
        elif kind == b"IDAT":
            break
    if not gamma:
        return None
    pairs = [(places[at] / 100_000, places[at + 1] / 100_000) for at in range(0, len(places), 2)]
    if not pairs or any(y <= 0 for _, y in pairs):
        return PngColour(gamma / 100_000)
    return PngColour(gamma / 100_000, pairs[0], tuple(pairs[1:]))


def png_resolution(data: FileBytes) -> tuple[float, float] | None:
    """Dots per inch of a PNG. libvips says 72 where a file says nothing."""
    for kind, start, length in png_chunks(data):
        if kind == b"pHYs" and length == 9:
            across, down, unit = struct.unpack_from(">IIB", data, start)
            return (dots_per_inch(across), dots_per_inch(down)) if unit == 1 else None
        if kind == b"IDAT":
            break
    return None


def dots_per_inch(per_metre: int) -> float:
    """Dots per inch of a whole number of dots per metre, which is how PNG and BMP round 72 and 300."""
    exact = per_metre * _METRES_PER_INCH
    return float(round(exact)) if round(round(exact) / _METRES_PER_INCH) == per_metre else round(exact, 2)


def metadata_in_png(
    data: FileBytes, profile: bytes | None, exif_block: bytes | None, xmp: bytes | None, *, is_grey: bool
) -> tuple[Metadata, tuple[str, ...], tuple[str, ...]]:
    """Everything beside the pixels, notes, and the names of what cannot be kept."""
    found, notes = png_texts(data), []
    block = exif_block or found.profiles.get("exif")
    exif = without_prefix(block) if block else None
    colour = png_colour(data)
    if profile is None and colour is not None and not colour.is_srgb:
        profile = matrix_profile(colour, is_grey=is_grey)
        notes.append("The exponent and primaries of the PNG (gAMA, cHRM) became a colour profile.")
    resources = found.profiles.get("iptc") or found.profiles.get("8bim")
    iptc = None
    if resources:
        iptc = iptc_in(resources) or (resources if resources.startswith(b"\x1c") else None)
    metadata = Metadata(
        icc_profile=profile,
        exif=exif,
        xmp=xmp or found.profiles.get("xmp"),
        iptc=iptc,
        dots_per_inch=png_resolution(data) or (exif_resolution(exif) if exif else None),
        texts=tuple(found.texts),
    )
    return metadata, tuple(notes), (*dict.fromkeys(_lost_parts(data)), *_lost_texts(found))


def _lost_parts(data: FileBytes) -> Iterator[str]:
    kinds, end = set[str](), 0
    for kind, start, length in png_chunks(data):
        name = kind.decode("latin-1")
        is_srgb = name == "cICP" and bytes(data[start : start + 2]) in _CODES_OF_SRGB
        if name not in kinds | _SILENT and not is_srgb:
            yield from noted(PNG, name, f"chunk {clean(name)}")
        kinds.add(name)
        end = start + length + 4
        if kind == b"IEND":
            break
    if "cHRM" in kinds and not kinds & {"gAMA", "sRGB", "iCCP", "cICP"}:
        yield "primaries without an exponent (cHRM)"
    if end < len(data):
        yield from behind(data, end)


def _lost_texts(found: PngTexts) -> tuple[str, ...]:
    """Texts of a PNG that cannot be read, and metadata in them of kinds that are not kept."""
    others = [f"raw profile {clean(kind)}" for kind in found.profiles if kind not in {"exif", "xmp", "iptc", "8bim"}]
    return (*(f"unreadable text {clean(name)}" for name in found.unread), *others)


def embed_png(data: bytes, metadata: Metadata) -> bytes:
    """A PNG with EXIF, XMP and resolution in place."""
    chunks = png_resolution_chunk(metadata) if metadata.dots_per_inch is not None else b""
    chunks += png_metadata_chunks(metadata)
    pieces = [PNG_SIGNATURE]
    for kind, start, length in png_chunks(data):
        if kind == b"IDAT" and chunks:
            pieces.append(chunks)
            chunks = b""
        if kind != b"pHYs":
            pieces.append(data[start - 8 : start + length + 4])
    return b"".join(pieces)


def png_metadata_chunks(metadata: Metadata) -> bytes:
    """EXIF, XMP and texts as chunks of a PNG."""
    chunks = b"" if metadata.exif is None else png_chunk(b"eXIf", metadata.exif)
    if metadata.xmp is not None:
        chunks += png_chunk(b"iTXt", _XMP_KEYWORD.encode() + b"\x00" * 5 + metadata.xmp)
    return chunks + b"".join(png_text_chunk(keyword, text) for keyword, text in metadata.texts)


def png_resolution_chunk(metadata: Metadata) -> bytes:
    """The resolution as a chunk of a PNG; where there is none, one that says so: square pixels of no known size."""
    if metadata.dots_per_inch is None:
        return png_chunk(b"pHYs", struct.pack(">IIB", 1, 1, 0))
    per_metre = (min(round(value / _METRES_PER_INCH), 0x7FFFFFFF) for value in metadata.dots_per_inch)
    return png_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1))


def png_text_chunk(keyword: str, text: str) -> bytes:
    """A text as a chunk: in Latin-1 where it can be, else in UTF-8."""
    name = keyword.encode("latin-1", "replace")[:79].replace(b"\x00", b" ")
    text = text.replace("\x00", " ")
    try:
        return png_chunk(b"tEXt", name + b"\x00" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return png_chunk(b"iTXt", name + b"\x00" * 5 + text.encode("utf-8", "replace"))
