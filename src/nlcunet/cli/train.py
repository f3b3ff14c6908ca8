"""``nlcunet train``: run a recipe."""

from pathlib import Path
from typing import Annotated

import typer


def train(  # noqa: PLR0917 - typer reads the command line from the signature
    recipe: Annotated[str, typer.Argument(help="YAML file, or the name of an embedded recipe.")],
    run: Annotated[Path | None, typer.Option("--run", help="Run folder; by default runs/NAME.")] = None,
    photographs: Annotated[
        Path | None, typer.Option(help="Folder of photographs, instead of the recipe's and its manifest.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="CSV of files, splits and licences, instead of the recipe's.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all, instead of the recipe's.")] = None,
    init: Annotated[str | None, typer.Option(help="Start from these weights (name or file).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in the run folder.")] = False,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop cleanly and save after so long.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
) -> None:
    """Train a network from a recipe; the run folder gets the log, the state and the weights."""
    import math

    import torch
    from rich.console import Console

    from nlcunet.runtime import choose_device
    from nlcunet.training.loop import Report
    from nlcunet.training.loop import train as run_training
    from nlcunet.training.recipe import read_recipe

    if threads is not None:
        torch.set_num_threads(threads)
    replaced = {"data.photographs": photographs, "data.manifest": manifest, "optim.steps": steps}
    changes: dict[str, object] = {key: value for key, value in replaced.items() if value is not None}
    if photographs is not None and manifest is None:
        changes["data.manifest"] = None  # the recipe's manifest lists other files
    checked = read_recipe(recipe, changes)
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def tell(report: Report) -> None:
        console.print(
            f"step {report.step:,} of {checked.optim.steps:,}  patches {report.patches:,}  "
            f"{report.seconds / 60:.1f} min  "
            f"rate {report.learning_rate:.1e}  L1 {report.loss:.5f}  validation {report.psnr_y:.3f} dB"
        )

    weights = run_training(
        checked,
        run if run is not None else Path("runs") / checked.name,
        device=choose_device(device),
        resume=resume,
        initial_weights=init,
        max_seconds=math.inf if max_minutes is None else 60 * max_minutes,
        on_report=tell,
    )
    console.print(f"weights: {weights}")
