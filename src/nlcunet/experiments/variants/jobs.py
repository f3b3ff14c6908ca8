"""Several trainings side by side: in processes of this machine, or on the machines of a Ray cluster."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from nlcunet.errors import NlcunetError
from nlcunet.experiments.variants.training import Assignment, train_and_measure

POLL_SECONDS = 1.0

OnChange = Callable[[Sequence[Assignment], Sequence[Assignment]], None]
"""Told every second which are at work and which are done."""


class JobError(NlcunetError):
    """Trainings of an experiment that failed; the others went on to their end."""


def run_jobs(assignments: Sequence[Assignment], jobs: int, on_change: OnChange) -> None:
    """Do all, so many at a time, each in a process of its own; one that fails does not keep others from going on.

    When this program is interrupted, the trainings save and stop; called again, they go on.

    Raises:
        JobError: some failed; what they said is in it.
    """
    waiting, done, errors = list(assignments), [], []
    working: dict[Connection, tuple[SpawnProcess, Assignment]] = {}
    context = multiprocessing.get_context("spawn")
    try:
        while waiting or working:
            while waiting and len(working) < jobs:
                assignment = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(assignment, theirs))
                process.start()
                theirs.close()
                working[ours] = (process, assignment)
            ready = wait(list(working), POLL_SECONDS)
            for answer in [one for one in working if one in ready]:
                process, assignment = working.pop(answer)
                error = _receive(answer)
                process.join()
                if error is None:
                    done.append(assignment)
                else:
                    errors.append(f"{assignment.run.system}: {error}")
            on_change([assignment for _, assignment in working.values()], done)
    finally:
        for process, _ in working.values():
            process.terminate()
        for process, _ in working.values():
            process.join()
    if errors:
        raise JobError(f"{len(errors)} of {len(assignments)} trainings failed: {'; '.join(errors)}")


def run_on_cluster(assignments: Sequence[Assignment], address: str, on_change: OnChange) -> None:
    """As :func:`run_jobs`, on a Ray cluster whose machines share the folder of the experiment.

    Raises:
        ConfigError: Ray is not installed.
        DeviceError: there is no cluster at the address.
        JobError: some failed.
    """
    from nlcunet.cluster.connection import connected, import_ray

    ray = import_ray()
    errors = []
    with connected(address):
        run = ray.remote(max_retries=0)(_try)
        needs = {"num_gpus": 1} if any(one.device.startswith("cuda") for one in assignments) else {}
        tasks = {run.options(num_cpus=one.threads, **needs).remote(one): one for one in assignments}
        try:
            done = []
            while tasks:
                ended, _ = ray.wait(list(tasks), timeout=POLL_SECONDS)
                for task in ended:
                    assignment = tasks.pop(task)
                    done.append(assignment)
                    if (error := _result(ray, task)) is not None:
                        errors.append(f"{assignment.run.system}: {error}")
                on_change(list(tasks.values()), done)
        finally:
            for task in tasks:
                ray.cancel(task)  # an interrupt in the task: the training saves
    if errors:
        raise JobError(f"{len(errors)} of {len(assignments)} trainings failed: {'; '.join(errors)}")


def _try(assignment: Assignment) -> str | None:
    """Train and measure; the error as text."""
    try:
        train_and_measure(assignment)
    except NlcunetError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        return f"{type(error).__name__}: {error}"
    return None


def _result(ray: Any, task: Any) -> str | None:
    try:
        error: str | None = ray.get(task)
    except ray.exceptions.RayError as problem:
        return f"its machine was lost: {problem}"
    return error


def _work(assignment: Assignment, answer: Connection) -> None:
    """What a process does; nothing goes back when it was told to stop."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is for the program that waits; it sends SIGTERM, and trainings save
    answer.send(_try(assignment))


def _receive(answer: Connection) -> str | None:
    try:
        error: str | None = answer.recv()
    except EOFError:
        return "its process ended without a word; if memory ran out, try fewer --jobs"
    return error
