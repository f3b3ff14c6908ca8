"""What ``nlcunet train`` shows: a bar with the time left on a terminal, elsewhere a line a minute, and validations."""

import math
import time
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from nlcunet.cli.terminal import open_screen
from nlcunet.training.dry_run import DryRun
from nlcunet.training.loop import TrainingListener
from nlcunet.training.recipe import Recipe
from nlcunet.training.run_folder import Report
from nlcunet.training.sources import TrainingData
from nlcunet.training.trainer import Trainer

SECONDS_BETWEEN_LINES = 60.0
"""Where there is no terminal, so that a log shows life."""


class TrainingScreen:
    """Progress of one run on standard error, told by its first process alone."""

    def __init__(self, recipe: Recipe, *, is_first: bool) -> None:
        self._recipe = recipe
        self._console = open_screen(is_quiet=not is_first)
        self._bars = Progress(
            TextColumn("{task.fields[stage]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (is_first and self._console.is_terminal),
            speed_estimate_period=120.0,
        )
        self._task: Any = None
        self._told = (0.0, 0, 0)  # clock, step and patches at the last line

    def __enter__(self) -> "TrainingScreen":
        """Start the bar."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar where it stands."""
        self._bars.stop()

    def listener(self) -> TrainingListener:
        """For the loop."""
        return TrainingListener(on_start=self._start, on_step=self._step, on_report=self._report, on_note=self._note)

    def finish(self, weights: Path) -> None:
        """Say where the result is."""
        self._console.print(f"weights: {weights}\ntry: nlcunet upscale PHOTO -m {weights}")

    def show_plan(self, plan: DryRun) -> None:
        """Tell what a run will need."""
        tell = self._console.print
        tell(f"{self._recipe.name}: {plan.photographs:,} photographs, {plan.validation:,} to validate on")
        tell(f"photographs in memory: {_mib(plan.data_bytes)}, on the {plan.placement}")
        for stage in plan.stages:
            tell(
                f"{stage.name} stage: {stage.parameters:,} parameters, {stage.patches_per_second:.2f} patches/s, "
                f"{1000 * stage.seconds_per_step:.0f} ms per step, {stage.steps:,} steps in {_time(stage.seconds)}"
            )
        tell(f"state on disk: {_mib(plan.state_bytes)}; peak memory: {_mib(plan.peak_bytes)}")
        compiled = "; steps were measured uncompiled, and the run compiles" if self._recipe.compile else ""
        tell(f"time to finish, without validations: {_time(plan.seconds)}{compiled}")

    def _start(self, trainer: Trainer, data: TrainingData) -> None:
        step, validation = trainer.progress.step, 0 if data.validation is None else len(data.validation)
        parameters = sum(p.numel() for p in trainer.network.parameters())
        self._console.print(
            f"{self._recipe.name}: {parameters:,} parameters, {len(data.training):,} photographs, "
            f"{validation:,} to validate on, {trainer.processes.device}"
            + (f"; going on at step {step:,}" if step else "")
        )
        for reason in data.skipped[:5]:
            self._console.print(f"left out: {reason}")
        if len(data.skipped) > 5:
            self._console.print(f"left out: {len(data.skipped) - 5} more (nlcunet data doctor lists them)")
        self._told = (time.monotonic(), step, trainer.progress.patches)
        self._task = self._bars.add_task("", total=self._recipe.total_steps, completed=step, stage="", speed="")

    def _step(self, trainer: Trainer) -> None:
        stage = "psnr" if trainer.adversary is None else "gan"
        self._bars.update(self._task, completed=trainer.progress.step, stage=stage)
        if self._bars.disable:
            self._tell_minute(trainer)

    def _tell_minute(self, trainer: Trainer) -> None:
        """A line of text instead of the bar, at most one a minute."""
        now, progress, (clock, step, patches) = time.monotonic(), trainer.progress, self._told
        seconds = now - clock
        if seconds < SECONDS_BETWEEN_LINES:
            return
        left = (self._recipe.total_steps - progress.step) * seconds / max(progress.step - step, 1)
        self._console.print(
            f"step {progress.step:,} of {self._recipe.total_steps:,}  "
            f"{(progress.patches - patches) / seconds:.2f} patches/s  {_time(left)} left"
        )
        self._told = (now, progress.step, progress.patches)

    def _report(self, report: Report) -> None:
        terms = "  ".join(f"{name} {value:.4g}" for name, value in report.metrics.items() if name != "loss")
        speed = "" if math.isnan(report.patches_per_second) else f"{report.patches_per_second:.2f} patches/s"
        quality = "" if math.isnan(report.psnr_y) else f"validation {report.psnr_y:.3f} dB"
        loss = "" if math.isnan(report.loss) else f"loss {report.loss:.5f}"
        where = f"step {report.step:,} of {self._recipe.total_steps:,}  {_time(report.seconds)}"
        rate = f"rate {report.learning_rate:.1e}"
        self._console.print("  ".join(part for part in (where, quality, loss, rate, terms, speed) if part))
        self._bars.update(self._task, speed=speed)

    def _note(self, text: str) -> None:
        self._console.print(text)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _time(seconds: float) -> str:
    """A time for people: ``40 s``, ``12 min``, ``3 h 5 min``, ``4 d 3 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
