"""How many workers a cluster has room for, and what each of them takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nlcunet.errors import ConfigError, DeviceError


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """The workers of a batch.

    Attributes:
        count: how many.
        room: how many the cluster can run at a time as it is now.
        device: ``cpu`` or ``cuda``.
        threads: CPU threads of each; nothing to leave it to torch.
        num_cpus: cores that each takes for itself.
        num_gpus: GPUs, or the part of one.
    """

    count: int
    room: int
    device: str
    threads: int | None
    num_cpus: int
    num_gpus: float


def plan_workers(
    nodes: Sequence[Mapping[str, float]], *, device: str, count: int | None, threads: int | None
) -> WorkerPlan:
    """Workers for the machines of a cluster.

    Args:
        nodes: what each machine has, as Ray tells it: ``CPU`` and ``GPU``.
        device: ``auto`` (GPUs if there are any), ``cpu`` or ``cuda``.
        count: how many; by default one for each GPU, or as many as have cores for their threads. More than there are
            GPUs share them.
        threads: CPU threads of each; by default one, or all cores divided among the workers asked for.

    Raises:
        ConfigError: the device is another.
        DeviceError: there is no such device, or not enough of it.
    """
    if device not in {"auto", "cpu", "cuda"}:
        raise ConfigError(f"the device of a cluster must be auto, cpu or cuda: got {device!r}; Ray chooses which GPU")
    gpus = [int(node.get("GPU", 0)) for node in nodes]
    if device == "cuda" and not any(gpus):
        raise DeviceError("a GPU must be in the cluster for the device cuda: got none; start Ray with one, or take cpu")
    if device != "cpu" and any(gpus):
        return _on_gpus(gpus, count, threads)
    return _on_cores([int(node.get("CPU", 0)) for node in nodes], count, threads)


def _on_gpus(gpus: Sequence[int], count: int | None, threads: int | None) -> WorkerPlan:
    count = count or sum(gpus)
    sharing = math.ceil(count / sum(gpus))
    return WorkerPlan(
        count=count, room=sharing * sum(gpus), device="cuda", threads=threads, num_cpus=0, num_gpus=1 / sharing
    )


def _on_cores(cores: Sequence[int], count: int | None, threads: int | None) -> WorkerPlan:
    if threads is None:
        threads = 1 if count is None else _fair_threads(cores, count)
    room = _room(cores, threads)
    if count is None and not room:
        raise DeviceError(
            f"a machine of the cluster must have {threads} free cores for a worker of {threads} threads: "
            f"got {max(cores, default=0)} at most; ask for fewer --threads, or tell --ray-workers if machines will come"
        )
    return WorkerPlan(count=count or room, room=room, device="cpu", threads=threads, num_cpus=threads, num_gpus=0.0)


def _room(cores: Sequence[int], threads: int) -> int:
    return sum(each // threads for each in cores)


def _fair_threads(cores: Sequence[int], count: int) -> int:
    """Most threads with which so many workers have room; at least one."""
    return next((threads for threads in range(max(cores, default=0), 1, -1) if _room(cores, threads) >= count), 1)
