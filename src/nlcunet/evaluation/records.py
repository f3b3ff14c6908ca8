"""Benchmark results as they are kept: one line per set, per system and per measured pair.

A records file is JSON lines, each with its ``kind``: ``set`` (how its pairs were made and measured), ``system`` (what
enlarged them, and at what cost), ``pair`` (one system on one pair). Lines may stand in any order, and files may be put
one behind the other: that is how runs are joined. Infinite values, as the PSNR of a perfect copy, are "inf"; what has
no value, as NIQE of a black picture, is null. Pairs go into Parquet as well where pyarrow is there, one row each, for
notebooks and databases.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from nlcunet.errors import DataError
from nlcunet.files.atomic import write_file_atomically


@dataclass(frozen=True, kw_only=True)
class SetFacts:
    """One benchmark set: originals, protocol and scale together."""

    name: str
    """What it is called, as ``Set5``."""
    protocol: str
    version: int
    scale: int
    description: tuple[str, ...]
    """The protocol in words, to stand above every table."""
    images: int
    pairs: int
    manifest_sha256: str = ""
    """Of what the manifest of a set on disk tells (``SetManifest.content_sha256``); empty where pairs were made on the
    fly."""

    @property
    def key(self) -> str:
        """What tells it from other sets: ``Set5 gaussian8 x4``."""
        return f"{self.name} {self.protocol} x{self.scale}"


@dataclass(frozen=True, kw_only=True)
class SystemFacts:
    """What enlarged the pictures."""

    name: str
    system_kind: str
    """``network``, or ``pictures`` where another program made them."""
    scale: int
    source: str = ""
    """Weights file or name, or folder of pictures."""
    sha256: str = ""
    """Of the weights file."""
    architecture: str = ""
    """Key of ``nlcunet.models.registry.ARCHITECTURES``."""
    tile: int | None = None
    """Side of tiles; null where pictures were seen whole."""
    parameters: int | None = None
    cost_size_px: int | None = None
    """Side of the low-resolution square at which the following three were measured."""
    gflop: float | None = None
    """Floating-point operations, two per multiply-add, in 10⁹."""
    seconds: float | None = None
    """Median time."""
    peak_mib: float | None = None
    """Peak memory above what was in use before, MiB."""
    machine: str = ""
    """On what they were measured: device, threads, rate of a matrix product."""


@dataclass(frozen=True, kw_only=True)
class PairRecord:
    """One system on one pair."""

    set: str
    """``SetFacts.key``."""
    system: str
    """``SystemFacts.name``."""
    image: str
    """File name of the original."""
    kernel_index: int
    """Number of the degradation within the protocol, from 0."""
    degradation: dict[str, Any]
    """``DegradationRecord.to_dict``: what was done to the original."""
    low_res_sha256: str
    """Of the input's 8-bit pixels, row by row, RGB."""
    condition: str = ""
    """Name of the degradation, where the protocol names its degradations (``Protocol.condition``)."""
    measures: dict[str, float] = field(default_factory=dict)
    """Results by name of the measure (``nlcunet.evaluation.measures``): psnr_y, ssim_y, psnr_rgb, …"""
    seconds: float | None = None
    """Time of the enlargement."""
    high_res_file: str = ""
    """The original, cropped, as a file; relative paths start at the records file."""
    low_res_file: str = ""
    output_file: str = ""
    """The output as a file; empty where it was not kept."""

    def has(self, measure: str) -> bool:
        """Whether a measure gave a value; NaN is none."""
        return not math.isnan(self.measures.get(measure, math.nan))

    def with_files(self, change: Callable[[str], str]) -> "PairRecord":
        """The same result with all names of files changed."""
        high_res, low_res, output = map(change, (self.high_res_file, self.low_res_file, self.output_file))
        return replace(self, high_res_file=high_res, low_res_file=low_res, output_file=output)

    @property
    def pair(self) -> tuple[str, str, int]:
        """What tells the pair from others, the same for all systems."""
        return (self.set, self.image, self.kernel_index)


@dataclass(frozen=True, kw_only=True)
class Records:
    """What one or several runs have found."""

    sets: tuple[SetFacts, ...]
    """In the order of the tables."""
    systems: tuple[SystemFacts, ...]
    """In the order of the tables."""
    pairs: tuple[PairRecord, ...]


_ONCE_NULL_IF_INFINITE = frozenset({"psnr_y", "psnr_rgb", "consistency"})
"""Measures in decibels, of which a perfect copy has infinitely many."""

Line = TypeVar("Line", SetFacts, SystemFacts, PairRecord)
_KINDS: dict[str, type[SetFacts | SystemFacts | PairRecord]] = {
    "set": SetFacts,
    "system": SystemFacts,
    "pair": PairRecord,
}


def write_records(path: Path, records: Records) -> None:
    """Write records as JSON lines, atomically.

    Raises:
        ImageWriteError: the file cannot be written.
    """
    lines = [json.dumps(to_plain(one), ensure_ascii=False, allow_nan=False) for one in _all(records)]
    write_file_atomically(path, ("\n".join(lines) + "\n").encode())


