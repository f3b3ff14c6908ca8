"""Other people's networks: how far tiles are from the whole picture, and how near the estimate of their memory is.

Run: ``python benchmarks/foreign.py PICTURE``; needs spandrel. The networks have the random weights that they begin
with, so the first columns say how far networks of these kinds look, not how good one is. The difference is the largest
of any pixel, in 8-bit steps, with tiles of 128 pixels. Memory is the peak in bytes for each low-resolution pixel.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

import nlcunet
from nlcunet.imaging.files import read_picture
from nlcunet.models.foreign.library import import_spandrel

SIDE_PX = 192
MEMORY_SIDE_PX = 128
OVERLAPS = (8, 16, 32)
WINDOWS = {"depths": (6, 6), "num_heads": (6, 6), "window_size": 8, "upscale": 4, "upsampler": "pixelshuffledirect"}
NETWORKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Compact": ("Compact", "Compact", {"num_feat": 64, "num_conv": 16, "upscale": 4}),
    "SPAN": ("SPAN", "SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 48, "upscale": 4}),
    "ESRGAN, 2 blocks": ("ESRGAN", "ESRGAN", {"num_filters": 64, "num_blocks": 2, "scale": 4}),
    "RealPLKSR, 6 blocks": ("PLKSR", "RealPLKSR", {"dim": 64, "n_blocks": 6, "upscaling_factor": 4}),
    "SwinIR, light": ("SwinIR", "SwinIR", {"embed_dim": 60, **WINDOWS}),
}
"""Name: spandrel's module, class, and arguments."""


def measured_bytes_per_pixel(file: Path) -> float:
    """Peak memory of one enlargement in a process of its own."""
    code = "import sys; from nlcunet.evaluation.cost import print_peak; print_peak(sys.argv[1], int(sys.argv[2]), 1)"
    settings = {"MALLOC_MMAP_THRESHOLD_": "16384", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(file), str(MEMORY_SIDE_PX)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **settings},
    )
    return float(done.stdout.split()[-1]) * 2**20 / MEMORY_SIDE_PX**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    low_res = read_picture(parser.parse_args().picture).pixels[:SIDE_PX, :SIDE_PX] / np.float32(255)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    import_spandrel()
    heads = " | ".join(f"overlap {overlap}" for overlap in OVERLAPS)
    print(f"| network | {heads} | memory, estimated | measured |\n|---|" + "---|" * (len(OVERLAPS) + 2))
    with tempfile.TemporaryDirectory() as folder:
        for name, (module, network, arguments) in NETWORKS.items():
            torch.manual_seed(0)
            file = Path(folder) / "network.pth"
            made = getattr(import_module(f"spandrel.architectures.{module}"), network)(**arguments)
            torch.save(made.state_dict(), file)
            whole = nlcunet.load(file, device="cpu", tile=SIDE_PX)
            wanted = whole.upscale(low_res)
            differences = [
                255
                * np.abs(nlcunet.load(file, device="cpu", tile=128, overlap=overlap).upscale(low_res) - wanted).max()
                for overlap in OVERLAPS
            ]
            cells = [f"{difference:.3f}" for difference in differences]
            memory = [f"{whole.header.config['bytes_per_pixel']:,}", f"{measured_bytes_per_pixel(file):,.0f}"]
            print(f"| {name} | {' | '.join(cells + memory)} |", flush=True)


if __name__ == "__main__":
    main()
