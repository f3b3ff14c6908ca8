"""Which picture of a set is a photograph and which a drawing, told by a list, so that tables keep them apart."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nlcunet.errors import DataError
from nlcunet.evaluation.records import PairRecord, Records, SetFacts

NOT_TOLD = "other"
"""Kind of pictures that the list does not name."""


def read_kinds(path: Path) -> dict[str, str]:
    """Kinds by file name, from a CSV file with the columns ``file`` and ``kind``; others are not looked at.

    Raises:
        DataError: If it cannot be read, lacks a column, or tells a file twice in different words.
    """
    advice = "give a CSV file with the columns file and kind"
    kinds: dict[str, str] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                if not row.get("file") or not row.get("kind"):
                    raise DataError(f"every row of {path} must have a file and a kind: got {row}; {advice}")
                name = Path(row["file"]).name
                if kinds.setdefault(name, row["kind"]) != row["kind"]:
                    raise DataError(f"each file must be of one kind: {path} has {name} as {kinds[name]}, {row['kind']}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"kinds must be in a file that can be read: {path}: {error}; {advice}") from error
    if not kinds:
        raise DataError(f"the list of kinds must name at least one file: {path} names none; {advice}")
    return kinds


def split_by_kind(records: Records, kinds: Mapping[str, str]) -> Records:
    """The same results with each set divided: ``Set (photo)``, ``Set (art)``, each a set of its own.

    Raises:
        DataError: If no picture is named in the list.
    """
    if not any(one.image in kinds for one in records.pairs):
        raise DataError("the list of kinds must name pictures of these sets: it names none of them; give another list")
    sets: list[SetFacts] = []
    pairs: list[PairRecord] = []
    for one in records.sets:
        results = [pair for pair in records.pairs if pair.set == one.key]
        groups: dict[str, list[PairRecord]] = {}
        for pair in results:
            groups.setdefault(kinds.get(pair.image, NOT_TOLD), []).append(pair)
        for kind, members in groups.items():
            part = replace(
                one,
                name=f"{one.name} ({kind})",
                images=len({pair.image for pair in members}),
                pairs=len({pair.pair for pair in members}),
            )
            sets.append(part)
            pairs += [replace(pair, set=part.key) for pair in members]
    return replace(records, sets=tuple(sets), pairs=tuple(pairs))
