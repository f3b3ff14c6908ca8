"""A run folder that was damaged, shared or fed with other photographs: told, and gone on with where that is right."""

import json
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.errors import ConfigError, ImageWriteError
from nlcunet.files.locks import try_lock
from nlcunet.training.loop import TrainingListener, train
from nlcunet.training.run_folder import LOCK_FILE, LOG_FILE
from nlcunet.training.sources import changed_photographs
from nlcunet.training.state import load_state


def notes_of(run):
    lines = [json.loads(line) for line in (run / LOG_FILE).read_text().splitlines()]
    return [line["note"] for line in lines if "note" in line]


@pytest.fixture
def go_on(make_recipe, processes):
    """Resumes a run for two more steps and gives what was told."""

    def go_on(run, changes=None):
        told = []
        recipe = make_recipe({"optim.steps": 10, **(changes or {})})
        train(recipe, run, processes=processes, resume=True, listener=TrainingListener(on_note=told.append))
        assert load_state(run)["progress"]["step"] == 10
        return told

    return go_on


@pytest.fixture
def run(tmp_path, make_recipe, processes):
    """The folder of a run of eight steps."""
    train(make_recipe(), tmp_path / "run", processes=processes)
    return tmp_path / "run"


@pytest.mark.parametrize("content", [b"", b'[{"from_step": 0, "da', b"{}", b"\xff\xfe"])
def test_a_damaged_environment_is_set_aside_with_a_note(run, go_on, content):
    (run / "environment.json").write_bytes(content)
    told = go_on(run)
    assert "environment.json cannot be read and is set aside as environment-until-00000008.json" in told[0]
    assert told[0] in notes_of(run)
    assert (run / "environment-until-00000008.json").read_bytes() == content
    assert [sitting["from_step"] for sitting in json.loads((run / "environment.json").read_text())] == [8]


@pytest.mark.parametrize("content", [b"", b"name: 2x-Stri", b"name: [", b"\xff\xfe"])
def test_where_the_recipe_is_damaged_the_one_in_the_state_serves(run, content):
    (run / "recipe.yaml").write_bytes(content)
    command = ["train", "--run", str(run), "--resume", "--steps", "9", "--device", "cpu"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert load_state(run)["progress"]["step"] == 9
    assert "recipe.yaml cannot be read and is set aside as recipe-until-00000008.yaml" in result.stderr
    assert (run / "recipe-until-00000008.yaml").read_bytes() == content
    assert "steps: 9" in (run / "recipe.yaml").read_text()


def test_settings_that_cannot_be_are_not_taken_for_a_damaged_recipe(run):
    result = CliRunner().invoke(app, ["train", "--run", str(run), "--resume", "--set", "optim.stebs=9"])
    assert result.exit_code == 2
    assert "did you mean steps" in result.stderr


def test_side_files_are_written_whole_or_not_at_all(run, go_on, monkeypatch):
    def fail(_source, target):
        raise OSError(28, "No space left on device", str(target))

    before = {name: (run / name).read_bytes() for name in ("environment.json", "recipe.yaml")}
    with monkeypatch.context() as full:
        full.setattr("nlcunet.files.atomic.os.replace", fail)
        with pytest.raises(ImageWriteError, match="No space left on device"):
            go_on(run)
    assert {name: (run / name).read_bytes() for name in before} == before
    go_on(run)


def test_a_line_of_the_log_that_was_cut_spoils_no_other(run, go_on):
    whole = (run / LOG_FILE).read_bytes()
    (run / LOG_FILE).write_bytes(whole[:-10])
    go_on(run)
    lines = (run / LOG_FILE).read_text().splitlines()
    cut = lines.index(whole[:-10].decode().splitlines()[-1])
    assert all(json.loads(line) for number, line in enumerate(lines) if number != cut)


def test_a_damaged_newest_state_costs_one_validation(run, go_on):
    (newest,) = run.glob("state-00000008-*.pt")
    newest.write_bytes(b"")
    told = go_on(run)
    assert "the state before the newest is taken" in told[0]
    assert told[0] in notes_of(run)


def test_a_changed_folder_of_photographs_is_told(run, go_on, photographs, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(photographs, other)
    assert go_on(run, {"data.photographs": str(other)}) == []
    (other / "5.png").rename(other / "6.png")
    shutil.copyfile(other / "0.png", other / "7.png")
    train_on = go_on(run, {"data.photographs": str(other), "optim.steps": 10})
    assert len(train_on) == 1
    assert "changed since the run was saved, 6 then and 7 now: 1 gone (5.png) and 2 new (6.png, 7.png)" in train_on[0]
    assert train_on[0] in notes_of(run)


def test_another_order_of_photographs_is_told():
    assert changed_photographs(["a", "b"], ["a", "b"]) is None
    assert "they come in another order" in changed_photographs(["a", "b"], ["b", "a"])
    many = changed_photographs([f"{number}" for number in range(9)], ["0"])
    assert "9 then and 1 now: 8 gone (1, 2, 3, …)" in many


def test_one_program_at_a_time_trains_into_a_folder(run, make_recipe, processes):
    lock = try_lock(run / LOCK_FILE)
    assert lock is not None
    try:
        with pytest.raises(ConfigError, match="one program at a time may train into"):
            train(make_recipe(), run, processes=processes, resume=True)
    finally:
        lock.release()
    train(make_recipe(), run, processes=processes, resume=True)


def test_the_lock_of_a_killed_program_is_free_again(run, make_recipe, processes):
    code = (
        "import sys, pathlib; from nlcunet.files.locks import try_lock\n"
        f"lock = try_lock(pathlib.Path({str(run / LOCK_FILE)!r}))\n"
        "print(lock is not None, flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with pytest.raises(ConfigError, match="another one is at it"):
            train(make_recipe(), run, processes=processes, resume=True)
        other.kill()
    train(make_recipe(), run, processes=processes, resume=True)
