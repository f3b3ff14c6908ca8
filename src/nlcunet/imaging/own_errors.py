"""One error text for all threads: why a file that cannot be read is read a second time, alone.

libvips collects its messages in one buffer per process. Where several threads read files and two of them fail, either
may find the other's message, both, or none. What succeeds writes none, so reading runs in parallel, and only a file
that failed is read again with nobody beside it: its message is then its own, the same on every run.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pyvips

from nlcunet.errors import ImageError
from nlcunet.imaging.formats import LIBVIPS_ERRORS

Result = TypeVar("Result")


class _Room:
    """Many may be inside together, or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Wait until nobody is alone inside."""
        with self._changed:
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until the room is empty, and keep others out meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside == 0)
            yield


_room = _Room()


def with_own_errors(read: Callable[[], Result]) -> Result:
    """The result of reading a file, or an error whose message comes from this file.

    Args:
        read: reads it; called again if it fails because libvips does.

    Raises:
        ImageError: whatever ``read`` raises.
    """
    try:
        with _room.together():
            return read()
    except ImageError as error:
        if not isinstance(error.__cause__, LIBVIPS_ERRORS):
            raise
    with _room.alone():
        pyvips.vips_lib.vips_error_clear()
        return read()
