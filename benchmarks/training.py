"""A training step, ours against a plain loop: patches per second, time outside the network, memory, matrix rate.

Run: ``python benchmarks/training.py [--size NLCUnet-S] [--batch 4] [--threads 1] [--device cpu] [--no-compile]
[--profile]``. Both train the same network on the same kind of patches, and take turns, one step each on a CPU; times
are medians. On a CPU the ratio is taken from processor time, which other programs disturb less than wall time.

*Ours* is what ``nlcunet train`` does: pairs from memory in batches, grouped attention, channels-last, bfloat16, the
compiled network, fused Adam and averaging. *Plain* is how such loops are commonly written: a DataLoader that degrades
one patch after the other, attention as in its paper, float32, NCHW, Adam and averaging one tensor after the other.

Model FLOPs are those of the forward pass (attention's without grouping), times three for forward and backward; the
matrix rate is that of a large product in the same precision, measured in the same run. The pictures are noise: no
part of the work depends on what they show, but for how evenly attention's buckets fill.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from machine import describe_machine, peak_bytes, printed_numbers
from nlcunet.data.crops import CropSettings
from nlcunet.data.loading import make_source
from nlcunet.data.pairs import PairSettings
from nlcunet.data.photographs import Photographs
from nlcunet.degradations.presets import draw_record, find_preset
from nlcunet.degradations.record import record_kernel
from nlcunet.evaluation.cost import count_operations
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.nlcunet import NLCUnet
from nlcunet.models.registry import size_config
from nlcunet.runtime import choose_device
from nlcunet.tensors import round_to_8bit
from nlcunet.training.processes import Processes
from nlcunet.training.recipe import Recipe
from nlcunet.training.trainer import make_trainer

NUM_PICTURES, PICTURE_PX = 32, 512
Clocks = tuple[float, float]


def noise_pictures() -> Photographs:
    """Photographs of noise."""
    generator = torch.Generator().manual_seed(0)
    shape = (PICTURE_PX, PICTURE_PX, 3)
    pictures = tuple(torch.randint(256, shape, generator=generator, dtype=torch.uint8) for _ in range(NUM_PICTURES))
    return Photographs(pictures, tuple(f"noise {index}" for index in range(NUM_PICTURES)), "")


class PlainDataset(Dataset[tuple[Tensor, Tensor]]):
    """One pair at a time: crop, flip, to float, blur by a depth-wise convolution, bicubic downsampling, 8 bits."""

    def __init__(self, pictures: Photographs, options: argparse.Namespace) -> None:
        self.pictures, self.options = pictures.pictures, options
        self.preset = find_preset(options.degradation, 4)
        self.generator = torch.Generator().manual_seed(0)

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        size = 4 * self.options.patch
        top, left, turns = torch.randint(PICTURE_PX - size + 1, (3,), generator=self.generator).tolist()
        patch = self.pictures[index % NUM_PICTURES][top : top + size, left : left + size].rot90(turns % 4, (0, 1))
        high_res = (patch.flip(1) if turns % 2 else patch).permute(2, 0, 1).float().contiguous() / 255
        record = draw_record(self.preset, self.generator)
        kernel = record_kernel(record).float()
        padded = F.pad(high_res[None], (len(kernel) // 2,) * 4, mode="reflect")
        blurred = F.conv2d(padded, kernel.expand(3, 1, -1, -1), groups=3)[0]
        return round_to_8bit(resize_bicubic(blurred, self.options.patch, self.options.patch)), high_res


def make_plain(options: argparse.Namespace) -> Callable[[], object]:
    """The plain loop's step."""
    device = choose_device(options.device)
    torch.manual_seed(0)
    network = with_reference_attention(NLCUnet(size_config(options.size))).to(device)
    average = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.9, 0.99), foreach=False, fused=False)
    batches = iter(DataLoader(PlainDataset(noise_pictures(), options), batch_size=options.batch, num_workers=0))

    def step() -> float:
        low_res, high_res = (x.to(device) for x in next(batches))
        optimizer.zero_grad()
        loss = F.l1_loss(network(low_res), high_res)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.5, foreach=False)
        optimizer.step()
        with torch.no_grad():
            for name, value in network.named_parameters():
                average[name].mul_(0.999).add_(value, alpha=0.001)
        return loss.item()

    return step


