"""Trainings of an experiment on a Ray cluster: one that is started here."""

import pytest

from nlcunet.experiments.variants.jobs import JobError, run_on_cluster
from nlcunet.experiments.variants.originals import prepare_originals
from nlcunet.experiments.variants.plan import plan_runs
from nlcunet.experiments.variants.training import Assignment, finished_weights

pytest.importorskip("ray")


def test_trainings_run_on_a_cluster_and_one_that_fails_is_named(make_experiment, tmp_path) -> None:
    experiment = make_experiment(seeds=[1])
    runs = plan_runs(experiment, experiment.budgets["small"], tmp_path)
    originals, _ = prepare_originals(experiment.measured_on, runs[0].recipe, tmp_path, {})
    assignments = [
        Assignment(run=run, minutes=None, originals=originals, measures=("psnr_y",), device="cpu", threads=1)
        for run in runs
    ]
    damaged = runs[1].folder / "training"
    damaged.mkdir(parents=True)
    (damaged / "state.json").write_text("{")
    counts: list[tuple[int, int]] = []
    with pytest.raises(JobError, match="1 of 2 trainings failed: fast@1: "):
        run_on_cluster(assignments, "local", lambda working, done: counts.append((len(working), len(done))))
    assert finished_weights(runs[0]) is not None
    assert (runs[0].folder / "records.jsonl").is_file()
    assert counts[-1] == (0, 2)
