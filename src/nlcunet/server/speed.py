"""How fast the work goes, for honest answers to «when?»."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_GUESS = 5e-6
"""Seconds per pixel of the network before anything was measured: a small CPU."""

MEMORY_SECONDS = 300.0
"""When so much work has been counted, all of it counts half: the last minutes decide."""


class Speed:
    """Seconds per low-resolution pixel while there is work, of all jobs together."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._at_work = 0
        self._since = 0.0
        self._busy_seconds, self._pixels = FIRST_GUESS, 1.0

    @contextmanager
    def working(self, pixels: int) -> Iterator[None]:
        """Around the work on one picture."""
        with self._guard:
            self._tick()
            self._at_work += 1
        try:
            yield
        finally:
            with self._guard:
                self._tick()
                self._at_work -= 1
                self._pixels += pixels
                if self._busy_seconds > MEMORY_SECONDS:
                    self._busy_seconds, self._pixels = self._busy_seconds / 2, self._pixels / 2

    def seconds(self, pixels: float | int) -> float:
        """How long so many pixels will take."""
        with self._guard:
            return pixels * self._busy_seconds / self._pixels

    def _tick(self) -> None:
        """Count the time since the last change, if anybody worked."""
        now = time.monotonic()
        if self._at_work:
            self._busy_seconds += now - self._since
        self._since = now
