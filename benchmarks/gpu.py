"""Networks on a GPU: images per second and share of the matrix rate, against the reference attention and plain PyTorch.

Run: ``python benchmarks/gpu.py [--sizes NLCUnet-S NLCUnet-M NLCUnet] [--precision float16]``. Weights are random: the
time does not depend on them. Every line is the network alone, batch 1, pictures and results in the GPU's memory, median
of several runs timed with events; ``plain`` is PyTorch launching one kernel after the other, ``reference`` the same
with attention as the paper writes it, ``fused`` attention in kernels of its own, ``graphs`` the same recorded as a CUDA
graph, as ``nlcunet upscale`` runs it. FLOPs (two per multiply-add) are counted on the grouped attention.
"""

import argparse
import statistics
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from nlcunet.evaluation.cost import count_operations
from nlcunet.inference.engines.cuda_graphs import GraphCache
from nlcunet.models import attention
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.registry import network_from_config, size_config

PICTURES = ((256, 256), (720, 1280))
REPEATS = 5
MATRIX_SIDE = 8192
PLAIN, REFERENCE, FUSED, GRAPHS = "plain", "reference", "fused", "graphs"


def seconds_of(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time on the device of one run, after two to warm up."""
    for _ in range(2):
        run()
    if not torch.cuda.is_available():
        return float("nan")
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return statistics.median(times)


def matrix_rate_tflops(dtype: torch.dtype, device: str, side: int) -> float:
    """Rate of a large product of random matrices."""
    a, b = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: a @ b, 10) / 1e12


def set_attention(network: nn.Module, kind: str) -> None:
    """Choose how attention is computed."""
    for module in network.modules():
        if isinstance(module, NonLocalAttention):
            module.implementation = "reference" if kind == REFERENCE else "grouped"
    attention.can_fuse = _never if kind == PLAIN else CAN_FUSE


def _never(*_: object) -> bool:
    return False


CAN_FUSE = attention.can_fuse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["NLCUnet-S", "NLCUnet-M", "NLCUnet"])
    parser.add_argument("--precision", default="float16", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--pictures", nargs="+", default=[f"{height}x{width}" for height, width in PICTURES])
    parser.add_argument("--kinds", nargs="+", default=[REFERENCE, PLAIN, FUSED, GRAPHS])
    parser.add_argument("--matrix-side", type=int, default=MATRIX_SIDE)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, options.precision)
    rate = matrix_rate_tflops(dtype, device, options.matrix_side)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU (no GPU: times are not measured)"
    print(f"{name}, torch {torch.__version__}, {options.precision}, matrix rate {rate:.0f} TFLOP/s\n")
    print("| network | picture | attention | ms | images/s | TFLOP/s | share of matrix rate | peak MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for size in options.sizes:
        network = network_from_config(size_config(size)).to(device, memory_format=torch.channels_last).eval()
        for picture in options.pictures:
            height, width = (int(side) for side in picture.split("x"))
            measure(network, size, (height, width), options.kinds, dtype, rate)


@torch.inference_mode()
def measure(  # noqa: PLR0917
    network: nn.Module, size: str, shape: tuple[int, int], kinds: list[str], dtype: torch.dtype, rate: float
) -> None:
    """Print a line for every kind of attention."""
    device = next(network.parameters()).device
    low_res = torch.rand(1, 3, *shape, device=device).contiguous(memory_format=torch.channels_last)
    graphs = GraphCache()

    def forward(batch: Tensor) -> Tensor:
        exact = dtype == torch.float32
        with nullcontext() if exact else torch.autocast(device.type, dtype, cache_enabled=False):
            result: Tensor = network(batch).float()
        return result

    small = torch.rand(1, 3, 64, 64, device=device)
    set_attention(network, PLAIN)
    tflop = count_operations(lambda: forward(small)) * (shape[0] * shape[1] / 64**2) / 1e12
    for kind in kinds:
        set_attention(network, kind)
        run = (lambda: graphs.run(forward, low_res, "")) if kind == GRAPHS else (lambda: forward(low_res))
        try:
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            seconds = seconds_of(run)
        except torch.OutOfMemoryError:
            print(f"| {size} | {shape[0]}×{shape[1]} | {kind} | out of memory | | | | |", flush=True)
            continue
        peak = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else float("nan")
        print(
            f"| {size} | {shape[0]}×{shape[1]} | {kind} | {1e3 * seconds:.2f} | {1 / seconds:.1f} "
            f"| {tflop / seconds:.1f} | {tflop / seconds / rate:.1%} | {peak:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
