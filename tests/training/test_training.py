"""Training end to end on a folder of generated pictures: it learns, resumes exactly, and refuses what cannot be."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nlcunet.data.photographs import load_photographs
from nlcunet.errors import ConfigError, TrainingError
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.models.nlcunet import NLCUnet
from nlcunet.models.weights import load_model, read_header
from nlcunet.training.dry_run import dry_run
from nlcunet.training.loop import TrainingListener, train
from nlcunet.training.run_folder import LOG_FILE
from nlcunet.training.sources import hold_out
from nlcunet.training.state import has_state, load_state
from nlcunet.training.trainer import Trainer, make_trainer
from nlcunet.training.validation import make_validation_pairs, validate


def weights_of(path):
    return load_model(path).network.state_dict()


def assert_same_state(first, second):
    one, other = load_state(first), load_state(second)
    for key in ("network", "average", "discriminator"):
        for name, value in one.get(key, {}).items():
            assert torch.equal(value, other[key][name]), name
    for index, moments in one["optimizer"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, other["optimizer"]["state"][index][name])


def log_of(run):
    return [json.loads(line) for line in (run / LOG_FILE).read_text().splitlines()]


def test_training_learns_and_says_so_in_the_header(tmp_path, make_recipe, processes):
    reports = []
    recipe = make_recipe({"optim.steps": 60, "optim.batch": 4})
    path = train(recipe, tmp_path / "run", processes=processes, listener=TrainingListener(on_report=reports.append))
    assert (reports[0].step, reports[-1].step) == (0, 60)
    assert reports[-1].psnr_y > reports[1].psnr_y + 0.3
    assert reports[-1].loss < reports[1].loss
    header = load_model(path).header
    assert (header.name, header.scale, header.steps, header.patches) == ("2x-Stripes", 2, 60, 240)
    assert header.degradation == "isotropic x2"
    assert header.data[0].pictures == 6
    assert header.scores["validation"]["psnr_y"] == pytest.approx(reports[-1].psnr_y, abs=1e-3)
    assert [line["step"] for line in log_of(tmp_path / "run")] == [report.step for report in reports]


def test_resumed_training_equals_uninterrupted_training_bit_for_bit(tmp_path, make_recipe, processes):
    recipe = make_recipe()
    straight = train(recipe, tmp_path / "straight", processes=processes)
    train(recipe, tmp_path / "broken", processes=processes, max_seconds=0.0)  # stops after its first step
    assert load_state(tmp_path / "broken")["progress"]["step"] == 1
    resumed = train(recipe, tmp_path / "broken", processes=processes, resume=True, piece_bytes=20_000)
    assert_same_state(tmp_path / "straight", tmp_path / "broken")
    for name, value in weights_of(straight).items():
        assert torch.equal(value, weights_of(resumed)[name]), name


def test_a_run_killed_again_and_again_equals_an_uninterrupted_one(tmp_path, make_recipe, recipe_file, processes):
    changes = {"optim.steps": 120, "validation.every_steps": 5}
    train(make_recipe(changes), tmp_path / "straight", processes=processes)
    run = tmp_path / "killed"
    command = [sys.executable, "-m", "nlcunet", "train", str(recipe_file), "--run", str(run), "--threads", "1"]
    command += ["--device", "cpu", "--set", "optim.steps=120", "--set", "validation.every_steps=5"]
    kills = 0
    for wait in (0.05, 0.23):
        resume = ["--resume"] if has_state(run) else []
        before = (run / "state.json").read_text() if resume else ""
        with subprocess.Popen([*command, *resume], stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not (has_state(run) and (run / "state.json").read_text() != before):
                time.sleep(0.005)
            time.sleep(wait)
            kills += process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
    assert kills >= 1
    subprocess.run([*command, "--resume"], check=True, stderr=subprocess.DEVNULL)
    assert_same_state(tmp_path / "straight", run)


def test_interrupt_saves_and_says_so(tmp_path, recipe_file):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "nlcunet", "train", str(recipe_file), "--run", str(run), "--steps", "100000"]
    command += ["--set", "validation.every_steps=100000", "--device", "cpu", "--threads", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not has_state(run):
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in told
    assert f"all is saved: nlcunet train --run {run} --resume" in told.replace("\n", "")
    assert "Traceback" not in told
    step = load_state(run)["progress"]["step"]
    assert step > 0
    assert log_of(run)[-1]["step"] == step
    assert "stopped at step" in log_of(run)[-1]["note"]


def test_runs_of_one_seed_agree_and_of_two_seeds_differ(tmp_path, make_recipe, processes):
    paths = [train(make_recipe(), tmp_path / f"run{i}", processes=processes) for i in range(2)]
    other = train(make_recipe({"seed": 4}), tmp_path / "other", processes=processes)
    assert paths[0].read_bytes()[-1000:] == paths[1].read_bytes()[-1000:]
    assert paths[0].read_bytes()[-1000:] != other.read_bytes()[-1000:]


def test_bfloat16_trains_weights_in_float32(tmp_path, make_recipe, processes):
    train(make_recipe({"precision": "bfloat16"}), tmp_path / "run", processes=processes)
    assert {v.dtype for v in load_state(tmp_path / "run")["network"].values()} == {torch.float32}


def test_average_forgets_the_random_start(make_recipe, processes):
    trainer = make_trainer(make_recipe(), processes)
    with torch.no_grad():
        for parameter in trainer.network.parameters():
            parameter.fill_(1.0)
    for step in range(1, 40):
        trainer.progress.step = step
        trainer._update_average()
    assert all((parameter - 1.0).abs().max() < 1e-3 for parameter in trainer.average.parameters())


def test_training_goes_on_from_given_weights(tmp_path, make_recipe, processes):
    first = train(make_recipe(), tmp_path / "first", processes=processes)
    trainer = make_trainer(make_recipe({"network.init": str(first)}), processes)
    for name, value in weights_of(first).items():
        assert torch.equal(value, trainer.network.state_dict()[name])
    second = train(make_recipe({"network.init": str(first)}), tmp_path / "second", processes=processes)
    assert (load_model(second).header.steps, load_model(second).header.patches) == (16, 32)  # both runs together
    wider = {"network.overrides": {"width": 12, "depths": [1, 0, 1, 0, 1, 0], "chunk_size": 16}}
    with pytest.raises(ConfigError, match="must be of the recipe's network"):
        make_trainer(make_recipe({**wider, "network.init": str(first)}), processes)


def test_a_deeper_network_starts_from_the_weights_of_a_shallower_one(tmp_path, make_recipe, processes):
    first = train(make_recipe(), tmp_path / "first", processes=processes)
    shallow = load_model(first).network
    depths = [depth + 1 for depth in shallow.config.depths]
    deeper = make_recipe({"network.overrides.depths": depths, "network.init": str(first)})
    network = make_trainer(deeper, processes).network.eval()
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(network(picture), shallow(picture), rtol=0, atol=1e-5)
    second = train(deeper, tmp_path / "second", processes=processes)
    with pytest.raises(ConfigError, match="or of one with fewer blocks"):
        make_trainer(make_recipe({"network.init": str(second)}), processes)


def test_weights_of_another_scale_fill_all_but_the_upsampler(tmp_path, make_recipe, processes):
    first = train(make_recipe(), tmp_path / "first", processes=processes)
    given = weights_of(first)
    trainer = make_trainer(make_recipe({"scale": 3, "network.init": str(first)}), processes)
    fresh = make_trainer(make_recipe({"scale": 3}), processes)
    for name, value in trainer.network.state_dict().items():
        expected = fresh.network.state_dict()[name] if name.startswith("upsampler.") else given[name]
        assert torch.equal(value, expected)


def test_a_run_folder_is_never_overwritten(tmp_path, make_recipe, processes):
    train(make_recipe(), tmp_path / "run", processes=processes)
    with pytest.raises(ConfigError, match="already holds a run"):
        train(make_recipe(), tmp_path / "run", processes=processes)
    with pytest.raises(ConfigError, match="to resume: found none"):
        train(make_recipe(), tmp_path / "empty", processes=processes, resume=True)


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path, make_recipe, processes, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="the run folder must be writable"):
        train(make_recipe(), tmp_path / "file" / "run", processes=processes)
    import nlcunet.training.loop as module

    def fail(*_arguments, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_state", fail)
    with pytest.raises(TrainingError, match=r"could not be written.*No space left on device"):
        train(make_recipe(), tmp_path / "run", processes=processes)


def test_a_state_of_another_network_is_refused(tmp_path, make_recipe, processes):
    train(make_recipe(), tmp_path / "run", processes=processes)
    wider = make_recipe({"network.overrides.width": 16})
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        train(wider, tmp_path / "run", processes=processes, resume=True)


def test_the_run_folder_keeps_recipe_environment_and_pictures(tmp_path, make_recipe, processes):
    run = tmp_path / "run"
    train(make_recipe(), run, processes=processes)
    train(make_recipe({"optim.steps": 10}), run, processes=processes, resume=True)
    assert {"recipe.yaml", "recipe-until-00000008.yaml", "environment.json", "tensorboard"} <= {
        p.name for p in run.iterdir()
    }
    sittings = json.loads((run / "environment.json").read_text())
    assert [s["from_step"] for s in sittings] == [0, 8]
    assert sittings[0]["packages"]["torch"] in torch.__version__
    assert "optim.steps 8 → 10" in next(line["note"] for line in log_of(run) if "note" in line)
    sheets = sorted((run / "pictures").iterdir())
    assert [s.name for s in sheets] == [f"step-{step:08d}.webp" for step in (0, 4, 8, 10)]


def test_curves_are_written_for_tensorboard(tmp_path, make_recipe, processes):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    train(make_recipe(), run, processes=processes)
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert {"psnr/loss", "psnr/psnr_y", "psnr/learning_rate", "psnr/grad_norm"} <= set(events.Tags()["scalars"])
    assert [e.step for e in events.Scalars("psnr/loss")] == [4, 8]
    assert len(events.Images("bicubic, result, original")) == 3


def test_contact_sheets_show_bicubic_result_and_original_side_by_side(tmp_path, make_recipe, photographs, processes):
    train(make_recipe(), tmp_path / "run", processes=processes)
    sheet = load_photographs(tmp_path / "run" / "pictures", min_px=1, central_px=None).pictures[0]
    assert sheet.shape == (3 * 64 + 2 * 4, 3 * 64 + 2 * 4, 3)
    assert (sheet[64:68].float() - 255).abs().mean() < 8  # white between rows
    rows = sheet[:64].float()
    assert (rows[:, :64] - rows[:, 68:132]).abs().mean() < (rows[:, :64] - rows[:, 136:]).abs().mean()


def test_some_photographs_are_held_out_where_none_are_given_to_validate(photographs):
    loaded = load_photographs(photographs, min_px=1, central_px=None)
    assert hold_out(loaded, 24) == (loaded, None)  # fewer than ten
    many = type(loaded)(loaded.pictures * 5, tuple(f"{i}.png" for i in range(30)), "")
    training, validation = hold_out(many, 24)
    assert (len(training), len(validation)) == (27, 3)
    assert set(training.names) | set(validation.names) == set(many.names)
    assert set(training.names).isdisjoint(validation.names)


class Faulty:
    """Makes the network answer with something that is not finite at one step, so many times."""

    def __init__(self, monkeypatch, step, times, value=math.nan):
        self.calls, self.left, self.step, self.value = 0, times, step, value
        forward = NLCUnet.forward

        def faulty(network, low_res):
            result = forward(network, low_res)
            if network.training:
                self.calls += 1
                if self.calls > self.step and self.left:
                    self.left -= 1
                    return result * self.value
            return result

        monkeypatch.setattr(NLCUnet, "forward", faulty)


def test_weights_trained_on_another_degradation_name_those_they_started_from(tmp_path, make_recipe, processes):
    first = train(make_recipe(), tmp_path / "first", processes=processes)
    assert read_header(first).clean_weights == ""
    damaged = {"network.init": str(first), "data.degradation": "photo", "name": "2x-Stripes-Photo"}
    second = train(make_recipe(damaged), tmp_path / "second", processes=processes)
    assert read_header(second).clean_weights == "2x-Stripes"
    again = train(make_recipe({**damaged, "network.init": str(second)}), tmp_path / "third", processes=processes)
    assert read_header(again).clean_weights == "2x-Stripes"
    elliptic = {"network.init": str(first), "data.degradation": "anisotropic", "name": "2x-Stripes-Anisotropic"}
    blur_alone = train(make_recipe(elliptic), tmp_path / "fourth", processes=processes)
    assert read_header(blur_alone).clean_weights == ""


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_non_finite_loss_rolls_back_and_lowers_the_rate(tmp_path, make_recipe, processes, monkeypatch, value):
    Faulty(monkeypatch, step=5, times=1, value=value)
    notes, reports, run = [], [], tmp_path / "run"
    listener = TrainingListener(on_note=notes.append, on_report=reports.append)
    train(make_recipe(), run, processes=processes, listener=listener)
    assert [report.step for report in reports] == [0, 4, 8]
    assert len(notes) == 1
    assert "not finite at step 5" in notes[0]
    assert "back to step 4" in notes[0]
    assert "0.5 of the recipe's" in notes[0]
    state = load_state(run)
    assert (state["progress"]["rollbacks"], state["progress"]["lr_factor"]) == (1, 0.5)
    assert all(value.isfinite().all() for value in state["network"].values())
    batch = load_file(run / "failed-step-00000005-process-0.safetensors")
    assert batch["low_res"].shape == (2, 3, 16, 16)
    assert batch["high_res"].shape == (2, 3, 32, 32)


def test_a_failed_step_changes_neither_weights_nor_moments(make_recipe, processes, monkeypatch):
    from nlcunet.training.sources import load_training_data, make_stage_source

    trainer = make_trainer(make_recipe(), processes)
    source = make_stage_source(trainer, load_training_data(trainer.recipe))
    trainer.step(source.pairs(0))
    before = [value.clone() for value in trainer.network.parameters()]
    moments = [value["exp_avg_sq"].clone() for value in trainer.optimizer.state.values()]
    Faulty(monkeypatch, step=0, times=1)
    trainer.step(source.pairs(1))
    assert trainer.check() == 1
    assert trainer.check() is None
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.network.parameters(), strict=True))
    after = [value["exp_avg_sq"] for value in trainer.optimizer.state.values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, after, strict=True))


def test_gradients_are_clipped_to_the_norm(make_recipe, processes):
    """A step with plain clipping and Adam, against the trainer's, which clips inside the fused optimiser."""
    from nlcunet.training.losses import l1_loss
    from nlcunet.training.sources import load_training_data, make_stage_source

    recipe = make_recipe({"optim.clip_norm": 1e-3, "optim.betas": [0.0, 0.9], "optim.warmup_steps": 0})
    trainer, other = make_trainer(recipe, processes), make_trainer(recipe, processes)
    source = make_stage_source(trainer, load_training_data(recipe))
    plain = torch.optim.Adam(other.network.parameters(), lr=recipe.optim.lr, betas=recipe.optim.betas)
    for step in range(3):
        pairs = source.pairs(step)
        told = trainer.step(pairs)
        l1_loss(other.network(pairs.low_res), pairs.high_res).backward()
        norm = torch.nn.utils.clip_grad_norm_(other.network.parameters(), recipe.optim.clip_norm)
        plain.step()
        plain.zero_grad()
        assert float(told["grad_norm"]) == pytest.approx(float(norm), rel=1e-3)
        assert norm > recipe.optim.clip_norm
    for mine, theirs in zip(trainer.network.parameters(), other.network.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=2e-5)
    moments = [value["exp_avg_sq"] for value in trainer.optimizer.state.values()]
    assert sum(float(value.sum()) for value in moments) < 2 * recipe.optim.clip_norm**2


