"""Several processes: the same curve as one process with the same patches per step, and resuming after a death."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.training.loop import train
from nlcunet.training.processes import Processes
from nlcunet.training.state import has_state, load_state

pytest.importorskip("accelerate")


def launch(recipe_file, run, *arguments):
    """Two processes on the CPU, as a user would start them."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines"]
    command += ["1", "--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", "1"]
    command += ["--main_process_port", "0", "-m", "nlcunet", "train", str(recipe_file), "--run", str(run)]
    command += ["--device", "cpu", "--set", "optim.batch=4", "--set", "validation.every_steps=2", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(process):
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def curve(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {line["step"]: (line["loss"], line["grad_norm"], line["psnr_y"]) for line in lines if "loss" in line}


def children_of(pid):
    """Processes below one, deepest last; Linux only."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        if parent == pid:
            child = int(status.parent.name)
            found += [child, *children_of(child)]
    return found


def test_two_processes_learn_like_one_with_the_doubled_batch_in_both_stages(
    tmp_path, recipe_file, make_recipe, processes
):
    gan = {"optim": {"steps": 2, "batch": 4, "lr": 1e-3}, "perceptual": {"backbone": "efficientnet-lite0"}}
    gan["discriminator_width"] = 4
    wait_for(launch(recipe_file, tmp_path / "two", "--steps", "6", "--set", f"gan={gan}"))
    recipe = make_recipe({"optim.batch": 4, "validation.every_steps": 2, "optim.steps": 6, "gan": gan})
    train(recipe, tmp_path / "one", processes=processes)
    one, two = curve(tmp_path / "one"), curve(tmp_path / "two")
    assert list(one) == list(two) == [2, 4, 6, 8]
    for step, values in one.items():
        assert two[step] == pytest.approx(values, rel=1e-3), step
    first, second = load_state(tmp_path / "one"), load_state(tmp_path / "two")
    for name, value in first["discriminator"].items():
        assert torch.allclose(value, second["discriminator"][name], atol=1e-3), name
    assert first["progress"]["patches"] == second["progress"]["patches"] == 32
    for name, value in first["average"].items():
        assert torch.allclose(value, second["average"][name], atol=1e-4), name


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="finds the processes in /proc")
def test_a_run_goes_on_exactly_after_one_of_two_processes_was_killed(tmp_path, recipe_file):
    steps = ("--steps", "120", "--set", "validation.every_steps=10")
    straight, run = tmp_path / "straight", tmp_path / "killed"
    wait_for(launch(recipe_file, straight, *steps))
    with launch(recipe_file, run, *steps) as process:
        while process.poll() is None and not has_state(run):
            time.sleep(0.01)
        os.kill(children_of(process.pid)[-1], signal.SIGKILL)
        process.communicate(timeout=240)
    assert process.returncode != 0
    step = load_state(run)["progress"]["step"]
    assert step < 120
    wait_for(launch(recipe_file, run, *steps, "--resume"))
    one, two = load_state(straight), load_state(run)
    assert two["progress"]["step"] == 120
    for name, value in one["network"].items():
        assert torch.equal(value, two["network"][name]), name


def test_a_batch_that_cannot_be_shared_is_refused():
    assert Processes(torch.device("cpu"), rank=1, count=2).share(4) == 2
    with pytest.raises(ConfigError, match="must divide by the number of processes: got 3 for 2"):
        Processes(torch.device("cpu"), rank=0, count=2).share(3)


def test_one_process_needs_no_group(processes):
    assert processes.is_first
    assert processes.any(flag=True)
    assert float(processes.mean(torch.tensor(3.0))) == 3.0
    processes.wait()
    processes.end()
