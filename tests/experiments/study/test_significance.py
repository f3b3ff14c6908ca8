"""Sign tests and their correction."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.experiments.study.significance import holm, sign_test


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


def test_holm_by_hand():
    """Golden: 4 × 0.005, 3 × 0.01, then 2 × 0.03 and 1 × 0.04, which may not be smaller than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([0.02]) == pytest.approx([0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_keeps_order_and_lies_between_none_and_bonferroni(values):
    corrected = holm(values)
    for value, other in zip(values, corrected, strict=True):
        assert value <= other <= min(1, len(values) * value) + 1e-12
    by_value = [other for _, other in sorted(zip(values, corrected, strict=True))]
    assert by_value == sorted(by_value)
