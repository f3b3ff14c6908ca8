"""Several tiles at a time, each with threads of its own, give what one after the other gives."""

import threading

import numpy as np
import pytest
import torch

from nlcunet.inference.loading import load
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.tiling.read_ahead import map_ahead


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 100, 3), dtype=np.uint8)


def test_the_result_does_not_depend_on_how_many_tiles_are_worked_on(picture):
    results = []
    for at_once in (1, 3):
        upscaler = load("4x-NLCUnet-S", tile=32, overlap=4, threads=3)
        upscaler.engine.tiles_at_once = at_once
        assert upscaler.tiles_at_once == at_once
        with_one_thread_each = upscaler if at_once > 1 else load("4x-NLCUnet-S", tile=32, overlap=4, threads=1)
        results.append(with_one_thread_each.upscale(picture))
    assert np.array_equal(*results)


def test_tiles_are_worked_on_in_threads_of_their_own(picture, monkeypatch):
    upscaler = load("4x-NLCUnet-S", tile=32, overlap=4, threads=2)
    seen = set()
    kept = upscaler.engine.run

    def watch(*arguments):
        seen.add((threading.current_thread().name.split("_")[0], torch.get_num_threads()))
        return kept(*arguments)

    monkeypatch.setattr(upscaler.engine, "run", watch)
    upscaler.upscale(picture)
    assert seen == {("map-ahead", 1)}


def test_a_picture_of_one_tile_has_all_threads(picture, monkeypatch):
    upscaler = load("4x-NLCUnet-S", tile=256, threads=2)
    seen = set()
    kept = upscaler.engine.run
    monkeypatch.setattr(upscaler.engine, "run", lambda *a: seen.add(torch.get_num_threads()) or kept(*a))
    upscaler.upscale(picture)
    assert seen == {2}


def test_threads_of_the_caller_stay_as_they_were(picture):
    before = torch.get_num_threads()
    load("4x-NLCUnet-S", tile=32, overlap=4, threads=2).upscale(picture)
    assert torch.get_num_threads() == before
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [before]


def test_memory_is_planned_for_every_tile_at_once():
    upscaler = load("4x-NLCUnet-S", tile=32, overlap=4, threads=2)
    work = upscaler.plan(40, 100, SizeRequest())
    one, two = (work.network_bytes(upscaler.header, upscaler.dtype, count) for count in (1, 2))
    assert two == 2 * one
    single = upscaler.plan(30, 30, SizeRequest())
    assert len({single.network_bytes(upscaler.header, upscaler.dtype, count) for count in (1, 2)}) == 1


def test_results_come_in_order_and_not_too_far_ahead():
    taken = []

    def items():
        for item in range(20):
            taken.append(item)
            yield item

    results = map_ahead(lambda item: item * item, items(), 3)
    assert next(results) == 0
    assert len(taken) <= 5
    assert list(results) == [item * item for item in range(1, 20)]


def test_an_error_in_a_thread_reaches_the_taker():
    def fail(item):
        if item == 2:
            raise ValueError("two")
        return item

    results = map_ahead(fail, range(9), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_workers_begin_with_their_own_number_of_threads():
    before = torch.get_num_threads()
    assert list(map_ahead(lambda _: torch.get_num_threads(), range(3), 2, threads_each=1)) == [1, 1, 1]
    assert torch.get_num_threads() == before
