"""Crops lie where systems differ most."""

import numpy as np
import pytest

from nlcunet.errors import DataError
from nlcunet.experiments.study.places import MAX_OVERLAP, choose_places


@pytest.fixture
def pictures():
    """Two flat pictures that differ in two patches, the second one less."""
    first = np.full((128, 160, 3), 100, dtype=np.uint8)
    second = first.copy()
    second[16:40, 24:48] += 60
    second[80:104, 120:144] += 52
    second += 1
    return {"a": first, "b": second}


def choose(pictures, **changes):
    settings = {"crop_px": 32, "count": 2, "grid_px": 1, "seed": 0, "name": "image"}
    return choose_places(pictures, **(settings | changes))


def covers(place, top, left, side):
    inside = place.top <= top and place.left <= left
    return inside and place.top + place.height >= top + side and place.left + place.width >= left + side


@pytest.mark.parametrize("seed", range(5))
def test_the_most_different_places_come_first(pictures, seed):
    first, second = choose(pictures, seed=seed)
    assert covers(first, 16, 24, 24)
    assert covers(second, 80, 120, 24)
    assert first.difference > second.difference > 1


def test_difference_is_the_squared_error_relative_to_the_image(pictures):
    error = np.square(pictures["a"].astype(float) - pictures["b"]).mean(axis=2)
    for place in choose(pictures, count=5):
        inside = error[place.top : place.top + place.height, place.left : place.left + place.width]
        assert place.difference == pytest.approx(inside.mean() / error.mean())


def test_crops_overlap_little_and_lie_on_the_grid(pictures):
    places = choose(pictures, count=50, grid_px=4, crop_px=34)
    assert len(places) > 5
    for number, one in enumerate(places):
        assert one.height == one.width == 32
        assert one.top % 4 == one.left % 4 == 0
        assert 0 <= one.top <= 128 - 32
        assert 0 <= one.left <= 160 - 32
        for other in places[:number]:
            rows = 32 - abs(one.top - other.top)
            columns = 32 - abs(one.left - other.left)
            assert max(rows, 0) * max(columns, 0) <= MAX_OVERLAP * 32 * 32


def test_one_odd_system_does_not_decide_alone(pictures):
    odd = pictures["a"] + np.uint8(100)  # far from both everywhere, but least where b is unlike a
    first, second = choose(pictures | {"odd": odd})
    assert covers(first, 16, 24, 24)
    assert covers(second, 80, 120, 24)


def test_the_seed_moves_the_grid(pictures):
    noisy = {"a": pictures["a"], "b": pictures["a"] + np.random.default_rng(0).integers(1, 9, (128, 160, 3), np.uint8)}
    tops = {choose(noisy, seed=seed, count=1, crop_px=64)[0].top % 8 for seed in range(20)}
    assert len(tops) > 1
    assert choose(noisy, seed=4) == choose(noisy, seed=4)


def test_a_small_image_is_one_crop(pictures):
    (only,) = choose(pictures, crop_px=500, count=3)
    assert (only.top, only.left, only.height, only.width) == (0, 0, 128, 160)


def test_equal_systems_are_refused(pictures):
    with pytest.raises(DataError, match="a and b have the same pixels in image"):
        choose({"a": pictures["a"], "b": pictures["a"]})


def test_places_where_two_systems_are_equal_are_left_out(pictures):
    half = pictures["a"].copy()
    half[:, 80:] = 7
    places = choose(pictures | {"half": half}, count=20)
    assert all(place.left + place.width > 80 for place in places)
