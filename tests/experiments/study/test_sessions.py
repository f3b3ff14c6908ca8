"""Who sees what, in which order, on which side."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.experiments.study.design import Check
from nlcunet.experiments.study.sessions import count_trials, plan_session

CHECKS = tuple(Check(crop=number, better=f"{number} +", worse=f"{number} -") for number in range(4))


@pytest.fixture
def study(make_design):
    return make_design("abc", 10, checks=CHECKS, repeats=4, judgements_per_pair=6)


def test_a_session_has_all_its_parts(study):
    trials = plan_session(study, 0)
    assert len(trials) == count_trials(study) == 3 * 6 + 4 + 4
    assert Counter(trial.kind for trial in trials) == {"pair": 18, "check": 4, "repeat": 4}
    pairs = Counter(frozenset((trial.left, trial.right)) for trial in trials if trial.kind == "pair")
    assert set(pairs.values()) == {6}
    for trial in trials:
        if trial.kind != "check":
            assert trial.left_file == f"{trial.crop}-{trial.left}.png"
            assert trial.right_file == f"{trial.crop}-{trial.right}.png"
        else:
            assert {(trial.left, trial.left_file[-1]), (trial.right, trial.right_file[-1])} == {
                ("better", "+"),
                ("worse", "-"),
            }


def test_a_session_is_a_function_of_seed_and_number(study):
    assert plan_session(study, 5) == plan_session(study, 5)
    assert plan_session(study, 5) != plan_session(study, 6)
    assert plan_session(study, 5) != plan_session(study.model_copy(update={"seed": 4}), 5)


def test_the_plan_of_a_seed_never_changes(make_design):
    """Golden: sessions that were begun must go on the same after an update."""
    trials = plan_session(make_design("ab", 3), 0)
    assert [(trial.crop, trial.left) for trial in trials] == [(1, "a"), (0, "b"), (2, "a")]


def test_over_participants_every_crop_is_seen_equally_often(study):
    seen = Counter(
        (trial.crop, frozenset((trial.left, trial.right)))
        for number in range(25)
        for trial in plan_session(study, number)
        if trial.kind == "pair"
    )
    assert len(seen) == 30
    assert set(seen.values()) == {15}  # 25 × 6 judgements of a pair over 10 crops


def test_sides_are_balanced_within_a_session_and_over_checks(study):
    left_checks = 0
    for number in range(40):
        trials = plan_session(study, number)
        for first, second in study.pairs:
            sides = Counter(t.left for t in trials if t.kind == "pair" and {t.left, t.right} == {first, second})
            assert sides[first] == sides[second] == 3
        left_checks += sum(trial.left == "better" for trial in trials if trial.kind == "check")
    assert 60 <= left_checks <= 100  # of 160


def test_repeats_come_later_with_sides_swapped(study):
    for number in range(20):
        trials = plan_session(study, number)
        for place, trial in enumerate(trials):
            if trial.kind == "repeat":
                first = next(i for i, t in enumerate(trials) if t.kind == "pair" and t == _as_pair(trial.swapped()))
                assert place - first >= 4


def _as_pair(trial):
    return replace(trial, kind="pair")


def test_checks_are_spread_over_the_session(study):
    for number in range(20):
        places = [place for place, trial in enumerate(plan_session(study, number)) if trial.kind == "check"]
        for part, place in enumerate(places):
            assert part * 22 // 4 + part <= place < (part + 1) * 22 // 4 + part + 1


def test_no_crop_follows_itself_among_comparisons(make_design):
    study = make_design("abcd", 8)
    for number in range(10):
        crops = [trial.crop for trial in plan_session(study, number)]
        assert sum(one == other for one, other in pairwise(crops)) <= 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_study_has_whole_sessions(make_design, data):
    num_systems, num_crops = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 8))
    count = data.draw(st.integers(1, num_crops))
    pairs = num_systems * (num_systems - 1) // 2
    study = make_design(
        "abcde"[:num_systems],
        num_crops,
        checks=CHECKS[: data.draw(st.integers(0, min(4, num_crops)))],
        repeats=data.draw(st.integers(0, pairs * count // 2)),
        judgements_per_pair=count,
        seed=data.draw(st.integers(0, 2**40)),
    )
    trials = plan_session(study, data.draw(st.integers(0, 1000)))
    assert len(trials) == count_trials(study)
    assert Counter(trial.kind for trial in trials)["repeat"] == study.repeats
    shown = Counter((t.crop, frozenset((t.left, t.right))) for t in trials if t.kind == "pair")
    assert set(shown.values()) == {1}
    assert len(shown) == pairs * count
