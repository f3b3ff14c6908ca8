"""Upscaling a picture from array to array: time, peak memory, FLOPs, share of the machine's matrix rate.

Run: ``python benchmarks/upscale.py [--model NAME] [--sides 512 ...] [--threads N]``. Tiles and overlap are the
automatic ones; FLOPs (two per multiply-add) are counted while it runs, so that overlapping work counts. Peak memory is
the growth of a fresh process, picture and result included.
"""

import argparse

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import nlcunet
from machine import describe_machine, matrix_rate_gflops, median_seconds, peak_bytes, printed_numbers


def picture(side: int) -> np.ndarray:
    """Noise: the work does not depend on what a picture shows, but for how evenly its pixels fall into buckets."""
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
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
        with FlopCounterMode(display=False) as counter:
            upscaler.upscale(low_res)
        gflop = counter.get_total_flops() / 1e9
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