def with_reference_attention(network: NLCUnet) -> NLCUnet:
    """The same network with attention as its paper has it."""
    for layer in network.modules():
        if isinstance(layer, NonLocalAttention):
            layer.implementation = "reference"
    return network


class Ours:
    """The step of ``nlcunet train``, and where its time goes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.device = choose_device(options.device)
        recipe = Recipe.model_validate(
            {
                "name": "benchmark",
                "precision": options.precision,
                "compile": options.compile,
                "network": {"size": options.size},
                "data": {"photographs": Path(), "patch_px": options.patch, "degradation": options.degradation},
                "optim": {"steps": 10**6, "batch": options.batch, "lr": 1e-4, "clip_norm": 0.5},
            }
        )
        self.trainer = make_trainer(recipe, Processes(self.device))
        preset = find_preset(options.degradation, 4)
        pairs = PairSettings(preset=preset, seed=0, patch_px=options.patch, crops=CropSettings())
        self.source = make_source(noise_pictures(), pairs, device=self.device, batch=options.batch)
        self.marks: list[tuple[str, Clocks]] = []
        self.is_marking = False
        forward = self.trainer.forward

        def marked_forward(low_res: Tensor) -> Tensor:
            restored = forward(low_res)
            self.mark("forward")
            return restored

        self.trainer.forward = marked_forward
        self.trainer.optimizer.register_step_pre_hook(lambda *_: self.mark("clipping"))
        self.trainer.optimizer.register_step_post_hook(lambda *_: self.mark("optimiser"))

    def mark(self, part: str) -> None:
        """Note that a part of the step has ended."""
        if self.is_marking:
            synchronize(self.device)
            self.marks.append((part, clocks()))

    def step(self) -> object:
        """One step."""
        pairs = self.source.pairs(self.trainer.progress.step)
        self.mark("data")
        result = self.trainer.step(pairs)
        self.mark("average")
        return result

    def split(self, repeats: int) -> dict[str, Clocks]:
        """Median wall and processor time of each part."""
        times: dict[str, list[Clocks]] = defaultdict(list)
        backward = Tensor.backward

        def marked_backward(tensor: Tensor, *arguments: Any, **keywords: Any) -> None:
            backward(tensor, *arguments, **keywords)
            self.mark("backward")

        Tensor.backward = marked_backward
        self.is_marking = True
        try:
            for _ in range(repeats):
                self.marks = [("start", clocks())]
                self.step()
                for (_, before), (part, after) in zip(self.marks, self.marks[1:], strict=False):
                    times[part].append(elapsed(before, after))
        finally:
            Tensor.backward, self.is_marking = backward, False
        return {part: medians(values) for part, values in times.items()}


def synchronize(device: torch.device) -> None:
    """Wait for an accelerator."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def clocks() -> Clocks:
    """Wall and processor time, seconds."""
    return time.perf_counter(), time.process_time()


def elapsed(before: Clocks, after: Clocks) -> Clocks:
    """Time between two readings."""
    return after[0] - before[0], after[1] - before[1]


def medians(values: list[Clocks]) -> Clocks:
    """Median of both clocks."""
    wall, processor = zip(*values, strict=True)
    return statistics.median(wall), statistics.median(processor)


def take_turns(
    runs: dict[str, Callable[[], object]], repeats: int, steps: int, device: torch.device
) -> dict[str, Clocks]:
    """Median times per step of several loops that take turns."""
    times: dict[str, list[Clocks]] = defaultdict(list)
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            before = clocks()
            for _ in range(steps):
                run()
            synchronize(device)
            wall, processor = elapsed(before, clocks())
            if repeat:  # the first turn warms up
                times[name].append((wall / steps, processor / steps))
    return {name: medians(values) for name, values in times.items()}


