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
    begun = time.time()
    marks = [now()]
    import torch  # noqa: F401 - timed

    marks.append(now())
    from nlcunet.imaging.files import read_picture, write_picture
    from nlcunet.inference.loading import load
    from nlcunet.inference.sizes import SizeRequest

    marks.append(now())
    upscaler = load("4x-NLCUnet-S")
    marks.append(now())
    picture = read_picture(source)
    marks.append(now())
    result = upscaler.upscale_picture(picture, upscaler.plan(picture.height, picture.width, SizeRequest()))
    marks.append(now())
    write_picture(result, target)
    marks.append(now())
    print(json.dumps([begun, marks[0][1], *((b[0] - a[0], b[1] - a[1]) for a, b in pairwise(marks))]))


def now() -> tuple[float, float]:
    """Seconds by the wall clock and of the processor."""
    return time.perf_counter(), time.process_time()


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
    from machine import describe_machine
    from nlcunet.export.pictures import read_pictures
    from nlcunet.imaging.files import write_picture
    from nlcunet.imaging.picture import Picture

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "picture.png"
        photograph = read_pictures()[0][:, : options.side, : options.side]
        write_picture(Picture(pixels=(photograph * 255).round().byte().permute(1, 2, 0).numpy()), source)
        parts: dict[str, list[tuple[float, float]]] = {part: [] for part in PARTS}
        wholes = []
        for index in range(options.repeats + 1):
            target = Path(folder) / f"result-{index}.png"
            begun = time.time()
            child = [sys.executable, __file__, "--child", str(source), str(target)]
            _, _, printed = timed(child)
            own_begin, processor_begin, *seconds = json.loads(printed)
            *whole, _ = timed(
                [sys.executable, "-m", "nlcunet", "upscale", str(source), "-o", str(target), "--overwrite"]
            )
            if index == 0:
                continue  # the disk gets warm
            for part, value in zip(PARTS, ((own_begin - begun, processor_begin), *seconds), strict=True):
                parts[part].append(value)
            wholes.append(whole)
        print(describe_machine(), "\n")
        print(f"| {options.side}×{options.side}, ×4 | seconds | of the processor |\n|---|---|---|")
        for part, values in {**parts, "`nlcunet upscale`, all in all": wholes}.items():
            wall, processor = (statistics.median(one) for one in zip(*values, strict=True))
            print(f"| {part} | {wall:.2f} | {processor:.2f} |")


if __name__ == "__main__":
    main()
