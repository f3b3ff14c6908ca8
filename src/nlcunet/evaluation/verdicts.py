"""What an interval allows to say of a difference: better, worse, or not shown. Every page uses these words."""

from typing import Literal

from nlcunet.evaluation.statistics import Interval


def verdict(
    gain: float, interval: Interval | None, *, better: Literal["higher", "lower"], unit: str, digits: int, lacking: str
) -> str:
    """A verdict in Markdown.

    Args:
        gain: The difference.
        interval: Where it may lie; none if that is not known.
        better: Which way is better.
        unit: What stands behind a number, with its space; may be empty.
        digits: Decimals.
        lacking: What is missing where there is no interval, as ``one seed``.
    """
    if interval is None:
        return f"not shown ({signed(gain, digits)}{unit}, {lacking})"
    low, high = interval.low, interval.high
    if low <= 0 <= high:
        return f"not shown ({signed(low, digits)} to {signed(high, digits)}{unit})"
    word = "better" if (low > 0) == (better == "higher") else "worse"
    ends = sorted((abs(low), abs(high)))
    return f"**{word}** by {ends[0]:.{digits}f} to {ends[1]:.{digits}f}{unit}"


def signed(value: float, digits: int) -> str:
    """A difference with its sign; no sign for what is rounded to zero."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")
