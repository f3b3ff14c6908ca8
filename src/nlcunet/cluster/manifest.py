"""The manifest of a batch: one line of JSON for every picture, also over several runs."""

import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from nlcunet.cluster.transfer import read_bytes, write_bytes
from nlcunet.cluster.work import Outcome
from nlcunet.errors import ConfigError

FILE_NAME = "manifest.jsonl"

SHORTEST_PERIOD_SECONDS = 10.0
"""Between two copies of the manifest, while a batch runs."""

SHARE_OF_TIME = 0.05
"""What writing them may take: stores append nothing, so that a copy is the whole."""


class BatchManifest:
    """Results and failures of a batch, kept in a file or an object.

    A picture is known by its result. What was done by an earlier run stays, where a later one only finds it done.

    Raises:
        ConfigError: there is something else there, or it cannot be read.
    """

    def __init__(self, place: str | None) -> None:
        self.place = place
        self._lines = {} if place is None else _read(place)
        self._next_copy = 0.0
        self._is_changed = True

    def __len__(self) -> int:
        """How many pictures there are in it."""
        return len(self._lines)

    def add(self, outcome: Outcome) -> None:
        """Take up what became of a picture, and write a copy if it is time; what goes wrong then may be well later."""
        line = outcome.as_json()
        known = self._lines.get(line["output"])
        if line["status"] == "skipped" and known is not None and known["status"] == "done":
            return
        self._lines[line["output"]] = line
        self._is_changed = True
        if time.monotonic() >= self._next_copy:
            with suppress(ConfigError):
                self.save()

    def save(self) -> None:
        """Write it, whole or not at all.

        Raises:
            ConfigError: it cannot be written.
        """
        if self.place is None or not self._is_changed:
            return
        start = time.monotonic()
        data = "".join(json.dumps(line) + "\n" for line in self._lines.values()).encode()
        try:
            with tempfile.TemporaryDirectory(prefix="nlcunet-") as scratch:
                write_bytes(data, self.place, Path(scratch) / FILE_NAME)
            self._is_changed = False
        except Exception as error:
            raise ConfigError(
                f"the manifest must be written: got {type(error).__name__} for {self.place}: {error}; "
                "name another place with --manifest"
            ) from error
        finally:
            end = time.monotonic()
            self._next_copy = end + max(SHORTEST_PERIOD_SECONDS, (end - start) / SHARE_OF_TIME)


def _read(place: str) -> dict[str, dict[str, Any]]:
    try:
        data = read_bytes(place)
        lines = [] if data is None else [json.loads(line) for line in data.decode().splitlines()]
        return {str(line["output"]): {"status": str(line["status"])} | line for line in lines}
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"a manifest must be what an earlier run wrote: got something else at {place}; "
            "move it away, or name another place with --manifest"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"the manifest must be readable: got {type(error).__name__} for {place}: {error}; "
            "name another place with --manifest"
        ) from error
