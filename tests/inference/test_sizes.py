import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.errors import ConfigError
from nlcunet.inference.sizes import Pass, SizeRequest, plan_passes


@pytest.mark.parametrize(
    ("request_", "size", "expected"),
    [
        (SizeRequest(), (3, 5), (12, 20)),
        (SizeRequest(scale=2.5), (3, 5), (8, 13)),  # 7.5 and 12.5, halves up
        (SizeRequest(scale=1.1), (5, 15), (6, 17)),  # 5.5 and 16.5, though 1.1 is no binary fraction
        (SizeRequest(scale=0.01), (5, 500), (1, 5)),
        (SizeRequest(width=1000), (200, 300), (667, 1000)),
        (SizeRequest(height=1000), (200, 300), (1000, 1500)),
        (SizeRequest(width=7, height=1000), (200, 300), (1000, 7)),
        (SizeRequest(long_edge=1000), (200, 300), (667, 1000)),
        (SizeRequest(long_edge=1000), (300, 200), (1000, 667)),
    ],
)
def test_size_is_exact(request_: SizeRequest, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert request_.resolve(*size, default_scale=4) == expected


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), True])
def test_a_scale_that_is_no_positive_number_is_refused(scale: float) -> None:
    with pytest.raises(ConfigError, match="scale must be a number above 0"):
        SizeRequest(scale=scale)


@pytest.mark.parametrize("side", [0, -5, 2_000_000, True])
@pytest.mark.parametrize("name", ["width", "height", "long_edge"])
def test_an_impossible_side_is_refused(name: str, side: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a whole number of pixels"):
        SizeRequest(**{name: side})


@pytest.mark.parametrize(
    "ways", [{"scale": 2, "width": 10}, {"width": 10, "long_edge": 20}, {"scale": 2, "long_edge": 9}]
)
def test_a_size_given_in_two_ways_is_refused(ways: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="in one way"):
        SizeRequest(**ways)


def test_an_absurd_result_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most 1000000 pixels"):
        SizeRequest(scale=1e6).resolve(100, 100, 4)


def test_the_networks_own_scale_is_one_pass_without_resampling() -> None:
    assert plan_passes((30, 40), (120, 160), 4) == (Pass(30, 40, 120, 160),)


def test_up_to_one_and_a_half_times_the_scale_is_one_pass() -> None:
    assert len(plan_passes((30, 40), (180, 240), 4)) == 1
    assert len(plan_passes((30, 40), (181, 240), 4)) == 2


def test_the_second_pass_starts_at_a_quarter_of_the_goal() -> None:
    assert plan_passes((30, 40), (240, 320), 4) == (Pass(30, 40, 60, 80), Pass(60, 80, 240, 320))


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 500), st.integers(1, 500)),
    target=st.tuples(st.integers(1, 30_000), st.integers(1, 30_000)),
    scale=st.integers(1, 8),
)
def test_passes_lead_from_the_picture_to_the_goal(size: tuple[int, int], target: tuple[int, int], scale: int) -> None:
    passes = plan_passes(size, target, scale)
    stations = [size, *((step.target_height, step.target_width) for step in passes)]
    assert stations[-1] == target
    assert [(step.height, step.width) for step in passes] == stations[:-1]
