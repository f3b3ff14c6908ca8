"""Curves and contact sheets of a run, for TensorBoard and, where the recipe asks for it, Weights & Biases."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from nlcunet.errors import ConfigError, install_extra
from nlcunet.training.recipe import Recipe

SHEET = "bicubic, result, original"
"""What a contact sheet shows, from left to right."""
WANDB_ID_FILE = "wandb-id"
"""In the run folder: under which name the run goes on at Weights & Biases."""


@runtime_checkable
class Curves(Protocol):
    """Where numbers and pictures of a run are drawn."""

    def add(self, step: int, values: Mapping[str, float], sheet: Tensor | None) -> None:
        """Draw the numbers of a step, by name, and its contact sheet in [0, 1], ``3 height width``."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


def open_curves(folder: Path, recipe: Recipe, step: int) -> tuple[Curves, ...]:
    """Everything that a run is drawn in; what lies behind ``step`` is forgotten.

    Raises:
        ConfigError: the recipe asks for Weights & Biases, which is not installed or cannot be started.
    """
    curves: list[Curves] = []
    if recipe.log.wandb is not None:
        curves.append(WeightsAndBiases(folder, recipe))
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return tuple(curves)
    return (TensorBoard(SummaryWriter(str(folder / "tensorboard"), purge_step=step or None)), *curves)


class TensorBoard:
    """Curves in ``tensorboard/`` of the run folder."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add(self, step: int, values: Mapping[str, float], sheet: Tensor | None) -> None:
        """Draw a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        if sheet is not None:
            self._writer.add_image(SHEET, sheet, step)
        self._writer.flush()

    def close(self) -> None:
        """Finish."""
        self._writer.close()


class WeightsAndBiases:
    """Curves at Weights & Biases; its own settings hold, as ``WANDB_MODE=offline``. A resumed run goes on there.

    Raises:
        ConfigError: it is not installed, or cannot be started.
    """

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(
                f"log.wandb needs Weights & Biases: install it with {install_extra('wandb')}, or set log.wandb=null"
            ) from error
        path = folder / WANDB_ID_FILE
        if not path.is_file():
            path.write_text(uuid.uuid4().hex, encoding="utf-8")
        self._wandb = wandb
        try:
            self._run = wandb.init(
                project=recipe.log.wandb,
                name=recipe.name,
                id=path.read_text(encoding="utf-8").strip(),
                resume="allow",
                dir=str(folder),
                config=recipe.model_dump(mode="json"),
            )
        except (wandb.Error, OSError) as error:
            raise ConfigError(
                f"Weights & Biases could not be started: {error}; log in with wandb login, work without a network with "
                "WANDB_MODE=offline, or set log.wandb=null"
            ) from error

    def add(self, step: int, values: Mapping[str, float], sheet: Tensor | None) -> None:
        """Draw a step."""
        picture = {} if sheet is None else {SHEET: self._wandb.Image(sheet)}
        self._run.log({**values, **picture}, step=step)

    def close(self) -> None:
        """Finish."""
        self._run.finish()
