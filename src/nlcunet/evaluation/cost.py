"""What an enlargement costs: parameters, operations, time and memory, on an input of a stated size."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from nlcunet.evaluation.cache import cost_key, read_json, write_json
from nlcunet.evaluation.machine import median_seconds, peak_bytes
from nlcunet.evaluation.records import SystemFacts
from nlcunet.evaluation.systems import System
from nlcunet.inference.tiling.tile_samples import pad_to_multiple
from nlcunet.models.kernel_conditioned import NonBlindNLCUnet
from nlcunet.models.weights import LoadedModel, load_model


def count_operations(run: Callable[[], object]) -> int:
    """Operations of a run as they happen, two for each multiply-add.

    Counted are convolutions and matrix products, those of attention among them; not Fourier transforms, and not what is
    done element by element.
    """
    with FlopCounterMode(display=False, custom_mapping=_onednn_formulas()) as counter:
        run()
    return int(counter.get_total_flops())


def _onednn_formulas() -> dict[Any, Any]:
    """How PyTorch's counter shall count the operators of ``nlcunet.models.fused_convolution``."""
    operators = [torch.ops.aten.mkldnn_convolution]
    if hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        operators.append(torch.ops.mkldnn._convolution_pointwise)  # noqa: SLF001
    return dict.fromkeys(operators, _convolution_operations)


def _convolution_operations(x: Any, *shapes: Any, out_shape: Any = None, **_: Any) -> int:
    """From the shapes of an operator's arguments: input, what is added or multiplied if anything, weights, bias, ..."""
    has_other = isinstance(shapes[1], torch.Size) and len(shapes[1]) == len(x)
    return int(conv_flop_count(x, shapes[1] if has_other else shapes[0], out_shape))


REPEATS = 5
"""Runs whose median is told, after one to warm up."""

COST_FIELDS = ("cost_size_px", "gflop", "seconds", "peak_mib", "machine")


def with_cost(system: System, size_px: int, device: torch.device, machine: str, cache: Path | None) -> System:
    """A system whose facts tell what it costs.

    Args:
        system: A network; what other programs made is given back as it is.
        size_px: Side of the low-resolution square.
        device: Where to compute.
        machine: `nlcunet.evaluation.machine.describe_machine` of this run.
        cache: Folder of earlier results: what was measured there with the same weights, size and machine is taken.
    """
    if system.model is None:
        return system
    path = None if cache is None else cache / f"{cost_key(system.identity, size_px, device)}.json"
    known = None if path is None else read_json(path)
    if known is None or set(known) != set(COST_FIELDS):
        facts = measure_cost(system.model, system.loaded_from, size_px, device, machine)
        known = {name: getattr(facts, name) for name in COST_FIELDS}
        if path is not None:
            write_json(path, known)
    return replace(system, facts=replace(system.facts, **known))  # type: ignore[arg-type]


def measure_cost(model: LoadedModel, source: str, size_px: int, device: torch.device, machine: str) -> SystemFacts:
    """Operations, median time and peak memory of a network that sees one square input whole.

    Operations are counted as they run, two for each multiply-add: of convolutions and matrix products, those of
    attention among them, and not of Fourier transforms and element by element.
    """
    inputs = [one.to(device) for one in probes(size_px, model)]
    network = model.network

    def run() -> Tensor:
        with torch.inference_mode():
            result: Tensor = network(*inputs)
        return result

    return SystemFacts(
        name=model.header.name,
        system_kind="network",
        scale=model.header.scale,
        cost_size_px=size_px,
        gflop=count_flop(network, *inputs) / 1e9,
        seconds=median_seconds(run, REPEATS, device=device),
        peak_mib=peak_mib(source, size_px, device, run),
        machine=machine,
    )


def probes(size_px: int, model: LoadedModel) -> tuple[Tensor, ...]:
    """An input of noise, padded as the network needs it, and a kernel where it must be told one.

    The work hardly depends on what a picture shows.
    """
    noise = torch.rand(1, 3, size_px, size_px, generator=torch.Generator().manual_seed(0))
    padded = pad_to_multiple(noise, model.header.size_multiple, at_least=model.header.min_size)
    return (padded, model.network.no_blur(1)) if isinstance(model.network, NonBlindNLCUnet) else (padded,)


def count_flop(network: nn.Module, *inputs: Tensor) -> int:
    """Floating-point operations of one enlargement, two for each multiply-add."""
    with torch.no_grad():
        return count_operations(lambda: network(*inputs))


def peak_mib(source: str, size_px: int, device: torch.device, run: Callable[[], object]) -> float | None:
    """Peak memory above what was in use before, MiB; none where it cannot be told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return float(torch.cuda.max_memory_allocated(device) - before) / 2**20
    if device.type != "cpu":
        return None
    # A fresh process that gives memory back at once: in this one, memory that was used before would hide the peak.
    settings = {"MALLOC_MMAP_THRESHOLD_": "16384", "MALLOC_TRIM_THRESHOLD_": "0"}
    code = (
        "import sys; from nlcunet.evaluation.cost import print_peak; print_peak(sys.argv[1], *map(int, sys.argv[2:]))"
    )
    command = [sys.executable, "-c", code, source, str(size_px), str(torch.get_num_threads())]
    done = subprocess.run(  # noqa: S603 - this Python, with this package
        command, capture_output=True, text=True, check=False, env={**os.environ, **settings}
    )
    words = done.stdout.split()
    return float(words[-1]) if done.returncode == 0 and words and words[-1] != "None" else None


def print_peak(source: str, size_px: int, threads: int) -> None:
    """Print the peak memory of one enlargement in MiB; called in a process of its own."""
    torch.set_num_threads(threads)
    model = load_model(source)
    inputs = probes(size_px, model)
    with torch.inference_mode():
        model.network(*probes(32, model))  # what torch keeps for good is not the enlargement's
        peak = peak_bytes(lambda: model.network(*inputs))
    sys.stdout.write(f"{None if peak is None else peak / 2**20}\n")
