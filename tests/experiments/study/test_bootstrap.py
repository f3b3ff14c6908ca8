"""Intervals that hold what they promise."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from nlcunet.experiments.study.bootstrap import bootstrap, expanded_tail, student_quantile
from nlcunet.experiments.study.bradley_terry import fit_strengths


@pytest.mark.parametrize(
    ("degrees", "expected"), [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042), (1000, 1.962)]
)
def test_quantiles_of_students_t(degrees, expected):
    """Golden: the table of any textbook, 97.5 %."""
    assert student_quantile(0.975, degrees) == pytest.approx(expected, abs=1e-3)


def test_the_quartile_with_one_degree_of_freedom_is_one():
    assert student_quantile(0.75, 1) == pytest.approx(1, abs=1e-4)


def test_tails_are_smaller_with_few_units_and_nominal_with_many():
    tails = [expanded_tail(count) for count in (2, 5, 10, 100, 10_000)]
    assert tails == sorted(tails)
    assert tails[-1] == pytest.approx(0.025, abs=1e-4)
    assert expanded_tail(10) == pytest.approx(NormalDist().cdf(-math.sqrt(10 / 9) * 2.262), abs=1e-4)


def test_one_unit_has_no_interval():
    assert bootstrap(np.ones((1, 2, 2)), 100, 0) is None


def test_a_seed_repeats_it():
    wins = np.random.default_rng(0).integers(0, 5, (8, 3, 3)).astype(float)
    one, same, other = (bootstrap(wins, 100, seed) for seed in (1, 1, 2))
    assert (one.lower == same.lower).all()
    assert (one.lower != other.lower).any()


def test_resamples_without_a_maximum_are_counted():
    wins = np.zeros((4, 2, 2))
    wins[:, 0, 1] = 3
    wins[0, 1, 0] = 1  # system 1 won once, with unit 0: it is missing in (3/4)⁴ = 32 % of the resamples
    assert bootstrap(wins, 4000, 0).regularised_share == pytest.approx(0.316, abs=0.03)


def chances(scores):
    """Of each system to be chosen over each other one, for each participant."""
    return 1 / (1 + np.exp(scores[:, None, :] - scores[:, :, None]))


@pytest.mark.parametrize(("people", "at_least"), [(6, 0.89), (30, 0.925)])
def test_intervals_hold_what_they_promise(people, at_least):
    """Of 95 % intervals over participants with scores of their own, about 95 % hold that of the whole population."""
    random = np.random.default_rng(0)
    above, studies, held = np.triu(np.ones((3, 3)), 1), 150, 0
    population = np.array([0.8, 0.0, -0.8]) + 0.3 * random.standard_normal((100_000, 3))
    truth = fit_strengths(chances(population).mean(axis=0, keepdims=True)).scores[0]
    for number in range(studies):
        first = random.binomial(8, chances(population[people * number :][:people])) * above
        wins = first + (8 * above - first).swapaxes(1, 2)
        found = bootstrap(wins, 300, number)
        held += int(((found.lower <= truth) & (truth <= found.upper)).sum())
    assert at_least <= held / (3 * studies) <= 0.98
