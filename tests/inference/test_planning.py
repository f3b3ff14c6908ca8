import os
from pathlib import Path

import pytest
import torch

from nlcunet.errors import ConfigError, DeviceError, explain_out_of_memory
from nlcunet.inference.planning import LARGEST_TILE_CPU, automatic_tile, bytes_per_pixel
from nlcunet.models.weights import WeightsHeader
from nlcunet.runtime import (
    choose_device,
    choose_dtype,
    free_system_memory_bytes,
    is_out_of_memory,
    seed_everything,
    thread_limit,
    usable_cores,
)

SMALL = WeightsHeader(
    name="S", architecture="NLCUnet", config={"width": 32}, scale=4, size_multiple=4, min_size=4, tile_overlap=16
)
CPU = torch.device("cpu")


def test_the_automatic_tile_fits_half_of_the_free_memory() -> None:
    for free in (2**26, 2**28, 2**29):
        tile = automatic_tile(free, SMALL, CPU, torch.float32)
        assert tile % 4 == 0
        assert tile == 64 or tile**2 * bytes_per_pixel(SMALL, torch.float32) <= free / 2


def test_the_automatic_tile_grows_with_memory_up_to_a_limit() -> None:
    tiles = [automatic_tile(2**power, SMALL, CPU, torch.float32) for power in range(20, 40)]
    assert tiles == sorted(tiles)
    assert tiles[-1] == LARGEST_TILE_CPU
    assert automatic_tile(2**40, SMALL, torch.device("cuda"), torch.float16) > LARGEST_TILE_CPU


def test_half_precision_takes_less_memory() -> None:
    assert bytes_per_pixel(SMALL, torch.float16) < bytes_per_pixel(SMALL, torch.float32)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_machine(folder: Path, cgroup: str) -> tuple[Path, Path]:
    write(folder / "proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n")
    write(folder / "proc/self/cgroup", cgroup)
    return folder / "proc", folder / "cgroups"


def test_free_memory_is_what_the_kernel_says_is_available(tmp_path: Path) -> None:
    assert free_system_memory_bytes(*make_machine(tmp_path, "0::/\n")) == 8_000_000 * 1024


def test_free_memory_respects_a_container_of_version_2_and_those_around_it(tmp_path: Path) -> None:
    proc, cgroups = make_machine(tmp_path, "0::/outer/inner\n")
    write(cgroups / "outer/memory.max", "3000000\n")
    write(cgroups / "outer/memory.current", "1000000\n")
    write(cgroups / "outer/memory.stat", "anon 5\ninactive_file 500000\n")
    write(cgroups / "outer/inner/memory.max", "max\n")
    write(cgroups / "outer/inner/memory.current", "1000\n")
    assert free_system_memory_bytes(proc, cgroups) == 2_500_000


def test_free_memory_respects_a_container_of_version_1(tmp_path: Path) -> None:
    proc, cgroups = make_machine(tmp_path, "3:cpu:/job\n2:memory:/job\n")
    write(cgroups / "memory/job/memory.limit_in_bytes", "4000000\n")
    write(cgroups / "memory/job/memory.usage_in_bytes", "1500000\n")
    write(cgroups / "memory/job/memory.stat", "total_inactive_file 100\n")
    assert free_system_memory_bytes(proc, cgroups) == 2_500_100


def test_a_full_container_has_no_free_memory(tmp_path: Path) -> None:
    proc, cgroups = make_machine(tmp_path, "0::/job\n")
    write(cgroups / "job/memory.max", "1000\n")
    write(cgroups / "job/memory.current", "2000\n")
    assert free_system_memory_bytes(proc, cgroups) == 0


def test_without_the_kernels_files_some_memory_is_assumed(tmp_path: Path) -> None:
    assert free_system_memory_bytes(tmp_path, tmp_path) > 2**20


@pytest.mark.parametrize("name", ["nonsense", "cpu:x", "xla", "meta"])
def test_a_device_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="device must be auto, cpu, cuda"):
        choose_device(name)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="torch sees 0 CUDA devices"):
        choose_device("cuda:1")
    with pytest.raises(DeviceError, match="Apple silicon"):
        choose_device("mps")
    assert choose_device("auto") == CPU


@pytest.mark.parametrize(("has_cuda", "has_mps", "expected"), [(True, True, "cuda"), (False, True, "mps")])
def test_an_accelerator_is_preferred(
    monkeypatch: pytest.MonkeyPatch, has_cuda: bool, has_mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has_mps)
    assert choose_device("auto").type == expected


def test_precision_is_chosen_by_device() -> None:
    assert choose_dtype("auto", CPU) == torch.float32
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    with pytest.raises(ConfigError, match="precision must be one of auto, float32"):
        choose_dtype("half", CPU)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_lack_of_memory_is_told_from_other_errors(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_torch_itself_is_recognised_when_memory_runs_out() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_the_thread_limit_ends_also_with_an_error() -> None:
    before = torch.get_num_threads()
    during = []

    def fail_inside() -> None:
        with thread_limit(before + 2):
            during.append(torch.get_num_threads())
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail_inside()
    assert during == [before + 2]
    assert torch.get_num_threads() == before


def test_a_seed_repeats_torch_numpy_and_python() -> None:
    import random

    import numpy as np

    draws = []
    for _ in range(2):
        seed_everything(7)
        draws.append((random.random(), float(np.random.rand()), float(torch.rand(1))))  # noqa: NPY002
    assert draws[0] == draws[1]


def test_a_seed_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="a seed must lie in"):
        seed_everything(-1)


def test_a_process_may_run_on_at_least_one_core_and_no_more_than_there_are() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX systems")
@pytest.mark.parametrize(("limit", "name"), [("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")])
def test_free_memory_respects_the_limits_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, limit: str, name: str
) -> None:
    import resource

    proc, cgroups = make_machine(tmp_path, "0::/\n")
    write(proc / "self/status", f"Name:\tpython\n{name}:\t  300000 kB\n")
    limits = {getattr(resource, limit): 10**9}
    no_limit = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits.get(kind, no_limit), no_limit))
    assert free_system_memory_bytes(proc, cgroups) == 10**9 - 300_000 * 1024


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("could not create a primitive"),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
)
def test_lack_of_memory_is_known_whoever_tells_it(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert "raise the limit" in explain_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("could not create a primitive descriptor for a convolution"),
        ImportError("a.so: failed to map segment from shared object: Operation not permitted"),
        ValueError("out of memory"),
        OSError(2, "No such file or directory"),
    ],
)
def test_other_errors_are_not_taken_for_lack_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)
