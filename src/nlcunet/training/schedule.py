"""The learning rate as a pure function of the step, so that resuming needs no scheduler state."""

from nlcunet.training.recipe import OptimRecipe


def learning_rate(optim: OptimRecipe, step: int) -> float:
    """The rate of one step.

    Args:
        optim: rate, warm-up, milestones (halving each time, the paper's schedule) and final linear decay.
        step: 0 … ``optim.steps`` − 1.

    Returns:
        The rate, > 0 for every step in range.
    """
    rate = optim.learning_rate * 0.5 ** sum(step >= milestone for milestone in optim.milestones)
    if step < optim.warmup_steps:
        rate *= (step + 1) / (optim.warmup_steps + 1)
    if optim.decay_steps:
        rate *= min(1.0, (optim.steps - step) / (optim.decay_steps + 1))
    return rate
