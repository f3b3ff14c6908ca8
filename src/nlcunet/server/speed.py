"""How fast the work goes, for honest answers to «when?»."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_GUESS = 5e-6
"""Seconds per pixel of the network before anything was measured: a small CPU."""

ENOUGH_PIXELS = 100_000.0
"""From how many on only what was measured counts; before, the guess stands for the rest: a small first picture takes
longer than its pixels do, as models are loaded then."""

MEMORY_SECONDS = 300.0
"""When so much work has been counted, all of it counts half: the last minutes decide."""


class Speed:
    """Seconds per low-resolution pixel while there is work, of all jobs together.

    Time counts when the pixels do that were made in it, so that a long job does not look slow before its first tile.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._at_work = 0
        self._since = 0.0
        self._uncounted_seconds = 0.0
        self._busy_seconds, self._pixels = 0.0, 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
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

    def add(self, pixels: float | int) -> None:
        """So many pixels have gone through the network."""
        with self._guard:
            self._tick()
            self._busy_seconds += self._uncounted_seconds
            self._uncounted_seconds = 0.0
            self._pixels += pixels
            if self._busy_seconds > MEMORY_SECONDS:
                self._busy_seconds, self._pixels = self._busy_seconds / 2, self._pixels / 2

    def seconds(self, pixels: float | int) -> float:
        """How long so many pixels will take."""
        with self._guard:
            guessed = max(0.0, ENOUGH_PIXELS - self._pixels)
            return pixels * (self._busy_seconds + guessed * FIRST_GUESS) / (self._pixels + guessed)

    def _tick(self) -> None:
        """Note the time since the last change, if anybody worked."""
        now = time.monotonic()
        if self._at_work:
            self._uncounted_seconds += now - self._since
        self._since = now
