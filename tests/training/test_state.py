"""The state of a run: complete or not there, in one piece or many, and whole after a kill in the middle of a save."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch

from nlcunet.errors import ConfigError, TrainingError
from nlcunet.training.state import (
    INDEX_FILE,
    has_state,
    load_state,
    parse_bytes,
    random_states,
    restore_random_states,
    save_state,
)


def example(step):
    return {"weights": torch.arange(3000.0) + step, "progress": {"step": step}}


def test_a_state_reads_back_equal_and_replaces_the_last(tmp_path):
    assert not has_state(tmp_path)
    for step in (1, 2, 3):
        save_state(tmp_path, example(step), step)
    assert has_state(tmp_path)
    assert torch.equal(load_state(tmp_path)["weights"], example(3)["weights"])
    assert len(list(tmp_path.iterdir())) == 4  # two states, two indexes


def damage_index(folder):
    (folder / INDEX_FILE).write_text('{"format": 1, "pie')


def remove_index(folder):
    (folder / INDEX_FILE).unlink()


def damage_piece(folder):
    (newest,) = folder.glob("state-00000002-*.pt")
    newest.write_bytes(newest.read_bytes()[:-1] + b"x")


def cut_piece(folder):
    (newest,) = folder.glob("state-00000002-*.pt")
    newest.write_bytes(newest.read_bytes()[:100])


def remove_piece(folder):
    (newest,) = folder.glob("state-00000002-*.pt")
    newest.unlink()


@pytest.mark.parametrize("damage", [damage_index, remove_index, damage_piece, cut_piece, remove_piece])
def test_where_the_newest_state_is_damaged_the_one_before_serves(tmp_path, damage):
    for step in (1, 2):
        save_state(tmp_path, example(step), step)
    damage(tmp_path)
    notes = []
    assert has_state(tmp_path)
    assert torch.equal(load_state(tmp_path, notes.append)["weights"], example(1)["weights"])
    assert "the state before the newest is taken" in notes[0]
    save_state(tmp_path, example(3), 3)
    notes.clear()
    assert torch.equal(load_state(tmp_path, notes.append)["weights"], example(3)["weights"])
    assert notes == []


def test_a_damaged_state_never_takes_the_place_of_the_good_one_before(tmp_path):
    for step in (1, 2):
        save_state(tmp_path, example(step), step)
    cut_piece(tmp_path)
    save_state(tmp_path, example(3), 3)
    damage_index(tmp_path)
    assert torch.equal(load_state(tmp_path)["weights"], example(1)["weights"])


@pytest.mark.parametrize("piece_bytes", [1000, 4096, 10**9])
def test_a_state_in_pieces_reads_back_equal(tmp_path, piece_bytes):
    save_state(tmp_path, example(1), 1)
    save_state(tmp_path, example(2), 2, piece_bytes=piece_bytes)
    pieces = sorted(tmp_path.glob("state-00000002-*"))
    assert all(p.stat().st_size <= piece_bytes for p in pieces)
    assert (len(pieces) > 1) == (piece_bytes < 12000)
    assert torch.equal(load_state(tmp_path)["weights"], example(2)["weights"])


def test_the_same_step_can_be_saved_again(tmp_path):
    save_state(tmp_path, example(1), 5, piece_bytes=4000)
    save_state(tmp_path, example(2), 5, piece_bytes=4000)
    assert load_state(tmp_path)["progress"]["step"] == 2


def test_a_full_disk_keeps_the_last_state(tmp_path):
    script = textwrap.dedent(
        f"""
        import pathlib, resource, signal, torch
        from nlcunet.errors import TrainingError
        from nlcunet.training.state import save_state, load_state
        folder = pathlib.Path({str(tmp_path)!r})
        save_state(folder, {{"a": torch.zeros(1000)}}, 1)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            save_state(folder, {{"a": torch.ones(100_000)}}, 2)
        except TrainingError as error:
            print(error)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "could not be written" in done.stdout
    assert "free some space" in done.stdout
    assert torch.equal(load_state(tmp_path)["a"], torch.zeros(1000))
    assert len(list(tmp_path.iterdir())) == 2  # nothing half-written stays


def test_kill_9_in_the_middle_of_a_save_leaves_a_complete_state(tmp_path):
    """A writer that does nothing but save is killed at many different moments."""
    script = textwrap.dedent(
        f"""
        import pathlib, torch
        from nlcunet.training.state import save_state
        folder = pathlib.Path({str(tmp_path)!r})
        step = 0
        while True:
            step += 1
            save_state(folder, {{"a": torch.full((200_000,), step)}}, step, piece_bytes=300_000)
            print(step, flush=True)
        """
    )
    moments = random.Random(0)
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as writer:
            saved = [int(writer.stdout.readline()) for _ in range(3)][-1]
            time.sleep(moments.uniform(0.0, 0.05))
            os.kill(writer.pid, signal.SIGKILL)
            saved = max([saved, *(int(line) for line in writer.stdout.read().split())])
        state = load_state(tmp_path)
        assert state["a"].unique().numel() == 1
        assert int(state["a"][0]) >= saved


def test_damage_is_found(tmp_path):
    save_state(tmp_path, example(1), 1, piece_bytes=4000)
    second = sorted(p for p in tmp_path.iterdir() if p.name != INDEX_FILE)[1]
    good = second.read_bytes()
    second.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(TrainingError, match=f"damaged: {second.name}"):
        load_state(tmp_path)
    second.unlink()
    with pytest.raises(TrainingError, match=f"lacks {second.name}"):
        load_state(tmp_path)
    (tmp_path / INDEX_FILE).write_text("{")
    with pytest.raises(TrainingError, match="cannot be resumed"):
        load_state(tmp_path)


def test_an_index_cannot_reach_outside_its_folder(tmp_path):
    save_state(tmp_path, example(1), 1)
    index = json.loads((tmp_path / INDEX_FILE).read_text())
    index["pieces"][0]["file"] = "../../etc/passwd"
    (tmp_path / INDEX_FILE).write_text(json.dumps(index))
    with pytest.raises(TrainingError, match="lacks passwd"):
        load_state(tmp_path)


def test_every_random_generator_goes_on_where_it_was(tmp_path):
    def draw():
        return random.random(), np.random.rand(), torch.rand(3).tolist()  # noqa: NPY002

    draw()
    save_state(tmp_path, {"random": random_states()}, 1)
    first = draw()
    draw()
    restore_random_states(load_state(tmp_path)["random"])
    assert draw() == first


@pytest.mark.parametrize(
    ("text", "size"), [("15MiB", 15 * 2**20), ("500 kB", 500_000), ("7", 7), ("1.5GiB", 3 * 2**29)]
)
def test_sizes_are_parsed(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "0MiB", "-5MB", "15 apples"])
def test_impossible_sizes_are_refused(text):
    with pytest.raises(ConfigError, match="a size must be a number"):
        parse_bytes(text)
