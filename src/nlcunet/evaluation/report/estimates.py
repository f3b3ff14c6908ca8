"""Means with intervals, gains with tests, and what measures are called."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from nlcunet.evaluation.measures import MEASURES
from nlcunet.evaluation.report.contents import Pair, SetResults
from nlcunet.evaluation.report.markup import number
from nlcunet.evaluation.statistics import bootstrap_interval, holm, sign_flip_p_value

LEVEL = 0.05
"""A difference is called significant below this p-value."""

_NAMES = {
    "psnr_y": "PSNR Y",
    "ssim_y": "SSIM Y",
    "psnr_rgb": "PSNR RGB",
    "effnet_lite0": "EffNet-Lite0",
    "niqe": "NIQE",
    "lpips": "LPIPS",
    "dists": "DISTS",
}


@dataclass(frozen=True, kw_only=True)
class MeasureWords:
    """How a measure is written."""

    name: str
    """What it is called."""
    unit: str
    """Empty if it has none."""
    decimals: int
    """Digits behind the point that mean something."""
    more_is_better: bool
    """Which way."""

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
        name=_NAMES.get(measure, measure),
        unit=unit,
        decimals=2 if unit == "dB" or measure == "niqe" else 4,
        more_is_better=entry is None or entry.better == "higher",
    )


def estimate(values: Mapping[str, Sequence[float]]) -> Estimate:
    """The mean over all pairs, with its interval over images.

    Args:
        values: of each image, one for each of its pairs.
    """
    every = [value for one in values.values() for value in one]
    if not every:
        return Estimate(mean=math.nan, interval=None)
    totals = np.array([math.fsum(one) for one in values.values()])
    counts = np.array([float(len(one)) for one in values.values()])
    found = bootstrap_interval(totals, counts)
    interval = None if found is None else (found.low, found.high)
    return Estimate(mean=math.fsum(every) / len(every), interval=interval)


def estimate_mean(results: SetResults, system: str, measure: str, pairs: Sequence[Pair] | None = None) -> Estimate:
    """How well a system did, over all pairs of a set or some of them."""
    return estimate(results.by_image(system, measure, pairs))


def estimate_gain(
    results: SetResults, system: str, measure: str, *, over: str | None = None, pairs: Sequence[Pair] | None = None
) -> Estimate:
    """How much better a system did than another one, by default the baseline: paired, with a test over images."""
    found = gains(results, system, measure, over=over, pairs=pairs)
    means = np.array([fmean(one) for one in found.values()])
    whole = estimate(found)
    return Estimate(mean=whole.mean, interval=whole.interval, p_value=sign_flip_p_value(means))


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


def find_best(results: SetResults, measure: str) -> tuple[str, bool, float]:
    """The system with the best mean, and whether it differs significantly from every other one.

    The best was not known before the tests, so their p-values are corrected for their number (Holm).

    Returns:
        Its name (empty if nothing was measured), whether that is significant, and the largest p-value.
    """
    means = {name: estimate_mean(results, name, measure).mean for name in results.names}
    known = {name: mean for name, mean in means.items() if not math.isnan(mean)}
    if not known:
        return "", False, math.nan
    best = max(known, key=lambda name: known[name] if words_of(measure).more_is_better else -known[name])
    tests = holm([estimate_gain(results, best, measure, over=name).p_value for name in known if name != best])
    largest = max((1.0 if p is None else p for p in tests), default=math.nan)
    return best, largest < LEVEL, largest
