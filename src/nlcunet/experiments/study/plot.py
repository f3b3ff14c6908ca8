"""An analysis as one picture: scores with their intervals, and how often each system was chosen over each other one."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from nlcunet.errors import ConfigError, install_extra
from nlcunet.experiments.study.analysis import Analysis
from nlcunet.files.atomic import write_file_atomically

FORMATS = (".png", ".svg", ".pdf")
INK, GROUND = "#1f1f1f", "#ffffff"
CHARACTERS_BELOW_TABLE = 40
"""About as many fit side by side; longer names are turned."""


def write_plot(analysis: Analysis, target: Path) -> None:
    """Draw an analysis; the ending of the target chooses the format.

    Raises:
        ConfigError: the ending is none of PNG, SVG and PDF, or matplotlib is not installed.
        ImageWriteError: the file cannot be written.
    """
    if target.suffix.lower() not in FORMATS:
        raise ConfigError(f"a plot must end in {', '.join(FORMATS)}: got {target.name}; choose one")
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise ConfigError(f"plots need matplotlib: install it with {install_extra('report')}") from error
    num_systems, layout = len(analysis.scores), ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    figure = Figure(figsize=(10, 1.9 + 0.5 * num_systems), dpi=150, facecolor=GROUND, layout=layout)
    scores, table = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_scores(scores, analysis)
    _draw_table(table, analysis)
    answered = " A model observer answered, not people." if analysis.observer else ""
    figure.suptitle(_literal(f"{analysis.study.title}\n“{analysis.study.question}”{answered}"), fontsize=11)
    data = io.BytesIO()
    figure.savefig(data, format=target.suffix.lower().removeprefix("."))
    write_file_atomically(target, data.getvalue())


def _draw_scores(axes: Any, analysis: Analysis) -> None:
    """A dot and an interval for each system, the strongest on top."""
    scores = analysis.scores
    rows = np.arange(len(scores))
    values = np.array([score.score for score in scores])
    ends = [(row, score.lower, score.upper) for row, score in enumerate(scores) if score.lower is not None]
    axes.axvline(0, color="#bbbbbb", linewidth=1, zorder=0)
    for row, lower, upper in ends:
        axes.hlines(row, lower, upper, color=INK, linewidth=2)
    axes.plot(values, rows, "o", color=INK, markersize=7)
    axes.set_yticks(rows, [_literal(score.system) for score in scores])
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlabel("score (log odds), higher is preferred")
    axes.set_title(f"95 % intervals over {analysis.num_units} {analysis.unit}", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _draw_table(axes: Any, analysis: Analysis) -> None:
    """Per cent of choices of the row's system over the column's, with their number."""
    names = [score.system for score in analysis.scores]
    shares = np.full((len(names), len(names)), np.nan)
    for pair in analysis.pairs:
        row, column = names.index(pair.first), names.index(pair.second)
        count = pair.first_wins + pair.second_wins
        if count:
            shares[row, column], shares[column, row] = pair.first_wins / count, pair.second_wins / count
        for place, wins in (((row, column), pair.first_wins), ((column, row), pair.second_wins)):
            text = f"{100 * wins / count:.0f} %\n{wins} of {count}" if count else "–"
            is_dark = count and abs(wins / count - 0.5) > 0.35
            axes.text(
                place[1], place[0], text, ha="center", va="center", fontsize=7.5, color=GROUND if is_dark else INK
            )
    axes.imshow(shares, cmap="PuOr", vmin=0, vmax=1, aspect="auto")
    labels = [_literal(name) for name in names]
    is_tight = len(names) * max(map(len, names)) > CHARACTERS_BELOW_TABLE
    axes.set_xticks(
        range(len(names)), labels, fontsize=8, rotation=30 if is_tight else 0, ha="right" if is_tight else "center"
    )
    axes.set_yticks(range(len(names)), labels, fontsize=8)
    axes.set_title("row chosen over column", fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _literal(text: str) -> str:
    """Text that is not taken for a formula."""
    return text.replace("$", r"\$")
