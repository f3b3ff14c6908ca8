"""From the shell to the first picture: how long, and where the time goes.

Run: ``python benchmarks/startup.py [--side 128] [--repeats 5]``. Every run is a fresh process on a warm disk. The parts
are those of one process that does what ``nlcunet upscale`` does; the last line is the command itself. Medians, by the
wall clock and (all threads together) by the processor.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

PARTS = ("interpreter", "import torch", "import nlcunet", "load weights", "read picture", "first tile", "write picture")


def run_parts(source: Path, target: Path) -> None:
    """Do the work in this process, and print the seconds of its parts; the interpreter's are the parent's to tell."""
    marks = [time.perf_counter()]
    begun = time.time()
    import torch  # noqa: F401 - timed

    marks.append(time.perf_counter())
    from nlcunet.imaging.files import read_picture, write_picture
    from nlcunet.inference.loading import load
    from nlcunet.inference.sizes import SizeRequest

    marks.append(time.perf_counter())
    upscaler = load("4x-NLCUnet-S")
    marks.append(time.perf_counter())
    picture = read_picture(source)
    marks.append(time.perf_counter())
    result = upscaler.upscale_picture(picture, upscaler.plan(picture.height, picture.width, SizeRequest()))
    marks.append(time.perf_counter())
    write_picture(result, target)
    marks.append(time.perf_counter())
    print(json.dumps([begun, *(b - a for a, b in pairwise(marks))]))


def timed(command: list[str]) -> tuple[float, float, str]:
    """Seconds by the wall clock and of the processor, and what the command printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_parts(*options.child)
        return
    import numpy as np

    from machine import describe_machine
    from nlcunet.imaging.files import write_picture
    from nlcunet.imaging.picture import Picture

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "picture.png"
        pixels = np.random.default_rng(0).integers(0, 256, (options.side, options.side, 3), dtype=np.uint8)
        write_picture(Picture(pixels=pixels), source)
        parts: dict[str, list[float]] = {part: [] for part in PARTS}
        wholes = []
        for index in range(options.repeats + 1):
            target = Path(folder) / f"result-{index}.png"
            begun = time.time()
            child = [sys.executable, __file__, "--child", str(source), str(target)]
            _, _, printed = timed(child)
            own_begin, *seconds = json.loads(printed)
            whole = timed([sys.executable, "-m", "nlcunet", "upscale", str(source), "-o", str(target), "--overwrite"])
            if index == 0:
                continue  # the disk gets warm
            for part, value in zip(PARTS, (own_begin - begun, *seconds), strict=True):
                parts[part].append(value)
            wholes.append(whole)
        print(describe_machine(), "\n")
        print(f"| {options.side}×{options.side}, ×4 | seconds |\n|---|---|")
        for part, values in parts.items():
            print(f"| {part} | {statistics.median(values):.2f} |")
        wall, processor = (statistics.median(run[index] for run in wholes) for index in (0, 1))
        print(f"| `nlcunet upscale`, all in all | {wall:.2f} (processor {processor:.2f}) |")


if __name__ == "__main__":
    main()
