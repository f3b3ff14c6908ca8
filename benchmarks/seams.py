"""How far tiled upscaling is from untiled, and whether tile borders show.

Run: ``python benchmarks/seams.py PICTURE [--model NAME]``. The difference between the two results is given in 8-bit
steps. The jump is how much more that difference changes from one pixel to the next across the middle of an overlap
than elsewhere: 1× means that borders cannot be told from the rest.

``python benchmarks/seams.py FOLDER`` takes a folder of originals, such as Set14, degrades them with the middle one of
Gaussian8's kernels, and tells what tiles cost in PSNR on Y against the originals.

``python benchmarks/seams.py TEXTURE --wrap`` takes a picture that repeats and tells how much it jumps where it meets
itself, over the mean step between neighbours inside: without and with wrapped edges, and, for what is to be expected,
at the same places of the picture when they lie inside it.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import nlcunet
from nlcunet.degradations.kernels import gaussian8_kernels
from nlcunet.degradations.pipeline import blur
from nlcunet.evaluation.originals import find_originals, read_original
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.inference.tiling.tiles import plan_tiles
from nlcunet.metrics.psnr import psnr_y
from nlcunet.models.weights import WeightsHeader
from nlcunet.tensors import round_to_8bit

TILES = ((64, 16), (128, 0), (128, 8), (128, 16), (128, 32), (256, 16))


def border_jump(difference: np.ndarray, borders: dict[int, list[int]]) -> float:
    """Mean step of the difference across borders, over its mean step elsewhere."""
    across, elsewhere = [], []
    for axis, positions in borders.items():
        steps = np.abs(np.diff(difference, axis=axis)).mean(axis=tuple(a for a in range(3) if a != axis))
        is_border = np.zeros(len(steps), dtype=bool)
        is_border[[p - 1 for p in positions]] = True
        across.append(steps[is_border])
        elsewhere.append(steps[~is_border])
    return float(np.concatenate(across).mean() / np.concatenate(elsewhere).mean())


def core_borders(header: WeightsHeader, low_res: np.ndarray, tile: int, overlap: int) -> dict[int, list[int]]:
    """Rows (axis 0) and columns (axis 1) of the result where one tile's part ends and the next one's begins."""
    height, width = low_res.shape[:2]
    plan = plan_tiles(
        height, width, tile=tile, overlap=overlap, multiple=header.size_multiple, min_size=header.min_size
    )
    axes = {0: plan.rows, 1: plan.columns}
    return {axis: [header.scale * s.core_start for s in spans.spans[1:]] for axis, spans in axes.items()}


def compare_quality(folder: Path, model: str) -> None:
    """Print what tiles cost in PSNR on Y, on average and at worst, and how near they come to the whole picture."""
    scale = nlcunet.load(model).header.scale
    kernel = gaussian8_kernels(scale)[4]
    pairs = []
    for path in find_originals(folder):
        high_res = read_original(path, scale)
        height, width = (side // scale for side in high_res.shape[-2:])
        low_res = resize_bicubic(blur(high_res, kernel[None]), height, width)
        pairs.append((round_to_8bit(low_res.clamp(0, 1)).float(), high_res.float()))
    whole = results(pairs, nlcunet.load(model, tile=2048))
    print(
        f"| {folder.name}: tile, overlap | PSNR on Y | against whole | worst | PSNR to whole |\n|---|---|---|---|---|"
    )
    base = [float(psnr_y(result, high_res, border=scale)) for result, (_, high_res) in zip(whole, pairs, strict=True)]
    print(f"| whole | {np.mean(base):.3f} | – | – | – |", flush=True)
    for tile, overlap in ((64, 8), (64, 16), (96, 16), (128, 16)):
        tiled = results(pairs, nlcunet.load(model, tile=tile, overlap=overlap))
        values = [
            float(psnr_y(result, high_res, border=scale)) for result, (_, high_res) in zip(tiled, pairs, strict=True)
        ]
        losses = np.subtract(values, base)
        nearness = [
            float(psnr_y(a, b, border=scale)) for a, b in zip(tiled, whole, strict=True) if not torch.equal(a, b)
        ]
        print(
            f"| {tile}, {overlap} | {np.mean(values):.3f} | {losses.mean():+.3f} dB | {losses.min():+.3f} dB "
            f"| {np.mean(nearness) if nearness else np.inf:.1f} dB |",
            flush=True,
        )


def compare_edges(picture: Path, model: str) -> None:
    """Print how far the edges of an enlarged texture are from each other, as the text above says."""
    upscaler, low_res = nlcunet.load(model), read_picture(picture).pixels
    half = tuple(side // 2 for side in low_res.shape[:2])
    moved = upscaler.upscale(np.roll(low_res, half, (0, 1)), wrap="both")
    inside = np.roll(moved, tuple(-upscaler.header.scale * side for side in half), (0, 1))
    enlarged = {
        "not wrapped": upscaler.upscale(low_res),
        "wrapped": upscaler.upscale(low_res, wrap="both"),
        "the same places inside": inside,
    }
    print("| edges | top and bottom | left and right |\n|---|---|---|")
    for name, result in enlarged.items():
        print(f"| {name} | {' | '.join(f'{edge_jump(result, axis):.2f}×' for axis in (0, 1))} |", flush=True)


def edge_jump(result: np.ndarray, axis: int) -> float:
    """Mean step from the last row (0) or column (1) to the first, over that between neighbours inside."""
    values = result.astype(np.float32)
    step = np.abs(values.take(0, axis) - values.take(-1, axis)).mean()
    return float(step / np.abs(np.diff(values, axis=axis)).mean())


def results(pairs: list[tuple[Tensor, Tensor]], upscaler: nlcunet.Upscaler) -> list[Tensor]:
    """The low-resolution pictures, enlarged."""
    return [round_to_8bit(upscaler.upscale(low_res)) for low_res, _ in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    parser.add_argument("--wrap", action="store_true", help="edges of a texture instead of borders of tiles")
    options = parser.parse_args()
    if options.wrap:
        compare_edges(options.picture, options.model)
        return
    if options.picture.is_dir():
        compare_quality(options.picture, options.model)
        return
    low_res = read_picture(options.picture).pixels
    whole = nlcunet.load(options.model, tile=4 * max(low_res.shape)).upscale(low_res)
    print("| tile, overlap | mean difference | largest | PSNR to untiled | jump at borders |\n|---|---|---|---|---|")
    for tile, overlap in TILES:
        upscaler = nlcunet.load(options.model, tile=tile, overlap=overlap)
        result = upscaler.upscale(low_res)
        difference = result.astype(np.float32) - whole
        borders = core_borders(upscaler.header, low_res, tile, overlap)
        psnr = 10 * np.log10(255**2 / max(float((difference**2).mean()), 1e-9))
        print(
            f"| {tile}, {overlap} | {np.abs(difference).mean():.2f} | {np.abs(difference).max():.0f} "
            f"| {psnr:.1f} dB | {border_jump(difference, borders):.1f}× |",
            flush=True,
        )


if __name__ == "__main__":
    main()
