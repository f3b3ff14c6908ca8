"""The first training stage: L1 between the restored and the original patch, Adam, a running average of the weights.

Paper: NLCUnet, https://arxiv.org/abs/2307.12014, section on training. On the CPU a resumed run equals an uninterrupted
one bit for bit: batches and learning rate are functions of the step, and everything else is in the state.
"""

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nlcunet.data.pairs import draw_pairs
from nlcunet.data.photographs import Photographs, load_photographs
from nlcunet.degradations.presets import find_preset
from nlcunet.errors import ConfigError, TrainingError
from nlcunet.models.nlcunet import NLCUnet
from nlcunet.models.weights import DataSource, describe, load_model, save_weights
from nlcunet.training.losses import l1_loss
from nlcunet.training.recipe import Recipe
from nlcunet.training.schedule import learning_rate
from nlcunet.training.state import Progress, load_state, save_state
from nlcunet.training.validation import make_validation_pairs, validate

STATE_FILE = "state.pt"
LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class Report:
    """What the loop tells after every ``validation.every_steps`` steps, and at the end."""

    step: int
    patches: int
    seconds: float
    learning_rate: float
    loss: float
    """Mean L1 since the last report."""
    psnr_y: float
    """Validation PSNR of the averaged weights on Y, dB; NaN without validation pictures."""


