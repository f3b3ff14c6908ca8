"""Standard output and error that take every name and sign, whatever the terminal or pipe is made for."""

import codecs
import sys

_HANDLER = "nlcunet-names"


def take_any_text() -> None:
    """Let standard output and error never fail on a character.

    Bytes of file names that are no text go out as they are; signs that the encoding does not have, as escapes.
    """
    codecs.register_error(_HANDLER, _as_bytes)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # what replaces a stream may not have it
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


def _as_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """The bytes in place of characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return b"".join(_byte_of(sign) or sign.encode("ascii", "backslashreplace") for sign in signs), error.end


def _byte_of(sign: str) -> bytes | None:
    """The byte that Python has kept of a file name as half of a character (PEP 383), if it is one."""
    return bytes([ord(sign) - 0xDC00]) if 0xDC80 <= ord(sign) <= 0xDCFF else None
