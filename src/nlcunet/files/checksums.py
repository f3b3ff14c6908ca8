"""Checksums of files, bytes and plain values."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nlcunet.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Digest:
    """A checksum that somebody has published."""

    algorithm: Literal["sha256", "md5"]
    """MD5 tells accidents, not malice; it is used only where nobody has published better."""
    value: str
    """Hexadecimal, small letters; of a SHA-256 perhaps the first digits only."""
    origin: str
    """Where it was published."""


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file, hexadecimal, read in pieces.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataError(f"{path} must be a file that can be read: {error.strerror or error}") from error


def hash_bytes(data: bytes | memoryview) -> str:
    """SHA-256 of some bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hash_values(values: Mapping[str, object]) -> str:
    """SHA-256 of plain values, hexadecimal: of their JSON with sorted names."""
    return hash_bytes(json.dumps(values, sort_keys=True).encode())
