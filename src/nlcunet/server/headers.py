"""Headers of pictures, read in threads of their own: whatever a file does to its reader, answers do not wait for it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nlcunet.errors import UnreadableImageError
from nlcunet.imaging.files import PictureHeader, read_header

READERS = 4
"""Headers that are read at a time, and pictures that are taken in at a time by each door."""

DEADLINE_S = 10.0
"""For one header; honest ones take milliseconds."""


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
