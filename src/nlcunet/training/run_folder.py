"""What a run leaves behind: recipe, environment, log, curves, contact sheets, weights (and its state: see `state`).

::

    runs/4x-NLCUnet-S/
      recipe.yaml              as it ran, all defaults spelled out; recipe-until-….yaml: as it was before a change
      environment.json         one entry per sitting: versions, machine, git revision; environment-until-….json: damaged
      log.jsonl                one line per validation, note or rollback
      tensorboard/             the same as curves and pictures
      wandb-id, wandb/         where the recipe asks for Weights & Biases
      pictures/                a contact sheet per validation: bicubic, result, original
      4x-NLCUnet-S.safetensors the averaged weights
      state.json, state-….pt   everything to go on from; state-before.json: the same of the validation before
      lock                     held by the program that trains
"""

import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nlcunet.errors import ConfigError, TrainingError
from nlcunet.files.atomic import write_file_atomically
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.models.weights import DataSource, describe, find_weights, save_weights
from nlcunet.training.curves import open_curves
from nlcunet.training.recipe import Recipe
from nlcunet.training.recipe_file import changed_keys, check_recipe, read_recipe, write_recipe
from nlcunet.training.state import has_state, load_state
from nlcunet.training.trainer import Trainer
from nlcunet.version import __version__

LOG_FILE = "log.jsonl"
RECIPE_FILE = "recipe.yaml"
ENVIRONMENT_FILE = "environment.json"
LOCK_FILE = "lock"
_PACKAGES = ("torch", "numpy", "pyvips", "pyvips-binary", "safetensors", "pydantic", "accelerate")


@dataclass(frozen=True)
class Report:
    """What the loop tells after every ``validation.every_steps`` steps, and at the end."""

    step: int
    patches: int
    seconds: float
    stage: str
    learning_rate: float
    psnr_y: float
    """Validation PSNR of the averaged weights on Y, dB; NaN without validation pictures."""
    patches_per_second: float
    """Since the last report; NaN at the start."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Means since the last report: ``loss``, ``grad_norm``, and in the second stage the loss terms."""

    @property
    def loss(self) -> float:
        """Mean loss of the generator since the last report; NaN at the start."""
        return self.metrics.get("loss", math.nan)


