"""``nlcunet bench make``: from originals to a benchmark set on disk."""

from pathlib import Path
from typing import Annotated

import typer

from nlcunet.cli.options import Scale, Sigmas, read_sigmas


def make(
    *,
    images: Annotated[
        Path, typer.Option("--images", help="Folder of sharp originals; for div2krk the folder of DIV2KRK.")
    ],
    protocol: Annotated[
        str,
        typer.Option(
            help="bicubic, gaussian8, anisotropic-standin, blur-noise-jpeg, diverse, photo, photo-other or div2krk."
        ),
    ],
    scale: Scale,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the set: a new one, or an unfinished one of this set.")
    ],
    name: Annotated[str, typer.Option(help="Name in tables; by default the name of the folder of originals.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Make a different random set; published numbers use 0.")] = 0,
    sigmas: Sigmas = "",
) -> None:
    """Make test inputs from a folder of sharp originals: the same bytes every time."""
    from nlcunet.cli.terminal import open_counting_bars, open_screen
    from nlcunet.evaluation.div2krk import make_div2krk
    from nlcunet.evaluation.originals import find_originals
    from nlcunet.evaluation.protocols import find_protocol
    from nlcunet.evaluation.set_assembly import make_set

    chosen = find_protocol(protocol, scale, read_sigmas(sigmas), seed=seed)
    title = name or images.resolve().name
    with open_counting_bars(open_screen()) as progress:
        is_published = chosen.name == "div2krk"
        bar = progress.add_task(title, total=len(find_originals(images / "gt" if is_published else images)))
        make_one = make_div2krk if is_published else make_set
        manifest = make_one(images, chosen, output, title, on_file_done=lambda _: progress.advance(bar))
    counts = f"{len(manifest.originals)} originals, {len(manifest.pairs)} pairs"
    typer.echo(f"{output}: {title} {chosen.name} x{chosen.scale}, {counts}, {manifest.content_sha256}")
