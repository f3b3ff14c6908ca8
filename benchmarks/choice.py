"""How reliably `-m auto` tells clean pictures from damaged ones, and what looking costs.

    python benchmarks/choice.py TILES tiles.csv --fit             # the numbers of nlcunet.inspection.grain
    python benchmarks/choice.py TILES tiles.csv                   # shares told rightly, on tiles that were not fitted
    python benchmarks/choice.py Set5/ Set14/ BSD100/              # the same, of folders of sharp pictures
    python benchmarks/choice.py RealSRSet/ --as-they-are          # what is chosen for each picture
    python benchmarks/choice.py examples/ --speed
    python benchmarks/choice.py TILES tiles.csv --shrink          # whether shrinking first helps where it is done

Inputs are made from sharp pictures at ×4, ×3 and ×2: clean ones by blur and bicubic shrinking, damaged ones from those.
All are read as pixels, so that no JPEG file's tables help. A table of tiles names a `file` and its `split`.
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

import nlcunet
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import gaussian8_sigmas_px, isotropic_record
from nlcunet.degradations.record import DegradationRecord
from nlcunet.imaging.files import Picture, read_picture
from nlcunet.imaging.lossy import jpeg_round_trip
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inspection.choice import choose
from nlcunet.inspection.grain import evidence, quietness
from nlcunet.inspection.noise import estimate_noise
from nlcunet.inspection.ranges import embedded_headers
from nlcunet.inspection.reading import Reading, measure
from nlcunet.inspection.windows import windows_of
from nlcunet.metrics.psnr import psnr_y

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".avif"}
SCALES = (4, 3, 2)
CLEAN = ("Gaussian8", "bicubic", "anisotropic")
FITTED_SPLIT, CHECKED_SPLITS = "train", ("valid", "valid2")
CLEAN_SHARE = 0.992
"""Of Gaussian8's inputs that the fitted rule calls clean."""
SPEED_MEGAPIXELS = (0.3, 1.0, 2.0, 12.0)