def read_records(paths: Sequence[Path]) -> Records:
    """Read and join records files.

    Raises:
        DataError: a file is missing or damaged, or two of them contradict each other.
    """
    found: list[SetFacts | SystemFacts | PairRecord] = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"records must be a file of nlcunet bench run: {path}: {error}; check the path") from error
        found += [parse_line(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return join_records(found)


def join_records(lines: Iterable[SetFacts | SystemFacts | PairRecord]) -> Records:
    """Records of several runs as one; what is told twice in the same words counts once."""
    sets: dict[str, SetFacts] = {}
    systems: dict[tuple[str, int], SystemFacts] = {}  # bicubic at ×2 and bicubic at ×4 are two
    pairs: dict[tuple[Any, ...], PairRecord] = {}
    for one in lines:
        if isinstance(one, SetFacts):
            _once(sets, one.key, one)
        elif isinstance(one, SystemFacts):
            kind = (one.name, one.scale)
            systems[kind] = _same_system(systems.get(kind, one), one)
        else:
            key = (*one.pair, one.system)
            pairs[key] = _same_pair(pairs.get(key, one), one)
    inputs: dict[tuple[str, str, int], str] = {}
    for one in pairs.values():
        if one.set not in sets or (one.system, sets[one.set].scale) not in systems:
            raise DataError(f"results must come with their set and system: {one.set}, {one.system} is not described")
        if inputs.setdefault(one.pair, one.low_res_sha256) != one.low_res_sha256:
            raise DataError(
                f"systems are comparable on the same pixels only: {one.system} saw others for {one.image} of "
                f"{one.set}; make the set once and run all systems on it"
            )
    return Records(sets=tuple(sets.values()), systems=tuple(systems.values()), pairs=tuple(pairs.values()))


def write_parquet(path: Path, records: Records) -> bool:
    """Write the pairs as a Parquet table, one row each, measures and degradation in columns of their own.

    Returns:
        Whether that could be done: pyarrow is not always there.
    """
    if find_spec("pyarrow") is None:
        return False
    from pyarrow import Table, parquet

    rows = []
    for one in records.pairs:
        plain = to_plain(one)
        del plain["measures"]
        spread: dict[str, Any] = {f"measure_{name}": v if one.has(name) else None for name, v in one.measures.items()}
        spread |= {f"degradation_{name}": value for name, value in plain.pop("degradation").items()}
        rows.append({**plain, **spread})
    temporary = path.with_name(f".{path.name}.part")
    try:
        parquet.write_table(Table.from_pylist(rows), temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def to_plain(line: SetFacts | SystemFacts | PairRecord) -> dict[str, Any]:
    """One line as plain values for JSON, with its kind; infinite numbers become words, and what is no number null."""
    kind = next(name for name, cls in _KINDS.items() if isinstance(line, cls))
    values: dict[str, Any] = {"kind": kind, **asdict(line)}
    if isinstance(line, PairRecord):
        values["measures"] = {name: _plain_number(value) for name, value in line.measures.items()}
    return values


def _plain_number(value: float) -> float | str | None:
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _number(name: str, plain: float | str | None) -> float:
    """A measured value; NaN where there is none, but infinite where earlier versions wrote null for it."""
    if plain is None:
        return math.inf if name in _ONCE_NULL_IF_INFINITE else math.nan
    return float(plain)


def _all(records: Records) -> Iterable[SetFacts | SystemFacts | PairRecord]:
    yield from records.sets
    yield from records.systems
    yield from records.pairs


def parse_line(line: str, where: str) -> SetFacts | SystemFacts | PairRecord:
    """One line of a records file.

    Raises:
        DataError: it is none.
    """
    try:
        values = json.loads(line)
        cls = _KINDS[values.pop("kind")]
        if "description" in values:
            values["description"] = tuple(values["description"])
        if "measures" in values:
            values["measures"] = {name: _number(name, plain) for name, plain in values["measures"].items()}
        return cls(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"records must be lines of nlcunet bench run: {where}: {error}; run it again") from error


def _same_system(known: SystemFacts, other: SystemFacts) -> SystemFacts:
    """Two descriptions of one system at one scale as one.

    Where its weights file lay does not matter. What it costs is measured anew in every run: the first costs stay.
    """
    costs = next((one for one in (known, other) if one.machine), known)
    told = {name: getattr(costs, name) for name in ("cost_size_px", "gflop", "seconds", "peak_mib", "machine")}
    if known.sha256:
        told["source"] = known.source
    if replace(known, **told) != replace(other, **told):
        raise DataError(
            f"records must not contradict each other: {known.name} is there twice with different values; give systems "
            "names of their own (NAME=…), or leave a file out"
        )
    return replace(known, **told)


def _same_pair(known: PairRecord, other: PairRecord) -> PairRecord:
    """Two results of one system on one pair as one, with the measures of both.

    How long it took and where files lie may differ.
    """
    common = known.measures.keys() & other.measures.keys()
    differs = any(_plain_number(known.measures[name]) != _plain_number(other.measures[name]) for name in common)
    if differs or _bare(known) != _bare(other):
        raise DataError(
            f"records must not contradict each other: {known.system} on {known.image} of {known.set} is there twice "
            "with different values; give systems names of their own (NAME=…), or leave a file out"
        )
    return replace(known, measures={**other.measures, **known.measures})


def _bare(one: PairRecord) -> PairRecord:
    """A result without what may differ from run to run."""
    return replace(one.with_files(lambda _: ""), seconds=None, measures={})


def _once(known: dict[Any, Line], key: Any, line: Line) -> None:
    """Remember a line, unless it is known already in the same words."""
    if known.setdefault(key, line) != line:
        raise DataError(
            f"records must not contradict each other: {key} is there twice with different values; give systems names "
            "of their own (NAME=…), or leave a file out"
        )
