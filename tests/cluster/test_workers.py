import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.cluster.workers import WorkerPlan, plan_workers
from nlcunet.errors import ConfigError, DeviceError

GPU_MACHINES = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 4.0}, {}]
CPU_MACHINES = [{"CPU": 8.0}, {"CPU": 3.0}, {}]


def test_every_gpu_gets_a_worker() -> None:
    workers = plan_workers(GPU_MACHINES, device="auto", count=None, threads=None)
    assert workers == WorkerPlan(count=3, room=3, device="cuda", threads=None, num_cpus=0, num_gpus=1.0)


def test_more_workers_than_gpus_share_them() -> None:
    workers = plan_workers(GPU_MACHINES, device="cuda", count=7, threads=None)
    assert (workers.count, workers.room) == (7, 9)
    assert workers.num_gpus == pytest.approx(1 / 3)


def test_every_core_gets_a_worker_of_one_thread() -> None:
    workers = plan_workers(GPU_MACHINES, device="cpu", count=None, threads=None)
    assert workers == WorkerPlan(count=20, room=20, device="cpu", threads=1, num_cpus=1, num_gpus=0.0)


def test_threads_divide_the_cores_of_each_machine() -> None:
    workers = plan_workers(CPU_MACHINES, device="auto", count=None, threads=2)
    assert (workers.count, workers.threads, workers.num_cpus) == (5, 2, 2)


@pytest.mark.parametrize(("count", "threads"), [(1, 8), (2, 4), (3, 3), (4, 2), (11, 1), (40, 1)])
def test_workers_that_were_asked_for_share_the_cores(count: int, threads: int) -> None:
    workers = plan_workers(CPU_MACHINES, device="auto", count=count, threads=None)
    assert (workers.count, workers.threads) == (count, threads)


def test_workers_without_room_may_wait_for_machines() -> None:
    workers = plan_workers([{}], device="cpu", count=4, threads=2)
    assert (workers.count, workers.room, workers.num_cpus) == (4, 0, 2)


@given(
    cores=st.lists(st.integers(0, 64), min_size=1, max_size=5),
    count=st.integers(1, 300),
    threads=st.none() | st.integers(1, 8),
)
def test_workers_never_take_more_cores_than_a_machine_has(cores: list[int], count: int, threads: int | None) -> None:
    workers = plan_workers([{"CPU": float(each)} for each in cores], device="cpu", count=count, threads=threads)
    assert workers.count == count
    assert workers.room == sum(each // workers.num_cpus for each in cores)
    if threads is None and sum(cores) >= count:
        assert workers.room >= count


@pytest.mark.parametrize("device", ["cuda:1", "mps", "tpu"])
def test_other_devices_are_refused(device: str) -> None:
    with pytest.raises(ConfigError, match="must be auto, cpu or cuda"):
        plan_workers(GPU_MACHINES, device=device, count=None, threads=None)


def test_a_missing_gpu_is_told() -> None:
    with pytest.raises(DeviceError, match="a GPU must be in the cluster"):
        plan_workers(CPU_MACHINES, device="cuda", count=None, threads=None)


def test_machines_too_small_for_a_worker_are_told() -> None:
    with pytest.raises(DeviceError, match="must have 16 free cores for a worker of 16 threads: got 8 at most"):
        plan_workers(CPU_MACHINES, device="cpu", count=None, threads=16)
