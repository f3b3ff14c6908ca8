"""The name of an ICC colour profile, as its maker wrote it.

ICC.1:2022, sections 7.3 (the tag table) and 10.15 (text in several languages); ICC.1:2001-04, section 6.5.17 (in one).
"""

import struct

_TAG_COUNT_AT, _TAGS_AT, _TAG_BYTES = 128, 132, 12
_MAX_TAGS = 1000
_ENGLISH = b"en"


def profile_name(profile: bytes) -> str | None:
    """The description in a profile, in English where there are several; nothing where there is none to be read."""
    content = _find_tag(profile, b"desc")
    if content.startswith(b"desc"):
        return _clean(content[12 : 12 + _number(content, 8)].decode("latin-1"))
    if content.startswith(b"mluc"):
        return _localised(content)
    return None


def _find_tag(profile: bytes, signature: bytes) -> bytes:
    for number in range(min(_number(profile, _TAG_COUNT_AT), _MAX_TAGS)):
        at = _TAGS_AT + _TAG_BYTES * number
        if profile[at : at + 4] == signature:
            start, size = _number(profile, at + 4), _number(profile, at + 8)
            return profile[start : start + size]
    return b""


def _localised(content: bytes) -> str | None:
    """The text of a tag of several languages: the English one, else the first."""
    records = [content[16 + 12 * number :][:12] for number in range(min(_number(content, 8), _MAX_TAGS))]
    for record in sorted(records, key=lambda record: record[:2] != _ENGLISH):
        size, start = _number(record, 4), _number(record, 8)
        if text := _clean(content[start : start + size].decode("utf-16-be", errors="replace")):
            return text
    return None


def _number(data: bytes, at: int) -> int:
    """32 bits, big-endian; 0 beyond the end."""
    return int(struct.unpack_from(">I", data, at)[0]) if len(data) >= at + 4 else 0


def _clean(text: str) -> str | None:
    """Text up to its first zero, without what a terminal could take for a command."""
    line = "".join(sign for sign in text.partition("\x00")[0] if sign.isprintable()).strip()
    return line or None
