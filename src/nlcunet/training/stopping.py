"""When to stop before the last step: time is up, or somebody asked (Ctrl-C, SIGTERM). The run is saved first."""

import math
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from nlcunet.errors import ConfigError

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?")


def parse_duration(text: str) -> float:
    """Seconds from ``45s``, ``9m``, ``1h30m`` or ``2.5h``.

    Raises:
        ConfigError: it is no such duration, or not above zero.
    """
    match = _DURATION.fullmatch(text.replace(" ", "").lower())
    parts = [float(part or 0) for part in match.groups()] if match else [0.0]
    seconds = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    if seconds <= 0:
        raise ConfigError(f"a duration must be given as 45s, 9m, 1h30m or 2.5h: got {text!r}")
    return seconds


@dataclass
class Stopping:
    """Whether a run shall end now."""

    deadline: float = math.inf
    """On the clock of `time.monotonic`."""
    signal_number: int | None = field(default=None)
    """The signal that asked for the end."""
    is_at_once: bool = False
    """Whether a wish to stop need not wait for the end of the step, because nothing would be lost."""

    def is_due(self, reserve_seconds: float) -> bool:
        """Whether to stop, leaving so many seconds for the last validation and save."""
        return self.signal_number is not None or time.monotonic() + reserve_seconds >= self.deadline

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """Note the wish to stop; at the second time stop at once."""
        is_second, self.signal_number = self.signal_number is not None, number
        if is_second or self.is_at_once:
            raise KeyboardInterrupt


@contextmanager
def stopping(max_seconds: float) -> Iterator[Stopping]:
    """Signals become a wish to stop inside; afterwards they are raised again, so that the program ends as usual."""
    stop = Stopping(time.monotonic() + max_seconds)
    if threading.current_thread() is not threading.main_thread():
        yield stop  # Python delivers signals to the main thread only
        return
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stop.signal_number is not None:
        signal.raise_signal(stop.signal_number)
