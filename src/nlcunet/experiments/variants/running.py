"""An experiment from its first training to its report; called again, it goes on where it was."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nlcunet.errors import ConfigError
from nlcunet.evaluation.cost import with_cost
from nlcunet.evaluation.machine import describe_machine
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.records import SystemFacts
from nlcunet.evaluation.systems import make_system
from nlcunet.experiments.variants.definition import Experiment
from nlcunet.experiments.variants.jobs import run_jobs, run_on_cluster
from nlcunet.experiments.variants.originals import prepare_originals
from nlcunet.experiments.variants.page import make_files, make_page
from nlcunet.experiments.variants.plan import PlannedRun, plan_runs, with_steps
from nlcunet.experiments.variants.results import BICUBIC, Results, gather, write_results
from nlcunet.experiments.variants.training import (
    PROGRESS_FILE,
    RECORDS_FILE,
    TRAINING_FOLDER,
    Assignment,
    finished_weights,
    is_measured,
    measure,
)
from nlcunet.files.atomic import write_file_atomically
from nlcunet.runtime import choose_device
from nlcunet.training.recipe_file import changed_keys
from nlcunet.training.run_folder import read_run_recipe
from nlcunet.training.state import has_state

COST_PX = 64
"""Side of the input at which costs are measured."""
RESULTS_FILE, REPORT_FILE, PAGE_FILE = "results.json", "report.md", "report.html"
PLACES = ("data.photographs", "data.manifest", "data.validation")
"""Keys of a recipe that say where files lie, and nothing of what is trained."""


@dataclass(frozen=True, kw_only=True)
class ExperimentProgress:
    """How far an experiment is."""

    total: int
    """Trainings in all."""
    done: int
    """Those that are over, measured ones."""
    working: tuple[tuple[str, int, int], ...]
    """Those at work: name, steps done, steps in all; steps are 0 at the start and while it is measured."""
    share: float
    """Of all steps, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How an experiment is run here."""

    folder: Path
    """Where everything goes."""
    budget: str | None = None
    """Name of the budget; none takes the first."""
    seeds: tuple[int, ...] | None = None
    """Instead of the experiment's."""
    variants: tuple[str, ...] | None = None
    """Only these are trained now; the report counts all that are there."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Values of the recipe, by dotted key, above all others: where the photographs lie."""
    sets: Mapping[str, Path] = field(default_factory=dict)
    """Folders of originals by name."""
    jobs: int = 1
    """Trainings side by side."""
    threads: int = 1
    """Threads of each."""
    device: str = "cpu"
    """Where."""
    ray: str | None = None
    """Address of a cluster; none trains on this machine."""


def run_experiment(
    experiment: Experiment,
    settings: RunSettings,
    on_progress: Callable[[ExperimentProgress], None] = lambda _progress: None,
    on_note: Callable[[str], None] = lambda _text: None,
) -> Results:
    """Train what is not trained, measure what is not measured, write the report.

    Raises:
        ConfigError: the folder holds trainings with other settings, or the experiment does not fit.
        JobError: some trainings failed.
        DataError: there is nothing to train or to measure on.
    """
    name, budget = experiment.budget(settings.budget)
    folder = settings.folder
    everything = plan_runs(experiment, budget, folder, changes=settings.changes, seeds=settings.seeds)
    if unknown := sorted(set(settings.variants or ()) - set(experiment.variants)):
        raise ConfigError(f"variants must be among {', '.join(experiment.variants)}: got {', '.join(unknown)}")
    find_measures(experiment.measures)
    for run in everything:
        check_same(run)
    first = everything[0].recipe
    originals, missing = prepare_originals(experiment.measured_on, first, folder, settings.sets)
    for title in missing:
        on_note(
            f"{title} is not measured: its pictures were not found; nlcunet data fetch {title} -o datasets, then run "
            "this again: only what is missing is done"
        )
    assignments = [
        Assignment(
            run=run,
            minutes=budget.minutes,
            originals=originals,
            measures=experiment.measures,
            device=device_of(settings.device, number),
            threads=settings.threads,
        )
        for number, run in enumerate(everything)
        if settings.variants is None or run.variant in settings.variants
    ]

    done_before = [one for one in assignments if _is_done(one)]
    left = [one for one in assignments if one not in done_before]

    def tell(working: Sequence[Assignment], done: Sequence[Assignment]) -> None:
        on_progress(_progress(assignments, working, [*done_before, *done]))

    if settings.ray is None:
        run_jobs(left, settings.jobs, tell)
    else:
        run_on_cluster(left, settings.ray, tell)
    device = choose_device(settings.device)
    bicubic = folder / "bicubic.jsonl"
    measure(
        make_system(BICUBIC, f"bicubic-x{first.scale}", device, None), originals, experiment.measures, bicubic, device
    )
    costs = _costs(everything, device, folder)
    results = gather(experiment, name, everything, bicubic=bicubic, costs=costs)
    write_results(folder / RESULTS_FILE, results)
    write_report(results, folder)
    return results


