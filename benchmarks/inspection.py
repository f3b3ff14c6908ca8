"""How far `nlcunet inspect` errs: pictures with known blur, noise and JPEG, and what is read of them.

    python benchmarks/inspection.py Set14/ BSD100/ --pictures 30
    python benchmarks/inspection.py Set5/ --gain        # what the models make of noise and JPEG: why it warns of them

Originals are blurred, then shrunk bicubically by the scale, as in training; noise and JPEG come after that. Blur is
given in pixels of the small picture, and its truth is what training ranges are compared in: the root of its square plus
that of what sharp photographs measure. What blur, noise and JPEG the originals have themselves counts as error.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

import nlcunet
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.imaging.files import Picture, read_picture
from nlcunet.imaging.lossy import jpeg_round_trip
from nlcunet.inspection.blur import estimate_blur
from nlcunet.inspection.jpeg_traces import find_compression
from nlcunet.inspection.noise import estimate_noise
from nlcunet.inspection.ranges import embedded_headers, fit_models, low_res_sigma_px
from nlcunet.inspection.windows import windows_of
from nlcunet.metrics.psnr import psnr_y

SUFFIXES = {".png", ".jpg", ".bmp", ".webp", ".tif"}


def read_originals(folder: Path, count: int) -> list[np.ndarray]:
    """RGB, evenly spread over the names of a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    chosen = [paths[number * len(paths) // min(count, len(paths))] for number in range(min(count, len(paths)))]
    pictures = [read_picture(path).pixels for path in chosen]
    return [np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels for pixels in pictures]


def degraded(original: np.ndarray, scale: int, axes: tuple[float, float] = (0.0, 0.0), **more: float) -> np.ndarray:
    """Blurred by sigmas in low-resolution pixels, shrunk, and whatever else a record says."""
    height, width = (side // scale * scale for side in original.shape[:2])
    sigmas = [max(sigma * scale, 1e-3) for sigma in axes]
    record = DegradationRecord(
        scale=scale,
        kernel="anisotropic" if max(axes) > 0 else "none",
        kernel_size_px=2 * math.ceil(4 * max(sigmas)) + 1 if max(axes) > 0 else 1,
        sigma_x_px=sigmas[0],
        sigma_y_px=sigmas[1],
        **more,
    )
    image = torch.from_numpy(original[:height, :width].copy()).permute(2, 0, 1)[None].double() / 255
    small = apply_records(image, [record])[0].permute(1, 2, 0) * 255
    return small.round().to(torch.uint8).contiguous().numpy()


def spread(errors: Iterable[float], unit: str = "") -> str:
    """Bias, median absolute error and 90th percentile as cells of a table."""
    values = np.array(list(errors))
    if not len(values):
        return "| – | – | – "
    absolute = np.abs(values)
    cells = (f"{np.median(values):+.2f}", f"{np.median(absolute):.2f}", f"{np.quantile(absolute, 0.9):.2f}")
    return "".join(f"| {cell}{unit} " for cell in cells)


def blur_cases() -> Iterator[tuple[str, tuple[float, float], dict[str, float]]]:
    for sigma in (0.0, 0.3, 0.6, 0.8, 1.0, 1.5, 2.5):
        yield f"{sigma:g}", (sigma, sigma), {}
    yield "0.6, noise 2", (0.6, 0.6), {"noise_std_8bit": 2.0, "seed": 1}
    yield "0.6, noise 10", (0.6, 0.6), {"noise_std_8bit": 10.0, "seed": 1}
    yield "0.6, JPEG 90", (0.6, 0.6), {"jpeg_quality": 90}
    yield "0.6, JPEG 50", (0.6, 0.6), {"jpeg_quality": 50}
    for longer, shorter in ((0.8, 0.4), (1.2, 0.4), (2.0, 1.0)):
        yield f"{longer:g} × {shorter:g} at 30°", (longer, shorter), {"angle_rad": math.radians(30)}


def report_blur(name: str, originals: list[np.ndarray], scale: int) -> None:
    for label, axes, more in blur_cases():
        errors, angles, told = [], [], 0
        for original in originals:
            windows = windows_of(Picture(pixels=degraded(original, scale, axes, **more)))
            blur = estimate_blur(windows, estimate_noise(windows) or 0.0)
            if blur is None:
                continue
            told += 1
            found = (blur.major_sigma_px, blur.minor_sigma_px) if axes[0] != axes[1] else (blur.sigma_px,)
            errors.append([value - low_res_sigma_px(axis, 1) for value, axis in zip(found, axes, strict=False)])
            if blur.angle_deg is not None:
                angles.append(abs((blur.angle_deg - 30 + 90) % 180 - 90))
        columns = " / ".join(", ".join(spread(column).replace("|", "").split()) for column in np.array(errors).T)
        direction = f"{len(angles)}" if axes[0] == axes[1] else f"{len(angles)}, {np.median(angles or [math.nan]):.0f}°"
        print(f"| {name} ×{scale} | {label} | {columns} | {direction} | {len(originals) - told} |", flush=True)


def report_noise(name: str, originals: list[np.ndarray], scale: int) -> None:
    for sigma in (0.0, 0.6):
        for noise in (0.0, 1.0, 2.0, 5.0, 10.0, 25.0):
            found = [
                estimate_noise(
                    windows_of(Picture(pixels=degraded(p, scale, (sigma, sigma), noise_std_8bit=noise, seed=2)))
                )
                for p in originals
            ]
            told = [value - noise for value in found if value is not None]
            print(f"| {name} ×{scale} | {sigma:g} | {noise:g} {spread(told)}| {len(found) - len(told)} |", flush=True)


def report_jpeg(name: str, originals: list[np.ndarray], scale: int) -> None:
    for quality in (None, 10, 30, 50, 75, 85, 90, 95, 98, 99, 100):
        found = []
        for original in originals:
            small = degraded(original, scale)
            if quality is not None:
                small = jpeg_round_trip(small, quality)
            found.append(find_compression(windows_of(Picture(pixels=small[3:, 5:]))))  # cut: the grid has to be found
        told = [each.quality for each in found if each is not None]
        exact = sum(value == quality for value in told)
        label = "none" if quality is None else quality
        print(f"| {name} ×{scale} | {label} | {len(found)} | {len(told)} | {exact} |", flush=True)


def sharpened(pixels: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """An unsharp mask of 100 %, radius 1: by as much as the soft copy lacks."""
    return (2 * pixels.astype(np.int16) - soft).clip(0, 255).astype(np.uint8)


def report_sharpness(name: str, originals: list[np.ndarray], scale: int) -> None:
    makers: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "shrunk": lambda original: degraded(original, scale),
        "shrunk, sharpened": lambda original: sharpened(
            degraded(original, scale), degraded(original, scale, (1.0, 1.0))
        ),
        "pixels dropped": lambda original: original[scale // 2 :: scale, scale // 2 :: scale].copy(),
    }
    for label, make in makers.items():
        found = [estimate_blur(windows_of(Picture(pixels=make(original)))) for original in originals]
        verdicts = [fit_models(blur, None, None, embedded_headers())[0].blur for blur in found]
        counts = [verdicts.count(verdict) for verdict in ("inside", "below", "above", "elongated", "unknown")]
        print(f"| {name} ×{scale} | {label} | {' | '.join(map(str, counts))} |", flush=True)


def report_gain(originals: list[np.ndarray], scale: int) -> None:
    """What is left of the gain over bicubic enlargement outside of the training range."""
    network, bicubic = (nlcunet.load(name) for name in (f"{scale}x-NLCUnet-S", f"bicubic-x{scale}"))
    print("| blur (LR px) | noise | JPEG | bicubic (dB) | gain (dB) |")
    print("|---:|---:|---:|---:|---:|")
    cases = [(0.6, noise, None) for noise in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)]
    cases += [(0.6, 0.0, quality) for quality in (98, 95, 90, 85, 80, 75, 50)]
    cases += [(sigma, 0.0, None) for sigma in (0.0, 0.3, 1.0, 1.125, 1.25, 1.5, 2.0, 3.0)]
    cases += [(sigma, *rest) for sigma in (0.3, 1.0, 1.5) for rest in ((3.0, None), (10.0, None), (0.0, 90), (0.0, 75))]
    for sigma, noise, quality in cases:
        scores = []
        for original in originals:
            whole = original[: original.shape[0] // scale * scale, : original.shape[1] // scale * scale]
            small = degraded(whole, scale, (sigma, sigma), noise_std_8bit=noise, jpeg_quality=quality, seed=3)
            scores.append([_score(each.upscale(small), whole, scale) for each in (bicubic, network)])
        theirs, ours = np.mean(scores, axis=0)
        print(f"| {sigma:g} | {noise:g} | {quality or '–'} | {theirs:.2f} | {ours - theirs:+.2f} |", flush=True)


def _score(enlarged: np.ndarray, original: np.ndarray, scale: int) -> float:
    first, second = (torch.from_numpy(each).permute(2, 0, 1)[None].double() / 255 for each in (enlarged, original))
    return float(psnr_y(first, second, border=scale))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--gain", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sets = {folder.name: read_originals(folder, options.pictures) for folder in options.folders}
    if options.gain:
        report_gain([original for originals in sets.values() for original in originals], 4)
        return
    tables: tuple[tuple[str, Callable[[str, list[np.ndarray], int], None]], ...] = (
        (
            "| set | blur (px) | bias, median, 90 % (px) | direction told | unknown |\n|---|---|---|---:|---:|",
            report_blur,
        ),
        (
            "| set | blur (px) | noise | bias | median | 90 % | unknown |\n|---|---:|---:|---:|---:|---:|---:|",
            report_noise,
        ),
        ("| set | quality | pictures | told | exactly |\n|---|---:|---:|---:|---:|", report_jpeg),
        (
            "| set | made by | inside | below | above | elongated | unknown |\n|---|---|---:|---:|---:|---:|---:|",
            report_sharpness,
        ),
    )
    for head, report in tables:
        print(f"\n{head}")
        for name, originals in sets.items():
            report(name, originals, options.scale)


if __name__ == "__main__":
    main()
