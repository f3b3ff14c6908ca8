"""Does dropping the kernel estimator pay at equal cost? NLCUnet-S minus each baseline, from records of the same runs.

Run: ``python benchmarks/equal_budget_table.py records.jsonl``, records of ``nlcunet bench run`` on the weights of
``benchmarks/equal_budget.py``. Seeds of a system are averaged pair by pair; intervals and tests are over images
(``nlcunet.evaluation.statistics``), p-values corrected by Holm over all cells; behind each difference stands that of
every seed alone, which shows what the seed does.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from nlcunet.evaluation.records import PairRecord, Records, read_records
from nlcunet.evaluation.statistics import Interval, holm
from nlcunet.evaluation.table import compare, make_groups, summarise

NAME = re.compile(r"4x-(?P<system>.+)-seed(?P<seed>\d+)")
OURS = "NLCUnet-S"


def by_system(records: Records) -> dict[str, dict[str, tuple[PairRecord, ...]]]:
    """Results by system and seed; other systems are left out."""
    found: dict[str, dict[str, tuple[PairRecord, ...]]] = {}
    for one in records.systems:
        if match := NAME.fullmatch(one.name):
            results = tuple(pair for pair in records.pairs if pair.system == one.name)
            found.setdefault(match["system"], {})[match["seed"]] = results
    return found


def average(runs: Sequence[tuple[PairRecord, ...]], measure: str) -> tuple[PairRecord, ...]:
    """The mean over seeds, pair by pair."""
    values = [{one.pair: one.measures[measure] for one in run} for run in runs]
    return tuple(replace(one, measures={measure: fmean(run[one.pair] for run in values)}) for one in runs[0])


def minus(ours: tuple[PairRecord, ...], theirs: tuple[PairRecord, ...], measure: str) -> tuple[PairRecord, ...]:
    """Differences, pair by pair, so that they can be summarised like any measure."""
    other = {one.pair: one.measures[measure] for one in theirs}
    return tuple(replace(one, measures={measure: one.measures[measure] - other[one.pair]}) for one in ours)


def cell(mean: float, interval: Interval | None, digits: int, *, signed: bool) -> str:
    """A number with its interval."""
    sign = "+" if signed else ""
    bounds = "" if interval is None else f" [{interval.low:{sign}.{digits}f}, {interval.high:{sign}.{digits}f}]"
    return f"{mean:{sign}.{digits}f}{bounds}"


def print_table(records: Records, measure: str, digits: int) -> None:
    """Means of all systems, then differences."""
    (group,) = make_groups(records)
    runs = by_system(records)
    sets = [one.key for one in group.sets]
    facts = {match["system"]: one for one in records.systems if (match := NAME.fullmatch(one.name))}

    def of_set(system: str, key: str) -> list[tuple[PairRecord, ...]]:
        return [tuple(one for one in run if one.set == key) for run in runs[system].values()]

    names = [one.name for one in group.sets]
    print(f"\n**{measure}**, mean over {len(next(iter(runs.values())))} seeds [95 % interval over images]\n")
    print(f"| system | parameters | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for system in runs:
        parts = [summarise(average(of_set(system, key), measure), measure) for key in sets]
        cells = [cell(part.mean, part.interval, digits, signed=False) for part in parts if part is not None]
        print(f"| {system} | {facts[system].parameters or 0:,} | {' | '.join(cells)} |")
    print(f"\n**{measure}, {OURS} minus …** [95 % interval over images] p by Holm; (seed by seed)\n")
    print(f"| minus | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    others = [system for system in runs if system != OURS]
    found = {}
    for system in others:
        for key in sets:
            ours, theirs = of_set(OURS, key), of_set(system, key)
            mean_ours, mean_theirs = average(ours, measure), average(theirs, measure)
            test = compare(mean_ours, mean_theirs, measure)
            seeds = [
                fmean(one.measures[measure] for one in minus(a, b, measure)) for a, b in zip(ours, theirs, strict=True)
            ]
            found[system, key] = (summarise(minus(mean_ours, mean_theirs, measure), measure), test, seeds)
    corrected = iter(holm([None if test is None else test.p_value for _, test, _ in found.values()]))
    for system in others:
        cells = []
        for key in sets:
            difference, _, seeds = found[system, key]
            p = next(corrected)
            each = ", ".join(f"{value:+.{digits}f}" for value in seeds)
            told = "" if p is None else " p < 0.001" if p < 0.001 else f" p {p:.3f}"
            cells.append(f"{cell(difference.mean, difference.interval, digits, signed=True)}{told} ({each})")
        print(f"| {system} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, nargs="+")
    options = parser.parse_args()
    records = read_records(options.records)
    for measure, digits in (("psnr_y", 2), ("ssim_y", 4)):
        print_table(records, measure, digits)


if __name__ == "__main__":
    main()
