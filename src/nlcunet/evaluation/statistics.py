"""How sure a result is: bootstrap intervals, paired permutation tests, sign tests, and Holm's correction.

Images are resampled, not pairs: eight blurs of one photograph are one piece of evidence, not eight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from jaxtyping import Float

RESAMPLES = 10_000
"""Bootstrap samples, and random sign changes where all of them are too many."""

EXACT_UP_TO = 16
"""Differences up to which all 2ⁿ sign changes are looked at."""

SEED = 0
"""Every interval and test draws from a generator of its own with this seed: the same records give the same table."""

CONFIDENCE = 0.95

PValue = TypeVar("PValue", float, float | None)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a mean may lie."""

    low: float
    high: float


def bootstrap_interval(
    totals: Float[np.ndarray, " images"], counts: Float[np.ndarray, " images"], *, confidence: float = CONFIDENCE
) -> Interval | None:
    """The interval of a mean over pairs, by resampling images: bias-corrected and accelerated (BCa).

    Efron, "Better bootstrap confidence intervals", JASA 1987.

    Args:
        totals: Sum over each image's pairs.
        counts: Pairs of each image.
        confidence: Share of intervals that hold the true mean, for many images; with five images it is less.

    Returns:
        The interval; none for fewer than two images or where a value is not finite.
    """
    images = len(totals)
    if images < 2 or not np.isfinite(totals).all():
        return None
    mean = totals.sum() / counts.sum()
    chosen = np.random.default_rng(SEED).integers(0, images, (RESAMPLES, images))
    means = totals[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    normal, tail = NormalDist(), (1 - confidence) / 2
    # Half of the ties count as below, so that a symmetric sample has no bias. Equal numbers differ by rounding.
    slack = 1e-12 * max(1.0, abs(mean))
    below = np.mean(means < mean - slack) + np.mean(np.abs(means - mean) <= slack) / 2
    if not 0 < below < 1:
        return Interval(low=float(means.min()), high=float(means.max()))
    bias = normal.inv_cdf(float(below))
    without = (totals.sum() - totals) / (counts.sum() - counts)
    away = without.mean() - without
    spread = float(np.sum(away**2))
    size = 6 * spread**1.5  # zero also where the spread underflows
    acceleration = float(np.sum(away**3)) / size if size > 0 else 0.0

    def level(share: float) -> float:
        z = bias + normal.inv_cdf(share)
        return normal.cdf(bias + z / (1 - acceleration * z))

    low, high = np.quantile(means, [level(tail), level(1 - tail)])
    return Interval(low=float(low), high=float(high))


def sign_flip_p_value(differences: Float[np.ndarray, " images"]) -> float | None:
    """Two-sided paired permutation test of a mean difference of zero.

    If neither of two systems were better, every image's difference could as well have the other sign: the p-value is
    the share of sign changes whose mean is at least as far from zero. Up to `EXACT_UP_TO` images all of them are
    counted; beyond, `RESAMPLES` random ones, the one at hand among them.

    Returns:
        The p-value, at least 2 / 2ⁿ; none without images or where a difference is not finite.
    """
    count = len(differences)
    if count == 0 or not np.isfinite(differences).all():
        return None
    observed = abs(differences.sum())
    # Sums that are equal on paper differ by rounding.
    slack = 1e-9 * float(np.abs(differences).sum())
    if count <= EXACT_UP_TO:
        bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
        sums = (1 - 2 * bits) @ differences
        return float(np.mean(np.abs(sums) >= observed - slack))
    signs = 1 - 2 * np.random.default_rng(SEED).integers(0, 2, (RESAMPLES - 1, count), dtype=np.int8)
    extreme = np.count_nonzero(np.abs(signs.astype(np.float64) @ differences) >= observed - slack)
    return float((1 + extreme) / RESAMPLES)


def sign_test(positive: int, negative: int) -> float:
    """How likely signs at least this uneven are, if both are equally likely: exact, two-sided; 1 without any."""
    count = positive + negative
    tail = sum(math.comb(count, k) for k in range(min(positive, negative) + 1))
    return min(1.0, float(2 * tail / 2**count))


def holm(p_values: Sequence[PValue]) -> list[PValue]:
    """P-values corrected for their number, by Holm's step-down method (Scandinavian Journal of Statistics, 1979).

    Returns:
        In the same order: reject all up to a level, and the chance of even one false rejection is at most that level.
    """
    present = sorted((value, index) for index, value in enumerate(p_values) if value is not None)
    corrected = list(p_values)
    running = 0.0
    for rank, (value, index) in enumerate(present):
        running = max(running, min(1.0, (len(present) - rank) * value))
        corrected[index] = running
    return corrected


def paired_interval(
    values: Float[np.ndarray, "systems seeds images"],
    system: int,
    baseline: int,
    *,
    counts_seeds: bool = True,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """The interval of a mean difference between two systems, each trained with several seeds.

    Two things make the difference uncertain, and both count: other pictures, and other seeds. The spread over pictures
    is that of the differences, seeds averaged. The spread over seeds is what remains of the systems' means when the
    mean of each system and of each seed is taken off, over all systems together: with two seeds, two systems alone tell
    next to nothing of it. The variances are added (Student's t, degrees of freedom after Satterthwaite).

    Args:
        values: a measure, by system, seed and image; the same seeds and images for all.
        system: which one.
        baseline: what it is compared with.
        counts_seeds: whether other seeds count as well; without, the interval is that of the networks as they are.
        confidence: share of intervals that hold the true difference.

    Returns:
        The interval; none with fewer than two images, systems or (where they count) seeds, or where a value is not
        finite.
    """
    systems, seeds, images = values.shape
    if min(systems, seeds if counts_seeds else 2, images) < 2 or not np.isfinite(values).all():
        return None
    over_seeds, freedom = 0.0, 1
    if counts_seeds:
        means = values.mean(axis=2)
        rest = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0, keepdims=True) + means.mean()
        freedom = (systems - 1) * (seeds - 1)
        over_seeds = 2 * float(np.sum(rest**2)) / freedom / seeds
    differences = (values[system] - values[baseline]).mean(axis=0)
    over_images = float(differences.var(ddof=1)) / images
    total, mean = over_seeds + over_images, float(differences.mean())
    if total == 0:
        return Interval(low=mean, high=mean)
    degrees = total**2 / (over_seeds**2 / freedom + over_images**2 / (images - 1))
    half = student_quantile(confidence, max(1, int(degrees + 1e-9))) * math.sqrt(total)
    return Interval(low=mean - half, high=mean + half)


def student_quantile(confidence: float, degrees: int) -> float:
    """The number that Student's t exceeds in neither direction with this probability.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4, solved by bisection.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _student_inside(angle, degrees) < confidence else (low, angle)
    return math.sqrt(degrees) * math.tan(low)


def _student_inside(angle: float, degrees: int) -> float:
    """Probability that t is within the square root of the degrees of freedom times the tangent of an angle."""
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = degrees % 2
    term, total = (cosine, 0.0) if is_odd else (1.0, 0.0)
    for n in range(2 if is_odd else 1, degrees, 2):
        total += term
        term *= cosine**2 * n / (n + 1)
    return 2 / math.pi * (angle + sine * total) if is_odd else sine * total
