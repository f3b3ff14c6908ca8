"""Sparse attention, reference against grouped: time, peak memory, share of the machine's matrix rate.

Run: ``python benchmarks/attention.py [--threads N]``. Times are medians of 7 with the two forms taking turns; the
layer is measured whole (projections, hashing, sorting, attention), each row in a fresh process: how fast the reference
is depends on whether the memory allocator of a long-lived process keeps its large blocks. FLOPs are those of the two
matrix products of attention, which are the floor: hashing, sorting, gathering and exponentials are overhead. Backward
recomputes the scores and has five matrix products to the forward's two, so that forward with backward counts 3.5 times
the forward.
"""

import argparse
from collections.abc import Callable

import torch

from machine import (
    describe_machine,
    interleaved_seconds,
    matrix_rate_gflops,
    peak_bytes,
    printed_numbers,
)
from nlcunet.models.attention import NonLocalAttention

FORMS = ("reference", "grouped")


def attention_flops(tokens: int, channels: int, layer: NonLocalAttention) -> float:
    """Scores and weighted sums over 3 · chunk_size keys per query and round, two operations per multiply-add."""
    keys = 3 * layer.chunk_size
    return 2.0 * tokens * layer.rotations.shape[1] * keys * (channels // 4 + channels)


def make_runs(form: str, side: int, channels: int) -> dict[str, Callable[[], None]]:
    """The layer of one form on one picture: forward alone, and forward with backward."""
    torch.manual_seed(0)
    x = torch.randn(1, channels, side, side).contiguous(memory_format=torch.channels_last)
    layer = NonLocalAttention(channels, implementation=form)

    def forward() -> None:
        with torch.inference_mode():
            layer(x)

    def train() -> None:
        layer(x).sum().backward()

    return {"forward": forward, "forward + backward": train}


def print_peak(form: str, side: int, channels: int, task: str) -> None:
    """Peak memory of one run in this process, which should be fresh; a small picture first loads the libraries."""
    make_runs(form, 16, channels)[task]()
    print(peak_bytes(make_runs(form, side, channels)[task]))


def print_seconds(side: int, channels: int, task: str) -> None:
    """Median times of both forms, which take turns in this process."""
    seconds = interleaved_seconds({form: make_runs(form, side, channels)[task] for form in FORMS})
    print(*(seconds[form] for form in FORMS))


def measure(side: int, channels: int, rate_gflops: float, threads: int) -> None:
    """Print the rows of one size."""
    flops = attention_flops(side * side, channels, NonLocalAttention(channels))
    size = ("--threads", str(threads), "--side", str(side), "--channels", str(channels))
    for task, factor in (("forward", 1.0), ("forward + backward", 3.5)):
        times = printed_numbers(__file__, *size, "--task", task)
        seconds = dict(zip(FORMS, times, strict=True))
        peak = {
            form: printed_numbers(__file__, *size, "--task", task, "--peak-of", form, trim_memory=True)[0]
            for form in FORMS
        }
        for form in FORMS:
            share = factor * flops / seconds[form] / 1e9 / rate_gflops
            print(
                f"| {side}×{side} | {channels} | {task} | {form} | {1e3 * seconds[form]:.1f} "
                f"| {peak[form] / 2**20:.0f} | {share:.0%} "
                f"| {seconds['reference'] / seconds[form]:.2f}× | {peak[form] / peak['reference']:.2f} |",
                flush=True,
            )


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)  # the rest is for the processes that it starts
    parser.add_argument("--channels", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak_of:
        print_peak(options.peak_of, options.side, options.channels, options.task)
        return
    if options.task:
        print_seconds(options.side, options.channels, options.task)
        return
    print(describe_machine(), "\n")
    print("| LR size | channels | task | form | ms | peak MiB | share of matrix rate | speed | memory |")
    print("|---|---|---|---|---|---|---|---|---|")
    rate_gflops = matrix_rate_gflops()
    for side in (64, 128):
        for channels in (64, 128):
            measure(side, channels, rate_gflops, options.threads)


if __name__ == "__main__":
    main()
