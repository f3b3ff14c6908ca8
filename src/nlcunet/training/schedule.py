"""Learning rate and loss as pure functions of the step, so that resuming needs no scheduler state."""

import math

from nlcunet.training.losses import PixelLossKind
from nlcunet.training.recipe import OptimRecipe


def learning_rate(optim: OptimRecipe, step: int) -> float:
    """The rate of one step, counted from the start of the stage; above 0 for each of its steps."""
    rate = optim.lr * 0.5 ** sum(step >= milestone for milestone in optim.milestones)
    if step < optim.warmup_steps:
        rate *= (step + 1) / (optim.warmup_steps + 1)
    if optim.decay_steps:
        left = min(1.0, (optim.steps - step) / (optim.decay_steps + 1))
        rate *= left if optim.decay == "linear" else 0.5 - 0.5 * math.cos(math.pi * left)
    return rate


def pixel_loss(optim: OptimRecipe, step: int) -> PixelLossKind:
    """The pixel loss of one step, counted from the start of the stage: l2 at the end, where the recipe says so."""
    return "l2" if step >= optim.steps - optim.l2_steps else optim.loss
