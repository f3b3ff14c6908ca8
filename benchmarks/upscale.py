"""Upscaling a picture from array to array: time, peak memory, FLOPs, share of the machine's matrix rate.

Run: ``python benchmarks/upscale.py [--model NAME] [--sides 512 ...] [--threads N]``. Tiles and overlap are the
automatic ones; FLOPs (two per multiply-add) are counted while it runs, so that overlapping work counts. Peak memory is
the growth of a fresh process, picture and result included.

``--parts`` looks at networks alone, untiled, with random weights: time and memory against the same network with
attention as the paper writes it and every layer over whole maps, and where the time goes (``--plot FILE`` draws it).
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

import nlcunet
from machine import (
    copy_bandwidth_gbytes,
    describe_machine,
    matrix_rate_gflops,
    median_seconds,
    peak_bytes,
    printed_numbers,
)
from nlcunet.evaluation.cost import count_operations
from nlcunet.models import attention, layers, skip
from nlcunet.models import nlcunet as nlcunet_module
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.nlcunet import NLCUnet
from nlcunet.models.registry import size_config
from parts import PARTS, Details, bytes_by_part, operations_by_part, seconds_by_part


def picture(side: int) -> np.ndarray:
    """Noise: the work does not depend on what a picture shows, but for how evenly its pixels fall into buckets."""
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def network_of(size: str, *, is_reference: bool) -> NLCUnet:
    """A network with random weights; the reference has the paper's attention."""
    network = NLCUnet(size_config(size)).eval().to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, NonLocalAttention):
            module.implementation = "reference" if is_reference else "grouped"
    return network


@contextmanager
def whole_maps(*, is_reference: bool) -> Iterator[None]:
    """While it is open, a reference computes every layer over whole maps, by PyTorch's public operators."""
    with ExitStack() as stack:
        for module in (nlcunet_module, layers, skip, attention) if is_reference else ():
            stack.enter_context(patch.object(module, "can_compute_only", lambda _: False))
        yield