def matrix_product(device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """A large matrix product to run, and its FLOPs."""
    size = 1024 if device.type == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return lambda: a @ b, 2.0 * size**3


def model_flops(options: argparse.Namespace) -> float:
    """FLOPs of forward and backward for one batch."""
    network = with_reference_attention(NLCUnet(size_config(options.size)))
    with torch.no_grad():
        operations = count_operations(lambda: network(torch.rand(1, 3, options.patch, options.patch)))
    return 3.0 * options.batch * operations


def print_peak(options: argparse.Namespace) -> None:
    """Peak memory of a few steps in this process, which should be fresh, in bytes."""
    device = choose_device(options.device)
    run: Callable[[], object] = make_plain(options) if options.peak == "plain" else Ours(options).step

    def steps() -> None:
        for _ in range(3):
            run()

    if device.type == "cuda":
        steps()
        print(torch.cuda.max_memory_allocated(device))
    else:
        run()  # loads libraries, compiles
        print(peak_bytes(steps))


def rows(options: argparse.Namespace) -> Iterator[str]:
    """The lines of the report."""
    device = choose_device(options.device)
    clock = 1 if device.type == "cpu" else 0
    yield f"{describe_machine()}\n"
    ours = Ours(options)
    products = {
        name: matrix_product(device, dtype)
        for name, dtype in (("plain", torch.float32), ("ours", getattr(torch, options.precision)))
    }
    runs = {"plain": make_plain(options), "ours": ours.step}
    runs |= {f"{name} product": product for name, (product, _) in products.items()}
    times = take_turns(runs, options.repeats, 1 if device.type == "cpu" else 10, device)
    rates = {name: products[name][1] / times.pop(f"{name} product")[clock] for name in products}
    yield (
        f"{options.size}, batch {options.batch} of {options.patch}×{options.patch}, {options.degradation}, {device}; "
        f"matrix rate {rates['plain'] / 1e9:.0f} GFLOP/s in float32, {rates['ours'] / 1e9:.0f} in {options.precision}\n"
    )
    parts = ours.split(max(options.repeats, 5))
    whole = sum(part[clock] for part in parts.values())
    inside = parts["forward"][clock] + parts["backward"][clock]
    shares = {"ours": f"{1 - inside / whole:.1%} (data {parts['data'][clock] / whole:.1%})", "plain": "–"}
    flops = model_flops(options)
    yield "| loop | s/step, wall | s/step, processor | patches/s | outside the network | of matrix rate | peak MiB |"
    yield "|---|---|---|---|---|---|---|"
    for name, (wall, processor) in times.items():
        second = (wall, processor)[clock]
        yield (
            f"| {name} | {wall:.3f} | {processor:.3f} | {options.batch / second:.2f} | {shares[name]} "
            f"| {flops / second / rates[name]:.0%} | {peak_mib(options, name):.0f} |"
        )
    yield f"\nOurs is {times['plain'][clock] / times['ours'][clock]:.2f} times as fast."
    if options.profile:
        yield "\n| part of our step | wall ms | processor ms | share |\n|---|---|---|---|"
        for part, (wall, processor) in parts.items():
            share = (wall, processor)[clock] / whole
            yield f"| {part} | {1e3 * wall:.1f} | {1e3 * processor:.1f} | {share:.1%} |"


def peak_mib(options: argparse.Namespace, name: str) -> float:
    """Peak memory of a loop, from a process of its own."""
    arguments = [f"--{key}={getattr(options, key)}" for key in ("size", "batch", "patch", "threads", "device")]
    arguments += [f"--precision={options.precision}", f"--degradation={options.degradation}", f"--peak={name}"]
    arguments += [] if options.compile else ["--no-compile"]
    return printed_numbers(__file__, *arguments, trim_memory=True)[0] / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="NLCUnet-S")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--degradation", default="isotropic")
    parser.add_argument("--precision", default="bfloat16", choices=("bfloat16", "float32"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--profile", action="store_true", help="also say which part of our step takes how long")
    parser.add_argument("--peak", choices=("ours", "plain"), help=argparse.SUPPRESS)  # for processes that it starts
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        print_peak(options)
        return
    for row in rows(options):
        print(row, flush=True)


if __name__ == "__main__":
    main()
