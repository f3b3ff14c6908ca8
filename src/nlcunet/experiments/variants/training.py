"""One training of an experiment, from its recipe to its results: what runs in a process of its own."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nlcunet.errors import NlcunetError
from nlcunet.evaluation.benchmark import RunOptions, run_benchmark
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.records import read_records, write_records
from nlcunet.evaluation.systems import System, make_system
from nlcunet.experiments.variants.curves import Curve, ValidationPoint, read_curve
from nlcunet.experiments.variants.originals import Originals
from nlcunet.experiments.variants.plan import PlannedRun, with_steps
from nlcunet.files.atomic import write_file_atomically
from nlcunet.runtime import choose_device, keeping_freed_memory
from nlcunet.training.loop import TrainingListener, train
from nlcunet.training.processes import Processes
from nlcunet.training.recipe import Recipe
from nlcunet.training.run_folder import Report, read_run_recipe
from nlcunet.training.sources import load_training_data, make_stage_source
from nlcunet.training.state import has_state
from nlcunet.training.trainer import Trainer, make_trainer, start_gan

RECORDS_FILE, PROGRESS_FILE = "records.jsonl", "progress.json"
TRAINING_FOLDER = "training"
PROGRESS_SECONDS = 2.0
"""How often a training says how far it is."""
WARM_UP_STEPS, TIMED_STEPS = 3, 6
"""Steps of a throw-away trainer by which a budget of time becomes one of steps."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What one process is to do."""

    run: PlannedRun
    """The training."""
    minutes: float | None
    """Budget of time; none where the recipe has its steps already."""
    originals: tuple[Originals, ...]
    """What the network is measured on."""
    measures: tuple[str, ...]
    """What is measured."""
    device: str
    """Where."""
    threads: int
    """Threads of the processor."""


def train_and_measure(assignment: Assignment) -> None:
    """Train, or go on training, and measure what has not been measured; what is done already is kept.

    Raises:
        NlcunetError: whatever training and measuring raise.
    """
    torch.set_num_threads(assignment.threads)
    device = choose_device(assignment.device)
    run = assignment.run
    folder = run.folder / TRAINING_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    weights = finished_weights(run)
    if weights is None:
        processes = Processes(device)
        with keeping_freed_memory(device):
            recipe = _recipe(assignment, folder, processes)
            clock = _Clock(run.folder, recipe, device)
            listener = TrainingListener(on_start=clock.start, on_step=clock.step, on_report=clock.report)
            weights = train(recipe, folder, processes=processes, resume=has_state(folder), listener=listener)
    system = make_system(run.system, str(weights), device, None)
    measure(system, assignment.originals, assignment.measures, run.folder / RECORDS_FILE, device)


def finished_weights(run: PlannedRun) -> Path | None:
    """The weights of a training that is over."""
    try:
        points = read_curve(run.folder).points
        if not points or not has_state(run.folder / TRAINING_FOLDER):
            return None
        steps, last = read_run_recipe(run.folder / TRAINING_FOLDER).total_steps, points[-1].step
    except NlcunetError:  # damaged: training looks for itself, and says so
        return None
    ending = "" if run.recipe.gan is None else "-GAN"
    path = run.folder / TRAINING_FOLDER / f"{run.recipe.name}{ending}.safetensors"
    return path if last == steps and path.is_file() else None


def is_measured(file: Path, originals: Sequence[Originals], names: Sequence[str]) -> bool:
    """Whether a file of records holds these measures on these sets.

    Raises:
        DataError: it is damaged.
    """
    if not file.is_file():
        return False
    known = read_records([file])
    has_sets = {facts.key for facts in known.sets} >= {one.open().facts.key for one in originals}
    return has_sets and all(set(names) <= set(one.measures) for one in known.pairs)


def measure(
    system: System, originals: Sequence[Originals], names: Sequence[str], file: Path, device: torch.device
) -> None:
    """Measure one system on all sets that its file of records lacks."""
    if is_measured(file, originals, names):
        return
    sets = [one.open() for one in originals]
    found = run_benchmark(sets, [system], RunOptions(measures=find_measures(names), device=device))
    # Times of trainings side by side say nothing; costs are measured apart.
    write_records(file, replace(found, pairs=tuple(replace(pair, seconds=None) for pair in found.pairs)))


def _recipe(assignment: Assignment, folder: Path, processes: Processes) -> Recipe:
    """The recipe to train; where the budget is time, with steps that are measured once and kept in the run folder."""
    if has_state(folder):
        return read_run_recipe(folder)
    recipe = assignment.run.recipe
    if assignment.minutes is None:
        return recipe
    return with_steps(recipe, max(1, int(60 * assignment.minutes / seconds_per_step(recipe, processes))))


def seconds_per_step(recipe: Recipe, processes: Processes) -> float:
    """Mean time of a step over both stages, measured on a throw-away trainer."""
    trainer, data = make_trainer(recipe, processes), load_training_data(recipe)
    shares, times = [], []
    while True:
        source = make_stage_source(trainer, data)
        for number in range(WARM_UP_STEPS + TIMED_STEPS):
            if number == WARM_UP_STEPS:
                start = _now(processes.device)
            trainer.step(source.pairs(number))
        source.close()
        times.append((_now(processes.device) - start) / TIMED_STEPS)
        shares.append(trainer.optim.steps)
        if trainer.adversary is not None or recipe.gan is None:
            return sum(t * share for t, share in zip(times, shares, strict=True)) / sum(shares)
        start_gan(trainer)


def _now(device: torch.device) -> float:
    """Time of the processor where it computes; else by the clock, all work done."""
    if device.type == "cpu":
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class _Clock:
    """Notes how far a training is, and how long it took, validations left out."""

    def __init__(self, folder: Path, recipe: Recipe, device: torch.device) -> None:
        self._folder, self._total, self._device = folder, recipe.total_steps, device
        self._curve: Curve = read_curve(folder)
        self._spent = self._since = self._told = 0.0

    def start(self, trainer: Trainer, _data: object) -> None:
        self._spent, self._since = self._curve.seconds_at(trainer.progress.step), _now(self._device)

    def step(self, trainer: Trainer) -> None:
        if self._device.type == "cpu":
            now = _now(self._device)
            self._spent, self._since = self._spent + now - self._since, now
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._told = time.monotonic()
            progress = {"step": trainer.progress.step, "steps": self._total}
            write_file_atomically(self._folder / PROGRESS_FILE, json.dumps(progress).encode())

    def report(self, report: Report) -> None:
        if self._device.type != "cpu":
            self._spent += _now(self._device) - self._since
        point = ValidationPoint(
            step=report.step, patches=report.patches, seconds=round(self._spent, 2), psnr_y=report.psnr_y
        )
        self._curve.add(point)
        self._since = _now(self._device)
