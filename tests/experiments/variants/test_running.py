"""Experiments that really train: resumed, repeated, in processes side by side."""

import json
import re

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

import nlcunet.experiments.variants.training as training_module
from nlcunet.cli.app import app
from nlcunet.errors import ConfigError, NlcunetError
from nlcunet.experiments.variants.curves import read_curve
from nlcunet.experiments.variants.jobs import JobError, run_jobs
from nlcunet.experiments.variants.originals import prepare_originals
from nlcunet.experiments.variants.page import make_files
from nlcunet.experiments.variants.plan import plan_runs
from nlcunet.experiments.variants.report import make_markdown
from nlcunet.experiments.variants.results import read_results
from nlcunet.experiments.variants.running import RunSettings, check_same, device_of, run_experiment
from nlcunet.experiments.variants.training import Assignment, finished_weights, train_and_measure


@pytest.fixture
def assign(make_experiment, tmp_path):
    """Assignments of the tiny experiment in a folder."""

    def make(folder: str = "out", budget: str = "small", **changes) -> list[Assignment]:
        experiment = make_experiment(**changes)
        _, chosen = experiment.budget(budget)
        runs = plan_runs(experiment, chosen, tmp_path / folder)
        originals, _ = prepare_originals(experiment.measured_on, runs[0].recipe, tmp_path / folder, {})
        return [
            Assignment(
                run=run,
                minutes=chosen.minutes,
                originals=originals,
                measures=experiment.measures,
                device="cpu",
                threads=1,
            )
            for run in runs
        ]

    return make


@pytest.fixture
def in_this_process(monkeypatch):
    """Trainings one after the other, without processes of their own, costs without timing the machine."""

    def run(assignments, _jobs, on_change):
        for number, one in enumerate(assignments):
            on_change([one], assignments[:number])
            train_and_measure(one)
        on_change([], assignments)

    monkeypatch.setattr("nlcunet.experiments.variants.running.run_jobs", run)
    monkeypatch.setattr("nlcunet.experiments.variants.running.describe_machine", lambda _device: "a machine")
    monkeypatch.setattr("nlcunet.evaluation.cost.peak_mib", lambda *_: None)


def records_of(one: Assignment) -> str:
    return (one.run.folder / "records.jsonl").read_text(encoding="utf-8")


def test_the_same_experiment_gives_the_same_records(assign) -> None:
    first, again = assign("a")[0], assign("b")[0]
    train_and_measure(first)
    train_and_measure(again)
    assert records_of(first) == records_of(again)
    points = read_curve(first.run.folder).points
    assert [point.step for point in points] == list(range(9))
    assert [point.psnr_y for point in points] == [point.psnr_y for point in read_curve(again.run.folder).points]
    assert [point.seconds for point in points] == sorted(point.seconds for point in points)
    assert points[-1].seconds > 0


def test_an_interrupted_training_goes_on_to_the_same_records(assign, monkeypatch) -> None:
    whole, stopped = assign("a")[0], assign("b")[0]
    train_and_measure(whole)
    real = training_module.train

    def stop_early(*args, **settings):
        listener, step = settings["listener"], settings["listener"].on_step

        def count(trainer):
            step(trainer)
            if trainer.progress.step == 5:
                raise KeyboardInterrupt

        object.__setattr__(listener, "on_step", count)
        return real(*args, **settings)

    monkeypatch.setattr(training_module, "train", stop_early)
    with pytest.raises(KeyboardInterrupt):
        train_and_measure(stopped)
    assert finished_weights(stopped.run) is None
    monkeypatch.setattr(training_module, "train", real)
    train_and_measure(stopped)
    assert records_of(stopped) == records_of(whole)
    assert [p.psnr_y for p in read_curve(stopped.run.folder).points] == [
        p.psnr_y for p in read_curve(whole.run.folder).points
    ]


def test_a_budget_of_time_is_turned_into_steps_once(assign) -> None:
    one = assign(budget="time")[0]
    train_and_measure(one)
    steps = read_curve(one.run.folder).points[-1].step
    assert steps >= 1
    weights = finished_weights(one.run)
    assert weights is not None
    changed = weights.stat().st_mtime_ns
    train_and_measure(one)  # done: neither timed nor trained again
    assert weights.stat().st_mtime_ns == changed
    check_same(one.run)