def test_a_loss_that_stays_non_finite_ends_the_run_with_its_last_state(tmp_path, make_recipe, processes, monkeypatch):
    Faulty(monkeypatch, step=5, times=100)
    with pytest.raises(TrainingError, match="rollback number 3"):
        train(make_recipe({"recovery.max_rollbacks": 2}), tmp_path / "run", processes=processes)
    state = load_state(tmp_path / "run")
    assert state["progress"]["step"] == 4
    assert all(value.isfinite().all() for value in state["network"].values())


def test_a_failed_save_is_told_and_training_goes_on(tmp_path, make_recipe, processes, monkeypatch):
    import nlcunet.training.loop as module

    real, calls, notes = module.save_state, [], []

    def fail_once(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:
            raise TrainingError("the state could not be written: No space left on device")
        real(*arguments, **keywords)

    monkeypatch.setattr(module, "save_state", fail_once)
    train(make_recipe(), tmp_path / "run", processes=processes, listener=TrainingListener(on_note=notes.append))
    assert len(notes) == 1
    assert "tries again" in notes[0]
    assert load_state(tmp_path / "run")["progress"]["step"] == 8


def test_time_is_kept_for_the_last_save(tmp_path, make_recipe, processes):
    """A run that is given two seconds more than it needs to start ends in time, with its last step saved."""
    recipe = make_recipe({"optim.steps": 100_000, "validation.every_steps": 100_000})
    started = time.monotonic()
    train(recipe, tmp_path / "run", processes=processes, max_seconds=3.0)
    assert time.monotonic() - started < 30  # generous: it must end by itself, long before its last step
    state = load_state(tmp_path / "run")
    assert 0 < state["progress"]["step"] < 100_000
    assert log_of(tmp_path / "run")[-1]["step"] == state["progress"]["step"]


def test_an_interrupt_that_ends_the_compiler_saves_and_stops(tmp_path, make_recipe, processes, monkeypatch):
    """Ctrl-C goes to the compiler of torch.compile as well, which then fails."""
    real_step = Trainer.step

    def step(trainer, pairs):
        if trainer.progress.step == 2 and not has_failed:
            has_failed.append(True)
            signal.raise_signal(signal.SIGTERM)
            raise RuntimeError("CppCompileError: C++ compile error")
        return real_step(trainer, pairs)

    # By hand: in a test worker that has loaded all libraries, the alternate stack on which Python takes signals can be
    # gone, and the kernel then ends the process. Real signals go to processes of their own, above and in test_stopping.
    monkeypatch.setattr(signal, "raise_signal", lambda number: signal.getsignal(number)(number, None))
    has_failed, notes, stops = [], [], []
    whole = train(make_recipe(), tmp_path / "whole", processes=processes)
    before = signal.signal(signal.SIGTERM, lambda *_: stops.append(True))
    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr("nlcunet.training.trainer.torch.compile", lambda module, **_: module)
    recipe = make_recipe({"compile": True})
    try:
        train(recipe, tmp_path / "run", processes=processes, listener=TrainingListener(on_note=notes.append))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stops
    assert "stopped at step 2, all is saved" in notes[-1]
    parts = train(recipe, tmp_path / "run", processes=processes, resume=True)
    for name, value in weights_of(whole).items():
        assert torch.equal(value, weights_of(parts)[name])


def test_a_signal_while_the_network_is_compiled_stops_at_once_and_says_how_to_go_on(
    tmp_path, make_recipe, processes, monkeypatch
):
    """The first step compiles, which takes minutes; nothing is lost by not waiting for it."""
    real_step = Trainer.step

    def step(trainer, pairs):
        if not stops:
            signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
        return real_step(trainer, pairs)

    monkeypatch.setattr(signal, "raise_signal", lambda number: signal.getsignal(number)(number, None))  # as above
    notes, stops = [], []
    whole = train(make_recipe(), tmp_path / "whole", processes=processes)
    before = signal.signal(signal.SIGTERM, lambda *_: stops.append(True))
    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr("nlcunet.training.trainer.torch.compile", lambda module, **_: module)
    monkeypatch.setattr("nlcunet.training.trainer.MIN_COMPILED_STEPS", 1)
    recipe = make_recipe({"compile": True})
    try:
        train(recipe, tmp_path / "run", processes=processes, listener=TrainingListener(on_note=notes.append))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(stops) == 1
    assert notes[0].startswith("compiling the network")
    assert notes[-1] == f"stopped at step 0, all is saved: nlcunet train --run {tmp_path / 'run'} --resume"
    parts = train(recipe, tmp_path / "run", processes=processes, resume=True)
    for name, value in weights_of(whole).items():
        assert torch.equal(value, weights_of(parts)[name])


def test_short_runs_and_dry_runs_are_not_compiled(make_recipe, processes, monkeypatch):
    def compile_network(module, **_):
        compiled.append(module)
        return module

    compiled = []
    monkeypatch.setattr("nlcunet.training.trainer.torch.compile", compile_network)
    assert not make_trainer(make_recipe({"compile": True, "optim.steps": 999}), processes).is_compiled
    dry_run(make_recipe({"compile": True, "optim.steps": 1000}), processes)
    assert compiled == []
    assert make_trainer(make_recipe({"compile": True, "optim.steps": 1000}), processes).is_compiled
    assert len(compiled) == 1


def test_without_a_compiler_training_goes_on_uncompiled(make_recipe, processes, monkeypatch):
    monkeypatch.setattr("nlcunet.training.trainer.shutil.which", lambda _name: None)
    with pytest.warns(UserWarning, match="compile is ignored"):
        trainer = make_trainer(make_recipe({"compile": True, "optim.steps": 1000}), processes)
    assert trainer.forward is trainer.network
    assert not trainer.is_compiled


def test_validation_crops_of_one_colour_are_left_out_of_the_mean(make_recipe, photographs, processes, tmp_path) -> None:
    folder = tmp_path / "valid"
    folder.mkdir()
    write_picture(Picture(pixels=np.full((64, 64, 3), 255, np.uint8)), folder / "white.png")
    recipe = make_recipe({"data.validation": folder})
    network = make_trainer(recipe, processes).average  # untrained: bicubic enlargement, exact for one colour

    def measure() -> float:
        pairs = make_validation_pairs(load_photographs(folder, min_px=32, central_px=None), recipe)
        return validate(network, pairs, recipe.scale, processes.device).psnr_y

    assert math.isnan(measure())
    shutil.copy(photographs / "0.png", folder)
    assert 10 < measure() < 60
