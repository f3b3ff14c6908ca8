"""Batches with Ray: pictures per second by the number of workers, beside plain processes and plain threads.

Run: ``python benchmarks/cluster.py [--pictures 48] [--side 256] [--model 4x-NLCUnet-S] [--workers 1 2] [--repeats 3]``.
All take turns; medians. *At work* is from the begin of the first picture to the end of the last; *in all* is from the
call to the last record, with workers that start, load the network and end. The cluster of this machine is started once,
before. Workers have one thread each, as the processes have, which share nothing and are what the machine can give;
threads are those of one process that does what ``nlcunet upscale`` does.
"""

import argparse
import os
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from giant import draw_rows
from machine import describe_machine
from nlcunet.cluster.choice import ModelChoice
from nlcunet.cluster.connection import connected
from nlcunet.cluster.run import Cluster, plan_batch, run_batch
from nlcunet.cluster.work import Setup
from nlcunet.imaging.files import write_picture
from nlcunet.inference.batch import Record, run_jobs
from nlcunet.inference.jobs import FileJob
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.sizes import SizeRequest


def run(folder: Path, model: str, threads: int, workers: int | None) -> Iterator[Record]:
    """Enlarge everything, here or on the cluster."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    choice = ModelChoice(name_or_path=model, device="cpu", threads=threads)
    setup = Setup(
        choice=choice, model=choice.check()[1], settings=BatchSettings(request=SizeRequest()), folder=str(folder)
    )
    batch = plan_batch([str(folder / "in")], str(folder / "out"))
    cluster = None if workers is None else Cluster(address="local", workers=workers)
    for outcome in run_batch(batch, setup, cluster):
        assert outcome.record.status == "done", outcome.record.error
        yield outcome.record


def timed(records: Iterable[Record]) -> list[tuple[float, float]]:
    """When each picture was begun and ended."""
    return [(time.time() - (record.seconds or 0.0), time.time()) for record in records]


def share(folder: Path, model: str, first: int, step: int) -> list[tuple[float, float]]:
    """What one of several processes does: every so many pictures, from the first."""
    choice = ModelChoice(name_or_path=model, device="cpu", threads=1)
    sources = sorted((folder / "in").iterdir())[first::step]
    jobs = [FileJob(source=source, target=folder / "out" / source.name) for source in sources]
    return timed(run_jobs(jobs, choice.open(None), BatchSettings(request=SizeRequest(), overwrite=True)))


def run_processes(folder: Path, model: str, count: int) -> list[tuple[float, float]]:
    """The pictures divided among processes."""
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as processes:
        shares = [processes.submit(share, folder, model, first, count) for first in range(count)]
        return [times for future in shares for times in future.result()]


def rates(work: Callable[[], list[tuple[float, float]]]) -> tuple[float, float]:
    """Pictures per second at work and in all."""
    start = time.time()
    begins, ends = zip(*work(), strict=True)
    return len(ends) / (max(ends) - min(begins)), len(ends) / (max(ends) - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(describe_machine())
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}\n", flush=True)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with TemporaryDirectory(prefix="nlcunet-") as name, connected("local"):
        folder = Path(name)
        (folder / "in").mkdir()
        for number in range(options.pictures):
            rows = slice(number * options.side, (number + 1) * options.side)
            write_picture(draw_rows(rows, options.side), folder / "in" / f"{number:04}.png")
        model = options.model
        for _, count in product(range(options.repeats), options.workers):
            found[f"threads, {count}"].append(rates(lambda: timed(run(folder, model, count, None))))  # noqa: B023
            found[f"processes, {count}"].append(rates(lambda: run_processes(folder, model, count)))  # noqa: B023
            found[f"Ray workers, {count}"].append(rates(lambda: timed(run(folder, model, 1, count))))  # noqa: B023
    print(f"{options.pictures} pictures of {options.side}×{options.side}, {options.model}\n")
    print("| way | pictures/s at work | ratio | pictures/s in all |\n|---|---|---|---|")
    first: dict[str, float] = {}
    for way, pairs in sorted(found.items()):
        at_work, in_all = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratio = at_work / first.setdefault(way.partition(",")[0], at_work)
        print(f"| {way} | {at_work:.3f} | {ratio:.2f} | {in_all:.3f} |")


if __name__ == "__main__":
    main()
