"""``SHA256SUMS``: what a published folder holds, as the program ``sha256sum --check`` reads it."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from nlcunet.errors import DataError, WeightsError
from nlcunet.files.checksums import hash_file

CHECKSUMS_FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def format_checksums(folder: Path, names: Iterable[str]) -> str:
    """The text of the list, for files of a folder, in the order of their names."""
    return "".join(f"{hash_file(folder / name)}  {name}\n" for name in sorted(names))


def read_checksums(path: Path) -> dict[str, str]:
    """Name → SHA-256 of a list.

    Raises:
        WeightsError: it cannot be read, or a line of it is none of a checksum.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} must be a list of checksums: {error}; fetch it again") from error
    sums = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise WeightsError(
                f"{path} must hold a SHA-256 and a name in every line: got {line[:80]!r}; fetch it again"
            )
        sums[match[2]] = match[1]
    return sums


def check_against(sums: Mapping[str, str], folder: Path, name: str, remedy: str) -> None:
    """Hold a file against its place in a list.

    Raises:
        WeightsError: it is not in the list, or differs.
    """
    if name not in sums:
        raise WeightsError(f"{CHECKSUMS_FILE} must name {name}: it names {', '.join(sums) or 'nothing'}; {remedy}")
    check_file(folder / name, sums[name], remedy)


def check_file(path: Path, sha256: str, remedy: str) -> None:
    """Hold a file against a checksum.

    Raises:
        WeightsError: it differs, or cannot be read.
    """
    try:
        got = hash_file(path)
    except DataError as error:
        raise WeightsError(f"{error}; {remedy}") from error
    if got != sha256.lower():
        raise WeightsError(
            f"{path.name} must have the SHA-256 {sha256}: got {got}; it is damaged or was exchanged; {remedy}"
        )