def find_pictures(places: Sequence[Path], splits: Sequence[str]) -> list[Path]:
    """All of folders; of a folder with a table of tiles, those of some splits."""
    if places[-1].suffix == ".csv":
        with places[-1].open(encoding="utf-8") as table:
            return [places[0] / row["file"] for row in csv.DictReader(table) if row["split"] in splits]
    return sorted(path for folder in places for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def read_rgb(path: Path) -> np.ndarray:
    pixels = read_picture(path).pixels
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def degraded(pixels: np.ndarray, record: DegradationRecord) -> np.ndarray:
    height, width = (side // record.scale * record.scale for side in pixels.shape[:2])
    image = torch.from_numpy(pixels[:height, :width].copy()).permute(2, 0, 1)[None].float() / 255
    small = apply_records(image, [record])[0].permute(1, 2, 0) * 255
    return small.round().to(torch.uint8).contiguous().numpy()


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float()
    return resize_bicubic(image, height, width).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()


def clean_record(kind: str, scale: int, rng: np.random.Generator) -> DegradationRecord:
    if kind == "Gaussian8":
        return isotropic_record(21, gaussian8_sigmas_px(scale)[rng.integers(8)], scale=scale)
    if kind == "bicubic":
        return DegradationRecord(scale=scale)
    first, second = rng.uniform(0.15, 1.25, 2) * scale
    return DegradationRecord(
        scale=scale,
        kernel="anisotropic",
        kernel_size_px=21,
        sigma_x_px=first,
        sigma_y_px=second,
        angle_rad=rng.uniform(-3, 3),
    )


def noisy(pixels: np.ndarray, std_8bit: float, rng: np.random.Generator) -> np.ndarray:
    """Of all channels alike in half of the pictures."""
    channels = 1 if rng.random() < 0.5 else 3
    noise = std_8bit * rng.standard_normal((*pixels.shape[:2], channels))
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def sharpened(pixels: np.ndarray, amount: float) -> np.ndarray:
    """An unsharp mask of radius 1."""
    soft = degraded(pixels, isotropic_record(9, 1.0))
    return (pixels + amount * (pixels - soft.astype(np.float64))).round().clip(0, 255).astype(np.uint8)


def second_order(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise and JPEG, another size, and noise and JPEG again: what passing a picture on does to it."""
    height, width = pixels.shape[:2]
    share = rng.uniform(0.6, 1.2)
    once = jpeg_round_trip(noisy(pixels, rng.uniform(0, 8), rng), int(rng.integers(40, 95)))
    other = resized(once, round(share * height), round(share * width))
    return jpeg_round_trip(noisy(other, rng.uniform(0, 4), rng), int(rng.integers(50, 96)))


def make_inputs(original: np.ndarray, scale: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Clean and damaged inputs of one original, with what was done to them."""
    clean = {kind: degraded(original, clean_record(kind, scale, rng)) for kind in CLEAN}
    yield from clean.items()

    def base() -> np.ndarray:
        return clean[CLEAN[rng.integers(len(CLEAN))]]

    for std in (1, 2, 3, 5, 15):
        yield f"noise {std}", noisy(base(), std, rng)
    yield "sharpened", sharpened(base(), rng.uniform(0.5, 1.5))
    yield "sharpened, bicubic", sharpened(clean["bicubic"], rng.uniform(0.5, 1.5))
    for quality in (98, 95, 90, 80, 50):
        yield f"JPEG {quality}", jpeg_round_trip(base(), quality)
    yield "JPEG 85, noise 5", jpeg_round_trip(noisy(base(), 5, rng), 85)
    yield "second order", second_order(base(), rng)


def report_shares(paths: Sequence[Path]) -> None:
    """How many of each kind are called damaged; clean ones should not be, all others should."""
    rng = np.random.default_rng(2)
    told: dict[tuple[str, int], list[Reading]] = defaultdict(list)
    for path in paths:
        original = read_rgb(path)
        for scale in SCALES:
            for kind, pixels in make_inputs(original, scale, rng):
                told[kind, scale].append(measure(Picture(pixels=pixels[3:, 5:])))
    print(f"| {len(paths)} pictures | ×4 | ×3 | ×2 | all | by noise, JPEG, sharpness |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind in dict.fromkeys(kind for kind, _ in told):
        shares = [np.mean([reading.traces.is_damaged for reading in told[kind, scale]]) for scale in SCALES]
        all_of = [reading for scale in SCALES for reading in told[kind, scale]]
        causes = [
            np.mean([bool(value) for value in values])
            for values in (
                [reading.is_noisy for reading in all_of],
                [reading.traces.has_jpeg_traces for reading in all_of],
                [reading.traces.is_sharpened for reading in all_of],
            )
        ]
        cells = " | ".join(f"{100 * share:.1f} %" for share in (*shares, np.mean(shares)))
        told_by = ", ".join(f"{100 * cause:.1f}" for cause in causes)
        print(f"| {kind} called damaged | {cells} | {told_by} |", flush=True)


def fit(paths: Sequence[Path]) -> None:
    """A logistic rule for noise; weak noise counts for neither side, and Gaussian8's inputs set the threshold."""
    rng = np.random.default_rng(1)
    rows, kinds = [], []
    for path in paths:
        original = read_rgb(path)
        for scale in SCALES:
            for kind, pixels in make_inputs(original, scale, rng):
                if kind not in (*CLEAN, "noise 2", "noise 3", "noise 5", "noise 15"):
                    continue
                windows = windows_of(Picture(pixels=pixels))
                quiet = quietness(windows)
                if quiet is not None:
                    rows.append(evidence(quiet, estimate_noise(windows)))
                    kinds.append(kind)
    samples, kind = np.column_stack([np.ones(len(rows)), rows]), np.array(kinds)
    is_noise = np.char.startswith(kind, "noise").astype(np.float64)
    weight = np.where(np.isin(kind, ("Gaussian8", "bicubic")), 4.0, 1.0)
    solution = np.zeros(samples.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-samples @ solution))
        slope = samples.T @ (weight * (chance - is_noise)) + 1e-2 * solution
        curvature = (samples * (weight * chance * (1 - chance))[:, None]).T @ samples + 1e-2 * np.eye(len(solution))
        solution -= np.linalg.solve(curvature, slope)
    limit = float(np.quantile((samples @ solution)[kind == "Gaussian8"], CLEAN_SHARE))
    print(f"{len(paths)} pictures, {len(rows)} inputs")
    print(f"COEFFICIENTS = ({', '.join(f'{value:.2f}' for value in solution[1:])})")
    print(f"INTERCEPT = {solution[0] - limit:.2f}")


def report_choices(paths: Sequence[Path]) -> None:
    """What is chosen for each picture, in words."""
    for path in paths:
        print(f"{path.name}: {choose(measure(path).traces, embedded_headers(), None).sentence}")


def report_speed(path: Path) -> None:
    original = read_rgb(path)
    print("| megapixels | processor seconds | per megapixel |\n|---:|---:|---:|")
    for megapixels in SPEED_MEGAPIXELS:
        share = (megapixels * 1e6 / original[:, :, 0].size) ** 0.5
        picture = Picture(pixels=resized(original, *(round(share * side) for side in original.shape[:2])))
        measure(picture)
        times = []
        for _ in range(5):
            start = time.process_time()
            measure(picture)
            times.append(time.process_time() - start)
        print(f"| {megapixels:g} | {np.median(times):.3f} | {np.median(times) / megapixels:.3f} |", flush=True)


def shrinking_cases() -> Iterator[tuple[str, DegradationRecord]]:
    """Blur in pixels of the small picture, and what comes with it."""
    for sigma in (0.6, 1.0, 1.5, 2.0, 3.0):
        for std, quality in ((0.0, None), (5.0, None), (40.0, None), (0.0, 80), (10.0, 50)):
            label = f"{sigma:g} | {std:g} | {quality or '–'}"
            size = 2 * int(4 * 4 * sigma) + 1
            yield (
                label,
                DegradationRecord(
                    scale=4,
                    kernel="isotropic",
                    kernel_size_px=size,
                    sigma_x_px=4 * sigma,
                    sigma_y_px=4 * sigma,
                    noise_std_8bit=std,
                    jpeg_quality=quality,
                    seed=3,
                ),
            )


def report_shrinking(paths: Sequence[Path]) -> None:
    """PSNR on Y at ×4 of the weights that are chosen: as they are, and shrunk first where the choice says so."""
    automatic = nlcunet.load(device="cpu", threads=1)
    print("| blur (px) | noise | JPEG | not shrunk (dB) | as chosen (dB) | shrunk |\n|---:|---:|---:|---:|---:|---:|")
    for label, record in shrinking_cases():
        scores, shrunk = [], 0
        for path in paths:
            original = read_rgb(path)
            picture = Picture(pixels=degraded(original, record))
            chosen = automatic.for_picture(picture, SIZE, max_pixels=10**9).upscaler
            shrunk += chosen.shrink_to is not None
            truth = original[: 4 * picture.height, : 4 * picture.width]
            scores.append([score(each.upscale(picture.pixels), truth) for each in (chosen.shrinking(None), chosen)])
        plain, as_chosen = np.mean(scores, axis=0)
        print(f"| {label} | {plain:.2f} | {as_chosen - plain:+.2f} | {shrunk} of {len(paths)} |", flush=True)


SIZE = SizeRequest(scale=4)


def score(enlarged: np.ndarray, original: np.ndarray) -> float:
    first, second = (torch.from_numpy(each.copy()).permute(2, 0, 1)[None] / 255.0 for each in (enlarged, original))
    return float(psnr_y(first, second, border=4))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("places", type=Path, nargs="+", help="folders; or a folder of tiles and its table")
    parser.add_argument("--pictures", type=int, default=150, help="at most so many, evenly spread")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fit", action="store_true")
    what.add_argument("--as-they-are", action="store_true")
    what.add_argument("--speed", action="store_true")
    what.add_argument("--shrink", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = find_pictures(options.places, (FITTED_SPLIT,) if options.fit else CHECKED_SPLITS)
    count = min(options.pictures, len(paths))
    paths = [paths[number * len(paths) // count] for number in range(count)]
    if options.fit:
        fit(paths)
    elif options.as_they_are:
        report_choices(paths)
    elif options.speed:
        report_speed(paths[0])
    elif options.shrink:
        report_shrinking(paths)
    else:
        report_shares(paths)


if __name__ == "__main__":
    main()
