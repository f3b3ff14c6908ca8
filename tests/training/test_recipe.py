"""Recipes: strictly checked, replaceable value by value, described by a schema, and all published ones run."""

import json

import pytest
import yaml

from nlcunet.errors import ConfigError
from nlcunet.models.nlcunet import NLCUnetConfig
from nlcunet.models.registry import size_config
from nlcunet.training.loop import train
from nlcunet.training.losses import PIXEL_LOSSES
from nlcunet.training.recipe import OptimRecipe, Recipe
from nlcunet.training.recipe_file import (
    changed_keys,
    embedded_recipes,
    parse_setting,
    read_recipe,
    recipe_schema,
    write_recipe,
)
from nlcunet.training.schedule import learning_rate, pixel_loss

SMALL_NETWORKS = {
    "NLCUnet": {"width": 4, "depths": [1, 0, 1, 0, 0, 0], "chunk_size": 16},
    "DANv1": {"width": 4, "blocks": 1, "estimator_width": 4, "estimator_blocks": 1, "loops": 2},
    "DANv2": {"width": 4, "groups": 1, "blocks": 1, "estimator_width": 4, "estimator_blocks": 1, "loops": 2},
    "DCLS": {"width": 4, "groups": 1, "blocks": 1, "head_blocks": 1, "kernel_channels": 4, "code_length": 16},
}
RUN_SMALL = {
    "network.init": None,
    "compile": False,
    "data.manifest": None,
    "data.patch_px": 24,
    "optim.steps": 12,
    "optim.warmup_steps": 2,
    "optim.decay_steps": 4,
    "validation.every_steps": 100,
    "validation.crop_px": 64,
}
RUN_SMALL_GAN = {
    "gan.optim.steps": 8,
    "gan.optim.warmup_steps": 2,
    "gan.discriminator_width": 4,
    "gan.discriminator_head_start": 2,
    "gan.perceptual.backbone": "efficientnet-lite0",  # VGG19 would be downloaded
}


@pytest.mark.parametrize("name", [name for name in embedded_recipes() if read_recipe(name).optim.steps])
def test_fewer_steps_shrink_warm_up_and_decay_with_them(name):
    whole, short = (read_recipe(name, steps=steps).optim for steps in (None, 100))
    assert short.steps == 100
    rates, full_rates = (
        [learning_rate(optim, step * optim.steps // 100) for step in range(100)] for optim in (short, whole)
    )
    assert max(rates) == pytest.approx(max(full_rates), rel=0.05)
    assert sum(rates) == pytest.approx(sum(full_rates), rel=0.05)
    assert short.l2_steps == round(whole.l2_steps * 100 / whole.steps)


def test_a_setting_goes_before_the_share_of_fewer_steps():
    optim = read_recipe("nlcunet_s_x4_isotropic", {"optim.warmup_steps": 7}, steps=1080).optim
    assert (optim.steps, optim.warmup_steps, optim.decay_steps) == (1080, 7, 600)


def test_steps_of_a_recipe_without_a_first_stage_are_just_set():
    assert read_recipe("nlcunet_s_x4_isotropic_gan", steps=50).optim.steps == 50


@pytest.mark.parametrize("name", embedded_recipes())
def test_every_embedded_recipe_runs_twenty_steps(tmp_path, photographs, processes, name):
    published = read_recipe(name)
    has_gan = published.gan is not None
    small = {"network.overrides": SMALL_NETWORKS[published.network.size.split("-")[0]], "optim.milestones": ()}
    changes = (
        RUN_SMALL | small | {"data.photographs": photographs} | (RUN_SMALL_GAN if has_gan else {"optim.steps": 20})
    )
    recipe = read_recipe(name, changes | {"optim.batch": 2})
    weights = train(recipe, tmp_path / "run", processes=processes)
    assert weights.name == f"{recipe.name}{'-GAN' if has_gan else ''}.safetensors"
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == recipe.total_steps == 20
    assert lines[-1]["loss"] < 10


def test_published_runs_are_stated_as_the_authors_trained_them():
    for scale in (2, 3, 4):
        first = read_recipe(f"paper_x{scale}_isotropic")
        assert first.network_config() == NLCUnetConfig(scale=scale)
        assert (first.data.patch_px, first.data.crop, first.data.central_px) == (64, "central", 512)
        assert (first.optim.steps, first.optim.batch, first.optim.lr, first.optim.betas) == (
            1_200_000,
            4,
            4e-4,
            (0.9, 0.99),
        )
        assert first.optim.milestones == (300_000, 600_000, 900_000)
        assert first.gan is not None
        assert (first.gan.optim.steps, first.gan.optim.lr, first.gan.adversarial) == (600_000, 1e-4, "vanilla")
        assert (first.gan.adversarial_weight, first.gan.perceptual.backbone) == (0.1, "vgg19")
        second = read_recipe(f"paper_x{scale}_anisotropic")
        assert second.optim.milestones == (300_000, 450_000, 900_000)
        assert second.data.degradation == "anisotropic"


def test_baselines_are_stated_as_their_authors_trained_them():
    for name, steps, milestones in (
        ("danv1", 400_000, (200_000,)),
        ("danv2", 400_000, (200_000,)),
        ("dcls", 500_000, (200_000, 400_000)),
    ):
        recipe = read_recipe(f"{name}_x4_isotropic")
        assert recipe.network_config() == size_config(recipe.network.size)
        assert (recipe.optim.steps, recipe.optim.milestones) == (steps, milestones)
        assert (recipe.optim.batch, recipe.optim.lr, recipe.data.patch_px, recipe.gan) == (64, 4e-4, 64, None)


def test_values_can_be_replaced_by_dotted_key(make_recipe):
    recipe = make_recipe({"optim.steps": 123, "data.name": "stripes", "gan.optim.steps": 5})
    assert (recipe.optim.steps, recipe.data.name, recipe.gan.optim.steps) == (123, "stripes", 5)
    with pytest.raises(ConfigError, match=r"optim\.steps is a value, not a section"):
        make_recipe({"optim.steps.more": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optim.lr=1e-4", ("optim.lr", "1e-4")),
        ("network.overrides.depths=[1, 1, 2]", ("network.overrides.depths", [1, 1, 2])),
        ("gan=null", ("gan", None)),
        ("data.name=a=b", ("data.name", "a=b")),
    ],
)
def test_settings_are_parsed_as_yaml(text, expected):
    assert parse_setting(text) == expected


def test_numbers_without_a_point_are_numbers_in_a_recipe(make_recipe):
    assert make_recipe(dict([parse_setting("optim.lr=1e-4")])).optim.lr == 1e-4


def test_bad_settings_are_refused():
    with pytest.raises(ConfigError, match="--set must be KEY=VALUE"):
        parse_setting("optim.lr")
    with pytest.raises(ConfigError, match="must be YAML"):
        parse_setting("optim.betas=[1, 2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optim.learning_rat": 1e-4}, r"optim\.learning_rat: unknown key, known are steps, batch"),
        ({"optim.stebs": 1}, r"optim\.stebs: unknown key, did you mean steps\?"),
        ({"optm": {}}, r"optm: unknown key, did you mean optim\?"),
        ({"gan.optim.steps": 4, "gan.perceptual.backbon": "vgg19"}, r"did you mean backbone\?"),
        ({"gan.optim.steps": 0}, "must be at least 1"),
        ({"optim.steps": -1}, r"optim\.steps"),
        ({"data.patch_px": 15}, r"data\.patch_px"),
        ({"data.crop": "middle"}, r"data\.crop"),
        ({"network.overrides": {"depth": 3}}, "overrides must name fields"),
        ({"network.size": "NLCUnet-XL"}, "size must be one of"),
        ({"scale": 5}, "scale"),
    ],
)
def test_impossible_recipes_are_refused(make_recipe, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_recipe(changes).network_config()


def test_missing_and_broken_recipes_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"found no nothing\.yaml"):
        read_recipe("nothing.yaml")
    for content, message in (
        ("a: [", "must be a YAML file"),
        ("- 1", "must hold keys"),
        ("name: a\ndata: {}\nname: b", "name stands twice"),
    ):
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(ConfigError, match=message):
            read_recipe(tmp_path / "bad.yaml")


