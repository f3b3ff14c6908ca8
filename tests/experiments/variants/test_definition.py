"""Experiments as YAML: what is accepted, what is refused, and what trainings they come to."""

import json
from pathlib import Path

import pytest

from nlcunet.errors import ConfigError
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.experiments.variants.definition import embedded_experiments, experiment_schema, read_experiment
from nlcunet.experiments.variants.plan import plan_runs
from nlcunet.training.recipe_file import read_recipe


@pytest.mark.parametrize("name", embedded_experiments())
def test_embedded_experiments_make_recipes_for_every_variant_and_budget(name: str) -> None:
    experiment = read_experiment(name)
    assert experiment.name == name
    find_measures(experiment.measures)
    for budget_name in experiment.budgets:
        _, budget = experiment.budget(budget_name)
        runs = plan_runs(experiment, budget, Path("out"))
        assert len(runs) == len(experiment.variants) * len(budget.seeds or experiment.seeds)
        assert len({run.folder for run in runs}) == len(runs)
        for on in experiment.measured_on:
            find_protocol(on.protocol, runs[0].recipe.scale, on.sigmas)
        if budget.steps is not None:
            assert {run.recipe.total_steps for run in runs} == {budget.steps}
    assert len(experiment.seeds) >= 2
    # Two variants of one recipe would be one training done twice.
    recipes = [read_recipe(experiment.recipe, {**experiment.settings, **own}) for own in experiment.variants.values()]
    assert len({recipe.model_dump_json() for recipe in recipes}) == len(recipes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"budget": {}}, "budget: unknown key, did you mean budgets?"),
        ({"baseline": "none"}, "baseline must be one of slow, fast: got none"),
        ({"budgets": {"small": {}}}, "budgets.small: a budget must have either steps or minutes"),
        ({"budgets": {"small": {"steps": 5, "minutes": 1}}}, "either steps or minutes"),
        ({"budgets": {"small": {"step": 5}}}, "budgets.small.step: unknown key, did you mean steps?"),
        ({"seeds": [1, 1]}, "seeds must be at least one, each once"),
        ({"variants": {"slow": {}}}, "variants"),
        ({"variants": {"../slow": {}, "slow": {}}}, "variants"),
        ({"against": {"fast": "faster"}}, "against must name variants"),
        ({"measured_on": [{"image": "Set5"}]}, "measured_on.0.image: unknown key, did you mean images?"),
    ],
)
def test_what_does_not_describe_an_experiment_is_refused(make_experiment, changes: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=r"the experiment tiny\.yaml is not valid") as error:
        make_experiment(**changes)
    assert told in str(error.value)


def test_a_variant_that_makes_no_recipe_is_named(make_experiment) -> None:
    experiment = make_experiment(variants={"slow": {}, "fast": {"optim.rate": 1}})
    with pytest.raises(ConfigError, match=r"variant fast of tiny: .*optim\.rate: unknown key"):
        plan_runs(experiment, experiment.budgets["small"], Path("out"))


def test_variants_of_two_scales_are_refused(make_experiment) -> None:
    experiment = make_experiment(variants={"slow": {}, "fast": {"scale": 4}})
    with pytest.raises(ConfigError, match="must have one scale"):
        plan_runs(experiment, experiment.budgets["small"], Path("out"))


def test_an_experiment_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"one of attention, .*: found no atention"):
        read_experiment("atention")


def test_the_schema_knows_every_key(content) -> None:
    properties = json.loads(experiment_schema())["properties"]
    assert set(content) <= set(properties)
    assert properties["question"]["description"]


def test_budgets_stretch_the_schedule_of_both_stages() -> None:
    recipe = read_recipe("nlcunet_s_x4_photo_gan", {"optim.steps": 5000, "optim.milestones": [1000, 2500]})
    assert recipe.gan is not None
    short = recipe.over_steps(150)
    assert short.gan is not None
    assert (short.optim.steps, short.gan.optim.steps, short.total_steps) == (50, 100, 150)
    assert short.optim.milestones == (10, 25)
    assert short.gan.optim.decay_steps == recipe.gan.optim.decay_steps // 100
    assert short.gan.discriminator_head_start == recipe.gan.discriminator_head_start // 100
    assert recipe.over_steps(recipe.total_steps) == recipe
    with pytest.raises(ConfigError, match="each stage of 4x-NLCUnet-S-Photo must have a step: 1 are too few"):
        recipe.over_steps(1)
