"""Records files as the page needs them: joined, with the places of kept pictures, and with their own checksums."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nlcunet.errors import ConfigError
from nlcunet.evaluation.records import PairRecord, Records, parse_line, read_records
from nlcunet.files.checksums import hash_bytes


@dataclass(frozen=True, kw_only=True)
class RecordsFile:
    """One file that the page was made of."""

    name: str
    """Without its folder: a page tells nothing of the machine that it was made on."""
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a page is made of."""

    records: Records
    """Joined; pictures by paths that can be opened from here."""
    files: tuple[RecordsFile, ...]


def read_inputs(paths: Sequence[Path]) -> Inputs:
    """Read and join records files; relative paths in a file start at its folder.

    Where a result is told twice, the pictures are those of the first file that kept them.

    Raises:
        DataError: a file is missing or damaged, or two of them contradict each other.
    """
    records = read_records(paths)
    located: dict[tuple[tuple[str, str, int], str], PairRecord] = {}
    files = []
    for path in paths:
        data = path.read_bytes()
        files.append(RecordsFile(name=path.name, sha256=hash_bytes(data)))
        for line in data.decode().splitlines():
            one = parse_line(line, path.name) if line.strip() else None
            if isinstance(one, PairRecord) and one.output_file:
                located.setdefault((one.pair, one.system), one.with_files(partial(_below, path.parent)))
    pairs = tuple(_with_files(one, located.get((one.pair, one.system))) for one in records.pairs)
    return Inputs(records=replace(records, pairs=pairs), files=tuple(files))


def _with_files(record: PairRecord, found: PairRecord | None) -> PairRecord:
    if found is None:
        return record.with_files(lambda _: "")
    return replace(
        record,
        high_res_file=found.high_res_file,
        low_res_file=found.low_res_file,
        output_file=found.output_file,
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a page is made."""

    title: str = ""
    """Above it; by default the names of the sets."""
    baseline: str | None = None
    """What others are compared with; by default bicubic, or the first system of a set."""
    places: int = 4
    crop_px: int = 64
    """Side of a place, in pixels of the original."""
    max_bytes: int = 8_000_000
    """How large the page may become by its pictures."""

    def __post_init__(self) -> None:
        """Refuse what lies outside its range (ConfigError)."""
        if self.places < 0 or not 16 <= self.crop_px <= 512 or self.max_bytes < 0:
            raise ConfigError(
                "a report must show at least 0 places of 16 to 512 pixels in at least 0 bytes: "
                f"got {self.places}, {self.crop_px} and {self.max_bytes}"
            )


def _below(folder: Path, file: str) -> str:
    return str(folder / file) if file else ""