@dataclass
class Trainer:
    """A run in progress: the networks, the optimiser and how far it has come."""

    recipe: Recipe
    network: NLCUnet
    average: NLCUnet
    optimizer: torch.optim.Optimizer
    progress: Progress
    device: torch.device

    def step(self, photographs: Photographs, forward: Callable[..., Any]) -> torch.Tensor:
        """One optimiser step.

        Args:
            photographs: where patches come from.
            forward: the network, possibly compiled.

        Returns:
            The loss, still on the device.

        Raises:
            TrainingError: the loss is not finite.
        """
        recipe, optim = self.recipe, self.recipe.optim
        pairs = draw_pairs(
            photographs,
            find_preset(recipe.data.degradation, recipe.scale),
            step=self.progress.step,
            seed=recipe.seed,
            batch=optim.batch,
            patch_px=recipe.data.patch_px,
            central_px=recipe.data.central_px,
        )
        low_res = pairs.low_res.to(self.device, memory_format=torch.channels_last)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(optim, self.progress.step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            restored = forward(low_res)
        loss = l1_loss(restored, pairs.high_res.to(self.device))
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the loss must be finite: got {loss.item()} at step {self.progress.step}; lower optim.learning_rate "
                "or set optim.clip_norm, then resume from the last state"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        if optim.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), optim.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.patches += optim.batch
        self._update_average()
        return loss.detach()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the running average towards the weights; early steps weigh more, so that it forgets the start."""
        step = self.progress.step
        decay = min(self.recipe.optim.ema_decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1.0 - decay)


def make_trainer(recipe: Recipe, device: torch.device, initial_weights: str | Path | None = None) -> Trainer:
    """Fresh networks and optimiser for a recipe.

    Args:
        recipe: what to train.
        device: where.
        initial_weights: start from these weights (name or file) instead of random ones.

    Raises:
        ConfigError: the weights are of another network than the recipe's.
    """
    torch.manual_seed(recipe.seed)
    config = recipe.network_config()
    network = NLCUnet(config)
    if initial_weights is not None:
        loaded = load_model(initial_weights)
        if not isinstance(loaded.network, NLCUnet) or loaded.network.config != config:
            raise ConfigError(
                f"the initial weights must be of the recipe's network {config}: got {loaded.header.config}"
            )
        network.load_state_dict(loaded.network.state_dict())
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(
        network.parameters(),
        lr=recipe.optim.learning_rate,
        betas=recipe.optim.betas,
        fused=device.type in {"cpu", "cuda"},
    )
    average = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    return Trainer(recipe, network, average, optimizer, Progress(), device)


def load_training_data(recipe: Recipe) -> tuple[Photographs, Photographs | None]:
    """Training photographs and, if the recipe names some, validation photographs."""
    data = recipe.data
    min_px = data.patch_px * recipe.scale
    training = load_photographs(
        data.photographs, manifest=data.manifest, split="train", min_px=min_px, central_px=data.central_px
    )
    if data.validation is not None:
        return training, load_photographs(data.validation, min_px=64, central_px=recipe.validation.crop_px)
    if data.manifest is not None:
        return training, load_photographs(
            data.photographs,
            manifest=data.manifest,
            split="valid",
            min_px=64,
            central_px=recipe.validation.crop_px,
        )
    return training, None


def train(
    recipe: Recipe,
    run_folder: Path,
    *,
    device: torch.device,
    resume: bool = False,
    initial_weights: str | Path | None = None,
    max_seconds: float = math.inf,
    on_report: Callable[[Report], None] | None = None,
) -> Path:
    """Run a recipe to its last step, or until time is up.

    Args:
        recipe: what to do.
        run_folder: gets the recipe, a log, the state and the weights; made when missing.
        device: where to train.
        resume: go on from the state in ``run_folder``.
        initial_weights: start from these weights (ignored when resuming).
        max_seconds: stop cleanly and save after so long.
        on_report: called at every validation.

    Returns:
        Path of the weights (the running average, with their header).

    Raises:
        ConfigError: the run folder holds another run, or nothing to resume.
        DataError: the photographs cannot be used.
        TrainingError: the loss is not finite, or the state cannot be read or written.
    """
    state_path = run_folder / STATE_FILE
    if state_path.exists() and not resume:
        raise ConfigError(f"{run_folder} already holds a run: add --resume to go on with it, or choose another folder")
    if resume and not state_path.exists():
        raise ConfigError(f"{run_folder} must hold a {STATE_FILE} to resume: found none")
    training, validation = load_training_data(recipe)
    trainer = make_trainer(recipe, device, None if resume else initial_weights)
    if resume:
        trainer.progress = load_state(state_path, trainer.network, trainer.average, trainer.optimizer)
    run_folder.mkdir(parents=True, exist_ok=True)
    (run_folder / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
    pairs = make_validation_pairs(validation, recipe) if validation is not None else ()
    forward = torch.compile(trainer.network) if recipe.compile else trainer.network

    weights_path = run_folder / f"{recipe.name}.safetensors"
    started, seconds_before = time.monotonic(), trainer.progress.seconds
    losses: list[float] = []
    is_over = False
    while not is_over:
        if trainer.progress.step < recipe.optim.steps:
            losses.append(float(trainer.step(training, forward)))
        trainer.progress.seconds = seconds_before + time.monotonic() - started
        is_over = trainer.progress.step >= recipe.optim.steps or time.monotonic() - started >= max_seconds
        if is_over or trainer.progress.step % recipe.validation.every_steps == 0:
            report = _report(
                trainer, losses, validate(trainer.average, pairs, recipe.scale, device) if pairs else math.nan
            )
            save_state(state_path, trainer.network, trainer.average, trainer.optimizer, trainer.progress)
            _save_average(weights_path, trainer, training, report)
            _log(run_folder / LOG_FILE, report)
            if on_report is not None:
                on_report(report)
            losses.clear()
    return weights_path


def _report(trainer: Trainer, losses: list[float], psnr_y: float) -> Report:
    progress = trainer.progress
    return Report(
        step=progress.step,
        patches=progress.patches,
        seconds=progress.seconds,
        learning_rate=learning_rate(trainer.recipe.optim, max(0, progress.step - 1)),
        loss=sum(losses) / len(losses) if losses else math.nan,
        psnr_y=psnr_y,
    )


def _log(path: Path, report: Report) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(vars(report)) + "\n")


def _save_average(path: Path, trainer: Trainer, photographs: Photographs, report: Report) -> None:
    """Write the averaged weights with a header that says where they come from."""
    recipe, progress = trainer.recipe, trainer.progress
    licence = photographs.licence or "unknown"
    header = describe(
        trainer.average,
        recipe.name,
        degradation=f"{recipe.data.degradation} x{recipe.scale}",
        data=(DataSource(name=recipe.data.name, licence=licence, pictures=len(photographs)),),
        steps=progress.step,
        patches=progress.patches,
        hours=round(progress.seconds / 3600, 2),
        scores={} if math.isnan(report.psnr_y) else {"validation": {"psnr_y": round(report.psnr_y, 3)}},
        date=datetime.now(UTC).date().isoformat(),
    )
    save_weights(path, trainer.average, header)
