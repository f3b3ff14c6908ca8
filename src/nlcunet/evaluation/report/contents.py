"""Records arranged for the page: which systems met on which set, what stands as the baseline, values image by image."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.records import PairRecord, Records, SetFacts, SystemFacts
from nlcunet.evaluation.table import make_groups
from nlcunet.evaluation.table_blocks import parts_of

Pair: TypeAlias = tuple[str, int]
"""Image and number of the degradation."""

MAIN_MEASURE = "psnr_y"
"""What plots, places and failures go by; the first measure of the records where it is missing."""


@dataclass(frozen=True, kw_only=True)
class SetResults:
    """All results on one set."""

    facts: SetFacts
    systems: tuple[SystemFacts, ...]
    """Those that were measured on it, in the order of the tables."""
    baseline: str
    """What the others are compared with."""
    measures: tuple[str, ...]
    """That any of its results has, the main one first."""
    results: Mapping[str, Mapping[Pair, PairRecord]]
    """By system, then by image and number of the degradation; in the order of their names and numbers."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the systems."""
        return tuple(one.name for one in self.systems)

    @property
    def rivals(self) -> tuple[str, ...]:
        """All but the baseline."""
        return tuple(name for name in self.names if name != self.baseline)

    @property
    def main(self) -> str:
        """The main measure."""
        return self.measures[0]

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Pairs that every system was measured on."""
        first, *others = (self.results[name] for name in self.names)
        return tuple(key for key in first if all(key in other for other in others))

    @property
    def images(self) -> tuple[str, ...]:
        """Images of these pairs."""
        return tuple(dict.fromkeys(image for image, _ in self.pairs))

    def value(self, system: str, pair: Pair, measure: str) -> float:
        """One result; NaN where it was not measured."""
        return self.results[system][pair].measures.get(measure, math.nan)

    def by_image(self, system: str, measure: str, pairs: Iterable[Pair] | None = None) -> dict[str, list[float]]:
        """Results of each image, one for each of its pairs; what was not measured is left out."""
        groups: dict[str, list[float]] = defaultdict(list)
        for pair in self.pairs if pairs is None else pairs:
            value = self.value(system, pair, measure)
            if not math.isnan(value):
                groups[pair[0]].append(value)
        return dict(groups)


def arrange(records: Records, baseline: str | None = None) -> tuple[SetResults, ...]:
    """The results of each set, protocol by protocol, in the order of tables; the usual baseline is bicubic.

    Raises:
        ConfigError: there is no such baseline.
        DataError: nothing was measured, or no pair of a set by all its systems.
    """
    if baseline is not None and baseline not in {one.name for one in records.systems}:
        known = ", ".join(one.name for one in records.systems)
        raise ConfigError(f"the baseline must be one of {known}: got {baseline!r}")
    grouped: dict[str, dict[str, list[PairRecord]]] = defaultdict(lambda: defaultdict(list))
    for pair in records.pairs:
        grouped[pair.set][pair.system].append(pair)
    return tuple(
        _arrange_set(facts, grouped[facts.key], records.systems, baseline)
        for group in make_groups(records)
        for facts in group.sets
        if facts.key in grouped
    )


def degradation_of(record: PairRecord) -> DegradationRecord | None:
    """What was done to the original; nothing where others made the input and did not tell."""
    return DegradationRecord.from_dict(record.degradation) if record.degradation else None


def degradation_words(record: PairRecord) -> str:
    """What was done to the original, in words."""
    words = ", ".join(parts_of(record)) or "downsampling only"
    return f"{record.condition}: {words}" if record.condition else words


def is_bicubic(system: SystemFacts) -> bool:
    """Whether it enlarges by a cubic kernel alone."""
    return system.architecture.lower() == "bicubic" or system.name.lower().startswith("bicubic")


def _arrange_set(
    facts: SetFacts, by_system: Mapping[str, Sequence[PairRecord]], systems: Sequence[SystemFacts], baseline: str | None
) -> SetResults:
    here = tuple(one for one in systems if one.name in by_system and one.scale == facts.scale)
    results = {
        one.name: {
            (pair.image, pair.kernel_index): pair
            for pair in sorted(by_system[one.name], key=lambda pair: (pair.image, pair.kernel_index))
        }
        for one in here
    }
    found = dict.fromkeys(measure for pairs in by_system.values() for pair in pairs for measure in pair.measures)
    measures = sorted(found, key=lambda name: name != MAIN_MEASURE)
    usual = next((one.name for one in here if is_bicubic(one)), here[0].name)
    chosen = baseline if baseline is not None and baseline in by_system else usual
    arranged = SetResults(facts=facts, systems=here, baseline=chosen, measures=tuple(measures), results=results)
    if not measures or not arranged.pairs:
        raise DataError(
            f"systems must be measured on the same pairs to be compared: {facts.key} has none that all of "
            f"{', '.join(arranged.names)} were measured on; run them on the same images"
        )
    return arranged
