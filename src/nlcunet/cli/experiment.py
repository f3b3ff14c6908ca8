"""``nlcunet experiment``: train variants of a recipe, measure them alike, and report what brings how much."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlcunet.cli import completion

if TYPE_CHECKING:
    from rich.console import Console

    from nlcunet.experiments.variants.running import ExperimentProgress

experiment_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Compare variants of a recipe by training and measuring them."
)

NameOrFile = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="An embedded experiment, or a YAML file.",
        autocompletion=completion.EXPERIMENTS,
    ),
]


@experiment_app.callback()
def experiment() -> None:
    """Compare variants of a recipe: train each with several seeds, measure all alike, report proven differences."""


@experiment_app.command("list")
def list_experiments() -> None:
    """List the embedded experiments, each with its question."""
    from nlcunet.experiments.variants.definition import embedded_experiments, read_experiment

    for name in embedded_experiments():
        one = read_experiment(name)
        typer.echo(
            f"{name}: {one.question}\n    variants: {', '.join(one.variants)}\n    budgets: {', '.join(one.budgets)}"
        )


@experiment_app.command("show")
def show(name: NameOrFile) -> None:
    """Print the YAML of an experiment, to start your own from."""
    from nlcunet.experiments.variants.definition import find_experiment

    typer.echo(find_experiment(name).read_text(encoding="utf-8"), nl=False)


@experiment_app.command("schema")
def schema() -> None:
    """Print the JSON schema of experiments, for editors."""
    from nlcunet.experiments.variants.definition import experiment_schema

    typer.echo(experiment_schema())


@experiment_app.command("run")
def run(
    name: NameOrFile,
    *,
    budget: Annotated[
        str | None, typer.Option(help="Name of the budget: how long to train; by default the experiment's first.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Folder for everything; by default runs/experiments/NAME-BUDGET."
        ),
    ] = None,
    photographs: Annotated[
        Path | None, typer.Option(help="Folder of photographs or shards, instead of the recipe's and its manifest.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="CSV of files, splits and licences, instead of the recipe's.")
    ] = None,
    sets: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder with test sets to measure on, such as Set14.")
    ] = Path("datasets"),
    jobs: Annotated[int, typer.Option(min=1, help="Number of trainings side by side.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Number of CPU threads for each training.")] = 1,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", min=0, help="Train only with this seed; may be repeated.")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option("--variant", help="Train only this variant now; may be repeated.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE: change a value of the recipe for all variants.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, gpu, cuda, cuda:1, mps.", autocompletion=completion.DEVICES)
    ] = "auto",
    ray: Annotated[
        str | None,
        typer.Option(help="Train on a Ray cluster: auto, local or HOST:PORT; all machines must share FOLDER."),
    ] = None,
) -> None:
    """Train what is not trained yet, measure, and write report.md, report.html and results.json.

    Every variant is trained with every seed, on the same patches in the same order. Stop it with Ctrl-C; the same
    command continues where it stopped. Exit codes: 0 done, 2 failed, or some trainings failed.
    """
    from rich.console import Console

    from nlcunet.cli.train import changes_of
    from nlcunet.experiments.variants.definition import read_experiment
    from nlcunet.experiments.variants.running import PAGE_FILE, REPORT_FILE, RunSettings, run_experiment

    one = read_experiment(name)
    budget_name, _ = one.budget(budget)
    folder = output or Path("runs") / "experiments" / f"{one.name}-{budget_name}"
    found = {place.name: place for place in sorted(sets.iterdir()) if place.is_dir()} if sets.is_dir() else {}
    screen = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    wanted = RunSettings(
        folder=folder,
        budget=budget,
        seeds=tuple(seed) if seed else None,
        variants=tuple(variant) if variant else None,
        changes=changes_of(photographs, manifest, settings or []),
        sets=found,
        jobs=jobs,
        threads=threads,
        device=device,
        ray=ray,
    )
    with _Screen(screen) as shown:
        results = run_experiment(one, wanted, shown.show, screen.print)
    from nlcunet.experiments.variants.report import verdict_tables

    typer.echo(verdict_tables(results))
    screen.print(f"report: {folder / REPORT_FILE}, {folder / PAGE_FILE}")


@experiment_app.command("report")
def report(
    file: Annotated[Path, typer.Argument(metavar="RESULTS", help="results.json of an experiment, or its folder.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write .html, or .md with its plots beside it; by default print Markdown.",
        ),
    ] = None,
) -> None:
    """Write the report of an experiment again, from its results alone."""
    from nlcunet.errors import ConfigError
    from nlcunet.experiments.variants.page import make_files, make_page
    from nlcunet.experiments.variants.report import make_markdown
    from nlcunet.experiments.variants.results import read_results
    from nlcunet.experiments.variants.running import RESULTS_FILE
    from nlcunet.files.atomic import write_file_atomically

    results = read_results(file / RESULTS_FILE if file.is_dir() else file)
    if output is None:
        typer.echo(make_markdown(results), nl=False)
        return
    if output.suffix not in {".md", ".html"}:
        raise ConfigError(f"the report must be a .md or .html file: got {output}; choose another name")
    files = make_files(results, output.stem) if output.suffix == ".md" else {output.name: make_page(results)}
    for name, text in files.items():
        write_file_atomically(output.parent / name, text.encode())


class _Screen:
    """Progress on a terminal: trainings at work with their steps, and the time left; elsewhere a line for each end."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._console = console
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._bar = self._bars.add_task("starting", total=1.0)
        self._done = 0

    def __enter__(self) -> "_Screen":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: "ExperimentProgress") -> None:
        """Bring the screen up to date."""
        working = ", ".join(f"{name} {step:,}/{steps:,}" for name, step, steps in progress.working)
        told = f"{progress.done} of {progress.total} trainings done"
        self._bars.update(self._bar, completed=progress.share, description=f"{told}; {working}" if working else told)
        if progress.done > self._done and not self._console.is_terminal:
            self._console.print(told)
        self._done = progress.done
