"""Ceilings of the machine at hand, measured in the same run as what is compared with them; and peak memory."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

REPEATS = 7


def median_seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of ``run`` after one warm-up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def interleaved_seconds(runs: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Median times of several runs that take turns, so that noise of the machine meets all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def matrix_rate_gflops(size: int = 1024) -> float:
    """Rate of a float32 matrix product, in GFLOP/s."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / median_seconds(lambda: a @ b) / 1e9


def copy_bandwidth_gbytes(mebibytes: int = 256) -> float:
    """Bytes read plus written per second by a large copy, in GB/s."""
    source = torch.zeros(mebibytes * 2**18)
    target = torch.empty_like(source)
    return 2 * source.nbytes / median_seconds(lambda: target.copy_(source)) / 1e9


def printed_numbers(script: str, *arguments: str, trim_memory: bool = False) -> list[float]:
    """The numbers that ``script`` prints last, in a fresh process; on request one that gives memory back at once."""
    trimming = {"MALLOC_MMAP_THRESHOLD_": "16384", "MALLOC_TRIM_THRESHOLD_": "0"} if trim_memory else {}
    command = [sys.executable, script, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **trimming})
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def peak_bytes(run: Callable[[], object]) -> int:
    """Growth of this process's peak resident memory while ``run`` works (Linux); ask in a fresh process."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_bytes("VmRSS")
    run()
    return max(0, _status_bytes("VmHWM") - before)


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def describe_machine() -> str:
    """Processor, threads and the two ceilings, in one line."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return (
        f"{model}, {torch.get_num_threads()} threads, torch {torch.__version__}: "
        f"{matrix_rate_gflops():.0f} GFLOP/s float32 matrix product, {copy_bandwidth_gbytes():.1f} GB/s copy"
    )
