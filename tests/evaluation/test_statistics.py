"""Statistics against closed forms, worked examples, and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nlcunet.evaluation import statistics
from nlcunet.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    holm,
    paired_interval,
    sign_flip_p_value,
    sign_test,
    student_quantile,
)

finite = st.floats(-100, 100)


def interval(values):
    values = np.asarray(values, dtype=float)
    return bootstrap_interval(values, np.ones(len(values)))


def test_intervals_of_a_large_normal_sample_are_those_of_the_textbook():
    values = np.random.default_rng(1).normal(30, 2, 400)
    found = interval(values)
    half = 1.959964 * values.std(ddof=1) / np.sqrt(400)
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_intervals_hold_the_true_mean_about_as_often_as_they_say(monkeypatch):
    # 200 samples of 20 skewed numbers: the plain percentile interval would hold it in about 90 of 100.
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    random = np.random.default_rng(2)
    held = [i.low <= 1.0 <= i.high for i in (interval(random.gamma(2, 0.5, 20)) for _ in range(200))]
    assert 0.89 <= np.mean(held) <= 0.98


def test_intervals_lean_towards_the_long_tail():
    values = np.random.default_rng(3).gamma(0.5, 2, 40)
    found, mean = interval(values), values.mean()
    assert found.high - mean > mean - found.low


def test_images_are_resampled_and_not_pairs():
    # Eight equal pairs of an image are no more evidence than one.
    totals = np.array([20.0, 25.0, 31.0, 33.0, 28.0])
    once = bootstrap_interval(totals, np.ones(5))
    eight = bootstrap_interval(8 * totals, np.full(5, 8.0))
    assert (eight.low, eight.high) == pytest.approx((once.low, once.high))


def test_a_single_image_and_infinite_results_have_no_interval():
    assert interval([30.0]) is None
    assert interval([30.0, np.inf]) is None


def test_equal_results_have_an_interval_without_width():
    found = interval([0.1 + 0.2] * 5)
    assert (found.low, found.high) == pytest.approx((0.3, 0.3))


def test_values_that_differ_by_next_to_nothing_have_an_interval():
    found = interval([0.0, 1e-140, 0.0, 1e-140, 0.0])
    assert 0 <= found.low <= found.high <= 1e-140


@settings(max_examples=20, deadline=None)
@given(st.lists(finite, min_size=2, max_size=12))
def test_intervals_lie_within_the_values(values):
    found = interval(values)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=12))
def test_differences_of_one_sign_have_the_smallest_p(values):
    assert sign_flip_p_value(np.array(values)) == pytest.approx(2 / 2 ** len(values))


@settings(max_examples=30, deadline=None)
@given(st.lists(finite, min_size=1, max_size=7))
@example([2e-313, 2e-313])
@example([0.0, 0.0])
def test_exact_p_values_count_every_sign_change(values):
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, values, strict=True)))
        for signs in product((1, -1), repeat=len(values))
    ]
    slack = 1e-9 * sum(map(abs, values))
    expected = np.mean([one >= abs(sum(values)) - slack for one in sums])
    assert sign_flip_p_value(np.array(values)) == pytest.approx(expected)


def test_the_worked_example_of_fishers_darwin_data():
    # Fisher (1935) on Darwin's fifteen pairs of maize: 863 + 863 of 32,768 sign changes reach the sum of 314.
    heights = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)
    assert heights.sum() == 314
    assert sign_flip_p_value(heights) == pytest.approx(1726 / 32768)


def test_many_images_are_tested_by_chance_close_to_the_exact_value(monkeypatch):
    differences = np.random.default_rng(4).normal(0.4, 1, 14)
    exact = sign_flip_p_value(differences)
    monkeypatch.setattr(statistics, "EXACT_UP_TO", 0)
    assert sign_flip_p_value(differences) == pytest.approx(exact, abs=0.02)
    assert sign_flip_p_value(differences) == sign_flip_p_value(differences)
    assert sign_flip_p_value(np.full(100, 3.0)) == pytest.approx(1 / statistics.RESAMPLES)


def test_p_values_are_rarely_small_where_there_is_no_difference():
    random = np.random.default_rng(5)
    p_values = [sign_flip_p_value(random.normal(0, 1, 10)) for _ in range(400)]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.03)


def test_no_difference_at_all_is_certain_and_infinite_ones_have_no_p():
    assert sign_flip_p_value(np.zeros(6)) == 1.0
    assert sign_flip_p_value(np.array([1.0, np.inf])) is None
    assert sign_flip_p_value(np.array([])) is None


def test_holm_corrects_step_by_step():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, None, 0.7]) == [1.0, None, 1.0]
    assert holm([]) == []


def test_sign_test_by_hand():
    """Golden: 9 of 10 has the tail (1 + 10) / 1024 on each side."""
    assert sign_test(9, 1) == pytest.approx(22 / 1024)
    assert sign_test(6, 0) == pytest.approx(2 / 64)
    assert sign_test(5, 5) == 1
    assert sign_test(0, 0) == 1


@given(st.integers(0, 300), st.integers(0, 300))
def test_sign_test_is_symmetric_and_a_probability(positive, negative):
    assert sign_test(positive, negative) == sign_test(negative, positive)
    assert 0 < sign_test(positive, negative) <= 1


@given(st.integers(1, 60))
def test_false_alarms_are_at_most_as_frequent_as_promised(count):
    for level in (0.01, 0.05, 0.2):
        alarms = sum(math.comb(count, k) for k in range(count + 1) if sign_test(k, count - k) <= level)
        assert alarms / 2**count <= level


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_keeps_order_and_lies_between_none_and_bonferroni(values):
    corrected = holm(values)
    for value, other in zip(values, corrected, strict=True):
        assert value <= other <= min(1, len(values) * value) + 1e-12
    by_value = [other for _, other in sorted(zip(values, corrected, strict=True))]
    assert by_value == sorted(by_value)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (10, 2.228), (30, 2.042), (120, 1.980)]
)
def test_student_quantiles_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    assert student_quantile(0.95, degrees) == pytest.approx(quantile, abs=5e-4)


def test_paired_intervals_hold_the_truth_about_as_often_as_they_promise() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        seeds = random.normal(0, 0.05, (4, 2, 1)) + random.normal(0, 0.2, (1, 2, 1))
        images = random.normal(28, 3, (1, 1, 15)) + random.normal(0, 0.05, (4, 1, 15))
        values = images + seeds + np.array([0.0, 0.3, 0.1, 0.2])[:, None, None]
        interval = paired_interval(values, 1, 0)
        assert interval is not None
        held += interval.low <= 0.3 <= interval.high
    assert held / 300 == pytest.approx(0.95, abs=0.04)


def test_paired_intervals_need_two_of_everything() -> None:
    values = np.random.default_rng(0).normal(size=(2, 2, 3))
    assert paired_interval(values, 1, 0) is not None
    for few in (values[:1], values[:, :1], values[:, :, :1], np.where(values > 0, np.inf, values)):
        assert paired_interval(few, 0, 0) is None
    same = np.repeat(values[:1], 2, axis=0)
    assert paired_interval(same, 1, 0) == Interval(low=0.0, high=0.0)


def test_without_seeds_the_interval_is_students_over_images() -> None:
    values = np.random.default_rng(1).normal(size=(3, 1, 20))
    differences = values[2, 0] - values[0, 0]
    found = paired_interval(values, 2, 0, counts_seeds=False)
    assert found is not None
    half = 2.093 * differences.std(ddof=1) / math.sqrt(20)  # t of 19 degrees of freedom
    assert (found.low, found.high) == pytest.approx((differences.mean() - half, differences.mean() + half), abs=1e-3)
    assert paired_interval(values, 2, 0) is None
    assert paired_interval(values[:, :, :1], 2, 0, counts_seeds=False) is None
