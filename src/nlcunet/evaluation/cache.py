"""Results that were measured before, kept so that a repeated run is quick and an interrupted one goes on.

One file for each system and set: records of pairs, added as they are measured. Its name is a checksum of everything
that a result depends on; whatever changes, another file is used, and nothing old is ever mixed in.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch

from nlcunet.errors import DataError
from nlcunet.evaluation.machine import processor_name
from nlcunet.evaluation.records import PairRecord, SystemFacts, parse_line, to_plain
from nlcunet.evaluation.sets import BenchmarkSet
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.checksums import hash_values
from nlcunet.version import __version__

MEASURING_VERSION = 1
"""Rises whenever measuring changes in a way that protocols and checksums do not tell."""


def cache_key(identity: str, facts: SystemFacts, measured: BenchmarkSet, device: torch.device) -> str:
    """A checksum of everything that the results of a system on a set depend on."""
    parts = {
        "measuring": MEASURING_VERSION,
        "package": __version__,
        "torch": torch.__version__,
        "system": identity,
        "tile": facts.tile,
        # Sums in another order differ in their last bits: another processor or number of threads is measured apart.
        "device": device.type,
        "processor": processor_name(device),
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "set": measured.content_sha256,
        "protocol": asdict(measured.protocol),
    }
    return hash_values(parts)


def cost_key(identity: str, size_px: int, device: torch.device) -> str:
    """A checksum of everything that the costs of a network depend on, the machine among it."""
    parts = {
        "package": __version__,
        "torch": torch.__version__,
        "system": identity,
        "size": size_px,
        "device": str(device),
        "processor": processor_name(device),
        "threads": torch.get_num_threads(),
    }
    return hash_values(parts)


class ResultCache:
    """Results of one system on one set, by its `cache_key`; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, key: str) -> None:
        self._path = None if folder is None else folder / f"{key}.jsonl"
        self._known: dict[tuple[str, int], PairRecord] = {}
        if self._path is not None and self._path.is_file():
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._remember(line)

    def _remember(self, line: str) -> None:
        """Takes a line in; one that an interrupted write has cut is left out, and its pair measured again."""
        try:
            record = parse_line(line, "cache")
        except DataError:
            return
        if isinstance(record, PairRecord):
            known = self._known.setdefault((record.image, record.kernel_index), record)
            # Of two runs at the same time both write: the first stays, unless the other measured more.
            if not record.measures.keys() <= known.measures.keys():
                self._known[record.image, record.kernel_index] = record

    def find(self, image: str, kernel_index: int, measures: Iterable[str]) -> PairRecord | None:
        """What was measured on a pair, if every one of the measures was."""
        record = self._known.get((image, kernel_index))
        return record if record is not None and set(measures) <= record.measures.keys() else None

    def add(self, records: Iterable[PairRecord]) -> None:
        """Keeps results, on disk at once.

        Raises:
            DataError: If they cannot be written.
        """
        lines = []
        for record in records:
            self._known[record.image, record.kernel_index] = record
            lines.append(json.dumps(to_plain(record), ensure_ascii=False, allow_nan=False) + "\n")
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A line that an interrupted write has left open is closed first.
            with self._path.open("ab+") as file:
                if file.tell() > 0:
                    file.seek(-1, os.SEEK_END)
                    lines = lines if file.read(1) == b"\n" else ["\n", *lines]
                file.write("".join(lines).encode())
        except OSError as error:
            raise DataError(
                f"results must be kept somewhere: {self._path}: {error.strerror}; choose another --cache"
            ) from error


def read_json(path: Path) -> dict[str, object] | None:
    """A small file of the cache, if it is there and whole."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def write_json(path: Path, values: dict[str, object]) -> None:
    """Keeps a small file in the cache, atomically.

    Raises:
        DataError: If its folder cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"results must be kept somewhere: {path}: {error.strerror}; choose another --cache") from error
    write_file_atomically(path, json.dumps(values).encode())
