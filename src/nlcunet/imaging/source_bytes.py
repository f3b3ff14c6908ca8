"""The bytes of a picture, wherever they are."""

import mmap
from pathlib import Path

from nlcunet.errors import UnreadableImageError
from nlcunet.imaging.formats import FileBytes


def name_of(source: Path | str | bytes) -> str:
    """What to call a source in messages."""
    return "the picture" if isinstance(source, bytes) else str(source)


def is_larger(source: Path | str | bytes, num_bytes: int) -> bool:
    """Whether a file has more bytes than these; one that is not there has none."""
    if isinstance(source, bytes):
        return len(source) > num_bytes
    try:
        return Path(source).stat().st_size > num_bytes
    except (OSError, ValueError):
        return False


def bytes_of(source: Path | str | bytes, *, mapped: bool) -> FileBytes:
    """All bytes of a source; for a look at the header only those that are touched.

    Raises:
        UnreadableImageError: There is no such file, or it cannot be read.
    """
    if isinstance(source, bytes):
        return source
    source = Path(source)
    try:
        if not mapped or not source.stat().st_size:
            return source.read_bytes()
        with source.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UnreadableImageError(f"{source} must be a picture file: got {reason}; check the path") from error
