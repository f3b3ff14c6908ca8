"""Which size the result has, and by which steps it is reached.

A network enlarges by one whole number. Any other size is reached by one antialiased bicubic resampling behind it,
exact to the pixel. Beyond ``STRETCH_LIMIT`` times the network's scale a bicubic enlargement would show, so the network
is applied twice (or more often): first towards a picture of 1/scale of the goal, then from there to the goal.
So ×8 with a ×4 network is ×4, bicubic down to ×2, and ×4 again: the last step always ends at the goal with the
network's own detail, the second pass sees a crisp picture, and it costs a quarter of enlarging all of the first result.
"""

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from numbers import Real
from typing import Literal, get_args

from nlcunet.errors import ConfigError

STRETCH_LIMIT = 1.5
"""How far bicubic may enlarge behind the network: ×6 with a ×4 network is one pass. A second pass would cost up to
three times as much for detail that a stretch of half hardly softens."""

MAX_SIDE_PX = 1_000_000
"""Longest side of a result; no file format and no memory takes more."""


Wrap = Literal["none", "horizontal", "vertical", "both"]
"""Which opposite edges of a picture continue each other: left and right (360° panoramas), top and bottom, or both
(textures that repeat)."""

WRAPS: tuple[Wrap, ...] = get_args(Wrap)


@dataclass(frozen=True, kw_only=True)
class SizeRequest:
    """What was asked for: a scale, or a width and/or height, or a long edge; nothing means the network's own scale.

    Attributes:
        scale: any positive number.
        width: columns of the result, in pixels; alone, the height follows the picture's shape.
        height: rows of the result, in pixels; with ``width`` too, the picture is stretched to both.
        long_edge: the longer side of the result, in pixels.
        wrap: which opposite edges continue each other, so that no seam appears where they meet.

    Raises:
        ConfigError: a value is not possible, or two of them contradict each other.
    """

    scale: float | int | None = None
    width: int | None = None
    height: int | None = None
    long_edge: int | None = None
    wrap: str = "none"

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.scale is not None and not (_is_number(self.scale) and math.isfinite(self.scale) and self.scale > 0):
            raise ConfigError(f"scale must be a number above 0: got {self.scale!r}")
        for name in ("width", "height", "long_edge"):
            side = getattr(self, name)
            if side is not None and not (_is_number(side) and side == int(side) and 1 <= side <= MAX_SIDE_PX):
                raise ConfigError(f"{name} must be a whole number of pixels in 1 … {MAX_SIDE_PX}: got {side!r}")
        if self.wrap not in WRAPS:
            raise ConfigError(f"wrap must be one of {', '.join(WRAPS)}: got {self.wrap!r}")
        ways = [self.scale is not None, self.width is not None or self.height is not None, self.long_edge is not None]
        if sum(ways) > 1:
            raise ConfigError(
                "the size must be given in one way: scale, width and/or height, or long_edge; drop the rest"
            )

    @property
    def is_default(self) -> bool:
        """Whether no size was asked for."""
        return self.scale is None and self.width is None and self.height is None and self.long_edge is None

    def resolve(self, height: int, width: int, default_scale: int) -> tuple[int, int]:
        """Height and width of the result for a picture of this size.

        Lengths are rounded to the nearest pixel, halves up, and are at least 1.

        Raises:
            ConfigError: a side would be longer than ``MAX_SIDE_PX``.
        """
        if self.width is not None and self.height is not None:
            return int(self.height), int(self.width)
        if self.scale is not None:
            numerator, denominator = Decimal(str(float(self.scale))), Decimal(1)
        elif self.width is not None:
            numerator, denominator = Decimal(int(self.width)), Decimal(width)
        elif self.height is not None:
            numerator, denominator = Decimal(int(self.height)), Decimal(height)
        elif self.long_edge is not None:
            numerator, denominator = Decimal(int(self.long_edge)), Decimal(max(height, width))
        else:
            numerator, denominator = Decimal(default_scale), Decimal(1)
        sides = [max(_round_half_up(side * numerator / denominator), 1) for side in (height, width)]
        if max(sides) > MAX_SIDE_PX:
            raise ConfigError(
                f"a side of the result must be at most {MAX_SIDE_PX} pixels: got {sides[1]}×{sides[0]} from "
                f"{width}×{height}; ask for less"
            )
        return sides[0], sides[1]


def parse_scale(text: str) -> float:
    """A scale as people write it: ``4``, ``2.5``, ``x4``, ``4x``.

    Raises:
        ConfigError: it is none.
    """
    word = text.strip().lower().replace("×", "x")
    word = word.removeprefix("x") if word.startswith("x") else word.removesuffix("x")
    try:
        return float(word)
    except ValueError as error:
        raise ConfigError(f"scale must be a number above 0, as 2.5, x4 or 4x: got {text!r}") from error


def is_reduction(size: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether a picture of this size (height, width) is only made smaller, which needs no network."""
    return max(goal / side for goal, side in zip(target, size, strict=True)) < 1


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)  # NumPy's numbers are Real, too


def _round_half_up(length: Decimal) -> int:
    return int(length.to_integral_value(ROUND_HALF_UP))


@dataclass(frozen=True)
class Pass:
    """One application of the network, followed by a resampling to the size wanted (none if it is there already)."""

    height: int
    width: int
    target_height: int
    target_width: int
    enlarges: bool = True
    """Whether the network enlarges at all; without it, the picture is resampled only."""
    margin_rows: int = 0
    """How many rows of the opposite edge are laid above and below the picture, where those two continue each other;
    what becomes of them is cut off."""
    margin_columns: int = 0
    """Likewise beside it."""


def plan_passes(
    size: tuple[int, int], target: tuple[int, int], scale: int, *, shrink_to: float | None = None
) -> tuple[Pass, ...]:
    """The passes that lead from ``size`` to ``target`` (height, width) with a network of this scale; at least one.

    A picture that is only made smaller is resampled, without the network.

    Args:
        size: of the picture.
        target: of the result.
        scale: of the network.
        shrink_to: share of both sides that the picture is resampled to before all else.
    """
    if is_reduction(size, target):
        return (Pass(*size, *target, enlarges=False),)
    if shrink_to is not None:
        height, width = (max(1, round(side * shrink_to)) for side in size)
        return (Pass(*size, height, width, enlarges=False), *plan_passes((height, width), target, scale))
    enlargement = max(goal / side for goal, side in zip(target, size, strict=True))
    if scale == 1 or enlargement <= scale * STRETCH_LIMIT:
        return (Pass(*size, *target),)
    middle_height, middle_width = (max(-(-goal // scale), side) for goal, side in zip(target, size, strict=True))
    middle = (middle_height, middle_width)
    return (*plan_passes(size, middle, scale), Pass(*middle, *target))
