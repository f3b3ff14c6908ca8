"""The state of a run on disk: written atomically, holding all that the next step depends on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nlcunet.errors import TrainingError


@dataclass
class Progress:
    """How far a run has come; grows from step to step."""

    step: int = 0
    """Optimiser steps done."""
    patches: int = 0
    """Patches seen."""
    seconds: float = 0.0
    """Time spent by the clock, over all sittings."""


def save_state(path: Path, network: nn.Module, average: nn.Module, optimizer: Optimizer, progress: Progress) -> None:
    """Write the state beside ``path`` and rename it, so that the last good state survives anything.

    Raises:
        TrainingError: it cannot be written.
    """
    state: dict[str, Any] = {
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": vars(progress),
    }
    temporary = path.with_name(f".{path.name}.part")
    try:
        torch.save(state, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise TrainingError(f"the state could not be written to {path}: {error}; free some space and resume") from error
    finally:
        temporary.unlink(missing_ok=True)


def load_state(path: Path, network: nn.Module, average: nn.Module, optimizer: Optimizer) -> Progress:
    """Put a saved state back in place.

    Raises:
        TrainingError: the file is missing, damaged, or of another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        return Progress(**state["progress"])
    except Exception as error:  # torch.load raises whatever the damage happens to cause
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrainingError(
            f"the state {path} cannot be resumed ({first_line}); it must come from the same recipe, or start afresh"
        ) from error
