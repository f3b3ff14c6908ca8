"""Quality knobs that need no training: PSNR on Y and processor time of each setting, beside ``balanced``.

Run: ``python benchmarks/quality.py WEIGHTS SET=FOLDER ... [--limit N] [--sigmas 1.8,2.6,3.2] [--mosaic N]``.
One thread. Settings take turns on every picture; times are the process's own, as ratios to ``balanced``, so that other
programs on the machine matter little. Pictures of the usual sets fit into one tile each. ``--mosaic`` joins N×N
originals, the largest part that all have, to a large picture, which takes several tiles; PSNR is measured on each part.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from machine import describe_machine
from nlcunet.evaluation.originals import find_originals, read_original
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import BenchmarkSet, set_on_the_fly
from nlcunet.imaging.files import write_picture
from nlcunet.imaging.picture import Picture
from nlcunet.inference.loading import load
from nlcunet.inference.upscaler import Upscaler
from nlcunet.metrics.psnr import psnr_y
from nlcunet.models.attention_rounds import with_attention_rounds
from nlcunet.models.weights import load_model

SETTINGS: dict[str, dict[str, Any]] = {
    "balanced": {},
    "fast": {"quality": "fast"},
    "best": {"quality": "best"},
    "rounds-2": {"rounds": 2},
    "rounds-4": {"rounds": 4},
    "rounds-8": {"rounds": 8},
    "overlap-0": {"overlap": 0},
    "overlap-4": {"overlap": 4},
    "overlap-32": {"overlap": 32},
    "bfloat16": {"precision": "bfloat16"},
}


def open_with(weights: str, *, rounds: int | None = None, **settings: Any) -> Upscaler:
    """Weights with settings; ``rounds`` of sparse attention are the network's own matter and no setting of users'."""
    if rounds is None:
        return load(weights, device="cpu", threads=1, **settings)
    return Upscaler(with_attention_rounds(load_model(weights), rounds), device="cpu", threads=1, **settings)


def lying(picture: Tensor) -> Tensor:
    """The picture, turned where it is higher than wide."""
    return picture.rot90(1, (-2, -1)) if picture.shape[-2] > picture.shape[-1] else picture


def join(files: Sequence[Path], side: int, scale: int, folder: Path) -> tuple[tuple[Path, ...], tuple[int, int]]:
    """Files of ``side`` × ``side`` originals each, as many as can be filled; and the shape of a part."""
    pictures = [lying(read_original(path, scale)[0]) for path in files]
    height, width = (min(picture.shape[axis] for picture in pictures) for axis in (-2, -1))
    made = []
    for number in range(len(pictures) // side**2):
        group = [one[:, :height, :width] for one in pictures[number * side**2 :][: side**2]]
        rows = [torch.cat(group[first : first + side], dim=2) for first in range(0, side**2, side)]
        pixels = (torch.cat(rows, dim=1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        made.append(folder / f"{number}.png")
        write_picture(Picture(pixels=pixels), made[-1])
    return tuple(made), (height, width)


def psnr_of_parts(result: Tensor, truth: Tensor, part: tuple[int, int] | None, border: int) -> float:
    """Mean PSNR over the parts of a mosaic, or of the one picture."""
    height, width = part or truth.shape[-2:]
    rows, columns = range(0, truth.shape[-2], height), range(0, truth.shape[-1], width)
    parts = [(..., slice(y, y + height), slice(x, x + width)) for y in rows for x in columns]
    return fmean(float(psnr_y(result[where], truth[where], border=border)) for where in parts)


def measure(
    measured: BenchmarkSet, upscalers: dict[str, Upscaler], part: tuple[int, int] | None
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean PSNR in dB, and seconds of processor time in all, of every setting."""
    scores, seconds = defaultdict(list), defaultdict(float)
    for image in measured.images:
        loaded = measured.load(image)
        for pair in loaded.pairs:
            for name, upscaler in upscalers.items():
                start = time.process_time()
                result = upscaler.upscale(pair.low_res)
                seconds[name] += time.process_time() - start
                scores[name].append(psnr_of_parts(result, loaded.truth, part, measured.protocol.border_px))
    return {name: fmean(values) for name, values in scores.items()}, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("sets", nargs="+", metavar="SET=FOLDER")
    parser.add_argument("--limit", type=int, help="only the first so many originals")
    parser.add_argument("--sigmas", default="1.8,2.6,3.2", help="of Gaussian8")
    parser.add_argument("--mosaic", type=int, metavar="N", help="join N×N originals")
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=["balanced", "fast", "best"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = list(dict.fromkeys(["balanced", *options.settings]))
    upscalers = {name: open_with(options.weights, **SETTINGS[name]) for name in names}
    scale = upscalers["balanced"].header.scale
    protocol = find_protocol("gaussian8", scale, tuple(float(sigma) for sigma in options.sigmas.split(",")))
    print(describe_machine(), flush=True)
    for upscaler in upscalers.values():
        upscaler.measure_seconds_per_pixel()  # sets things up
    for entry in options.sets:
        name, folder = entry.split("=", 1)
        files, part = find_originals(Path(folder))[: options.limit], None
        with TemporaryDirectory() as mosaics:
            if options.mosaic:
                files, part = join(files, options.mosaic, scale, Path(mosaics))
            measured = set_on_the_fly(files, protocol, name)
            scores, seconds = measure(measured, upscalers, part)
        kind = f", {options.mosaic}×{options.mosaic} joined" if options.mosaic else ""
        print(f"\n| {name}{kind}: {measured.facts.pairs} pairs | PSNR Y | to balanced | time |\n|---|---|---|---|")
        for setting in upscalers:
            gain, ratio = scores[setting] - scores["balanced"], seconds[setting] / seconds["balanced"]
            print(f"| {setting} | {scores[setting]:.3f} | {gain:+.3f} dB | {ratio:.2f}× |", flush=True)


if __name__ == "__main__":
    main()
