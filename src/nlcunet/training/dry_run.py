"""What a recipe will need, before it is started: a few real steps, timed, and nothing written."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from nlcunet.data.pairs import Pairs
from nlcunet.evaluation.machine import synchronise
from nlcunet.training.processes import Processes
from nlcunet.training.recipe import Recipe
from nlcunet.training.sources import load_training_data, make_stage_source
from nlcunet.training.trainer import Trainer, make_trainer, start_gan, trainer_state

WARM_UP_STEPS = 2
TIMED_STEPS = 5


@dataclass(frozen=True)
class StagePlan:
    """One stage of a run."""

    name: str
    """``psnr`` or ``gan``."""
    steps: int
    parameters: int
    """Trained parameters, those of the discriminator included."""
    seconds_per_step: float
    patches_per_second: float
    """Over all processes."""

    @property
    def seconds(self) -> float:
        """Time of the whole stage, without validations."""
        return self.steps * self.seconds_per_step


@dataclass(frozen=True)
class DryRun:
    """What a run will need."""

    photographs: int
    validation: int
    data_bytes: int
    """Memory that the training photographs take."""
    placement: str
    """``device`` or ``workers``."""
    state_bytes: int
    """Size of a saved state, at its largest."""
    peak_bytes: int
    """Most memory in use so far: of the GPU, or of this process."""
    stages: tuple[StagePlan, ...]

    @property
    def seconds(self) -> float:
        """Time of all stages."""
        return sum(stage.seconds for stage in self.stages)


def dry_run(recipe: Recipe, processes: Processes) -> DryRun:
    """Train a few steps of every stage and forget them; nothing is compiled for so few.

    Raises:
        NlcunetError: whatever the run itself would raise at its start.
    """
    trainer = make_trainer(recipe.model_copy(update={"compile": False}), processes)
    data = load_training_data(recipe)
    stages, placement, data_bytes = [], "", 0
    while True:
        source = make_stage_source(trainer, data)
        placement, data_bytes = source.placement, source.nbytes
        stages.append(_time_stage(trainer, source.pairs))
        source.close()
        if trainer.adversary is not None or recipe.gan is None:
            break
        start_gan(trainer)
    return DryRun(
        photographs=len(data.training),
        validation=0 if data.validation is None else len(data.validation),
        data_bytes=data_bytes,
        placement=placement,
        state_bytes=_tensor_bytes(trainer_state(trainer)),
        peak_bytes=_peak_bytes(processes.device),
        stages=tuple(stages),
    )


def _time_stage(trainer: Trainer, pairs: Callable[[int], Pairs]) -> StagePlan:
    """The mean over a few steps, which is what a long run pays."""
    start = 0.0
    for step in range(WARM_UP_STEPS + TIMED_STEPS):
        if step == WARM_UP_STEPS:
            synchronise(trainer.processes.device)
            start = time.perf_counter()
        trainer.step(pairs(step))
    synchronise(trainer.processes.device)
    seconds = (time.perf_counter() - start) / TIMED_STEPS
    modules = [trainer.network, *([trainer.adversary.discriminator] if trainer.adversary is not None else [])]
    return StagePlan(
        name="psnr" if trainer.adversary is None else "gan",
        steps=trainer.optim.steps,
        parameters=sum(p.numel() for module in modules for p in module.parameters()),
        seconds_per_step=seconds,
        patches_per_second=trainer.optim.batch / seconds,
    )


def _tensor_bytes(value: object) -> int:
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(_tensor_bytes(item) for item in value.values())
    return sum(_tensor_bytes(item) for item in value) if isinstance(value, list | tuple) else 0


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
