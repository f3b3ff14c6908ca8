"""The plots: cost against quality, curves over degradations, differences image by image."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nlcunet.evaluation.report.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    draw_x_axis,
    draw_y_axis,
    make_axis,
    wrap_plot,
)
from nlcunet.evaluation.report.looks import Look
from nlcunet.evaluation.report.markup import escape, number, plural, significant

HEIGHT = 270.0
_LETTER = 6.1
_LINE = 12.0
_DOT = 2.6
_SWARM_STEP = 4.6


@dataclass(frozen=True, kw_only=True)
class CostPoint:
    """One system in the plane of cost and quality."""

    name: str
    cost: float
    """Above 0."""
    quality: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One point of a curve."""

    x: float
    y: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class SwarmDot:
    """One image of a swarm."""

    image: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Swarm:
    """All images of one system."""

    name: str
    dots: tuple[SwarmDot, ...]
    mean: float
    interval: tuple[float, float] | None


def plot_costs(
    title: str, points: Sequence[CostPoint], looks: Mapping[str, Look], *, cost_title: str, quality_title: str
) -> str:
    """Systems by cost and quality, named beside their marks, the best of each cost joined by a line."""
    around = [value for one in points for value in (one.quality, *(one.interval or ()))]
    x_axis = make_axis([one.cost for one in points], LEFT, WIDTH - RIGHT, is_log=True)
    y_axis = make_axis(around, HEIGHT - BOTTOM, TOP, least=0.5, pad=0.1)
    at = {one.name: (x_axis.place(one.cost), y_axis.place(one.quality)) for one in points}
    parts = [draw_x_axis(x_axis, cost_title, HEIGHT), draw_y_axis(y_axis, quality_title)]
    front = find_front(points)
    if len(front) > 1:
        steps = " ".join(f"{at[one.name][0]:.1f},{at[one.name][1]:.1f}" for one in front)
        parts.append(f'<polyline class="front" points="{steps}"/>')
    bars = [
        (at[one.name][0], y_axis.place(one.interval[1]), y_axis.place(one.interval[0]))
        for one in points
        if one.interval is not None
    ]
    labels = place_labels([(one.name, *at[one.name]) for one in points], bars)
    for one, (x, y, anchor) in zip(points, labels, strict=True):
        words = f"{one.name}: {significant(one.cost)} {cost_title}, {number(one.quality, 2)} {quality_title}"
        parts.append(
            f'<g class="{looks[one.name].css_class}">{_bar(at[one.name][0], one.interval, y_axis)}'
            f'<g class="dot"><title>{escape(words)}</title>{looks[one.name].marker(*at[one.name], 1.15)}</g>'
            f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(one.name)}</text></g>'
        )
    told = "; ".join(f"{p.name} {significant(p.cost)}, {number(p.quality, 2)}" for p in points)
    return wrap_plot(parts, HEIGHT, title, f"{cost_title} and {quality_title}: {told}")


def find_front(points: Sequence[CostPoint]) -> list[CostPoint]:
    """Those that no other beats at the same or less cost, by cost."""
    front: list[CostPoint] = []
    for one in sorted(points, key=lambda p: (p.cost, -p.quality)):
        if not front or one.quality > front[-1].quality:
            front.append(one)
    return front


def place_labels(
    marks: Sequence[tuple[str, float, float]], bars: Sequence[tuple[float, float, float]] = ()
) -> list[tuple[float, float, str]]:
    """A place for each name beside its mark: right, left, above or below, where it covers nothing.

    Returns:
        Place and ``text-anchor`` of each name; the least bad one where all are taken.
    """
    taken = [(x - 5.0, y - 5.0, x + 5.0, y + 5.0) for _, x, y in marks]
    taken += [(x - 2.0, top, x + 2.0, bottom) for x, top, bottom in bars]
    frame = (LEFT, TOP - 4.0, WIDTH, HEIGHT - BOTTOM)
    places = []
    for name, x, y in marks:
        width = len(name) * _LETTER
        tries = [(x + 9, y + 4, "start", x + 8), (x - 9, y + 4, "end", x - 8 - width)]
        reach = [0.0]
        reach += [end - y for place, *ends in bars if place == x for end in ends]
        tries += [(x, y + off, "middle", x - width / 2) for off in (min(reach) - 10, max(reach) + 18)]
        for off in (-10, 18, -24, 32, -38, 46):
            tries += [(x + 9, y + off, "start", x + 8), (x - 9, y + off, "end", x - 8 - width)]
        boxes = [(left, at_y - 10.0, left + width, at_y + 2.0) for _, at_y, _, left in tries]
        costs = [sum(_overlap(box, other) for other in taken) + 3 * _outside(box, frame) for box in boxes]
        best = costs.index(min(costs))
        taken.append(boxes[best])
        places.append(tries[best][:3])
    return places


