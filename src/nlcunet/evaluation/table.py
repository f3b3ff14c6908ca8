"""What tables say: means with intervals, differences with p-values, from records."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.records import PairRecord, Records, SetFacts, SystemFacts
from nlcunet.evaluation.statistics import Interval, bootstrap_interval, holm, sign_flip_p_value

SET_ORDER = ("Set5", "Set14", "BSD100", "Urban100", "Manga109", "DIV2KRK")
"""Sets that stand first in tables, in the order of every paper; others follow as they come."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One system on some pairs, by one measure."""

    mean: float
    interval: Interval | None
    """95 % bootstrap interval over images; none for a single image."""
    images: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One system minus the baseline on the pairs that both were measured on, by one measure."""

    mean: float
    p_value: float | None
    """Of the paired permutation test over images."""
    p_holm: float | None = None
    """The same, corrected for the number of differences in the table."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sets that may stand in one table: of one protocol and scale."""

    description: tuple[str, ...]
    sets: tuple[SetFacts, ...]
    """In the order of the table."""
    systems: tuple[SystemFacts, ...]
    """Those that were measured on one of the sets."""
    pairs: tuple[PairRecord, ...]

    def find(self, set_key: str, system: str) -> tuple[PairRecord, ...]:
        """The results of a system on a set."""
        return tuple(one for one in self.pairs if one.set == set_key and one.system == system)


def make_groups(records: Records) -> tuple[Group, ...]:
    """Records by protocol: what is comparable stands together, and nothing else does.

    Raises:
        DataError: If there is not a single result.
    """
    if not records.pairs:
        raise DataError("records must hold results: found none; run nlcunet bench run again")
    by_description: dict[tuple[str, ...], list[SetFacts]] = {}
    for one in records.sets:
        by_description.setdefault(one.description, []).append(one)
    groups = []
    for description, sets in by_description.items():
        keys = {one.key for one in sets}
        pairs = tuple(one for one in records.pairs if one.set in keys)
        measured = {one.system for one in pairs}
        if pairs:
            groups.append(
                Group(
                    description=description,
                    sets=tuple(sorted(sets, key=set_rank)),
                    systems=tuple(
                        one for one in records.systems if one.name in measured and one.scale == sets[0].scale
                    ),
                    pairs=pairs,
                )
            )
    return tuple(groups)


def set_rank(facts: SetFacts) -> int:
    """Place of a set among the columns."""
    lowered = [name.lower() for name in SET_ORDER]
    return lowered.index(facts.name.lower()) if facts.name.lower() in lowered else len(lowered)


def choose_measures(records: Records, wanted: Sequence[str]) -> tuple[str, ...]:
    """Measures of a table: the wanted ones, or PSNR and SSIM on Y, or what there is.

    Raises:
        ConfigError: If a wanted one was not measured.
    """
    there = tuple(dict.fromkeys(name for one in records.pairs for name in one.measures))
    for name in wanted:
        if name not in there:
            raise ConfigError(
                f"a measure must be in the records, which have {', '.join(there)}: got {name!r}; "
                "measure it with nlcunet bench run --measures"
            )
    usual = tuple(name for name in ("psnr_y", "ssim_y") if name in there)
    return tuple(wanted) or usual or there


def choose_baseline(systems: Sequence[SystemFacts], wanted: str | None) -> str:
    """The system that others are compared with: the wanted one, or the first.

    Raises:
        ConfigError: If the wanted one was not measured.
    """
    names = [one.name for one in systems]
    if wanted is not None and wanted not in names:
        raise ConfigError(f"the baseline must be one of {', '.join(names)}: got {wanted!r}")
    return wanted if wanted is not None else names[0]


def summarise(pairs: Iterable[PairRecord], measure: str) -> Summary | None:
    """Mean and interval of some results; none where there is none."""
    by_image: dict[str, list[float]] = {}
    for one in pairs:
        if one.has(measure):
            by_image.setdefault(one.image, []).append(one.measures[measure])
    if not by_image:
        return None
    totals = np.array([sum(values) for values in by_image.values()])
    counts = np.array([float(len(values)) for values in by_image.values()])
    return Summary(
        mean=float(totals.sum() / counts.sum()),
        interval=bootstrap_interval(totals, counts),
        images=len(by_image),
        pairs=int(counts.sum()),
    )


def paired_differences(
    ours: Iterable[PairRecord], baseline: Iterable[PairRecord], measure: str
) -> dict[str, list[float]]:
    """A system minus the baseline on each pair that both were measured on, by image."""
    theirs = {one.pair: one.measures[measure] for one in baseline if one.has(measure)}
    by_image: dict[str, list[float]] = {}
    for one in ours:
        if one.has(measure) and one.pair in theirs:
            value, other = one.measures[measure], theirs[one.pair]
            # Two perfect copies are equal; infinity minus infinity is not a number.
            by_image.setdefault(one.image, []).append(0.0 if value == other else value - other)
    return by_image


def compare(ours: Iterable[PairRecord], baseline: Iterable[PairRecord], measure: str) -> Difference | None:
    """A system minus the baseline, paired; none where they share no pair."""
    by_image = paired_differences(ours, baseline, measure)
    if not by_image:
        return None
    pairs = [value for values in by_image.values() for value in values]
    means = np.array([sum(values) / len(values) for values in by_image.values()])
    return Difference(mean=sum(pairs) / len(pairs), p_value=sign_flip_p_value(means))


def compare_all(group: Group, measure: str, baseline: str) -> dict[tuple[str, str], Difference]:
    """Every system against the baseline on every set, p-values corrected for all of them together.

    Returns:
        Differences by the set's key and the system's name.
    """
    found: dict[tuple[str, str], Difference] = {}
    for one in group.sets:
        base = group.find(one.key, baseline)
        for system in group.systems:
            if system.name != baseline:
                difference = compare(group.find(one.key, system.name), base, measure)
                if difference is not None:
                    found[one.key, system.name] = difference
    corrected = holm([one.p_value for one in found.values()])
    return {key: replace(one, p_holm=p) for (key, one), p in zip(found.items(), corrected, strict=True)}
