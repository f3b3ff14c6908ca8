"""What the automatic choice costs: the same files enlarged from disk to disk with named weights and with ``auto``.

Run: ``python benchmarks/automatic.py [PHOTOGRAPH] [--sides 512 1448 3464] [--scale 2] [--threads N]``. Every run is
``nlcunet upscale`` in a fresh process; the photograph (by default the first of the examples) is cut or repeated to each
side and saved as JPEG, so that every picture is found damaged and gets the Photo weights by either name. Runs take
turns; medians of the times, the greatest of the peaks.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from machine import describe_machine
from nlcunet.imaging.files import Picture, read_picture, write_picture

ROOT = Path(__file__).parents[1]
NAMED = "4x-NLCUnet-S-Photo"


def square(pixels: np.ndarray, side: int) -> np.ndarray:
    """Pixels cut or repeated, mirrored at each repetition, to a square."""
    height, width = pixels.shape[:2]
    rows, columns = (-(-side // length) for length in (height, width))
    mirrored = np.pad(pixels, ((0, (rows - 1) * height), (0, (columns - 1) * width), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(mirrored[:side, :side])


def run(source: Path, target: Path, model: str, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds by the wall clock and peak memory in MiB of one enlargement."""
    command = [sys.executable, "-m", "nlcunet", "upscale", str(source), "-o", str(target), "-m", model, "--overwrite"]
    command += ["-s", f"{options.scale:g}", *(["--threads", str(options.threads)] if options.threads else [])]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photograph", nargs="?", type=Path)
    parser.add_argument("--sides", nargs="+", type=int, default=[512, 1448, 3464])
    parser.add_argument("--scale", type=float, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    photograph = options.photograph or min((ROOT / "examples" / "photographs").glob("*.jpg"))
    print(describe_machine(), f"x{options.scale:g}, medians of {options.repeats}", sep="\n")
    print(
        "| side | MP | named, s | auto, s | ratio | s per MP more | named, MiB | auto, MiB |",
        "|--:" * 8 + "|",
        sep="\n",
    )
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jpg", Path(folder) / "out.png"
        for side in options.sides:
            pixels = square(read_picture(photograph).pixels, side)
            write_picture(Picture(pixels=pixels), source, quality=75)
            runs = [[run(source, target, model, options) for model in (NAMED, "auto")] for _ in range(options.repeats)]
            named, auto = (statistics.median(each[which][0] for each in runs) for which in (0, 1))
            peaks = [max(each[which][1] for each in runs) for which in (0, 1)]
            megapixels = side * side / 1e6
            print(
                f"| {side} | {megapixels:.2f} | {named:.2f} | {auto:.2f} | {auto / named:.3f} | "
                f"{(auto - named) / megapixels:.3f} | {peaks[0]:,.0f} | {peaks[1]:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