def plot_curves(
    title: str,
    curves: Mapping[str, Sequence[CurvePoint]],
    looks: Mapping[str, Look],
    *,
    x_title: str,
    y_title: str,
    show_zero: bool = False,
) -> str:
    """One line per system, with bands where intervals are known. Points that are not finite are left out."""
    shown = {name: [p for p in points if math.isfinite(p.y)] for name, points in curves.items()}
    everything = [p for points in shown.values() for p in points]
    if not everything:
        return ""
    values = [v for p in everything for v in (p.y, *(p.interval or ()))] + ([0.0] if show_zero else [])
    x_axis = make_axis([p.x for p in everything], LEFT, WIDTH - RIGHT, pad=0.04)
    y_axis = make_axis([v for v in values if math.isfinite(v)], HEIGHT - BOTTOM, TOP, least=0.2)
    parts = [draw_x_axis(x_axis, x_title, HEIGHT), draw_y_axis(y_axis, y_title)]
    if show_zero:
        parts.append(f'<path class="zero" d="M{LEFT:g} {y_axis.place(0.0):.1f}H{WIDTH - RIGHT:g}"/>')
    told_points = {
        name: [f"{name}, {p.x:.3g}: {number(p.y, 2, signed=show_zero)} {y_title}" for p in points]
        for name, points in shown.items()
    }
    for name, points in shown.items():
        at = [(x_axis.place(p.x), y_axis.place(p.y)) for p in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        marks = "".join(
            f'<g class="dot"><title>{escape(words)}</title>{looks[name].marker(*place, 0.8)}</g>'
            for words, place in zip(told_points[name], at, strict=True)
        )
        band = _band(points, x_axis, y_axis)
        parts.append(f'<g class="{looks[name].css_class}">{band}<polyline class="line" points="{line}"/>{marks}</g>')
    told = "; ".join(
        f"{name}: " + ", ".join(number(p.y, 2, signed=show_zero) for p in points) for name, points in shown.items()
    )
    return wrap_plot(parts, HEIGHT, title, f"{y_title} over {x_title}. {told}")


def plot_swarms(title: str, swarms: Sequence[Swarm], looks: Mapping[str, Look], *, x_title: str) -> str:
    """One dot per image, one row per system, zero marked: right of it a system is better than the baseline."""
    values = [dot.value for one in swarms for dot in one.dots if math.isfinite(dot.value)]
    bounds = [v for one in swarms for v in (one.interval or ()) if math.isfinite(v)]
    if not values:
        return ""
    x_axis = make_axis([*values, *bounds, 0.0], 12.0, WIDTH - 12.0, least=0.1)
    layouts = [lay_out_swarm([x_axis.place(d.value) for d in _finite(one)]) for one in swarms]
    parts, y = [], TOP
    for one, offsets in zip(swarms, layouts, strict=True):
        reach = max((abs(v) for v in offsets), default=0.0) + 8
        middle = y + _LINE + 6 + reach
        dots = "".join(
            f'<circle class="dot" cx="{x_axis.place(d.value):.1f}" cy="{middle + offset:.1f}" r="{_DOT:g}">'
            f"<title>{escape(f'{d.image}: {number(d.value, 2, signed=True)} dB')}</title></circle>"
            for d, offset in zip(_finite(one), offsets, strict=True)
        )
        parts.append(
            f'<g class="{looks[one.name].css_class}"><text class="label" x="12" y="{y + _LINE:.1f}">{escape(one.name)}'
            f"</text>{dots}{_mean_mark(one, x_axis, middle + reach)}</g>"
        )
        y = middle + reach + 10
    height = y + BOTTOM
    zero = f'<path class="zero" d="M{x_axis.place(0.0):.1f} {TOP:g}V{y:.1f}"/>'
    told = "; ".join(
        f"{one.name}: mean {number(one.mean, 2, signed=True)}, {sum(d.value > 0 for d in one.dots)} of "
        f"{plural(len(one.dots), 'image')} better"
        for one in swarms
    )
    return wrap_plot([draw_x_axis(x_axis, x_title, height), zero, *parts], height, title, told)


def lay_out_swarm(places: Sequence[float]) -> list[float]:
    """How far each dot is moved off the line so that no two cover each other; the same places give the same rows."""
    offsets = [0.0] * len(places)
    done: list[int] = []
    for index in sorted(range(len(places)), key=lambda i: (places[i], i)):
        near = [i for i in done if abs(places[i] - places[index]) < _SWARM_STEP]
        level = 0
        while any(math.hypot(places[i] - places[index], offsets[i] - _level(level)) < _SWARM_STEP * 0.98 for i in near):
            level += 1
        offsets[index] = _level(level)
        done.append(index)
    return offsets


def _level(number_of_try: int) -> float:
    """0, 1, -1, 2, -2 … half steps."""
    half = (number_of_try + 1) // 2
    return (half if number_of_try % 2 else -half) * _SWARM_STEP / 2


def _finite(swarm: Swarm) -> list[SwarmDot]:
    return [dot for dot in swarm.dots if math.isfinite(dot.value)]


def _mean_mark(swarm: Swarm, axis: Axis, y: float) -> str:
    """A tick at the mean and a line over its interval, below the dots."""
    if not math.isfinite(swarm.mean):
        return ""
    mark = f'<path class="mean" d="M{axis.place(swarm.mean):.1f} {y - 3:.1f}v8"/>'
    if swarm.interval is None or not all(map(math.isfinite, swarm.interval)):
        return mark
    low, high = (axis.place(v) for v in swarm.interval)
    return f'<path class="bar" d="M{low:.1f} {y + 1:.1f}H{high:.1f}"/>{mark}'


def _bar(x: float, interval: tuple[float, float] | None, axis: Axis) -> str:
    if interval is None:
        return ""
    low, high = (axis.place(v) for v in interval)
    return f'<path class="bar" d="M{x:.1f} {low:.1f}V{high:.1f}"/>'


def _band(points: Sequence[CurvePoint], x_axis: Axis, y_axis: Axis) -> str:
    known = [(p.x, p.interval) for p in points if p.interval is not None and all(map(math.isfinite, p.interval))]
    if len(known) < 2:
        return ""
    upper = [f"{x_axis.place(x):.1f},{y_axis.place(bounds[1]):.1f}" for x, bounds in known]
    lower = [f"{x_axis.place(x):.1f},{y_axis.place(bounds[0]):.1f}" for x, bounds in reversed(known)]
    return f'<polygon class="band" points="{" ".join(upper + lower)}"/>'


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def _outside(box: tuple[float, ...], frame: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1]) - _overlap(box, frame)
