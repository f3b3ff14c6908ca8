"""Tables by condition, for protocols that name their degradations: means, and differences with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nlcunet.evaluation.records import PairRecord
from nlcunet.evaluation.statistics import Interval, bootstrap_interval
from nlcunet.evaluation.table import Group, paired_differences, summarise
from nlcunet.evaluation.table_blocks import ABSENT, TableBlock, decimal, title_of

ALL = "all"
"""The row over all conditions."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """One system minus another, on the pairs that both were measured on."""

    mean: float
    interval: Interval | None
    """95 % bootstrap interval over images; none for a single image."""


def condition_blocks(group: Group, measures: Sequence[str], baseline: str) -> tuple[TableBlock, ...]:
    """For each set and measure the means by condition, and the differences to the baseline with their intervals."""
    blocks: list[TableBlock] = []
    for one in group.sets:
        by_system = {system.name: group.find(one.key, system.name) for system in group.systems}
        blocks += blocks_of_set(one.name, by_system, measures, baseline)
    return tuple(blocks)


def blocks_of_set(
    name: str, results: Mapping[str, Sequence[PairRecord]], measures: Sequence[str], baseline: str
) -> list[TableBlock]:
    """The tables of one set from its results by system."""
    found = {system: by_condition(pairs) for system, pairs in results.items() if pairs}
    rows = list(dict.fromkeys(row for conditions in found.values() for row in conditions))
    others = [system for system in found if system != baseline] if baseline in found else []
    blocks = []
    for measure in measures:
        title = f"{name}: {title_of(measure)}"
        means = [(row, *(mean_cell(found[system].get(row, ()), measure) for system in found)) for row in rows]
        blocks.append(TableBlock(title=title, heads=("condition", *found), rows=tuple(means)))
        if others:
            gains = [(row, *(gain_cell(found[own], found[baseline], row, measure) for own in others)) for row in rows]
            told = f"{title}: difference to {baseline} [95 % interval]"
            blocks.append(TableBlock(title=told, heads=("condition", *others), rows=tuple(gains)))
    return blocks


def by_condition(pairs: Sequence[PairRecord]) -> dict[str, tuple[PairRecord, ...]]:
    """Results by the name of the condition, in the order of the protocol, and all of them last."""
    ordered = sorted(pairs, key=lambda one: one.kernel_index)
    names = dict.fromkeys(one.condition for one in ordered)
    found = {name: tuple(one for one in ordered if one.condition == name) for name in names}
    return {**found, ALL: tuple(ordered)}


def mean_cell(pairs: Sequence[PairRecord], measure: str) -> str:
    """The mean of some results."""
    found = summarise(pairs, measure)
    return decimal(found.mean, measure) if found else ABSENT


def gain_cell(
    ours: Mapping[str, Sequence[PairRecord]], theirs: Mapping[str, Sequence[PairRecord]], row: str, measure: str
) -> str:
    """``+0.89 [+0.70, +1.10]``."""
    found = gain(ours.get(row, ()), theirs.get(row, ()), measure)
    if found is None:
        return ABSENT
    text = decimal(found.mean, measure, signed=True)
    if found.interval is not None:
        ends = (decimal(end, measure, signed=True) for end in (found.interval.low, found.interval.high))
        text += f" [{', '.join(ends)}]"
    return text


def gain(ours: Sequence[PairRecord], theirs: Sequence[PairRecord], measure: str) -> Gain | None:
    """A system minus another, paired; none where they share no pair."""
    differences = paired_differences(ours, theirs, measure)
    if not differences:
        return None
    totals = np.array([sum(values) for values in differences.values()])
    counts = np.array([float(len(values)) for values in differences.values()])
    return Gain(mean=float(totals.sum() / counts.sum()), interval=bootstrap_interval(totals, counts))
