"""Batches with Ray: pictures per second by the number of workers, beside the loop of the plain command.

Run: ``python benchmarks/cluster.py [--pictures 24] [--side 256] [--model 4x-NLCUnet-S] [--workers 1 2] [--repeats 3]``.
All take turns; medians. Every worker has one thread. *At work* is from the begin of the first picture to the end of the
last; *in all* is from the call to the last record, with workers that start, load the network and end. The cluster of
this machine is started once, before. The loop is that of ``nlcunet upscale`` in this process, with the same threads.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from giant import draw_rows
from machine import describe_machine
from nlcunet.cluster.choice import ModelChoice
from nlcunet.cluster.connection import connected
from nlcunet.cluster.run import Cluster, plan_batch, run_batch
from nlcunet.cluster.work import Setup
from nlcunet.imaging.files import write_picture
from nlcunet.inference.batch import BatchSettings, Record
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


def rates(records: Iterator[Record]) -> tuple[float, float]:
    """Pictures per second at work and in all."""
    start, begins, now = time.perf_counter(), [], 0.0
    for record in records:
        now = time.perf_counter()
        begins.append(now - (record.seconds or 0.0))
    return len(begins) / (now - min(begins)), len(begins) / (now - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(describe_machine())
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}\n", flush=True)
    ways = {f"loop, {count} threads": (count, None) for count in options.workers}
    ways |= {f"Ray, {count} workers": (1, count) for count in options.workers}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with TemporaryDirectory(prefix="nlcunet-") as name, connected("local"):
        folder = Path(name)
        (folder / "in").mkdir()
        for number in range(options.pictures):
            rows = slice(number * options.side, (number + 1) * options.side)
            write_picture(draw_rows(rows, options.side), folder / "in" / f"{number:04}.png")
        for _ in range(options.repeats):
            for way, (threads, workers) in ways.items():
                found[way].append(rates(run(folder, options.model, threads, workers)))
    print(f"{options.pictures} pictures of {options.side}×{options.side}, {options.model}\n")
    print("| way | pictures/s at work | ratio | pictures/s in all |\n|---|---|---|---|")
    first: dict[str, float] = {}
    for way, pairs in found.items():
        at_work, in_all = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratio = at_work / first.setdefault(way.partition(",")[0], at_work)
        print(f"| {way} | {at_work:.3f} | {ratio:.2f} | {in_all:.3f} |")


if __name__ == "__main__":
    main()
