"""Giant pictures from disk to disk: time, peak memory of the process, and who waited for whom.

Run: ``python benchmarks/giant.py [--model NAME] [--side 20000] [--compression none] [--threads N] [--folder DIR]``.
With ``--minutes N`` the side is the largest that so many minutes allow. ``--megapixels 0.25 1 8`` measures the time per
megapixel of pictures in memory instead. The picture is drawn and written row by row: waves, edges, hairlines, noise.
An interrupted run is taken up by the same command. Peak memory is that of a fresh process, all libraries included.
"""

import argparse
import math
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch

import nlcunet
from machine import describe_machine, printed_numbers
from nlcunet.imaging.files import Metadata, Picture
from nlcunet.imaging.formats import FORMATS
from nlcunet.imaging.picture import TIFF_COMPRESSIONS, TiffLayout
from nlcunet.imaging.row_encoding import encode_rows
from nlcunet.imaging.strip_source import RowPicture
from nlcunet.inference.giant.enlargement import upscale_giant
from nlcunet.inference.giant.request import GiantListener
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler


def draw_rows(rows: slice, width: int) -> Picture:
    """Some rows of a picture as wide as wanted: waves that change slowly, edges, slanted hairlines, and noise."""
    y, x = np.mgrid[rows, 0:width].astype(np.float32)
    waves = 128 + 50 * np.sin(x / (7 + y / 4000)) * np.cos(y / 13) + 30 * np.sin((x + 2 * y) / 997)
    edges = np.where((x // 911 + y // 733) % 2 == 0, 40, 0)
    hairlines = np.where((3 * x + y) % 307 < 3, -70, 0)
    noise = np.random.default_rng(rows.start).integers(-4, 5, y.shape)
    grey = waves + edges + hairlines + noise
    colours = np.stack([grey, grey[:, ::-1] * 0.5 + 60, 255 - grey], axis=2)
    return Picture(pixels=colours.clip(0, 255).astype(np.uint8))


def write_input(path: Path, side: int) -> None:
    """A square TIFF, drawn while it is written."""
    picture = RowPicture(
        height=side,
        width=side,
        channels=3,
        has_alpha=False,
        dtype=np.dtype(np.uint8),
        metadata=Metadata(dots_per_inch=(300.0, 300.0)),
        read_rows=lambda rows: draw_rows(rows, side),
    )
    encode_rows(picture, path, FORMATS["tiff"], layout=TiffLayout(compression="none"))


def peak_mebibytes() -> float:
    """The peak memory of this process so far, by the kernel's account."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def enlarge(options: argparse.Namespace, upscaler: Upscaler, source: Path, target: Path) -> None:
    """Enlarge, and print what it took as numbers."""
    start, told = time.perf_counter(), [0.0]

    def on_tile(done: int, total: int) -> None:
        if time.perf_counter() - told[0] > 30:
            told[0] = time.perf_counter()
            print(f"tile {done:,} of {total:,}, {told[0] - start:.0f} s, {peak_mebibytes():.0f} MiB", file=sys.stderr)

    settings = BatchSettings(
        request=SizeRequest(),
        max_pixels=10**11,
        layout=TiffLayout(compression=options.compression, pyramid=options.pyramid),
    )
    listener = GiantListener(tiles=on_tile, note=lambda note: print(note, file=sys.stderr))
    report = upscale_giant(source, target, upscaler, settings, listener)
    seconds = time.perf_counter() - start
    waits = (report.seconds_waited_for_tiles, report.seconds_waited_for_writing, report.seconds_of_encoder_alone)
    print(report.work.height, report.resumed_tiles, report.work.tile_count, seconds, *waits, peak_mebibytes())


def measure(options: argparse.Namespace) -> None:
    """One picture, from its drawing to a row of the table."""
    side = options.side or largest_side(options)
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    source, target = folder / f"input-{side}.tif", folder / f"result-{side}.tif"
    if not source.exists():
        write_input(source, side)
    target.unlink(missing_ok=True)
    arguments = [f"--{name}={getattr(options, name)}" for name in ("model", "threads", "compression", "folder")]
    arguments += ["--pyramid"] * options.pyramid
    numbers = printed_numbers(__file__, *arguments, f"--side={side}", "--enlarge", trim_memory=False)
    height, resumed, tiles, seconds, reading, writing, encoding, peak = numbers
    moved = source.stat().st_size + target.stat().st_size
    print(describe_machine(), "\n")
    print(
        "| model | picture | tiles | seconds | MB/s in and out | waited for tiles, writing | encoder alone | peak MiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {options.model} | {side:,}² → {height:,.0f}² | {tiles:,.0f} ({resumed:,.0f} before) | {seconds:.0f} "
        f"| {moved / 1e6 / seconds:.0f} | {reading:.1f} s, {writing:.1f} s | {encoding:.0f} s | {peak:.0f} |"
    )
    if not options.keep:
        shutil.rmtree(folder)


def largest_side(options: argparse.Namespace) -> int:
    """Side of the square that the network enlarges in the minutes given, in whole hundreds of pixels."""
    upscaler = nlcunet.load(options.model, threads=options.threads)
    seconds = upscaler.measure_seconds_per_pixel()
    work = upscaler.plan(4000, 4000, SizeRequest())
    return math.isqrt(int(60 * options.minutes / seconds / (work.network_pixels / 4000**2))) // 100 * 100


def measure_sizes(options: argparse.Namespace) -> None:
    """Time per megapixel of pictures in memory."""
    upscaler = nlcunet.load(options.model, threads=options.threads)
    upscaler.upscale(draw_rows(slice(0, 300), 300).pixels)
    print(describe_machine(), "\n")
    print(f"| {options.model}, megapixels | network pixels per pixel | s per megapixel |")
    print("|---|---|---|")
    for megapixels in options.megapixels:
        side = round(math.sqrt(megapixels * 1e6))
        pixels = draw_rows(slice(0, side), side).pixels
        work = upscaler.plan(side, side, SizeRequest())
        start = time.process_time()
        upscaler.upscale(pixels)
        seconds = (time.process_time() - start) / (side**2 / 1e6)
        print(f"| {megapixels:g} | {work.network_pixels / side**2:.3f} | {seconds:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bicubic-x4")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--side", type=int, help="side of the input; by default 20000")
    size.add_argument("--minutes", type=float, help="take the largest side for so much time")
    size.add_argument("--megapixels", type=float, nargs="+", help="time per megapixel at these sizes instead")
    parser.add_argument("--compression", choices=TIFF_COMPRESSIONS, default="none")
    parser.add_argument("--pyramid", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", default="giant", help="where input and result are kept")
    parser.add_argument("--keep", action="store_true", help="do not remove the folder at the end")
    parser.add_argument("--enlarge", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.enlarge:
        folder = Path(options.folder)
        upscaler = nlcunet.load(options.model, threads=options.threads)
        source, target = (folder / f"{name}-{options.side}.tif" for name in ("input", "result"))
        enlarge(options, upscaler, source, target)
    elif options.megapixels:
        measure_sizes(options)
    else:
        options.side = options.side or (None if options.minutes else 20_000)
        measure(options)


if __name__ == "__main__":
    main()
