"""Places are found by their rule: a planted difference, borders, ties, and what is taken already."""

import numpy as np
import pytest

from nlcunet.evaluation.report.places import CropWindow, crop_size, find_disagreement, find_excess, window_means


def errors(height=64, width=80, value=0.0):
    return np.full((height, width), value)


def test_a_planted_difference_is_found():
    one, other = errors(), errors()
    other[20:36, 40:56] = 100.0
    place = find_disagreement({"a": one, "b": other}, crop_px=16, scale=4)
    assert (place.top, place.left, place.height, place.width) == (20, 40, 16, 16)
    assert place.value == pytest.approx(100.0)


def test_an_error_that_all_systems_make_is_no_difference():
    one, other = errors(), errors()
    one[0:16, 0:16] = other[0:16, 0:16] = 5000.0
    other[40:44, 60:64] = 1.0
    place = find_disagreement({"a": one, "b": other}, crop_px=16, scale=4)
    assert place.top + place.height > 40
    assert place.left + place.width > 60


def test_the_worst_is_compared_with_the_best_of_several():
    found = {"a": errors(value=50.0), "b": errors(value=60.0), "c": errors(value=55.0)}
    found["c"][32:48, 16:32] = 10.0
    place = find_disagreement(found, crop_px=16, scale=4)
    assert (place.top, place.left) == (32, 16)
    assert place.value == pytest.approx(50.0)


def test_places_lie_on_whole_pixels_of_the_input():
    one, other = errors(66, 66), errors(66, 66)
    other[31, 31] = 9.0
    place = find_disagreement({"a": one, "b": other}, crop_px=20, scale=3)
    assert (place.top % 3, place.left % 3, place.height, place.width) == (0, 0, 18, 18)
    assert place.top <= 31 < place.top + 18


def test_a_taken_place_is_not_overlapped():
    one, other = errors(), errors()
    other[20:36, 40:56] = 100.0
    first = find_disagreement({"a": one, "b": other}, crop_px=16, scale=4)
    second = find_disagreement({"a": one, "b": other}, crop_px=16, scale=4, taken=[first])
    assert second is None or (abs(second.top - first.top) >= 16 or abs(second.left - first.left) >= 16)
    other[0:8, 0:8] = 1.0
    second = find_disagreement({"a": one, "b": other}, crop_px=16, scale=4, taken=[first])
    assert (second.top, second.left) == (0, 0)


def test_nothing_is_found_where_systems_agree_or_no_room_is_left():
    assert find_disagreement({"a": errors(), "b": errors()}, crop_px=16, scale=4) is None
    whole = CropWindow(top=0, left=0, height=64, width=80, value=1.0)
    found = {"a": errors(), "b": errors(value=1.0)}
    assert find_disagreement(found, crop_px=16, scale=4, taken=[whole]) is None


def test_crops_are_no_larger_than_the_picture():
    assert crop_size(40, 200, 64, 4) == (40, 64)
    assert crop_size(200, 200, 64, 3) == (63, 63)
    place = find_disagreement({"a": errors(24, 30), "b": errors(24, 30, 1.0)}, crop_px=64, scale=3)
    assert (place.height, place.width) == (24, 30)


def test_window_means_are_means_over_windows():
    plane = np.random.default_rng(0).random((20, 26))
    means = window_means(plane, (8, 12), 2)
    assert means.shape == (7, 8)
    assert means[3, 5] == pytest.approx(plane[6:14, 10:22].mean())


def test_excess_is_where_a_system_is_worse_not_where_it_errs_most():
    own, other = errors(), errors()
    own[0:16, 0:16], other[0:16, 0:16] = 900.0, 1000.0
    own[48:64, 64:80] = 20.0
    place = find_excess(own, other, crop_px=16, scale=4)
    assert (place.top, place.left) == (48, 64)
    assert place.value == pytest.approx(20.0)
