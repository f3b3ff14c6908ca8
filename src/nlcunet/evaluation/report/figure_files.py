"""Plots of the page as SVG files of their own: with their colours, in light and dark, and a legend."""

import re
from collections.abc import Mapping, Sequence

from nlcunet.evaluation.report.axes import LEFT, WIDTH
from nlcunet.evaluation.report.looks import Look
from nlcunet.evaluation.report.markup import escape
from nlcunet.evaluation.report.page import read_asset

PLOT = re.compile(r'<svg viewBox="0 0 [\d.]+ (?P<height>[\d.]+)" (?P<words>[^>]*)>(?P<inside>.*)</svg>', re.DOTALL)
END_OF_PLOTS = "/* the page */"
"""In the style sheet: what stands before it is all that plots need."""
LINE_PX, ENTRIES_PER_LINE = 16.0, 2


def make_figure_file(plot: str, looks: Mapping[str, Look], systems: Sequence[str] = ()) -> str:
    """A plot as a file.

    Args:
        plot: A figure as `plot_curves` and `plot_costs` make it.
        looks: How each system looks.
        systems: What the legend below the plot names; none where names stand in the plot.
    """
    found = PLOT.search(plot)
    if found is None:
        return ""
    top = float(found["height"])
    height = top + LINE_PX * -(-len(systems) // ENTRIES_PER_LINE)
    entries = []
    for number, name in enumerate(systems):
        line, column = divmod(number, ENTRIES_PER_LINE)
        x, y = LEFT + column * (WIDTH - LEFT) / ENTRIES_PER_LINE, top + LINE_PX * (line + 0.5)
        entries.append(
            f'<g class="{looks[name].css_class}">{looks[name].marker(x, y)}'
            f'<text x="{x + 9:.1f}" y="{y + 4:.1f}">{escape(name)}</text></g>'
        )
    inside = found["inside"] + "".join(entries)
    style = read_asset("report.css").partition(END_OF_PLOTS)[0]
    head = f'viewBox="0 0 {WIDTH:g} {height:g}" width="{2 * WIDTH:g}" {found["words"]}'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {head}>\n<style>{style}</style>\n'
        '<rect width="100%" height="100%" fill="var(--page)"/>\n'
        f'<g class="plot" style="font-size:11.5px">{inside}</g>\n</svg>\n'
    )
