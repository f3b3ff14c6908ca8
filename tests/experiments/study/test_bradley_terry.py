"""Scores from choices."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.experiments.study.bradley_terry import PSEUDO_WINS, fit_strengths


def fit(wins):
    found = fit_strengths(np.array([wins], dtype=float))
    return found.scores[0], bool(found.is_regularised[0])


def expected_wins(scores, counts):
    """What choices come to on average."""
    scores = np.asarray(scores)
    return counts / (1 + np.exp(scores[None, :] - scores[:, None])) * (1 - np.eye(len(scores)))


def test_two_systems_differ_by_the_log_odds():
    scores, is_regularised = fit([[0, 30], [10, 0]])
    assert scores == pytest.approx([math.log(3) / 2, -math.log(3) / 2], abs=1e-9)
    assert not is_regularised


def test_three_systems_by_hand():
    """Golden: strengths 4 : 2 : 1 give odds of 2, 2 and 4, so these counts are met exactly."""
    scores, _ = fit([[0, 20, 24], [10, 0, 20], [6, 10, 0]])
    assert scores == pytest.approx([math.log(2), 0, -math.log(2)], abs=1e-9)


def test_three_systems_in_a_circle_are_equal():
    assert fit([[0, 7, 2], [2, 0, 7], [7, 2, 0]])[0] == pytest.approx([0, 0, 0], abs=1e-9)


def test_a_chain_of_comparisons_adds_up():
    """Golden: without comparisons of a and c, the score of a over c is the sum of two log odds."""
    scores, _ = fit([[0, 8, 0], [2, 0, 9], [0, 1, 0]])
    assert scores[0] - scores[2] == pytest.approx(math.log(4) + math.log(9), abs=1e-8)


def test_who_never_lost_gets_a_finite_score_and_it_is_said():
    scores, is_regularised = fit([[0, 20], [0, 0]])
    assert is_regularised
    assert scores[0] - scores[1] == pytest.approx(math.log((20 + PSEUDO_WINS) / PSEUDO_WINS), abs=1e-8)
    assert fit([[0, 5, 5], [3, 0, 4], [0, 0, 0]])[1]
    assert not fit([[0, 5, 5], [3, 0, 4], [1, 0, 0]])[1]


def test_separation_keeps_the_order():
    scores, _ = fit([[0, 9, 9, 9], [0, 0, 9, 9], [0, 0, 0, 9], [0, 0, 0, 0]])
    assert list(np.argsort(-scores)) == [0, 1, 2, 3]
    assert np.abs(scores).max() < 10


def test_nothing_at_all_is_equal():
    assert fit(np.zeros((3, 3)))[0] == pytest.approx([0, 0, 0])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_known_scores_are_recovered(data):
    number = data.draw(st.integers(2, 6))
    scores = np.array(data.draw(st.lists(st.floats(-4, 4), min_size=number, max_size=number)))
    counts = np.array(
        data.draw(
            st.lists(st.lists(st.integers(1, 50), min_size=number, max_size=number), min_size=number, max_size=number)
        )
    )
    found, is_regularised = fit(expected_wins(scores, counts + counts.T))
    assert not is_regularised
    assert found == pytest.approx(scores - scores.mean(), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_is_a_maximum(data):
    """At whole counts: wins are as many as expected, which is where the gradient is zero."""
    number = data.draw(st.integers(2, 5))
    row = st.lists(st.integers(0, 30), min_size=number, max_size=number)
    wins = np.array(data.draw(st.lists(row, min_size=number, max_size=number)), dtype=float) * (1 - np.eye(number))
    scores, is_regularised = fit(wins)
    if is_regularised:
        wins += PSEUDO_WINS * (1 - np.eye(number))
    expected = expected_wins(scores, wins + wins.T)
    assert expected.sum(axis=1) == pytest.approx(wins.sum(axis=1), abs=1e-5)
    assert scores.sum() == pytest.approx(0, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_relabelling_changes_nothing_but_labels(data):
    number = data.draw(st.integers(2, 5))
    row = st.lists(st.integers(0, 30), min_size=number, max_size=number)
    wins = np.array(data.draw(st.lists(row, min_size=number, max_size=number)), dtype=float)
    order = data.draw(st.permutations(range(number)))
    scores, _ = fit(wins)
    moved, _ = fit(wins[np.ix_(order, order)])
    assert moved == pytest.approx(scores[list(order)], abs=1e-6)


def test_many_sets_at_once_are_as_one_by_one():
    random = np.random.default_rng(0)
    wins = random.integers(0, 9, (50, 4, 4)).astype(float)
    together = fit_strengths(wins)
    for number in range(50):
        scores, is_regularised = fit(wins[number])
        assert together.scores[number] == pytest.approx(scores, abs=1e-8)
        assert together.is_regularised[number] == is_regularised