def compare_parts(options: argparse.Namespace) -> None:
    """Print time, memory and the share of the machine's limits for networks and their parts."""
    sizes = options.parts or ["NLCUnet-S", "NLCUnet-M", "NLCUnet"]
    if options.peak:
        network = network_of(sizes[0], is_reference=options.reference)
        low_res = torch.rand(1, 3, options.peak, options.peak).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), whole_maps(is_reference=options.reference):
            network(low_res[:, :, :32, :32])
            print(peak_bytes(lambda: network(low_res)))
        return
    print(describe_machine(), "\n")
    print("| network | LR | GFLOP | ms | share of matrix rate | reference ms | faster | peak MiB | reference MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    details = {(size, side): compare_one(size, side, options) for size in sizes for side in options.sides}
    for size in sizes:
        print_details(size, {side: details[size, side] for side in options.sides})
    if options.plot is not None:
        plot_parts(details, options.plot)


def compare_one(size: str, side: int, options: argparse.Namespace) -> Details:
    """Measure one network at one size, print its line, and give what its parts take."""
    low_res = torch.rand(1, 3, side, side).contiguous(memory_format=torch.channels_last)
    ours, reference = (network_of(size, is_reference=kind) for kind in (False, True))
    has_reference = size != "NLCUnet" or side <= options.largest_reference
    repeats = 5 if side <= 128 else 2
    seconds, reference_seconds, rates = [], [], []
    with torch.inference_mode():
        for _ in range(repeats):
            rates.append(matrix_rate_gflops())
            seconds.append(seconds_of(lambda: ours(low_res)))
            if has_reference:
                with whole_maps(is_reference=True):
                    reference_seconds.append(seconds_of(lambda: reference(low_res)))
        details = Details(
            seconds_by_part(ours, low_res, repeats), operations_by_part(ours, low_res), bytes_by_part(ours, low_res)
        )
    gflop, rate, best = sum(details.operations.values()) / 1e9, max(rates), min(seconds)
    arguments = ("--parts", size, "--threads", str(options.threads), "--peak", str(side))
    peaks = [printed_numbers(__file__, *arguments, trim_memory=True)[0] / 2**20]
    if has_reference:
        peaks.append(printed_numbers(__file__, *arguments, "--reference", trim_memory=True)[0] / 2**20)
    compared = (
        f"{1e3 * min(reference_seconds):.0f} | {min(reference_seconds) / best:.2f}×" if has_reference else "– | –"
    )
    print(
        f"| {size} | {side}×{side} | {gflop:.1f} | {1e3 * best:.0f} | {gflop / best / rate:.0%} | {compared} "
        f"| {peaks[0]:.0f} | {f'{peaks[1]:.0f}' if has_reference else '–'} |",
        flush=True,
    )
    details.rate, details.bandwidth, details.seconds_all = rate, copy_bandwidth_gbytes(), best
    return details


def seconds_of(run: Callable[[], object]) -> float:
    """Time of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def print_details(size: str, by_side: dict[int, Details]) -> None:
    """A table of one network's parts: GFLOP, MB, ms, shares of the matrix rate and of copies' rate, at every size."""
    heads = " | ".join(f"{side}²: GFLOP, MB | ms | of matrix, of copy rate" for side in by_side)
    print(f"\n| {size} | {heads} |\n|{'---|' * (1 + 3 * len(by_side))}")
    for part in PARTS:
        cells = []
        for details in by_side.values():
            seconds, operations = details.seconds.get(part, 0.0), details.operations.get(part, 0) / 1e9
            megabytes = details.bytes.get(part, 0) / 1e6
            share = f"{operations / seconds / details.rate:.0%}" if seconds and operations > 1e-3 else "–"
            moved = f"{megabytes / 1e3 / seconds / details.bandwidth:.0%}" if seconds else "–"
            cells.append(f"{operations:.2f}, {megabytes:.0f} | {1e3 * seconds:.1f} | {share}, {moved}")
        print(f"| {part} | {' | '.join(cells)} |")


def plot_parts(details: dict[tuple[str, int], Details], path: Path) -> None:
    """Shares of time by part, and what is arithmetic at the machine's matrix rate, a bar for each network and size."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 0.5 * len(details) + 1.6))
    names = [f"{size}, {side}×{side}" for size, side in details]
    left = [0.0] * len(details)
    colours = plt.get_cmap("tab20")
    for index, part in enumerate(PARTS):
        widths = [each.seconds.get(part, 0.0) / sum(each.seconds.values()) for each in details.values()]
        axes.barh(names, widths, left=left, label=part, color=colours(index))
        left = [a + b for a, b in zip(left, widths, strict=True)]
    floors = [sum(d.operations.values()) / 1e9 / d.rate / d.seconds_all for d in details.values()]
    axes.scatter(floors, names, marker="|", s=260, color="black", label="arithmetic at the matrix rate", zorder=3)
    axes.invert_yaxis()
    axes.set_xlabel("share of the time")
    axes.set_xlim(0, 1)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, fontsize=8, frameon=False)
    figure.savefig(path, dpi=110, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--parts", nargs="*", metavar="SIZE", help="networks alone; by default NLCUnet-S, -M, NLCUnet")
    parser.add_argument("--largest-reference", type=int, default=128, help="largest side for the reference of NLCUnet")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.parts is not None:
        compare_parts(options)
        return
    upscaler = nlcunet.load(options.model)
    if options.peak:
        upscaler.upscale(picture(32))
        print(peak_bytes(lambda: upscaler.upscale(picture(options.peak))))
        return
    print(describe_machine(), "\n")
    print(f"| {options.model} | seconds | LR megapixels/s | peak MiB | GFLOP | share of matrix rate |")
    print("|---|---|---|---|---|---|")
    for side in options.sides:
        low_res = picture(side)
        gflop = count_operations(lambda low_res=low_res: upscaler.upscale(low_res)) / 1e9
        rate = matrix_rate_gflops()
        seconds = median_seconds(lambda low_res=low_res: upscaler.upscale(low_res), repeats=5)
        arguments = ("--model", options.model, "--threads", str(options.threads), "--peak", str(side))
        peak = printed_numbers(__file__, *arguments, trim_memory=True)[0]
        print(
            f"| {side}×{side} → {side * upscaler.header.scale}×{side * upscaler.header.scale} | {seconds:.2f} "
            f"| {side * side / 1e6 / seconds:.3f} | {peak / 2**20:.0f} | {gflop:.0f} | {gflop / seconds / rate:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
