"""Axes of the plots: ticks at round numbers, places in pixels, frames.

Plots are drawn as SVG by these few functions: text stays text, colours are those of the page in light and dark and on
paper, marks have names to point at, and the same records give the same bytes whatever is installed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nlcunet.evaluation.report.markup import escape

WIDTH = 360.0
"""Of every plot, in the unit of its text; as wide as a phone, so that text keeps its size there."""
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 8.0, 38.0


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From values to places."""

    low: float
    high: float
    start: float
    """Place of ``low``."""
    stop: float
    """Place of ``high``."""
    is_log: bool = False
    """Whether equal factors, not equal steps, have equal lengths."""

    def place(self, value: float) -> float:
        """Where a value lies."""
        low, high, at = (math.log10(v) if self.is_log else v for v in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """About five round values."""
        return log_ticks(self.low, self.high) if self.is_log else linear_ticks(self.low, self.high)


def linear_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, about as many as asked for."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten; with fewer than two of them in sight also their doubles and fives, or plain round numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [m * 10.0**p for p in powers for m in factors if low <= m * 10.0**p <= high]
        if len(found) > 2:
            step = math.ceil(len(found) / 6)
            return found[::step]
    return linear_ticks(low, high)


def make_axis(
    values: Sequence[float], start: float, stop: float, *, is_log: bool = False, least: float = 0.0, pad: float = 0.06
) -> Axis:
    """An axis at least ``least`` wide on which all values have room; ``pad`` is that at both ends, as a share."""
    low, high = min(values), max(values)
    if is_log:
        room = max(math.log10(high / low) * pad * 2, 0.15)  # and more at the end, for names beside marks
        return Axis(low=low / 10**room, high=high * 10 ** (2 * room), start=start, stop=stop, is_log=True)
    middle, width = (low + high) / 2, max(high - low, least, 1e-9 * max(1.0, abs(high)))
    half = width * (0.5 + pad)
    return Axis(low=middle - half, high=middle + half, start=start, stop=stop)


def tick_words(value: float, ticks: Sequence[float], *, is_log: bool = False) -> str:
    """A tick's value, all with as many decimals as the finest needs; on logarithmic axes each with its own."""
    if is_log:
        return f"{value:g}"
    steps = [abs(b - a) for a, b in pairwise(ticks)] or [abs(value) or 1.0]
    decimals = max(0, -math.floor(math.log10(min(steps)) + 1e-9))
    return f"{value:,.{decimals}f}".replace("-", "−")


def draw_x_axis(axis: Axis, title: str, height: float) -> str:
    """Ticks, numbers and title below a plot."""
    base, ticks, parts = height - BOTTOM, axis.ticks(), []
    for value in ticks:
        x, words = axis.place(value), tick_words(value, ticks, is_log=axis.is_log)
        parts.append(
            f'<path class="grid" d="M{x:.1f} {TOP:g}V{base:.1f}"/>'
            f'<text x="{x:.1f}" y="{base + 14:.1f}" text-anchor="middle">{words}</text>'
        )
    at = f'x="{(axis.start + axis.stop) / 2:.1f}" y="{height - 6:.1f}"'
    parts.append(f'<text class="title" {at} text-anchor="middle">{escape(title)}</text>')
    return "".join(parts)


def draw_y_axis(axis: Axis, title: str) -> str:
    """Ticks, numbers and title at the left of a plot."""
    ticks, parts = axis.ticks(), []
    for value in ticks:
        y, words = axis.place(value), tick_words(value, ticks, is_log=axis.is_log)
        parts.append(
            f'<path class="grid" d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}"/>'
            f'<text x="{LEFT - 5:g}" y="{y + 4:.1f}" text-anchor="end">{words}</text>'
        )
    turned = f"translate(11 {(axis.start + axis.stop) / 2:.1f}) rotate(-90)"
    parts.append(f'<text class="title" transform="{turned}" text-anchor="middle">{escape(title)}</text>')
    return "".join(parts)


def wrap_plot(parts: Sequence[str], height: float, title: str, description: str) -> str:
    """A plot as a figure of the page. What it shows is told in words to those who cannot see it."""
    label = escape(f"{title}. {description}")
    return (
        f'<figure class="plot"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{label}">{"".join(parts)}</svg></figure>'
    )
