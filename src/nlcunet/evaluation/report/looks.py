"""How each system looks, the same in every table and plot: a colour, a shape, and grey for the baseline.

The colours differ in lightness as well as in hue, so that they can be told apart in all common kinds of colour
blindness (``docs/report.md`` has the distances) and in print; the shapes tell them apart where there is no colour.
They are defined once, for light and for dark, in ``assets/report.css``.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from nlcunet.evaluation.report.markup import name_of

NUM_COLOURS = 6

_SHAPES = (
    "M-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0 -8.4 0z",  # disc
    "M-3.8-3.8h7.6v7.6h-7.6z",  # square
    "M0-5L4.7 3.4h-9.4z",  # triangle
    "M0-5.2L5.2 0L0 5.2L-5.2 0z",  # diamond
    "M0 5L4.7-3.4h-9.4z",  # triangle upside down
    "M-1.6-4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",  # cross
    "M0-5.2L5 -1.4L3.1 4.3h-6.2L-5-1.4z",  # pentagon
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colour and shape of a system."""

    css_class: str
    """Sets the colour ``--c`` for what is inside."""
    path: str
    """Its shape around (0, 0), as SVG path data."""

    def marker(self, x: float, y: float, size: float = 1.0) -> str:
        """The shape at a place of a plot."""
        return f'<path class="mark" d="{self.path}" transform="translate({x:.1f} {y:.1f}) scale({size:g})"/>'

    def swatch(self) -> str:
        """The shape by itself, to stand in a line of text."""
        return (
            f'<svg class="swatch {self.css_class}" viewBox="-6 -6 12 12" width="12" height="12" aria-hidden="true">'
            f'<path class="mark" d="{self.path}"/></svg>'
        )


def choose_looks(systems: Sequence[str], baselines: Set[str]) -> dict[str, Look]:
    """A look for each system, by their order; with more systems than colours, shapes go on telling them apart."""
    others = [name for name in systems if name not in baselines]
    looks = {name: Look(css_class="cb", path=_SHAPES[0]) for name in systems if name in baselines}
    for number, name in enumerate(others):
        looks[name] = Look(css_class=f"c{number % NUM_COLOURS}", path=_SHAPES[(number + 1) % len(_SHAPES)])
    return looks


def make_legend(looks: Mapping[str, Look], systems: Sequence[str]) -> str:
    """Which look is whose."""
    items = "".join(f"<li>{looks[name].swatch()} {name_of(name)}</li>" for name in systems)
    return f'<ul class="legend" aria-label="Systems">{items}</ul>'