def test_a_written_recipe_reads_back_equal(tmp_path, gan_recipe):
    write_recipe(tmp_path / "written.yaml", gan_recipe)
    assert read_recipe(tmp_path / "written.yaml") == gan_recipe


def test_changes_between_recipes_are_named(make_recipe):
    assert changed_keys(make_recipe(), make_recipe({"optim.steps": 9, "gan.optim.steps": 1}))["optim.steps"] == (8, 9)
    assert changed_keys(make_recipe(), make_recipe()) == {}


def test_the_schema_describes_every_key_and_forbids_others(recipe_file):
    schema = json.loads(recipe_schema())
    sections = [schema, *schema["$defs"].values()]
    assert set(schema["properties"]) == set(Recipe.model_fields)
    for section in sections:
        assert section["additionalProperties"] is False
        for key, value in section["properties"].items():
            assert "description" in value or "$ref" in value or "anyOf" in value, key
    content = yaml.safe_load(recipe_file.read_text())
    assert set(content) <= set(schema["properties"])


def test_rate_rises_halves_and_falls():
    optim = OptimRecipe(steps=100, lr=1.0, warmup_steps=4, milestones=(20, 40), decay_steps=9)
    rates = [learning_rate(optim, step) for step in range(100)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert (rates[19], rates[20], rates[40]) == (1.0, 0.5, 0.25)
    assert rates[-1] == pytest.approx(0.025)
    assert min(rates) > 0


def test_cosine_decay_is_half_way_down_in_the_middle():
    optim = OptimRecipe(steps=99, lr=1.0, decay="cosine", decay_steps=99)
    rates = [learning_rate(optim, step) for step in range(99)]
    assert rates[0] == pytest.approx(1.0, abs=1e-3)
    assert rates[49] == pytest.approx(0.5, abs=1e-6)
    assert 0 < rates[-1] < 1e-3
    assert rates == sorted(rates, reverse=True)


def test_the_loss_changes_for_the_last_steps():
    optim = OptimRecipe(steps=10, l2_steps=3)
    assert [pixel_loss(optim, step) for step in range(10)] == ["l1"] * 7 + ["l2"] * 3
    assert {pixel_loss(OptimRecipe(steps=10), step) for step in range(10)} == {"l1"}
    assert {pixel_loss(OptimRecipe(steps=10, l2_steps=20), step) for step in range(10)} == {"l2"}


def test_a_run_takes_the_loss_that_its_step_has(tmp_path, make_recipe, processes, monkeypatch):
    taken = []
    for kind, loss in PIXEL_LOSSES.items():
        monkeypatch.setitem(PIXEL_LOSSES, kind, lambda *a, kind=kind, loss=loss: taken.append(kind) or loss(*a))
    train(make_recipe({"optim.steps": 5, "optim.l2_steps": 2}), tmp_path / "run", processes=processes)
    assert taken == ["l1", "l1", "l1", "l2", "l2"]
