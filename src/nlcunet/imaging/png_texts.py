"""Texts in PNG files: titles, authors, prompts; and metadata that programs without eXIf hid in them as hexadecimal.

W3C PNG (third edition), section 11.3.3; ImageMagick's and ExifTool's "Raw profile type" for the latter.
"""

import zlib
from dataclasses import dataclass, field

from nlcunet.imaging.containers import png_chunk, png_chunks
from nlcunet.imaging.formats import FileBytes

LARGEST_TEXT_BYTES = 16 * 2**20
"""Longer texts are left out: compressed ones could fill the memory."""

_XMP_KEYWORD = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "
_OUTDATED = "Thumb::"  # a thumbnail's facts about the picture that it was made from


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


def png_text_chunk(keyword: str, text: str) -> bytes:
    """A text as a chunk: in Latin-1 where it can be, else in UTF-8."""
    name = keyword.encode("latin-1", "replace")[:79].replace(b"\x00", b" ")
    text = text.replace("\x00", " ")
    try:
        return png_chunk(b"tEXt", name + b"\x00" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return png_chunk(b"iTXt", name + b"\x00" * 5 + text.encode("utf-8", "replace"))


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
