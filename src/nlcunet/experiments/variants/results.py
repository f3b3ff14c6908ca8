"""What an experiment has found, in one small file: definition, curves, costs and a value for each picture."""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, ValidationError

from nlcunet.errors import DataError
from nlcunet.evaluation.records import PairRecord, SetFacts, SystemFacts, read_records
from nlcunet.evaluation.statistics import Interval, paired_interval
from nlcunet.experiments.variants.curves import ValidationPoint, read_curve
from nlcunet.experiments.variants.definition import Experiment
from nlcunet.experiments.variants.plan import PlannedRun
from nlcunet.experiments.variants.training import RECORDS_FILE, TRAINING_FOLDER, finished_weights
from nlcunet.files.atomic import write_file_atomically
from nlcunet.models.weights import find_header
from nlcunet.training.run_folder import environment, read_run_recipe

BICUBIC = "bicubic"


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class RunResult(_Plain):
    """One training."""

    variant: str
    seed: int
    steps: int
    batch: int
    curve: tuple[ValidationPoint, ...]


class SetResult(_Plain):
    """One set of pictures: the mean over the inputs of each, by measure and system, in the order of the images."""

    title: str
    protocol: str
    scale: int
    description: tuple[str, ...]
    images: tuple[str, ...]
    pairs: int
    left_out: tuple[str, ...]
    """Images that some system gave back exactly, so that decibels are infinite."""
    values: dict[str, dict[str, tuple[float, ...]]]
    """By measure, then by system (``none@1``, ``bicubic``)."""

    @property
    def name(self) -> str:
        """As in tables: ``Set14, gaussian8``."""
        return f"{self.title}, {self.protocol}"


class Results(_Plain):
    """All of it."""

    experiment: Experiment
    budget: str
    variants: tuple[str, ...]
    """Those that are finished, in the order of the experiment."""
    seeds: tuple[int, ...]
    """That all of them are finished with."""
    unfinished: tuple[str, ...]
    """Trainings that are not counted."""
    runs: tuple[RunResult, ...]
    costs: dict[str, SystemFacts]
    """By variant."""
    sets: tuple[SetResult, ...]
    photographs: str
    """What was trained on, in words."""
    made: dict[str, str]
    """Date, version, revision and machine."""

    def values(self, one: SetResult, measure: str) -> Float[np.ndarray, "variants seeds images"]:
        """A measure on a set, as an array."""
        found = one.values[measure]
        return np.array([[found[f"{variant}@{seed}"] for seed in self.seeds] for variant in self.variants])

    @property
    def compared(self) -> tuple[tuple[str, str], ...]:
        """Variants and what each is compared with, both finished."""
        pairs = [(variant, self.experiment.rival(variant)) for variant in self.variants]
        return tuple((variant, rival) for variant, rival in pairs if rival is not None and rival in self.variants)

    def gain(self, one: SetResult, measure: str, variant: str) -> tuple[float, Interval | None]:
        """By how much a variant is above what it is compared with, with its interval over seeds and pictures."""
        values = self.values(one, measure)
        index, base = (self.variants.index(name) for name in (variant, dict(self.compared)[variant]))
        return float((values[index] - values[base]).mean()), paired_interval(values, index, base)

    def curve(self, variant: str) -> list[ValidationPoint]:
        """The curve of a variant, seeds averaged; only points that all seeds have."""
        points: dict[int, list[ValidationPoint]] = defaultdict(list)
        runs = [run for run in self.runs if run.variant == variant and run.seed in self.seeds]
        for number in range(min(len(run.curve) for run in runs)):
            points[number] = [run.curve[number] for run in runs]
        return [
            ValidationPoint(
                step=round(np.mean([point.step for point in group])),
                patches=round(np.mean([point.patches for point in group])),
                seconds=float(np.mean([point.seconds for point in group])),
                psnr_y=float(np.mean([point.psnr_y for point in group])),
            )
            for group in points.values()
        ]


def gather(
    experiment: Experiment,
    budget: str,
    runs: Sequence[PlannedRun],
    *,
    bicubic: Path,
    costs: dict[str, SystemFacts],
) -> Results:
    """What the trainings that are over have found.

    Args:
        experiment: what was asked.
        budget: which of its budgets.
        runs: all of its trainings, over or not.
        bicubic: records of plain enlarging on the same sets.
        costs: of the networks, by variant.

    Raises:
        DataError: the baseline has no training that is over, or files of a run are damaged.
    """
    over = [run for run in runs if finished_weights(run) is not None and (run.folder / RECORDS_FILE).is_file()]
    seeds = tuple(dict.fromkeys(run.seed for run in over if run.variant == experiment.baseline))
    variants = tuple(
        name for name in experiment.variants if set(seeds) <= {run.seed for run in over if run.variant == name}
    )
    if not seeds:
        raise DataError(f"the baseline {experiment.baseline} must be trained to the end with some seed: none is yet")
    counted = [run for run in over if run.variant in variants and run.seed in seeds]
    records = read_records([bicubic, *(run.folder / RECORDS_FILE for run in counted)])
    known = environment()
    return Results(
        experiment=experiment,
        budget=budget,
        variants=variants,
        seeds=seeds,
        unfinished=tuple(run.system for run in runs if run not in counted),
        runs=tuple(_run_result(run) for run in counted),
        costs={name: facts for name, facts in costs.items() if name in variants},
        sets=tuple(_set_result(facts, [p for p in records.pairs if p.set == facts.key]) for facts in records.sets),
        photographs=_photographs(counted[0]),
        made={
            "date": known["date"][:10],
            "nlcunet": known["nlcunet"],
            "revision": known["git"] or "",
            "torch": known["packages"]["torch"] or "",
            "machine": ", ".join([known["processor"], *known["cuda"]]),
        },
    )


def _run_result(run: PlannedRun) -> RunResult:
    recipe = read_run_recipe(run.folder / TRAINING_FOLDER)
    return RunResult(
        variant=run.variant,
        seed=run.seed,
        steps=recipe.total_steps,
        batch=recipe.optim.batch,
        curve=tuple(read_curve(run.folder).points),
    )


def _photographs(run: PlannedRun) -> str:
    source = find_header(finished_weights(run) or "").data[0]
    return f"{source.pictures:,} photographs ({source.name})"


def _set_result(facts: SetFacts, pairs: Sequence[PairRecord]) -> SetResult:
    sums: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for pair in pairs:
        for measure, value in pair.measures.items():
            sums[measure][pair.system][pair.image].append(value)
    exact = {pair.image for pair in pairs if not all(map(math.isfinite, pair.measures.values()))}
    images = tuple(sorted({pair.image for pair in pairs} - exact))
    return SetResult(
        title=facts.name,
        protocol=facts.protocol,
        scale=facts.scale,
        description=facts.description,
        images=images,
        pairs=len({pair.pair for pair in pairs if pair.image not in exact}),
        left_out=tuple(sorted(exact)),
        values={
            measure: {
                system: tuple(round(float(np.mean(by_image[image])), 5) for image in images)
                for system, by_image in systems.items()
            }
            for measure, systems in sums.items()
        },
    )


def write_results(path: Path, results: Results) -> None:
    """Write results as JSON.

    Raises:
        ImageWriteError: the file cannot be written.
    """
    write_file_atomically(path, (results.model_dump_json(indent=1) + "\n").encode())


def read_results(path: Path) -> Results:
    """Read results.

    Raises:
        DataError: there are none, or they are damaged.
    """
    try:
        return Results.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"results must be a file of nlcunet experiment run: {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path} must hold results of an experiment: {first['msg']}; run it again") from error
