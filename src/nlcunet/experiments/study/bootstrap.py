"""How far scores would move with other participants: the bootstrap over whole participants or images.

Percentile intervals of few units are too narrow. They are expanded as T. Hesterberg proposes ("What teachers should
know about the bootstrap", The American Statistician 69 (2015), "expanded percentile interval"): the tail is that of a
normal distribution beyond sqrt(n / (n - 1)) times the quantile of Student's t with n - 1 degrees of freedom.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from nlcunet.experiments.study.bradley_terry import fit_strengths

LEVEL = 0.95
GRID_POINTS = 20_001


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Where the scores of all systems may lie."""

    lower: Float[np.ndarray, " systems"]
    upper: Float[np.ndarray, " systems"]
    regularised_share: float
    """Share of the resamples that needed pseudo-wins."""


def bootstrap(wins: Float[np.ndarray, "units systems systems"], resamples: int, seed: int) -> Intervals | None:
    """Intervals of the scores; none where there is a single unit, which tells nothing about others.

    Args:
        wins: ``wins[u, i, j]`` is how often i was chosen over j by (or on) unit u.
        resamples: How many times as many units are drawn, with replacement.
        seed: Of the draws.
    """
    num_units = len(wins)
    if num_units < 2:
        return None
    random = np.random.default_rng(seed)
    times = random.multinomial(num_units, np.full(num_units, 1 / num_units), size=resamples).astype(np.float64)
    fitted = fit_strengths(np.asarray(np.einsum("ru,uij->rij", times, wins)))
    tail = expanded_tail(num_units)
    lower, upper = np.quantile(fitted.scores, [tail, 1 - tail], axis=0)
    return Intervals(lower=lower, upper=upper, regularised_share=float(fitted.is_regularised.mean()))


def expanded_tail(num_units: int) -> float:
    """Share of resamples to leave out at each end."""
    quantile = student_quantile((1 + LEVEL) / 2, num_units - 1)
    return NormalDist().cdf(-math.sqrt(num_units / (num_units - 1)) * quantile)


def student_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t, from the integral of its density; good to four digits.

    With t = sqrt(degrees) · tan(angle) the density becomes cos(angle) ** (degrees - 1), over a finite range.
    """
    angles = np.linspace(-math.pi / 2, math.pi / 2, GRID_POINTS)
    density = np.cos(angles).clip(0) ** (degrees - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(math.sqrt(degrees) * math.tan(np.interp(probability, mass / mass[-1], angles)))
