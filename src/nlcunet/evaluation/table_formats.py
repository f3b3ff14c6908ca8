"""Tables in formats: for the terminal, Markdown, CSV and LaTeX."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

from rich.markup import escape
from rich.table import Table

from nlcunet.evaluation.table import Group, compare_all, summarise
from nlcunet.evaluation.table_blocks import TableBlock, read_published

LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "×": r"$\times$",
    "–": "--",
    "−": "$-$",
    "∞": r"$\infty$",
    "ⁿ": "$^n$",
    "<": "$<$",
    ">": "$>$",
}
"""What stands for a sign in LaTeX."""

CSV_HEADS = (
    "status",
    "set",
    "protocol",
    "version",
    "scale",
    "system",
    "measure",
    "mean",
    "interval_low",
    "interval_high",
    "images",
    "pairs",
    "baseline",
    "difference",
    "p_value",
    "p_holm",
    "parameters",
    "gflop",
    "seconds",
    "peak_mib",
    "cost_size_px",
    "machine",
    "source",
)


def screen_table(block: TableBlock) -> Table:
    """A table for a terminal, without its title and notes."""
    table = Table(show_edge=False)
    for number, head in enumerate(block.heads):
        table.add_column(escape(head), justify="right" if number else "left", overflow="fold")
    for row in block.rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def markdown(lines: Iterable[str], blocks: Iterable[TableBlock]) -> str:
    """Caption and tables in Markdown."""
    parts = ["  \n".join(lines)]
    for block in blocks:
        rule = markdown_row(("---", *("---:" for _ in block.heads[1:])))
        rows = "\n".join((markdown_row(block.heads), rule, *map(markdown_row, block.rows)))
        parts += [f"**{block.title}**", rows, *(["  \n".join(block.notes)] if block.notes else [])]
    return "\n\n".join(parts) + "\n"


def markdown_row(cells: Iterable[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def latex(lines: Iterable[str], blocks: Iterable[TableBlock]) -> str:
    """Tables in LaTeX, with rules of the package booktabs; the caption as comments above."""
    parts = ["\n".join(f"% {line}" for line in lines)]
    for block in blocks:
        rows = [latex_row(row) for row in block.rows]
        notes = [f"% {line}" for line in block.notes]
        parts.append(
            "\n".join(
                [
                    f"% {block.title}",
                    rf"\begin{{tabular}}{{l{'r' * (len(block.heads) - 1)}}}",
                    r"\toprule",
                    latex_row(block.heads),
                    r"\midrule",
                    *rows,
                    r"\bottomrule",
                    r"\end{tabular}",
                    *notes,
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def latex_row(cells: Iterable[str]) -> str:
    """One line of a LaTeX table."""
    return " & ".join("".join(LATEX.get(sign, sign) for sign in cell) for cell in cells) + r" \\"


def csv_text(groups: Sequence[Group], measures: Sequence[str], baseline: str, *, with_published: bool = False) -> str:
    """Everything in one long table, one row for each set, system and measure, all digits."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV_HEADS, lineterminator="\n")
    writer.writeheader()
    for group in groups:
        for measure in measures:
            differences = compare_all(group, measure, baseline)
            for one in group.sets:
                for system in group.systems:
                    found = summarise(group.find(one.key, system.name), measure)
                    if found is None:
                        continue
                    difference = differences.get((one.key, system.name))
                    values = {
                        "status": "measured",
                        "set": one.name,
                        "protocol": one.protocol,
                        "version": one.version,
                        "scale": one.scale,
                        "system": system.name,
                        "measure": measure,
                        "mean": found.mean,
                        "interval_low": found.interval and found.interval.low,
                        "interval_high": found.interval and found.interval.high,
                        "images": found.images,
                        "pairs": found.pairs,
                        "baseline": difference and baseline,
                        "difference": difference and difference.mean,
                        "p_value": difference and difference.p_value,
                        "p_holm": difference and difference.p_holm,
                        "parameters": system.parameters,
                        "gflop": system.gflop,
                        "seconds": system.seconds,
                        "peak_mib": system.peak_mib,
                        "cost_size_px": system.cost_size_px,
                        "machine": system.machine,
                        "source": system.source,
                    }
                    writer.writerow({name: csv_cell(value) for name, value in values.items()})
        if with_published:
            writer.writerows(published_rows(group, measures))
    return buffer.getvalue()


def published_rows(group: Group, measures: Sequence[str]) -> list[dict[str, object]]:
    """What others have published for the sets of a group, as rows of the long table."""
    known = {(one.protocol, one.scale, one.name) for one in group.sets}
    return [
        {
            "status": "published",
            "set": one.set,
            "protocol": one.protocol,
            "scale": one.scale,
            "system": one.method,
            "measure": measure,
            "mean": one.measures[measure],
            "parameters": csv_cell(one.parameters),
            "source": one.source,
        }
        for one in read_published()
        for measure in measures
        if (one.protocol, one.scale, one.set) in known and measure in one.measures
    ]


def csv_cell(value: object) -> object:
    """A value as it stands in CSV: empty where there is none, ``inf`` for infinity."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value
