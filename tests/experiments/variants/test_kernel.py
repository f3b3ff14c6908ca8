"""The experiment `kernel`: networks that are told nothing, an estimate, or the true kernel."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.errors import ConfigError
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import set_on_the_fly
from nlcunet.evaluation.systems import make_system
from nlcunet.experiments.variants.curves import read_curve
from nlcunet.experiments.variants.definition import read_experiment
from nlcunet.experiments.variants.plan import plan_runs
from nlcunet.experiments.variants.running import RunSettings, run_experiment
from nlcunet.experiments.variants.training import finished_weights, train_and_measure
from nlcunet.models.kernel_conditioned import KernelConditionedConfig
from nlcunet.training.recipe_file import read_recipe

CPU = torch.device("cpu")
VARIANTS = {
    "none": {},
    "estimated": {"network.kernel": "estimated"},
    "known": {"network.kernel": "known"},
}


@pytest.fixture
def in_this_process(monkeypatch):
    """Trainings one after the other, costs without timing the machine."""

    def run(assignments, _jobs, _on_change):
        for one in assignments:
            train_and_measure(one)

    monkeypatch.setattr("nlcunet.experiments.variants.running.run_jobs", run)
    monkeypatch.setattr("nlcunet.experiments.variants.running.describe_machine", lambda _device: "a machine")
    monkeypatch.setattr("nlcunet.evaluation.cost.peak_mib", lambda *_: None)


@pytest.mark.usefixtures("in_this_process")
def test_all_three_train_from_one_start_and_are_measured(make_experiment, tmp_path, photographs) -> None:
    experiment = make_experiment(
        variants=VARIANTS,
        baseline="none",
        seeds=[1],
        measured_on=[
            {"images": "held-out", "protocol": "gaussian8", "sigmas": [0.8, 1.6]},
            {"images": "held-out", "protocol": "blur-noise-jpeg"},
        ],
    )
    results = run_experiment(experiment, RunSettings(folder=tmp_path / "out"))
    assert results.variants == ("none", "estimated", "known")
    assert results.costs["none"].parameters < results.costs["known"].parameters
    assert results.costs["none"].gflop <= results.costs["known"].gflop < results.costs["estimated"].gflop
    runs = {run.variant: run for run in plan_runs(experiment, experiment.budgets["small"], tmp_path / "out")}
    assert len({read_curve(run.folder).points[0].psnr_y for run in runs.values()}) == 1
    weights = {name: str(finished_weights(run)) for name, run in runs.items()}

    # The kernel that belongs to a picture, and another one.
    files = tuple(sorted(photographs.iterdir()))[:1]
    pairs = set_on_the_fly(files, find_protocol("gaussian8", 2), "one").load(files[0].name).pairs
    system = make_system("known", weights["known"], CPU, None)
    right = system.enlarge(pairs[:1])
    mistaken = [pairs[0].__class__(**{**vars(pairs[0]), "record": pairs[7].record})]
    assert not torch.equal(system.enlarge(mistaken), right)
    assert make_system("estimated", weights["estimated"], CPU, None).estimate_kernels(pairs[:2]).shape == (2, 31, 31)

    unknown = [pairs[0].__class__(**{**vars(pairs[0]), "record": None})]
    with pytest.raises(ConfigError, match=r"known must be given the true kernel.*the kernel of .* is not known"):
        system.enlarge(unknown)
    with pytest.raises(ConfigError, match="leave --tile out"):
        make_system("known", weights["known"], CPU, 16).enlarge(pairs[:1])
    chain = find_protocol("photo-other", 2).records("any.png")[0][1]
    with pytest.raises(ConfigError, match="the blur must be a single kernel"):
        system.enlarge([pairs[0].__class__(**{**vars(pairs[0]), "record": chain})])

    # Nobody enlarges a photograph with it by mistake.
    done = CliRunner().invoke(app, ["upscale", str(files[0]), "-m", weights["known"], "-o", str(tmp_path / "up.png")])
    assert done.exit_code == 2
    assert "these weights must be given the true blur kernel of every picture" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "up.png").exists()


def test_the_embedded_experiment_compares_each_with_the_same_network_untold() -> None:
    experiment = read_experiment("kernel")
    for budget in experiment.budgets.values():
        by_name = {}
        for run in plan_runs(experiment, budget, Path()):
            by_name.setdefault(run.variant, run.recipe)
        for name, recipe in by_name.items():
            told = recipe.network.kernel
            assert name == f"{recipe.data.degradation}-{told}"
            rival = experiment.rival(name)
            assert rival == (None if told == "none" else f"{recipe.data.degradation}-none")
            same = {"network": recipe.network.model_copy(update={"kernel": "none"}), "name": "", "seed": 0}
            plain = by_name[f"{recipe.data.degradation}-none"]
            assert recipe.model_copy(update=same) == plain.model_copy(update={**same, "network": plain.network})


def test_kernels_that_are_not_known_are_refused_before_training(make_experiment) -> None:
    photo = make_experiment(variants=VARIANTS, baseline="none", measured_on=[{"protocol": "photo"}])
    with pytest.raises(ConfigError, match=r"variant known of tiny must be told .*protocol photo has pictures without"):
        plan_runs(photo, photo.budgets["small"], Path())
    chains = make_experiment(
        variants={"none": {}, "known": {"network.kernel": "known", "data.degradation": "photo"}}, baseline="none"
    )
    with pytest.raises(ConfigError, match=r"where no single kernel is known: the degradation photo"):
        plan_runs(chains, chains.budgets["small"], Path())


def test_network_kernel_belongs_to_nlcunet() -> None:
    told = read_recipe("nlcunet_s_x4_isotropic", {"network.kernel": "known", "network.overrides": {"width": 16}})
    config = told.network_config()
    assert isinstance(config, KernelConditionedConfig)
    assert (config.kernel, config.width) == ("known", 16)
    with pytest.raises(ConfigError, match=r"network\.kernel must be none for all but NLCUnet"):
        read_recipe("nlcunet_s_x4_isotropic", {"network.kernel": "known", "network.size": "DANv1"}).network_config()
    pairs = {"network.kernel": "known", "data.low_res": "small"}
    with pytest.raises(ConfigError, match="pairs of pictures cannot say it"):
        read_recipe("nlcunet_s_x4_isotropic", pairs).network_config()
