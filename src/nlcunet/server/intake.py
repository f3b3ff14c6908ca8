"""What comes in: names and sizes of uploads, the room that they need, and what is wrong with some."""

import base64
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nlcunet.errors import AnimatedImageError, ImageError, ImageTooLargeError, NlcunetError, UnreadableImageError
from nlcunet.imaging.files import PictureHeader, read_header
from nlcunet.imaging.formats import sniff_format
from nlcunet.inference.planning import Work
from nlcunet.server.refusals import RefusedError

READERS = 4
"""Headers that are read at a time, and pictures that are taken in at a time by each door."""

DEADLINE_S = 10.0
"""For one header; honest ones take milliseconds."""

CURL = "-F file=@photo.jpg"
"""How a picture is sent, for messages."""

LONGEST_NAME = 120
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f<>:\"|?*]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


class Arrivals:
    """Room on the disk that is kept for uploads under way; may be used from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._expected: dict[str, tuple[str, int]] = {}

    def expect(self, job_id: str, owner: str, size_bytes: int) -> None:
        """Keep room for an upload."""
        with self._guard:
            self._expected[job_id] = (owner, size_bytes)

    def forget(self, job_id: str) -> None:
        """It is accepted, and counted as a job from now on, or gone."""
        with self._guard:
            self._expected.pop(job_id, None)

    def count(self, owner: str) -> int:
        """Uploads of one client, so that nobody can keep all room by announcing what never comes."""
        with self._guard:
            return sum(each == owner for each, _ in self._expected.values())

    def total_bytes(self) -> int:
        """What is kept for all of them."""
        with self._guard:
            return sum(size_bytes for _, size_bytes in self._expected.values())


def announced_bytes(headers: Mapping[str, str], most: int) -> int:
    """How long a request's body is by its headers; where they do not say, the most that there may be."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and "transfer-encoding" not in headers else most


def refuse_text(head: bytes) -> None:
    """Refuse a body whose first bytes are not a picture's but of text around them.

    Raises:
        RefusedError: it is JSON, base64, an address with data, or a form's fields.
    """
    if head.lstrip()[:1] in {b"{", b"[", b'"'}:
        told = "JSON"
    elif head.startswith(b"data:") or _is_base64(head):
        told = "base64 text"
    elif re.match(rb"[\w-]+=", head):
        told = "a form without a file"
    else:
        return
    raise RefusedError(
        415,
        "not_a_picture",
        f"send the picture's own bytes, as the whole body or as the field 'file' of a form: got {told}; "
        f"curl sends them with {CURL}",
    )


def _is_base64(head: bytes) -> bool:
    """Whether these are the first characters of a picture in base64."""
    try:
        sniff_format(base64.b64decode(head[: len(head) // 4 * 4], validate=True))
    except (ValueError, ImageError):
        return False
    return True


def clean_name(name: str) -> str:
    """A picture's name without folders and without what a file system or a header could take for something else."""
    last = _SURROGATES.sub("_", re.split(r"[\\/]", name)[-1])  # halves of characters, which no encoding takes
    return _NOT_IN_NAMES.sub("_", last).strip(". ")[:LONGEST_NAME] or "picture"


def refusal_of(error: NlcunetError, told: str) -> RefusedError:
    """What HTTP calls an error with a picture or an order."""
    if isinstance(error, ImageTooLargeError):
        return RefusedError(413, "too_many_pixels", told)
    if isinstance(error, AnimatedImageError):
        return RefusedError(415, "several_frames", told)
    if isinstance(error, ImageError):
        return RefusedError(415, "not_a_picture", told)
    return RefusedError(422, "not_possible", told)


def largest_file(header: PictureHeader, work: Work) -> int:
    """What the result takes at most: its samples, uncompressed, and some for all around them."""
    samples = (header.channels + header.has_alpha) * header.bit_depth // 8
    return work.width * work.height * samples + 65_536


class HeaderReader:
    """Reads headers; may be used from any thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="header")

    def read(self, path: Path) -> PictureHeader:
        """Size and kind of a picture.

        Raises:
            ImageError: it is no picture, or its header takes too long.
        """
        reading = self._threads.submit(read_header, path)
        try:
            return reading.result(DEADLINE_S)
        except TimeoutError as error:
            reading.cancel()
            raise UnreadableImageError(
                f"{path} must have a header that is read within {DEADLINE_S:g} s: it was not; export it again"
            ) from error

    def close(self) -> None:
        """Read no more; what is at hand is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
