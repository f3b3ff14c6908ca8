"""``nlcunet data doctor``: what is wrong with a folder of training pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from nlcunet.data.checking.examination import Examination

RESULT = "What to do with the result"
LIMITS = "Limits"


def doctor(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures or shards; subfolders are searched.")],
    *,
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option("--benchmarks", help="Folder with benchmark pictures to look for; may be repeated."),
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="CSV with the column file; check only these files.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.", rich_help_panel=RESULT)] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write a report as well: .html with thumbnails, or .md.", rich_help_panel=RESULT)
    ] = None,
    move_bad_to: Annotated[
        Path | None, typer.Option(help="Move files with findings to this folder.", rich_help_panel=RESULT)
    ] = None,
    write_manifest: Annotated[
        Path | None, typer.Option(help="Write a CSV of the files without findings.", rich_help_panel=RESULT)
    ] = None,
    patch: Annotated[
        int,
        typer.Option(
            min=1, help="Side of the training patch; pictures need at least patch × scale.", rich_help_panel=LIMITS
        ),
    ] = 64,
    scale: Annotated[
        int, typer.Option("-s", "--scale", min=1, help="Scale to train for; see --patch.", rich_help_panel=LIMITS)
    ] = 4,
    max_noise: Annotated[float, typer.Option(help="Most noise, in steps of 255.", rich_help_panel=LIMITS)] = 4.0,
    max_blockiness: Annotated[
        float, typer.Option(help="Strongest JPEG blocks; 1 means none.", rich_help_panel=LIMITS)
    ] = 1.05,
    min_sharpness: Annotated[
        float, typer.Option(help="Least sharpness in dB; 0 is crisp.", rich_help_panel=LIMITS)
    ] = -9.0,
    flat_db: Annotated[
        float, typer.Option(help="Flattest picture in dB; higher is flatter.", rich_help_panel=LIMITS)
    ] = 42.0,
    similarity: Annotated[
        float, typer.Option(help="How alike duplicates must be, up to 1.", rich_help_panel=LIMITS)
    ] = 0.65,
    threads: Annotated[int, typer.Option(min=1, help="Number of decoders.")] = 2,
) -> None:
    """Find pictures that a network should not be trained on.

    Finds unreadable, small, flat, blurry, noisy and blocky pictures, duplicates, and pictures from benchmarks, even if
    they were resized, compressed, mirrored or turned. Exit codes: 0 nothing found, 1 something found, 2 could not
    start.
    """
    from rich.console import Console

    from nlcunet.cli.terminal import open_bars, open_screen
    from nlcunet.data.checking.examination import Limits, examine
    from nlcunet.data.checking.remedies import check_target, move_bad_files, write_good_manifest
    from nlcunet.data.checking.report import make_html, make_json, make_markdown, make_sentence
    from nlcunet.errors import ConfigError
    from nlcunet.files.atomic import write_file_atomically
    from nlcunet.runtime import thread_limit

    if report is not None and report.suffix.lower() not in {".html", ".md"}:
        raise ConfigError(f"a report must end in .html or .md: got {report.name}")
    if move_bad_to is not None:
        check_target(folder, move_bad_to)
    limits = Limits(
        min_px=patch * scale,
        flat_db=flat_db,
        sharpness_db=min_sharpness,
        noise_std_8bit=max_noise,
        blockiness=max_blockiness,
        similarity=similarity,
    )
    screen = open_screen()
    with thread_limit(1), open_bars(screen) as bars:
        bar = bars.add_task("examine")
        found = examine(
            folder,
            manifest=manifest,
            benchmarks=benchmarks or (),
            limits=limits,
            threads=threads,
            on_picture=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    if as_json:
        typer.echo(make_json(found), nl=False)
    else:
        typer.echo(make_sentence(found))
        if found.findings:
            Console(highlight=False).print(make_table(found))
    if report is not None:
        text = make_html(found) if report.suffix.lower() == ".html" else make_markdown(found)
        write_file_atomically(report, text.encode())
        screen.print(f"report: {report}")
    if write_manifest is not None:
        screen.print(f"{write_good_manifest(found, write_manifest, manifest)} files without findings: {write_manifest}")
    if move_bad_to is not None:
        screen.print(f"{len(move_bad_files(found, move_bad_to))} files moved to {move_bad_to}")
    if found.findings:
        raise typer.Exit(1)


def make_table(found: "Examination") -> "Table":
    """All findings for a terminal, with what to do about each kind."""
    from rich.table import Table
    from rich.text import Text

    from nlcunet.data.checking.examination import KINDS
    from nlcunet.data.checking.report import count_findings

    table = Table(show_edge=False)
    for head in ("finding", "file", "what was found"):
        table.add_column(head, overflow="fold")
    for kind, count in count_findings(found).items():
        meaning, advice = KINDS[kind]
        table.add_row(Text(kind, "bold"), Text(f"{count} files", "bold"), Text(f"{meaning}. {advice}", "bold"))
        shown = [finding for finding in found.findings if finding.kind == kind]
        for finding in shown:
            table.add_row("", Text(finding.file), Text(finding.detail), end_section=finding is shown[-1])
    return table
