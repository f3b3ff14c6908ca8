"""One network for many callers: the same results, in batches, errors to whom they belong, an end."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from nlcunet.inference.engines.shared import SharedEngine
from nlcunet.inference.engines.torch import TorchEngine
from nlcunet.inference.upscaler import Upscaler

CPU = torch.device("cpu")


class Held:
    """An engine that is slow until told otherwise, and notes its batches."""

    name, device, precisions, tiles_at_once = "held", CPU, ("float32",), 1

    def __init__(self, engine, largest=8):
        self.engine, self.header, self.largest = engine, engine.header, largest
        self.go, self.begun, self.batches = threading.Event(), threading.Event(), []

    def run(self, batch, precision):
        self.batches.append(len(batch))
        self.begun.set()
        assert self.go.wait(20)
        if len(batch) > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if batch.isnan().any():
            raise ValueError("this batch is not a picture")
        return self.engine.run(batch, precision)


@pytest.fixture
def held(tiny):
    return Held(TorchEngine(tiny, CPU, torch.float32))


def run_together(held, tiles, **settings):
    """Results of tiles that all wait while the first is in the network."""
    shared = SharedEngine(held, **settings)
    with ThreadPoolExecutor(len(tiles)) as threads:
        futures = [threads.submit(shared.run, tiles[0], "float32")]
        assert held.begun.wait(10)
        for count, tile in enumerate(tiles[1:], start=1):
            futures.append(threads.submit(shared.run, tile, "float32"))
            while len(shared._waiting) < count:  # so that they come in this order
                pass
        held.go.set()
        wait = [future.exception() or future.result() for future in futures]
    shared.close()
    return wait


def test_tiles_that_wait_together_go_together_and_give_what_they_give_alone(held):
    tiles = [torch.rand(1, 3, 16, 16) for _ in range(8)]
    results = run_together(held, tiles, largest_batch=4)
    assert held.batches == [1, 4, 2, 1]
    for tile, result in zip(tiles, results, strict=True):
        assert torch.allclose(result, held.engine.run(tile, "float32"), atol=1e-6)


def test_only_tiles_of_one_shape_and_type_go_together(held):
    shapes = [(16, 16), (16, 16), (24, 16), (16, 16), (24, 16)]
    results = run_together(held, [torch.rand(1, 3, *shape) for shape in shapes], largest_batch=8)
    assert held.batches == [1, 2, 2]
    assert [tuple(result.shape[-2:]) for result in results] == [(2 * a, 2 * b) for a, b in shapes]


def test_a_batch_that_is_too_large_for_the_memory_is_run_one_by_one(held):
    held.largest = 1
    tiles = [torch.rand(1, 3, 16, 16) for _ in range(3)]
    results = run_together(held, tiles, largest_batch=8)
    assert held.batches == [1, 2, 1, 1]
    assert all(isinstance(result, torch.Tensor) for result in results)


def test_an_error_goes_to_all_whose_batch_it_was_and_the_engine_lives_on(held):
    bad = torch.full((1, 3, 24, 16), torch.nan)
    results = run_together(held, [torch.rand(1, 3, 16, 16), bad, torch.rand(1, 3, 16, 16)], largest_batch=8)
    assert isinstance(results[1], ValueError)
    assert results[0].shape == results[2].shape == (1, 3, 32, 32)


def test_what_waits_at_the_end_is_still_done_and_nothing_is_taken_afterwards(held):
    shared = SharedEngine(held)
    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(shared.run, torch.rand(1, 3, 16, 16), "float32") for _ in range(2)]
        assert held.begun.wait(10)
        closing = threading.Thread(target=shared.close)
        closing.start()
        held.go.set()
        closing.join(10)
        done = [future.exception() for future in futures]
    assert done.count(None) >= 1  # the second may have come after the end
    with pytest.raises(RuntimeError, match="closed"):
        shared.run(torch.rand(1, 3, 16, 16), "float32")


def test_several_pictures_at_a_time_give_the_bits_that_each_gives_alone(tiny):
    pictures = [torch.rand(3, 40 + 8 * number, 56) for number in range(4)]
    expected = [Upscaler(tiny, device="cpu", tile=32, overlap=8).upscale(picture) for picture in pictures]
    counted = []
    shared = SharedEngine(TorchEngine(tiny, CPU, torch.float32), on_batch=lambda tiles, _: counted.append(tiles))
    with ThreadPoolExecutor(4) as threads:
        upscaler = Upscaler(tiny, shared=shared, tile=32, overlap=8)
        results = list(threads.map(upscaler.upscale, pictures))
    shared.close()
    assert all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))
    assert sum(counted) == len(counted) > len(pictures)
