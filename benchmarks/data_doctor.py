"""How often `nlcunet data doctor` errs: problems planted into pictures of a folder, and what is found of them.

    python benchmarks/data_doctor.py PICTURES [--every 8]

Originals are the pictures at half their size, which takes away what is left of noise and compression; every flaw is put
into them with known strength. Fingerprints are compared with the strangers among the pictures; pass --group to name the
CSV whose column ``photo`` tells which files are parts of one photograph.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from nlcunet.data.checking.examination import Limits
from nlcunet.data.checking.fingerprints import best_earlier_matches, best_matches, fingerprint
from nlcunet.data.checking.measures import measure
from nlcunet.data.photographs import find_pictures, read_photograph
from nlcunet.imaging.lossy import jpeg_round_trip
from nlcunet.imaging.resize import resize_bicubic


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float()
    small = resize_bicubic(image, height, width).round().clamp(0, 255)
    return small.to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def enlarged(pixels: np.ndarray, factor: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    return resized(resized(pixels, round(height / factor), round(width / factor)), height, width)


def noisy(pixels: np.ndarray, std: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, std, (*pixels.shape[:2], 1))
    return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def cropped(pixels: np.ndarray, share: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    top, left = round(height * share), round(width * share)
    return np.ascontiguousarray(pixels[top : height - top, left : width - left])


def flaws(clean: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "clean", clean
    for quality in (10, 30, 50, 60, 70, 75, 80, 85, 90, 95):
        yield f"JPEG {quality}", jpeg_round_trip(clean, quality)[3:, 5:]  # cropped: the grid has to be found
    for std in (2.0, 3.0, 4.0, 5.0, 7.0, 10.0):
        yield f"noise {std:g}", noisy(clean, std)
    for factor in (1.5, 2.0, 3.0, 4.0):
        yield f"enlarged x{factor:g}", enlarged(clean, factor)
    yield "enlarged x2, JPEG 90", jpeg_round_trip(enlarged(clean, 2.0), 90)
    yield "enlarged x2, noise 3", noisy(enlarged(clean, 2.0), 3.0)


def copies(pixels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    height, width = pixels.shape[:2]
    yield "resized to 0.4", resized(pixels, round(height * 0.4), round(width * 0.4))
    yield "JPEG 20", jpeg_round_trip(pixels, 20)
    yield "mirrored, JPEG 50", jpeg_round_trip(np.ascontiguousarray(pixels[:, ::-1]), 50)
    yield "turned, resized to 0.6", resized(np.rot90(pixels).copy(), round(width * 0.6), round(height * 0.6))
    yield "gamma 1.5", (255 * (pixels / 255) ** 1.5).round().astype(np.uint8)
    yield "brightened, clipped", np.clip(pixels * 1.6, 0, 255).astype(np.uint8)
    yield "noise 15", noisy(pixels, 15.0)
    for share in (0.02, 0.03, 0.04, 0.06, 0.1):
        yield f"cropped by {share:.0%} a side", cropped(pixels, share)


def report_flaws(pictures: list[np.ndarray]) -> None:
    limits, found = Limits(), {}
    for pixels in pictures:
        clean = resized(pixels, pixels.shape[0] // 2, pixels.shape[1] // 2)
        for name, flawed in flaws(clean):
            values = measure(flawed)
            row = (values.sharpness_db < limits.sharpness_db, values.noise_std_8bit > limits.noise_std_8bit)
            found.setdefault(name, []).append((*row, values.blockiness > limits.blockiness))
    print("| planted | blurry | noisy | blocky |\n|---|---:|---:|---:|")
    for name, rows in found.items():
        print(f"| {name} | {' | '.join(f'{share:.1%}' for share in np.mean(rows, axis=0))} |")


def report_copies(pictures: list[np.ndarray], strangers: np.ndarray) -> None:
    limit = Limits().similarity
    own = np.stack([fingerprint(pixels) for pixels in pictures])
    found: dict[str, list[np.ndarray]] = {}
    for pixels in pictures:
        for name, copy in copies(pixels):
            found.setdefault(name, []).append(fingerprint(copy))
    print("\n| copy | found | lowest similarity | median |\n|---|---:|---:|---:|")
    for name, features in found.items():
        similar = np.array(
            [best_matches(one[None], other[None])[0].similarity for one, other in zip(features, own, strict=True)]
        )
        print(f"| {name} | {(similar >= limit).mean():.1%} | {similar.min():.2f} | {np.median(similar):.2f} |")
    best = np.array([match.similarity for match in best_earlier_matches(strangers)[1:]])
    print(f"\nstrangers: {len(strangers)}, most similar pairs {np.sort(best)[::-1][:6].round(2)}, ", end="")
    print(f"taken for the same: {(best >= limit).sum()}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--group", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = find_pictures(options.pictures)
    if options.group is not None:
        with options.group.open(newline="", encoding="utf-8") as file:
            first = {row["photo"]: row["file"] for row in reversed(list(csv.DictReader(file)))}
        paths = [path for path in paths if path.name in set(first.values())]
    features, pictures = [], []
    for number, path in enumerate(paths):
        pixels = read_photograph(path, None).numpy()
        features.append(fingerprint(pixels))
        if number % options.every == 0:
            pictures.append(pixels)
    print(f"{len(pictures)} pictures\n")
    report_flaws(pictures)
    report_copies(pictures, np.stack(features))


if __name__ == "__main__":
    main()
