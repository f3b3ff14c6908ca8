"""``nlcunet data draw``: pictures to train on from nothing but a seed."""

from pathlib import Path
from typing import Annotated

import typer


def draw(
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the pictures go.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the pictures; other seeds share none.")] = 0,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KIND[=WEIGHT],…",
            help="Which kinds, and how many of each in proportion, as text=2,curves; all alike by default.",
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 512,
    sheet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a contact sheet as well.")] = None,
    sheet_pictures: Annotated[int, typer.Option(min=1, help="Most pictures on it.")] = 36,
    threads: Annotated[int, typer.Option(min=1, help="Pictures drawn at a time.")] = 2,
) -> None:
    """Draw pictures of what photographs show too seldom: hairlines, text, manga, façades, screens.

    PNGs and a manifest for training. Run it again after an interruption: pictures that are there are kept. Exit codes:
    0 all done, 2 could not start or go on.
    """
    from rich.console import Console
    from rich.progress import Progress

    from nlcunet.data.drawn.folder import draw_folder, write_sheet

    weights = None if kinds is None else parse_kinds(kinds)
    screen = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bars:
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
    """Weights from ``text=2,curves``.

    Raises:
        ConfigError: a weight is no number, or a kind unknown or named twice.
    """
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