class RunFolder:
    """The files of one run, as they grow.

    Raises:
        TrainingError: it cannot be written.
    """

    def __init__(
        self, path: Path, recipe: Recipe, step: int, on_note: Callable[[str], None] = lambda _text: None
    ) -> None:
        self.path = path
        self.recipe = recipe
        self._on_note = on_note
        try:
            (path / "pictures").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(
                f"the run folder must be writable: {path} is not ({error.strerror}); choose another with --run"
            ) from error
        self._keep_recipe(step)
        self._keep_environment(step)
        self._curves = open_curves(path, recipe, step)

    def note(self, step: int, text: str) -> None:
        """Log a sentence."""
        self._log({"step": step, "note": text})

    def report(self, report: Report, sheet: Tensor | None) -> None:
        """Log a report, draw its curves, keep its contact sheet."""
        values = {k: v for k, v in vars(report).items() if k != "metrics"} | report.metrics
        self._log({k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in values.items()})
        if sheet is not None:
            pixels = (sheet.permute(1, 2, 0).numpy() * 255.0).round().astype(np.uint8)
            write_picture(Picture(pixels=pixels), self.path / "pictures" / f"step-{report.step:08d}.webp")
        drawn = {
            f"{report.stage}/{name}": value
            for name, value in values.items()
            if isinstance(value, float | int) and math.isfinite(value) and name not in {"step", "patches", "seconds"}
        }
        for curves in self._curves:
            curves.add(report.step, drawn, sheet)

    def save_weights(self, trainer: Trainer, data: DataSource, psnr_y: float) -> Path:
        """Write the averaged weights of the present stage with a header that says where they come from."""
        recipe, progress = self.recipe, trainer.progress
        name, partner = recipe.name, ""
        if trainer.adversary is not None:
            name, partner = f"{recipe.name}-GAN", trainer.fidelity
        header = describe(
            trainer.average,
            name,
            degradation=f"{recipe.data.degradation if recipe.data.low_res is None else 'pairs'} x{recipe.scale}",
            data=(data,),
            steps=progress.earlier_steps + progress.step,
            patches=progress.earlier_patches + progress.patches,
            hours=round((progress.earlier_seconds + progress.seconds) / 3600, 2),
            scores={} if math.isnan(psnr_y) else {"validation": {"psnr_y": round(psnr_y, 3)}},
            date=datetime.now(UTC).date().isoformat(),
            fidelity_weights=partner,
            clean_weights=trainer.clean,
        )
        path = self.path / f"{name}.safetensors"
        save_weights(path, trainer.average, header)
        return path

    def keep_fidelity_weights(self, trainer: Trainer) -> None:
        """Copy the weights that a run of the second stage alone starts from, so that ``--strength`` finds both."""
        if self.recipe.network.init is not None:
            weights = find_weights(self.recipe.network.init).read_bytes()
            write_file_atomically(self.path / f"{trainer.fidelity}.safetensors", weights)

    def close(self) -> None:
        """Finish the curves."""
        for curves in self._curves:
            curves.close()

    def _log(self, entry: dict[str, Any]) -> None:
        with (self.path / LOG_FILE).open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a line that a full disk has cut
                    file.write(b"\n")
            file.write(json.dumps(entry).encode() + b"\n")

    def _keep_recipe(self, step: int) -> None:
        """Write the recipe; where the run went on with another one, keep the one before under the step it ended at."""
        path, aside = self.path / RECIPE_FILE, self.path / f"recipe-until-{step:08d}.yaml"
        if path.is_file():
            try:
                changes = changed_keys(read_recipe(path), self.recipe)
            except ConfigError as error:
                self._set_aside(path, aside, step, error)
            else:
                if changes:
                    write_file_atomically(aside, path.read_bytes())
                    told = ", ".join(f"{key} {before} → {after}" for key, (before, after) in changes.items())
                    self.note(step, f"the recipe changed: {told}")
        write_recipe(path, self.recipe)

    def _keep_environment(self, step: int) -> None:
        path, sittings = self.path / ENVIRONMENT_FILE, []
        if path.is_file():
            try:
                sittings = _read_sittings(path)
            except (ValueError, TypeError) as error:
                self._set_aside(path, self.path / f"environment-until-{step:08d}.json", step, error)
        sittings.append({"from_step": step, **environment()})
        write_file_atomically(path, (json.dumps(sittings, indent=2) + "\n").encode())

    def _set_aside(self, path: Path, aside: Path, step: int, error: Exception) -> None:
        """Give a damaged file another name, and tell it; a new one takes its place."""
        path.replace(aside)
        text = f"{path.name} cannot be read and is set aside as {aside.name}: {error}"
        self.note(step, text)
        self._on_note(text)


def _read_sittings(path: Path) -> list[dict[str, Any]]:
    """The entries of earlier sittings."""
    sittings = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(sittings, list):
        raise TypeError(f"it must hold a list: got {type(sittings).__name__}")
    return sittings


def read_run_recipe(folder: Path, changes: dict[str, Any] | None = None, *, steps: int | None = None) -> Recipe:
    """The recipe of a run; where its file is damaged, the one in the state. Arguments as for ``read_recipe``.

    Raises:
        ConfigError: there is neither, or the changes do not fit it.
    """
    path = folder / RECIPE_FILE
    try:
        read_recipe(path)
    except ConfigError:
        kept = load_state(folder).get("recipe") if has_state(folder) else None
        if kept is None:
            raise
        return check_recipe(kept, changes, f"in the state of {folder}", steps=steps)
    return read_recipe(path, changes, steps=steps)


def environment() -> dict[str, Any]:
    """Versions, machine and git revision: what a result may depend on beside the recipe."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "nlcunet": __version__,
        "git": _git_revision(),
        "python": platform.python_version(),
        "packages": {name: _version_of(name) for name in _PACKAGES},
        "system": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def _git_revision() -> str | None:
    """Revision of the source tree the package runs from, ``+changes`` if it has any; None outside of one."""
    git = shutil.which("git")
    if git is None:
        return None

    def ask(*words: str) -> str | None:
        command = [git, "-C", str(Path(__file__).parent), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
        return done.stdout.strip() if done.returncode == 0 else None

    revision = ask("rev-parse", "HEAD")
    return None if revision is None else revision + ("+changes" if ask("status", "--porcelain") else "")
