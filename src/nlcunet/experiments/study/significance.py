"""Sign tests, and Holm's correction for making several of them."""

import math
from collections.abc import Sequence

import numpy as np


def sign_test(positive: int, negative: int) -> float:
    """How likely signs at least this uneven are, if both are equally likely: exact, two-sided; 1 without any."""
    count = positive + negative
    tail = sum(math.comb(count, k) for k in range(min(positive, negative) + 1))
    return min(1.0, float(2 * tail / 2**count))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values that hold together: the chance of any false alarm among all stays below each threshold.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(p_values, kind="stable")
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return tuple(corrected)