@pytest.mark.usefixtures("in_this_process")
def test_run_trains_measures_and_reports_and_then_does_nothing_again(make_experiment, tmp_path) -> None:
    experiment, shares = make_experiment(), []
    settings = RunSettings(folder=tmp_path / "out")
    results = run_experiment(experiment, settings, lambda progress: shares.append(progress.share))
    assert results.variants == ("slow", "fast")
    assert results.seeds == (1, 2)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert results.sets[0].values["psnr_y"].keys() == {"bicubic", "slow@1", "slow@2", "fast@1", "fast@2"}
    assert results.costs["fast"].parameters == results.costs["slow"].parameters
    for name, text in make_files(read_results(tmp_path / "out" / "results.json"), "report").items():
        assert (tmp_path / "out" / name).read_text(encoding="utf-8") == text
    trained = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}
    run_experiment(experiment, settings)
    assert {path: path.stat().st_mtime_ns for path in trained} == trained


@pytest.mark.usefixtures("in_this_process")
def test_a_new_set_is_measured_without_training_again(make_experiment, tmp_path, photographs) -> None:
    experiment = make_experiment(
        measured_on=[{"images": "held-out", "sigmas": [1.6]}, {"images": "Stripes", "sigmas": [1.6], "limit": 2}],
        seeds=[1],
    )
    notes: list[str] = []
    first = run_experiment(experiment, RunSettings(folder=tmp_path / "out"), on_note=notes.append)
    assert "Stripes is not measured: its pictures were not found" in notes[0]
    trained = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}
    settings = RunSettings(folder=tmp_path / "out", sets={"Stripes": photographs})
    second = run_experiment(experiment, settings)
    assert [one.title for one in first.sets] == ["held-out"]
    assert sorted(len(one.images) for one in second.sets) == [2, 3]
    assert {path: path.stat().st_mtime_ns for path in trained} == trained


@pytest.mark.usefixtures("in_this_process")
def test_a_folder_with_other_settings_is_refused(make_experiment, tmp_path) -> None:
    settings = RunSettings(folder=tmp_path / "out", seeds=(1,))
    run_experiment(make_experiment(), settings)
    changed = make_experiment(variants={"slow": {"optim.lr": 2e-5}, "fast": {"optim.lr": 2e-3}})
    with pytest.raises(ConfigError, match=r"slow@1 was trained with other settings \(optim\.lr 1e-05 → 2e-05\)"):
        run_experiment(changed, settings)


@pytest.mark.usefixtures("in_this_process")
def test_variants_that_are_not_finished_are_named_and_not_counted(make_experiment, tmp_path) -> None:
    settings = RunSettings(folder=tmp_path / "out", variants=("slow",), seeds=(1,))
    results = run_experiment(make_experiment(), settings)
    assert results.unfinished == ("fast@1",)
    assert "Not finished, and not counted: fast@1." in make_markdown(results)


def test_processes_side_by_side_and_one_that_fails_does_not_stop_the_others(assign) -> None:
    good, bad = assign("out", seeds=[1])
    folder = bad.run.folder / "training"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{")
    counts: list[tuple[int, int]] = []
    with pytest.raises(JobError, match=r"1 of 2 trainings failed: fast@1: .*state") as error:
        run_jobs([bad, good], 2, lambda working, done: counts.append((len(working), len(done))))
    assert isinstance(error.value, NlcunetError)
    assert finished_weights(good.run) is not None
    assert counts[-1] == (0, 1)


@pytest.mark.usefixtures("in_this_process")
def test_the_command_line_lists_shows_runs_and_reports(make_experiment, tmp_path) -> None:
    make_experiment(seeds=[1])
    file, folder = tmp_path / "tiny.yaml", tmp_path / "out"

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["experiment", *map(str, arguments)])

    assert "attention: Does attention" in run("list").stdout
    assert run("show", file).stdout == file.read_text(encoding="utf-8")
    assert json.loads(run("schema").stdout)["title"] == "Experiment"
    done = run("run", file, "-o", folder)
    assert done.exit_code == 0
    assert "| fast | not shown" in done.stdout
    assert f"report: {folder / 'report.md'}" in done.stderr
    assert run("report", folder, "-o", tmp_path / "again.html").exit_code == 0
    assert (tmp_path / "again.html").read_bytes() == (folder / "report.html").read_bytes()
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert run("report", folder / "results.json").stdout == re.sub(r"!\[.*\n\n", "", text)  # without the plots
    assert run("report", folder, "-o", tmp_path / "report.md").exit_code == 0
    for file in (folder / "report.md", *folder.glob("report-*.svg")):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    missing = run("report", tmp_path)
    assert missing.exit_code == 2
    assert "results must be a file of nlcunet experiment run" in missing.stderr


def test_several_gpus_take_turns_unless_one_is_named(monkeypatch) -> None:
    monkeypatch.setattr("nlcunet.experiments.variants.running.choose_device", torch.device)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [device_of("cuda", number) for number in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [device_of("cuda:1", number) for number in range(2)] == ["cuda:1", "cuda:1"]
    assert device_of("cpu", 1) == "cpu"
