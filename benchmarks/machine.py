"""Ceilings of the machine at hand, measured in the same run as what is compared with them; and peak memory.

What ``nlcunet bench run`` needs of it as well is in ``nlcunet.evaluation.machine``.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from nlcunet.evaluation.machine import (
    REPEATS,
    matrix_rate_gflops,
    median_seconds,
    peak_bytes,
    processor_name,
)

__all__ = [
    "copy_bandwidth_gbytes",
    "describe_machine",
    "interleaved_seconds",
    "matrix_rate_gflops",
    "median_seconds",
    "peak_bytes",
    "printed_numbers",
]


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


def describe_machine() -> str:
    """Processor, threads and the two ceilings, in one line."""
    return (
        f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}: "
        f"{matrix_rate_gflops():.0f} GFLOP/s float32 matrix product, {copy_bandwidth_gbytes():.1f} GB/s copy"
    )
