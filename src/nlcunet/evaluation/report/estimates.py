"""Means with intervals, gains with tests, and what measures are called."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nlcunet.evaluation.measures import MEASURES
from nlcunet.evaluation.report.contents import Pair, SetResults
from nlcunet.evaluation.report.markup import number
from nlcunet.evaluation.statistics import Interval, bootstrap_interval, holm, sign_flip_p_value
from nlcunet.evaluation.table import summarise
from nlcunet.evaluation.table_blocks import TITLES

LEVEL = 0.05
"""A difference is called significant below this p-value."""


@dataclass(frozen=True, kw_only=True)
class MeasureWords:
    """How a measure is written."""

    name: str
    unit: str
    """Empty if it has none."""
    decimals: int
    """Digits behind the point that mean something."""
    more_is_better: bool

    @property
    def title(self) -> str:
        """Name and unit, for axes."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def with_unit(self, value: float, *, signed: bool = False) -> str:
        """A value in words."""
        return f"{number(value, self.decimals, signed=signed)} {self.unit}".strip()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over pairs, and how sure it is."""

    mean: float
    """NaN where nothing was measured."""
    interval: tuple[float, float] | None
    """95 %, over images; none for a single image or infinite values."""
    p_value: float | None = None
    """Of a paired test against no difference; only of gains."""


def words_of(measure: str) -> MeasureWords:
    """How a measure is written; one that is not known here is taken for one where more is better."""
    entry = MEASURES.get(measure)
    unit = "" if entry is None else entry.unit
    return MeasureWords(
        name=TITLES.get(measure, measure),
        unit=unit,
        decimals=2 if unit == "dB" else 4,
        more_is_better=entry is None or entry.better == "higher",
    )


def estimate_mean(results: SetResults, system: str, measure: str, pairs: Sequence[Pair] | None = None) -> Estimate:
    """How well a system did, over all pairs of a set or some of them."""
    own = results.results[system]
    found = summarise((own[pair] for pair in (results.pairs if pairs is None else pairs)), measure)
    if found is None:
        return Estimate(mean=math.nan, interval=None)
    return Estimate(mean=found.mean, interval=_bounds(found.interval))


def estimate_gain(
    results: SetResults, system: str, measure: str, *, over: str | None = None, pairs: Sequence[Pair] | None = None
) -> Estimate:
    """How much better a system did than another one, by default the baseline: paired, with a test over images."""
    found = gains(results, system, measure, over=over, pairs=pairs)
    if not found:
        return Estimate(mean=math.nan, interval=None)
    totals = np.array([sum(one) for one in found.values()])
    counts = np.array([float(len(one)) for one in found.values()])
    return Estimate(
        mean=float(totals.sum() / counts.sum()),
        interval=_bounds(bootstrap_interval(totals, counts)),
        p_value=sign_flip_p_value(totals / counts),
    )


def correct_p_values(sets: Sequence[SetResults]) -> dict[tuple[str, str], float | None]:
    """P-values of all gains over the baselines by the set's key and the system, corrected for their number (Holm).

    As in the tables of ``nlcunet bench table``, what was measured by one protocol is corrected together.
    """
    corrected: dict[tuple[str, str], float | None] = {}
    for description in dict.fromkeys(one.facts.description for one in sets):
        tests = {
            (one.facts.key, name): estimate_gain(one, name, one.main).p_value
            for one in sets
            if one.facts.description == description
            for name in one.rivals
        }
        corrected |= dict(zip(tests, holm(list(tests.values())), strict=True))
    return corrected


def _bounds(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)


def gains(
    results: SetResults, system: str, measure: str, *, over: str | None = None, pairs: Sequence[Pair] | None = None
) -> dict[str, list[float]]:
    """How much better than another system a system did, for each pair of each image; positive is better."""
    own = results.by_image(system, measure, pairs)
    other = results.by_image(over or results.baseline, measure, pairs)
    return {
        image: [gain(a, b, measure) for a, b in zip(values, other[image], strict=True)]
        for image, values in own.items()
        if image in other and len(values) == len(other[image])
    }


def gain(value: float, other: float, measure: str) -> float:
    """How much better one value is than another; two infinite ones are equally good."""
    if value == other:
        return 0.0
    return value - other if words_of(measure).more_is_better else other - value


def find_best(results: SetResults, measure: str, pairs: Sequence[Pair] | None = None) -> tuple[str, bool, float]:
    """The system with the best mean, and whether it differs significantly from every other one.

    The best was not known before the tests, so their p-values are corrected for their number (Holm).

    Returns:
        Its name (empty if nothing was measured), whether that is significant, and the largest p-value.
    """
    means = {name: estimate_mean(results, name, measure, pairs).mean for name in results.names}
    known = {name: mean for name, mean in means.items() if not math.isnan(mean)}
    if not known:
        return "", False, math.nan
    best = max(known, key=lambda name: known[name] if words_of(measure).more_is_better else -known[name])
    rivals = [name for name in known if name != best]
    tests = holm([estimate_gain(results, best, measure, over=name, pairs=pairs).p_value for name in rivals])
    largest = max((1.0 if p is None else p for p in tests), default=math.nan)
    return best, largest < LEVEL, largest
