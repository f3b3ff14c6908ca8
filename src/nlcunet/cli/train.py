"""``nlcunet train``: run a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlcunet.cli import completion

if TYPE_CHECKING:
    from nlcunet.training.recipe import Recipe

DATA = "What to learn from"
CHANGES = "What to change in the recipe"
RUN = "Run folder, stopping, continuing"
MACHINE = "On which machine"
TELLING = "Information only"


def train(  # noqa: PLR0917 - typer reads the command line from the signature
    recipe: Annotated[
        str | None,
        typer.Argument(help="YAML file, or the name of an embedded recipe.", autocompletion=completion.RECIPES),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder; by default runs/NAME.", rich_help_panel=RUN)
    ] = None,
    photographs: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photographs or shards, instead of the recipe's and its manifest.", rich_help_panel=DATA
        ),
    ] = None,
    low_res: Annotated[
        Path | None,
        typer.Option(help="Folder of their low-resolution partners, of the same names.", rich_help_panel=DATA),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV of files, splits and licences, instead of the recipe's.", rich_help_panel=DATA),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=0, help="Steps of the first stage; warm-up and decay shrink or grow with them.", rich_help_panel=CHANGES
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE: change any value of the recipe, for example optim.lr=1e-4.",
            rich_help_panel=CHANGES,
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Start from these weights (name or file).", rich_help_panel=CHANGES, autocompletion=completion.MODELS
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the state in the run folder.", rich_help_panel=RUN)
    ] = False,
    max_time: Annotated[
        str | None,
        typer.Option(help="Stop cleanly and save, all within this time: 45s, 9m, 1h30m.", rich_help_panel=RUN),
    ] = None,
    split_state: Annotated[
        str | None, typer.Option(help="Write the state in pieces of at most this size: 15MiB.", rich_help_panel=RUN)
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            help="auto, cpu, gpu, cuda, cuda:1, mps.", rich_help_panel=MACHINE, autocompletion=completion.DEVICES
        ),
    ] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.", rich_help_panel=MACHINE)] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show parameters, memory, speed and time; write nothing.", rich_help_panel=TELLING
        ),
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of recipes.", rich_help_panel=TELLING)
    ] = False,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List the embedded recipes.", rich_help_panel=TELLING)
    ] = False,
) -> None:
    """Train a network from a recipe; the run folder gets the log, the state and the weights.

    With --resume alone, the recipe is taken from the run folder. Several GPUs: accelerate launch -m nlcunet train …
    """
    from nlcunet.training.recipe_file import embedded_recipes, recipe_schema

    if schema:
        typer.echo(recipe_schema())
        return
    if list_recipes:
        typer.echo("\n".join(embedded_recipes()))
        return
    replaced = {"network.init": init, "data.low_res": low_res}
    changes = {key: value for key, value in replaced.items() if value is not None}
    changes |= changes_of(photographs, manifest, settings or [])
    checked = _read(recipe, run if resume else None, changes, steps)
    folder = run if run is not None else Path("runs") / checked.name

    import math

    import torch

    from nlcunet.cli.training_screen import TrainingScreen
    from nlcunet.runtime import keeping_freed_memory
    from nlcunet.training.processes import start_processes
    from nlcunet.training.state import parse_bytes
    from nlcunet.training.stopping import parse_duration

    max_seconds = math.inf if max_time is None else parse_duration(max_time)
    piece_bytes = None if split_state is None else parse_bytes(split_state)
    if threads is not None:
        torch.set_num_threads(threads)
    processes = start_processes(device)
    screen = TrainingScreen(checked, is_first=processes.is_first)
    try:
        if dry_run:
            from nlcunet.training.dry_run import dry_run as plan

            with keeping_freed_memory(processes.device):
                screen.show_plan(plan(checked, processes))
            return
        from nlcunet.training.loop import train as run_training

        with screen, keeping_freed_memory(processes.device):
            weights = run_training(
                checked,
                folder,
                processes=processes,
                resume=resume,
                max_seconds=max_seconds,
                piece_bytes=piece_bytes,
                listener=screen.listener(),
            )
        screen.finish(weights)
    finally:
        processes.end()


def changes_of(photographs: Path | None, manifest: Path | None, settings: list[str]) -> dict[str, Any]:
    """What the command line puts in place of the recipe's values, by dotted key; --set wins."""
    from nlcunet.training.recipe_file import parse_setting

    replaced = {"data.photographs": photographs, "data.manifest": manifest}
    changes: dict[str, Any] = {key: value for key, value in replaced.items() if value is not None}
    if photographs is not None:
        changes["data.name"] = photographs.name
        if manifest is None:
            changes["data.manifest"] = None  # the recipe's manifest lists other files
    return changes | dict(parse_setting(text) for text in settings)


def _read(recipe: str | None, resumed: Path | None, changes: dict[str, Any], steps: int | None) -> "Recipe":
    from nlcunet.errors import ConfigError
    from nlcunet.training.recipe_file import embedded_recipes, read_recipe

    if recipe is not None:
        return read_recipe(recipe, changes, steps=steps)
    if resumed is None:
        raise ConfigError(
            "a recipe must be named: a YAML file, one of "
            f"{', '.join(embedded_recipes())}, or --run FOLDER --resume to go on with a run"
        )
    from nlcunet.training.run_folder import read_run_recipe

    return read_run_recipe(resumed, changes, steps=steps)
