"""``nlcunet data draw``: pictures to train on from nothing but a seed."""

from pathlib import Path
from typing import Annotated

import typer


def draw(
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the pictures.")],
    count: Annotated[int, typer.Option(min=1, help="Number of pictures.")] = 500,
    seed: Annotated[
        int, typer.Option(min=0, help="Start of the random numbers; another seed draws entirely different pictures.")
    ] = 0,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KIND[=WEIGHT],…",
            help="Kinds to draw, with their shares, for example text=2,curves; by default all kinds equally.",
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 512,
    sheet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a contact sheet as well.")] = None,
    sheet_pictures: Annotated[int, typer.Option(min=1, help="Largest number of pictures on the contact sheet.")] = 36,
    threads: Annotated[int, typer.Option(min=1, help="Number of pictures drawn at the same time.")] = 2,
) -> None:
    """Draw training pictures of what photographs rarely show: hairlines, text, manga, façades, screens.

    Writes PNG files and a manifest. Run it again after an interruption: finished pictures are kept. Exit codes:
    0 all done, 2 could not start or go on.
    """
    from nlcunet.cli.terminal import open_bars, open_screen
    from nlcunet.data.drawn.folder import draw_folder, write_sheet

    weights = None if kinds is None else parse_kinds(kinds)
    screen = open_screen()
    with open_bars(screen) as bars:
        bar = bars.add_task("draw")
        done = draw_folder(
            output,
            count,
            seed,
            size,
            weights,
            threads=threads,
            on_picture=lambda number, total: bars.update(bar, completed=number, total=total),
        )
    typer.echo(f"{output}: {done.drawn} pictures drawn, {done.kept} were there")
    if sheet is not None:
        write_sheet(sheet, done.files[:sheet_pictures], columns=max(1, round(min(count, sheet_pictures) ** 0.5)))
        screen.print(f"contact sheet: {sheet}")


def parse_kinds(text: str) -> dict[str, float]:
    """Weights from ``text=2,curves``."""
    from nlcunet.data.drawn.pictures import check_kinds
    from nlcunet.errors import ConfigError

    weights: dict[str, float] = {}
    for part in text.split(","):
        kind, _, weight = part.strip().partition("=")
        check_kinds([kind])
        if kind in weights:
            raise ConfigError(f"a kind must be named once: got {kind} twice")
        try:
            weights[kind] = float(weight or 1)
        except ValueError as error:
            raise ConfigError(f"the weight of a kind must be a number, as text=2: got {part.strip()!r}") from error
    return weights
