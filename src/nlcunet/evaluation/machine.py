"""Ceilings of the machine at hand, measured in the same run as what is compared with them; and peak memory."""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

REPEATS = 7
CPU = torch.device("cpu")


def synchronise(device: torch.device) -> None:
    """Wait until a device has done all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def median_seconds(run: Callable[[], object], repeats: int = REPEATS, *, device: torch.device = CPU) -> float:
    """Median time of ``run`` after one warm-up; what it starts on ``device`` is waited for."""
    run()
    synchronise(device)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matrix_rate_gflops(size: int = 1024, *, device: torch.device = CPU) -> float:
    """Rate of a float32 matrix product, in GFLOP/s, by whichever of PyTorch's libraries is faster.

    On some processors (AMD with AVX-512) the library for products, MKL, reaches half of what the one for convolutions,
    oneDNN, does; the latter's is then the ceiling.
    """
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    channels, side = 64, size // 8
    image = torch.randn(1, channels, side, side, device=device).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3, device=device).contiguous(memory_format=torch.channels_last)
    convolution_flops = 2 * 9 * channels**2 * side**2
    with torch.inference_mode():
        product = 2 * size**3 / median_seconds(lambda: a @ b, device=device)
        convolution = convolution_flops / median_seconds(
            lambda: nn.functional.conv2d(image, weight, padding=1), device=device
        )
    return max(product, convolution) / 1e9


def processor_name(device: torch.device = CPU) -> str:
    """What computes: the graphics card, or the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown processor"


def describe_machine(device: torch.device = CPU) -> str:
    """Processor, threads, versions and the rate of a matrix product, in one line."""
    threads = f", {torch.get_num_threads()} of {os.cpu_count()} threads" if device.type == "cpu" else ""
    rate = matrix_rate_gflops(size=1024 if device.type == "cpu" else 4096, device=device)
    return f"{processor_name(device)}{threads}, torch {torch.__version__}: {rate:.0f} GFLOP/s float32 matrix product"


def peak_bytes(run: Callable[[], object]) -> int | None:
    """Growth of this process's peak resident memory while ``run`` works; ask in a fresh process.

    Returns:
        Bytes; none where the system does not tell (it must be Linux).
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status_bytes("VmRSS")
    except (OSError, KeyError):
        return None
    run()
    return max(0, _status_bytes("VmHWM") - before)


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)
