"""How far tiled upscaling is from untiled, and whether tile borders show.

Run: ``python benchmarks/seams.py PICTURE [--model NAME]``. The difference between the two results is given in 8-bit
steps. The jump is how much more that difference changes from one pixel to the next across the middle of an overlap
than elsewhere: 1× means that borders cannot be told from the rest.
"""

import argparse
from pathlib import Path

import numpy as np

import nlcunet
from nlcunet.imaging.files import read_picture
from nlcunet.inference.tiles import plan_tiles
from nlcunet.models.weights import WeightsHeader

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    options = parser.parse_args()
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
