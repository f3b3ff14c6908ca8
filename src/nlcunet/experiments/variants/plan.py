"""From an experiment to the trainings it takes: one for each variant and seed, each with a recipe of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlcunet.errors import ConfigError
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.experiments.variants.definition import Budget, Experiment
from nlcunet.training.recipe import Recipe
from nlcunet.training.recipe_file import read_recipe

VALIDATIONS = 8
"""Points of each curve after its start."""


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One training."""

    variant: str
    """Name of the variant."""
    seed: int
    """Its seed."""
    recipe: Recipe
    """What is trained; with a budget of time, before its steps are known."""
    folder: Path
    """Where it lies."""

    @property
    def system(self) -> str:
        """What its network is called in records."""
        return system_name(self.variant, self.seed)


def system_name(variant: str, seed: int) -> str:
    """What the network of a variant and seed is called in records: ``none@1``."""
    return f"{variant}@{seed}"


def plan_runs(
    experiment: Experiment,
    budget: Budget,
    folder: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    seeds: tuple[int, ...] | None = None,
) -> tuple[PlannedRun, ...]:
    """The trainings of an experiment, seed by seed, so that after the first seed there is something to look at.

    Args:
        experiment: what is compared.
        budget: for how long each is trained.
        folder: that of the experiment.
        changes: values of the recipe that stand above all others, as where the photographs lie.
        seeds: instead of those of the budget or the experiment.

    Raises:
        ConfigError: a variant does not make a recipe, or must be told kernels that what it is measured on has not.
    """
    runs = []
    for seed in seeds or budget.seeds or experiment.seeds:
        for variant, settings in experiment.variants.items():
            shared = {**experiment.settings, **budget.settings, **settings, **(changes or {})}
            own = {"name": f"{experiment.name}-{variant}-seed{seed}", "seed": seed}
            try:
                recipe = read_recipe(experiment.recipe, {**shared, **own})
                recipe.network_config()
                recipe = recipe if budget.steps is None else with_steps(recipe, budget.steps)
            except ConfigError as error:
                raise ConfigError(f"variant {variant} of {experiment.name}: {error}") from error
            runs.append(PlannedRun(variant=variant, seed=seed, recipe=recipe, folder=folder / variant / f"seed-{seed}"))
    if len({run.recipe.scale for run in runs}) > 1:
        raise ConfigError(f"all variants of {experiment.name} must have one scale, or nothing compares them")
    _check_kernels_are_known(experiment, runs)
    return tuple(runs)


def _check_kernels_are_known(experiment: Experiment, runs: list[PlannedRun]) -> None:
    """Refuse, before hours of training, protocols without a kernel where a variant must be told it."""
    told = [run.variant for run in runs if run.recipe.network.kernel == "known"]
    for on in experiment.measured_on if told else ():
        records = find_protocol(on.protocol, runs[0].recipe.scale, on.sigmas).records("any.png")
        if not all(record.has_kernel for _, record in records):
            raise ConfigError(
                f"variant {told[0]} of {experiment.name} must be told the true kernel: the "
                f"protocol {on.protocol} has pictures without one; measure on gaussian8, anisotropic-standin or "
                "blur-noise-jpeg"
            )


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """A recipe over so many steps, validated often enough for a curve."""
    stretched = recipe.over_steps(steps)
    every = max(1, steps // VALIDATIONS)
    return stretched.model_copy(update={"validation": stretched.validation.model_copy(update={"every_steps": every})})