def device_of(name: str, number: int) -> str:
    """Where training number so many computes: where GPUs are meant, and none is named, they take turns."""
    device = choose_device(name)
    if device.type != "cuda" or device.index is not None:
        return str(device)
    return f"cuda:{number % torch.cuda.device_count()}"


def write_report(results: Results, folder: Path) -> None:
    """Write the report as HTML, and as Markdown with its plots beside it.

    Raises:
        ImageWriteError: a file cannot be written.
    """
    files = {**make_files(results, Path(REPORT_FILE).stem), PAGE_FILE: make_page(results)}
    for name, text in files.items():
        write_file_atomically(folder / name, text.encode())


def check_same(run: PlannedRun) -> None:
    """Refuse a folder in which a variant was trained with other settings.

    Raises:
        ConfigError: it was.
    """
    folder = run.folder / TRAINING_FOLDER
    if not has_state(folder):
        return
    trained = read_run_recipe(folder)
    planned = run.recipe
    if trained.total_steps != planned.total_steps:
        planned = with_steps(planned, trained.total_steps)  # a budget of time
    if changes := {key: both for key, both in changed_keys(trained, planned).items() if key not in PLACES}:
        told = ", ".join(f"{key} {before} → {after}" for key, (before, after) in changes.items())
        raise ConfigError(
            f"{run.system} was trained with other settings ({told}): choose another folder with -o, or remove "
            f"{run.folder}"
        )


def _is_done(one: Assignment) -> bool:
    return finished_weights(one.run) is not None and is_measured(
        one.run.folder / RECORDS_FILE, one.originals, one.measures
    )


def _progress(
    every: Sequence[Assignment], working: Sequence[Assignment], done: Sequence[Assignment]
) -> ExperimentProgress:
    steps = {one.run.system: _steps(one.run) for one in working}
    share = len(done) + sum(step / total for step, total in steps.values() if total)
    return ExperimentProgress(
        total=len(every),
        done=len(done),
        working=tuple((name, *numbers) for name, numbers in steps.items()),
        share=share / len(every),
    )


def _steps(run: PlannedRun) -> tuple[int, int]:
    try:
        told = json.loads((run.folder / PROGRESS_FILE).read_text(encoding="utf-8"))
        return int(told["step"]), int(told["steps"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def _costs(runs: Sequence[PlannedRun], device: torch.device, folder: Path) -> dict[str, SystemFacts]:
    """Costs of each variant's network, of its first training that is over."""
    machine, costs = describe_machine(device), {}
    for run in runs:
        weights = finished_weights(run)
        if weights is not None and run.variant not in costs:
            system = make_system(run.variant, str(weights), device, None)
            costs[run.variant] = with_cost(system, COST_PX, device, machine, folder / "costs").facts
    return costs
