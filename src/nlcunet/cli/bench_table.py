"""``nlcunet bench table``: tables from records of benchmark runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlcunet.cli.options import RecordsFiles, read_names

if TYPE_CHECKING:
    from rich.console import Console

    from nlcunet.evaluation.records import Records
    from nlcunet.evaluation.table import Group
    from nlcunet.evaluation.table_blocks import TableBlock

FORMATS = ("screen", "markdown", "csv", "latex")
GROUPINGS = ("image", "sigma", "degradation")


def table(
    records: RecordsFiles,
    *,
    table_format: Annotated[str, typer.Option("--format", help="screen, markdown, csv or latex.")] = "screen",
    measures: Annotated[str, typer.Option(help="Measures, separated by commas; by default PSNR and SSIM on Y.")] = "",
    baseline: Annotated[
        str | None, typer.Option(help="Compare the others with this system; by default the first one.")
    ] = None,
    by: Annotated[str, typer.Option(help="Show one row per image, sigma or degradation.")] = "",
    kinds: Annotated[
        Path | None, typer.Option(help="CSV with the columns file and kind; each kind gets a set of its own.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Show published numbers of others as well, in a separate table.")
    ] = False,
) -> None:
    """Print the protocol, means with 95 % intervals, paired tests against a baseline, and costs."""
    from nlcunet.evaluation.picture_kinds import read_kinds, split_by_kind
    from nlcunet.evaluation.records import read_records

    found = read_records(records)
    print_tables(
        found if kinds is None else split_by_kind(found, read_kinds(kinds)),
        table_format=table_format,
        measures=read_names(measures),
        baseline=baseline,
        by=by,
        with_published=published,
    )


def print_tables(
    records: "Records",
    *,
    table_format: str,
    measures: Sequence[str] = (),
    baseline: str | None = None,
    by: str = "",
    with_published: bool = False,
) -> None:
    """Tables to standard output.

    Raises:
        ConfigError: If a format, grouping, measure or baseline is not there.
        DataError: If there is no result.
    """
    from rich.console import Console

    from nlcunet.errors import ConfigError
    from nlcunet.evaluation import table_blocks, table_formats
    from nlcunet.evaluation.table import choose_baseline, choose_measures, make_groups

    if table_format not in FORMATS:
        raise ConfigError(f"the format must be one of {', '.join(FORMATS)}: got {table_format!r}")
    if by not in {"", *GROUPINGS}:
        raise ConfigError(f"rows can be by {', '.join(GROUPINGS)}: got {by!r}")
    groups = make_groups(records)
    chosen = choose_measures(records, measures)
    base = choose_baseline(records.systems, baseline)
    if table_format == "csv":
        if by:
            raise ConfigError("CSV has a row for each set, system and measure: leave --by out, or read the records")
        typer.echo(table_formats.csv_text(groups, chosen, base, with_published=with_published), nl=False)
        return
    console = Console(highlight=False, markup=False)
    for group in groups:
        blocks = blocks_of(group, chosen, base, by)
        if with_published and (beside := table_blocks.published_block(group, chosen)):
            blocks = (*blocks, beside)
        lines = table_blocks.caption(group) + (() if by else table_blocks.how_sure(group))
        if table_format == "screen":
            show(console, lines, blocks)
        else:
            write = table_formats.markdown if table_format == "markdown" else table_formats.latex
            typer.echo(write(lines, blocks))


def blocks_of(group: "Group", measures: Sequence[str], baseline: str, by: str) -> "tuple[TableBlock, ...]":
    """The tables of one protocol."""
    from nlcunet.evaluation import table_blocks
    from nlcunet.evaluation.table_conditions import condition_blocks

    match by:
        case "image":
            return table_blocks.image_blocks(group, measures)
        case "sigma":
            return table_blocks.sigma_blocks(group, measures)
        case "degradation" if any(one.condition for one in group.pairs):
            return condition_blocks(group, measures, baseline)
        case "degradation":
            return table_blocks.degradation_blocks(group, measures)
    cost = table_blocks.cost_block(group.systems)
    return (*table_blocks.mean_blocks(group, measures, baseline), *([cost] if cost else []))


def show(console: "Console", lines: Sequence[str], blocks: "Sequence[TableBlock]") -> None:
    """Caption and tables on a terminal."""
    from nlcunet.evaluation.table_formats import screen_table

    for line in lines:
        console.print(line)
    for block in blocks:
        console.print()
        console.print(block.title, style="bold")
        console.print(screen_table(block))
        for note in block.notes:
            console.print(note, style="dim")
    console.print()
