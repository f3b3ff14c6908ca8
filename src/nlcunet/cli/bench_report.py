"""``nlcunet bench report``: records of runs as one page of HTML."""

from pathlib import Path
from typing import Annotated

import typer

from nlcunet.cli.options import RecordsFiles


def report(
    records: RecordsFiles,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Write the page to this .html file.")] = Path(
        "report.html"
    ),
    title: Annotated[str, typer.Option(help="Heading of the page; by default the names of the sets.")] = "",
    baseline: Annotated[
        str | None, typer.Option(help="Compare the others with this system; by default bicubic.")
    ] = None,
    places: Annotated[int, typer.Option(min=0, help="Number of crops per set, from where systems differ most.")] = 4,
    crop: Annotated[int, typer.Option(min=16, max=512, help="Side of a crop, in pixels of the original.")] = 64,
    max_mb: Annotated[
        float, typer.Option(min=0, help="Largest size of the page in MB; further pictures are left out.")
    ] = 8.0,
) -> None:
    """Write a comparison as one HTML page: tables, plots, crops where systems differ, failures, checksums.

    The page needs no network and no other file. Crops need the pictures: run nlcunet bench run with --keep-outputs. The
    same records give the same page. Exit codes: 0 done, 1 some kept pictures could not be shown, 2 could not start.
    """
    from nlcunet.cli.terminal import open_bars, open_screen
    from nlcunet.errors import ConfigError
    from nlcunet.evaluation.report.inputs import Options, read_inputs
    from nlcunet.evaluation.report.page import make_page
    from nlcunet.files.atomic import write_file_atomically
    from nlcunet.runtime import thread_limit

    if output.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(f"a report must be an .html file: got {output.name}; choose another name")
    options = Options(title=title, baseline=baseline, places=places, crop_px=crop, max_bytes=round(max_mb * 1_000_000))
    inputs = read_inputs(records)
    screen = open_screen()
    with thread_limit(None), open_bars(screen) as bars:
        bar = bars.add_task("look at pictures")
        page = make_page(inputs, options, on_progress=lambda done, total: bars.update(bar, completed=done, total=total))
    data = page.markup.encode()
    write_file_atomically(output, data)
    screen.print(f"report: {output}, {len(data) / 1e6:.1f} MB, {page.shown} places shown")
    if page.left_out:
        screen.print(f"{page.left_out} places left out to stay below {max_mb:g} MB: see --max-mb")
    for reason in page.broken:
        screen.print(f"not shown: {reason}")
    if page.broken:
        raise typer.Exit(1)
