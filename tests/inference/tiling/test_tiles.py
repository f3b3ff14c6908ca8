from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.errors import ConfigError
from nlcunet.inference.tiling.blending import blend_weights, shown_part
from nlcunet.inference.tiling.tiles import AxisPlan, plan_axis, plan_tiles

LENGTHS = st.tuples(
    st.integers(1, 3000), st.integers(1, 600), st.integers(0, 64), st.sampled_from([1, 2, 3, 4, 8]), st.integers(1, 48)
)


def make_axis(lengths: tuple[int, int, int, int, int]) -> AxisPlan:
    length, tile, overlap, multiple, least = lengths
    return plan_tiles(length, length, tile=tile, overlap=overlap, multiple=multiple, min_size=least).rows


def sum_of_weights(axis: AxisPlan, scale: int) -> torch.Tensor:
    total = torch.zeros(axis.length * scale)
    for index in range(len(axis.spans)):
        start, stop = shown_part(axis, index)
        total[start * scale : stop * scale] += blend_weights(axis, index, scale)
    return total


@settings(deadline=None)
@given(lengths=LENGTHS)
def test_cores_cover_every_pixel_once(lengths: tuple[int, int, int, int, int]) -> None:
    axis = make_axis(lengths)
    edges = [0] + [span.core_stop for span in axis.spans]
    assert [span.core_start for span in axis.spans] == edges[:-1]
    assert edges[-1] == axis.length
    assert all(before < after for before, after in pairwise(edges))


@settings(deadline=None)
@given(lengths=LENGTHS, scale=st.integers(1, 4))
def test_weights_sum_to_exactly_one(lengths: tuple[int, int, int, int, int], scale: int) -> None:
    axis = make_axis(lengths)
    assert torch.equal(sum_of_weights(axis, scale), torch.ones(axis.length * scale))


def test_weights_of_both_axes_together_sum_to_exactly_one() -> None:
    plan = plan_tiles(157, 211, tile=64, overlap=16, multiple=4)
    total = torch.zeros(2 * 157, 2 * 211)
    for row in range(len(plan.rows.spans)):
        for column in range(len(plan.columns.spans)):
            (top, bottom), (left, right) = shown_part(plan.rows, row), shown_part(plan.columns, column)
            weights = blend_weights(plan.rows, row, 2).view(-1, 1) * blend_weights(plan.columns, column, 2)
            total[2 * top : 2 * bottom, 2 * left : 2 * right] += weights
    assert torch.equal(total, torch.ones_like(total))


def test_weights_sum_to_one_for_every_small_length() -> None:
    for length in range(1, 200):
        axis = plan_axis(length, 32, 8, 4, 4)
        assert torch.equal(sum_of_weights(axis, 1), torch.ones(length)), length


@settings(deadline=None)
@given(lengths=LENGTHS)
def test_every_span_holds_what_it_shows(lengths: tuple[int, int, int, int, int]) -> None:
    axis = make_axis(lengths)
    for index, span in enumerate(axis.spans):
        start, stop = shown_part(axis, index)
        assert span.start <= start < stop <= span.stop


@settings(deadline=None)
@given(
    length=st.integers(1, 2000), tile=st.integers(8, 300), overlap=st.integers(0, 64), multiple=st.sampled_from([1, 4])
)
def test_spans_read_the_overlap_and_keep_the_rules(length: int, tile: int, overlap: int, multiple: int) -> None:
    axis = plan_tiles(length, 1, tile=tile, overlap=overlap, multiple=multiple).rows
    granted = min(overlap, tile // multiple * multiple // 4)
    assert len({span.stop - span.start for span in axis.spans}) == 1
    assert axis.tile <= max(tile, 2 * multiple)
    for index, span in enumerate(axis.spans):
        assert span.start % multiple == 0 == span.stop % multiple
        assert index == 0 or span.core_start - span.start >= granted
        assert index + 1 == len(axis.spans) or span.stop - span.core_stop >= granted
    assert 0 <= axis.spans[-1].stop - length < multiple


def test_weights_rise_smoothly() -> None:
    axis = plan_axis(1000, 256, 32, 4, 4)
    assert axis.blend == 16
    steps = blend_weights(axis, 1, 4).diff().abs()
    assert 0 < steps.max() < 0.02


def test_a_picture_below_the_tile_is_one_tile() -> None:
    plan = plan_tiles(1, 1, tile=64, overlap=16, multiple=4)
    assert (plan.count, plan.pixels) == (1, 16)


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 20_000), width=st.integers(1, 20_000))
def test_overlap_costs_less_than_half_of_the_work_at_a_usual_tile(height: int, width: int) -> None:
    plan = plan_tiles(height, width, tile=256, overlap=16, multiple=4)
    assert plan.pixels <= 1.5 * (height + 3) * (width + 3)


@pytest.mark.parametrize("wrong", [{"tile": 0}, {"overlap": -1}, {"multiple": 0}])
def test_impossible_lengths_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="a tile plan needs"):
        plan_tiles(10, 10, **({"tile": 8, "overlap": 2, "multiple": 1} | wrong))
