"""What networks make of grain: of fine and coarse noise, and of noise that was enlarged with a picture.

Run: ``python benchmarks/grain.py [ORIGINALS] -m 4x-NLCUnet-S-Photo [-m …]``. A grey area gets noise and is enlarged;
what is left of the noise, reduced again, is told as a share: 0 is clean, 1 is as before, above 1 the network took it
for detail and made it stronger. With a folder of originals, such as BSD100, also the gain in PSNR on Y over bicubic
enlargement for pictures with the same noise.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import nlcunet
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.steps import Jpeg, Noise, Resize, Sharpen, Step
from nlcunet.evaluation.originals import find_originals, read_original
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.psnr import psnr_y
from nlcunet.tensors import round_to_8bit

STD_8BIT = 10.0
REACHES_PX = (0.0, 0.5, 0.8, 1.1, 1.5)
SIZES = (0.9, 0.75, 0.6)
COOKED = (Sharpen(radius_px=1.0, amount=1.0), Jpeg(quality=60, grid_top=3, grid_left=5))
AREA_PX, EDGE_PX = 96, 4


def damages() -> dict[str, tuple[Step, ...]]:
    """Steps by what they are called, plain ones and those that are sharpened and compressed afterwards."""
    found: dict[str, tuple[Step, ...]] = {}
    for reach in REACHES_PX:
        name = f"noise that reaches {reach:g} px" if reach else "noise of single pixels"
        found[name] = (Resize(), Noise(std_8bit=STD_8BIT, is_grey=True, correlation_px=reach))
    for size in SIZES:
        noisy = Resize(size=size), Noise(std_8bit=STD_8BIT, is_grey=True)
        found[f"noisy at {size:.0%} of the size, enlarged to it"] = (*noisy, Resize())
    return {f"{name}{extra}": (*steps, *more) for name, steps in found.items() for extra, more in EXTRAS.items()}


EXTRAS: dict[str, tuple[Step, ...]] = {"": (), ", sharpened, JPEG 60": COOKED}


def degrade(high_res: Tensor, steps: tuple[Step, ...], scale: int, seed: int) -> Tensor:
    """A low-resolution picture, 1 × 3 × height × width in [0, 1]."""
    return apply_records(high_res.double(), [DegradationRecord(scale=scale, steps=steps, seed=seed)]).float()


def enlarge(upscaler: nlcunet.Upscaler, low_res: Tensor) -> Tensor:
    """The result of a network, 8 bits, in [0, 1]."""
    return round_to_8bit(upscaler.upscale(low_res)).float()


def share_left(upscaler: nlcunet.Upscaler, steps: tuple[Step, ...]) -> float:
    """Standard deviation of a grey area after enlarging and reducing it, over that before."""
    scale = upscaler.header.scale
    grey = torch.tensor([150, 140, 110]).view(1, 3, 1, 1).expand(1, 3, scale * AREA_PX, scale * AREA_PX) / 255
    low_res = degrade(grey, steps, scale, seed=1)
    reduced = torch.nn.functional.avg_pool2d(enlarge(upscaler, low_res), scale)
    before, after = (
        picture.mean(dim=1)[..., EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX].std() for picture in (low_res, reduced)
    )
    return float(after / before)


def gain_db(upscaler: nlcunet.Upscaler, originals: list[Tensor], steps: tuple[Step, ...]) -> float:
    """Mean gain in PSNR on Y over bicubic enlargement."""
    scale = upscaler.header.scale
    gains = []
    for seed, high_res in enumerate(originals):
        low_res = degrade(high_res, steps, scale, seed)
        plain = round_to_8bit(resize_bicubic(low_res, *high_res.shape[-2:]).clamp(0, 1)).float()
        results = (enlarge(upscaler, low_res), plain)
        ours, bicubic = (float(psnr_y(result, high_res.float(), border=scale)) for result in results)
        gains.append(ours - bicubic)
    return float(np.mean(gains))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("originals", nargs="?", type=Path, help="folder of pictures")
    parser.add_argument("--every", type=int, default=10, help="one of so many of the pictures")
    parser.add_argument("-m", "--model", dest="models", action="append", required=True, help="may be given repeatedly")
    args = parser.parse_args()
    upscalers = {Path(name).stem: nlcunet.load(name) for name in args.models}
    scale = next(iter(upscalers.values())).header.scale
    originals = (
        [read_original(path, scale) for path in find_originals(args.originals)[:: args.every]] if args.originals else []
    )
    columns = [f"{name}: {what}" for name in upscalers for what in ("left", *(["gain in dB"] if originals else []))]
    print(f"| noise of {STD_8BIT:g} of 255 | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for name, steps in damages().items():
        cells = []
        for upscaler in upscalers.values():
            cells.append(f"{share_left(upscaler, steps):.2f}")
            if originals:
                cells.append(f"{gain_db(upscaler, originals, steps):+.2f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
