"""Colour under transparent places, continued from nearby, for pictures that are read window by window."""

from dataclasses import dataclass

from nlcunet.imaging.alpha import bleed_colour_under_alpha
from nlcunet.imaging.picture import Picture
from nlcunet.imaging.pixel_sources import WrappedSource

REACH_PX = 64
"""How far beyond a window visible colours are looked for, and the grid that windows are widened to: averages of 2×2,
4×4, … 64×64 pixels then cover the same pixels in every window, and neighbours agree."""


@dataclass(frozen=True)
class BleedingSource(WrappedSource):
    """A source with alpha whose colour continues under transparent places.

    A whole picture takes colours from however far away; this one from at least 64 pixels around. Further inside
    transparent places the colour is another one then: where alpha is zero and nothing of it shows.
    """

    def read(self, rows: slice, columns: slice) -> Picture:
        """The window of these rows and columns."""
        wide_rows, wide_columns = _widened(rows, self.height), _widened(columns, self.width)
        wide = self.source.read(wide_rows, wide_columns)
        if wide.alpha is None:
            raise ValueError("only a source with alpha can be bled under")
        place = (
            slice(rows.start - wide_rows.start, rows.stop - wide_rows.start),
            slice(columns.start - wide_columns.start, columns.stop - wide_columns.start),
        )
        return Picture(pixels=bleed_colour_under_alpha(wide.pixels, wide.alpha)[place], alpha=wide.alpha[place])


def _widened(window: slice, length: int) -> slice:
    start = max(window.start // REACH_PX - 1, 0) * REACH_PX
    stop = min((-(-window.stop // REACH_PX) + 1) * REACH_PX, length)
    return slice(start, stop)
