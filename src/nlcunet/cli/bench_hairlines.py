"""``nlcunet bench hairlines``: what becomes of thin lines, model by model and width by width."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlcunet.cli.options import Device, MeasuredModels, Scale, Sigmas, Threads, read_sigmas

if TYPE_CHECKING:
    from collections.abc import Callable

    from nlcunet.evaluation.hairlines import HairlineFindings


def hairlines(
    *,
    model: MeasuredModels = None,
    scale: Scale = 4,
    sigmas: Sigmas = "",
    seed: Annotated[int, typer.Option(min=0, help="Draw different lines; published tables use 0.")] = 0,
    baseline: Annotated[str, typer.Option(metavar="NAME", help="Compare all others with this one.")] = "bicubic",
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write a page (.md or .html) or all scores (.json); may be repeated."
        ),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Measure thin lines: how much of their contrast models keep, how many false lines they draw, and what is shown.

    Bicubic and Lanczos enlargement are measured as well. Verdicts have the words of nlcunet experiment.
    """
    from nlcunet.cli.terminal import open_bars, open_screen
    from nlcunet.errors import ConfigError
    from nlcunet.evaluation.hairline_page import CAPTION, make_markdown, make_page, what_was_measured
    from nlcunet.evaluation.hairlines import find_hairlines, load_enlargers, make_hairline_table
    from nlcunet.files.atomic import write_file_atomically
    from nlcunet.models.weights import embedded_models, find_header
    from nlcunet.runtime import choose_device, thread_limit

    makers: dict[str, Callable[[HairlineFindings], str]] = {
        ".json": lambda found: found.model_dump_json() + "\n",
        ".md": lambda found: make_markdown(found, baseline),
        ".html": lambda found: make_page(found, baseline),
    }
    if wrong := [file for file in output or () if file.suffix not in makers]:
        raise ConfigError(f"results must be written to a .json, .md or .html file: got {wrong[0]}; choose another name")
    names = model if model is not None else [name for name in embedded_models() if find_header(name).scale == scale]
    models, weights = load_enlargers(names, scale, choose_device(device))
    if baseline not in models:
        raise ConfigError(f"the baseline must be one of {', '.join(models)}: got {baseline!r}")
    with thread_limit(threads), open_bars(open_screen()) as bars:
        bar = bars.add_task("hairlines")
        found = find_hairlines(
            models,
            weights,
            scale,
            sigmas_px=read_sigmas(sigmas),
            seed=seed,
            on_progress=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    for file in output or ():
        write_file_atomically(file, makers[file.suffix](found).encode())
    for line in (*what_was_measured(found), CAPTION, "", *make_hairline_table(found)):
        typer.echo(line)
