"""Engines and precisions against plain PyTorch: time, peak memory, size of the file, difference, loss on test sets.

Run: ``python benchmarks/engines.py [--model NAME] [--sides 128 256] [--systems onnx:int8 ...] [--threads N]
[--sets Set14=FOLDER ...] [--pictures N]``. What is not exported yet is exported into the cache folder first. A tile of
the photograph inside the package runs through all of them in turns, so that noise of the machine meets all alike. Time
is that of the processor, so that others on the machine do not count; ratios are to PyTorch in float32. Memory is the
growth of a fresh process over its first tile. Sets: PSNR on Y with the middle blur of Gaussian8, and its distance from
PyTorch's in float32.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean, median

import torch
from torch import Tensor

from machine import describe_machine, peak_bytes, printed_numbers
from nlcunet.evaluation.originals import find_originals
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import set_on_the_fly
from nlcunet.export.pictures import read_pictures
from nlcunet.inference.loading import load
from nlcunet.inference.upscaler import Upscaler
from nlcunet.metrics.psnr import psnr_y

SYSTEMS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnx", "float32"),
    ("onnx", "float16"),
    ("onnx", "int8"),
    ("openvino", "float32"),
    ("openvino", "float16"),
    ("openvino", "int8"),
)


def photograph(side: int) -> Tensor:
    """A square of the photograph, mirrored where it is too small."""
    picture = read_pictures()[0]
    return torch.cat([picture, picture.flip(-1)], dim=-1)[None, :, 100 : 100 + side, 100 : 100 + side].contiguous()


def run(upscaler: Upscaler, tile: Tensor) -> Tensor:
    return upscaler.engine.run(tile, upscaler.engine.precisions[0])


def processor_seconds(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median processor times of several runs that take turns, over all threads of the process."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run_once in runs.items():
            start = time.process_time()
            run_once()
            if repeat:  # the first time is a warm-up
                times[name].append(time.process_time() - start)
    return {name: median(values) for name, values in times.items()}


def decibels(a: Tensor, b: Tensor) -> str:
    error = float((a - b).double().square().mean())
    return "equal" if error == 0 else f"{-10 * torch.tensor(error).log10():.1f}"


def scores_on_set(
    entry: str, upscalers: dict[tuple[str, str], Upscaler], scale: int, pictures: int | None
) -> dict[tuple[str, str], float]:
    """Mean PSNR on Y of every system, with the middle one of the protocol's blurs, on the first so many pictures."""
    name, folder = entry.split("=", 1)
    measured = set_on_the_fly(find_originals(Path(folder))[:pictures], find_protocol("gaussian8", scale), name)
    scores: dict[tuple[str, str], list[float]] = {system: [] for system in upscalers}
    for image in measured.images:
        loaded = measured.load(image)
        low_res = loaded.pairs[len(loaded.pairs) // 2].low_res
        for system, upscaler in upscalers.items():
            scores[system].append(float(psnr_y(upscaler.upscale(low_res), loaded.truth, border=scale)))
    return {system: fmean(values) for system, values in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sets", nargs="*", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--pictures", type=int, help="of every set; by default all")
    parser.add_argument("--systems", nargs="+", metavar="ENGINE:PRECISION", help="besides torch in float32")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    def opened(engine: str, precision: str) -> Upscaler:
        return load(options.model, engine=engine, precision=precision, threads=options.threads, device="cpu")

    if options.peak:
        engine, precision, side = options.peak
        upscaler, tile = opened(engine, precision), photograph(int(side))
        print(peak_bytes(lambda: run(upscaler, tile)))
        return
    print(describe_machine(), "\n", flush=True)
    chosen = SYSTEMS[1:] if options.systems is None else [tuple(entry.split(":", 1)) for entry in options.systems]
    systems: list[tuple[str, str]] = [SYSTEMS[0], *chosen]
    upscalers = {system: opened(*system) for system in systems}
    columns: dict[tuple[str, str], list[str]] = {system: [] for system in systems}
    headings = []
    for side in options.sides:
        tile = photograph(side)
        exact = run(upscalers[systems[0]], tile)
        runs = {" ".join(system): partial(run, upscaler, tile) for system, upscaler in upscalers.items()}
        seconds = processor_seconds(runs, options.repeats)
        peaks = {}
        for system in systems:
            arguments = ("--model", options.model, "--threads", str(options.threads), "--peak", *system, str(side))
            peaks[system] = printed_numbers(__file__, *arguments, trim_memory=True)[0]
        headings += [f"{side}: ms", "ratio", "peak MiB", "dB to torch"]
        for system in systems:
            taken = seconds[" ".join(system)]
            columns[system] += [
                f"{1000 * taken:.0f}",
                f"{taken / seconds[' '.join(systems[0])]:.2f}",
                f"{peaks[system] / 2**20:.0f}",
                decibels(run(upscalers[system], tile), exact),
            ]
    for entry in options.sets:
        scores = scores_on_set(entry, upscalers, upscalers[systems[0]].header.scale, options.pictures)
        headings.append(f"{entry.split('=', 1)[0]} PSNR Y")
        for system in systems:
            columns[system].append(f"{scores[system]:.3f} ({scores[system] - scores[systems[0]]:+.3f})")
    print(f"| engine | precision | {' | '.join(headings)} |\n|{'---|' * (len(headings) + 2)}")
    for system in systems:
        print(f"| {' | '.join((*system, *columns[system]))} |", flush=True)


if __name__ == "__main__":
    main()
