"""The machine below: which device, which number type, how much memory is free, which random seed.

Nothing here keeps state, and whatever of torch's global state is changed is put back (but for ``seed_everything``).
"""

import ctypes
import os
import platform
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from nlcunet.errors import ConfigError, DeviceError, did_you_mean, says_out_of_memory

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""``"auto"`` is float16 on CUDA devices with tensor cores (compute capability 7 and up) and float32 elsewhere."""

FREE_MEMORY_UNKNOWN = 4 * 2**30
"""Taken for granted where the system does not tell."""


DEVICES = ("cpu", "cuda", "mps")
"""Kinds of devices that networks run on."""


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device to compute on.

    Args:
        name: ``"auto"`` (CUDA, else Apple's MPS, else the CPU), ``"gpu"`` (likewise without the CPU), or what torch
            calls it: ``"cpu"``, ``"cuda:1"``, …

    Raises:
        DeviceError: the name means nothing to torch, or this machine has no such device.
    """
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name in {"auto", "gpu"}:
        found = "cuda" if has_cuda else "mps" if has_mps else "cpu"
        if name == "gpu" and found == "cpu":
            raise DeviceError("device gpu is not there: torch sees neither a CUDA device nor an Apple GPU; take cpu")
        return torch.device(found)
    meant = did_you_mean(str(name), ["auto", *DEVICES, "gpu"])
    unknown = DeviceError(f"device must be auto, cpu, cuda, cuda:N, mps or gpu: got {name!r}{meant}")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown from error
    if device.type not in DEVICES:
        raise unknown
    if device.type == "cuda" and not (has_cuda and (device.index or 0) < torch.cuda.device_count()):
        count = torch.cuda.device_count() if has_cuda else 0
        raise DeviceError(f"device {device} is not there: torch sees {count} CUDA devices; take another or auto")
    if device.type == "mps" and not has_mps:
        raise DeviceError("device mps is not there: it needs a Mac with Apple silicon; take another or auto")
    return device


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The number type to compute in on ``device``; see ``Precision``.

    Raises:
        ConfigError: ``precision`` is not one of the four words.
    """
    if precision not in get_args(Precision):
        raise ConfigError(f"precision must be one of {', '.join(get_args(Precision))}: got {precision!r}")
    if precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    has_tensor_cores = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 7
    return torch.float16 if has_tensor_cores else torch.float32


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    return isinstance(error, torch.OutOfMemoryError) or says_out_of_memory(error)


def release_cached_memory(device: torch.device) -> None:
    """Give memory that torch only keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def free_memory_bytes(device: torch.device) -> int:
    """Memory that can be taken on ``device`` now, in bytes, counting what torch holds there unused."""
    if device.type == "cuda":
        unused_in_pool = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused_in_pool
    if device.type == "mps":
        return max(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory(), 0)
    return free_system_memory_bytes()


def free_system_memory_bytes(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Main memory that this process can still take, in bytes, within its own limits and those of its container.

    Args:
        proc: where the kernel shows processes.
        cgroups: where the kernel shows control groups (versions 1 and 2 are read).
    """
    candidates = _container_room_bytes(proc, cgroups) + _process_room_bytes(proc)
    for line in _read_lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            candidates.append(int(line.split()[1]) * 1024)
    if candidates:
        return max(min(candidates), 0)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # half: the other half may be in use
    return FREE_MEMORY_UNKNOWN


def _container_room_bytes(proc: Path, cgroups: Path) -> list[int]:
    """What every control group around this process still allows, in bytes; empty without limits."""
    rooms = []
    for line in _read_lines(proc / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, used, reclaimable = cgroups, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            root, limit, used = cgroups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            reclaimable = "total_inactive_file"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            numbers = [_read_number(folder / name) for name in (limit, used)]
            if numbers[0] is not None and numbers[1] is not None:
                rooms.append(numbers[0] - numbers[1] + _read_statistic(folder / "memory.stat", reclaimable))
    return rooms


PROCESS_LIMITS = (("RLIMIT_AS", "VmSize:"), ("RLIMIT_DATA", "VmData:"))
"""Limits of a process (``ulimit -v`` and ``-d``), and what the kernel calls that which they count."""


def _process_room_bytes(proc: Path) -> list[int]:
    """What every limit of this process still allows, in bytes; empty without limits."""
    try:
        import resource
    except ImportError:  # Windows has none
        return []
    rooms = []
    for limit, name in PROCESS_LIMITS:
        most = resource.getrlimit(getattr(resource, limit))[0]
        used = [line.split()[1] for line in _read_lines(proc / "self" / "status") if line.startswith(name)]
        if most != resource.RLIM_INFINITY and used:
            rooms.append(most - int(used[0]) * 1024)
    return rooms


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []  # not Linux, or hidden from this process: the caller has other sources


def _read_number(path: Path) -> int | None:
    """The number in a one-line file; nothing for ``max`` or a missing file."""
    lines = _read_lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _read_statistic(path: Path, name: str) -> int:
    """One value of a file of ``name value`` lines; 0 if it is not there."""
    return next((int(line.split()[1]) for line in _read_lines(path) if line.startswith(f"{name} ")), 0)


TO_KEEP = (
    (-4, 0),  # M_MMAP_MAX: no block is a mapping of its own, which would go back to the system when it is freed
    (-1, -1),  # M_TRIM_THRESHOLD: the end of the heap does not go back either
    (-2, 64 * 2**20),  # M_TOP_PAD: the heap grows in large steps
)
TO_GIVE_BACK = ((-4, 65536), (-1, 128 * 2**10), (-2, 0))
"""The same settings as glibc has them at first (mallopt(3))."""


@contextmanager
def keeping_freed_memory(device: torch.device) -> Iterator[bool]:
    """Let this process keep what it frees, for a while: the system clears every page that it hands out again.

    For work on a CPU that takes and frees blocks of the same sizes all the time, as training does. Blocks of ever other
    sizes, as those of pictures, would leave gaps, and the process would grow without end. Only where the C library is
    glibc; elsewhere nothing happens.

    Args:
        device: where the work is done.

    Yields:
        Whether memory is kept.
    """
    keeps = device.type == "cpu" and platform.libc_ver()[0] == "glibc" and _set_malloc(TO_KEEP)
    try:
        yield keeps
    finally:
        if keeps:
            _set_malloc(TO_GIVE_BACK)
            ctypes.CDLL(None).malloc_trim(0)


def _set_malloc(settings: tuple[tuple[int, int], ...]) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all([mallopt(name, value) == 1 for name, value in settings])  # noqa: C419 - all of them are set


def usable_cores() -> int:
    """How many cores this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def thread_limit(threads: int | None) -> Iterator[None]:
    """Let torch use ``threads`` CPU threads inside, and as many as before afterwards; ``None`` changes nothing.

    Raises:
        ConfigError: fewer than one thread.
    """
    if threads is None:
        yield
        return
    if threads < 1:
        raise ConfigError(f"threads must be at least 1: got {threads}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_of_workers(each: int) -> Iterator[Callable[[], None]]:
    """What a thread must call when it begins, so that torch uses ``each`` CPU threads in it; the caller's stay its own.

    Args:
        each: threads of torch for each of the threads that are started inside.
    """
    before = torch.get_num_threads()
    try:
        yield lambda: torch.set_num_threads(each)
    finally:
        torch.set_num_threads(before)  # also what threads begin with that are started later


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch (all devices); the only function here that leaves a trace.

    Raises:
        ConfigError: the seed is negative or needs more than 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise ConfigError(f"a seed must lie in 0 … 2³² − 1: got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - code that uses the old global generator is what this is for
    torch.manual_seed(seed)
