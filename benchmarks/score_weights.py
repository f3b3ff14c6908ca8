"""Measure a weights file on Gaussian8 and write the scores into its header.

Run: ``python benchmarks/score_weights.py WEIGHTS Set5=FOLDER Set14=FOLDER BSD100=FOLDER [--output FILE]``.
Prints a Markdown row for each set, bicubic beside it. Tensors stay as they are, bit for bit.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import torch

from nlcunet.evaluation.benchmark import run_benchmark, whole_picture_enlarger
from nlcunet.evaluation.originals import find_originals
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.table import mean_of
from nlcunet.models.weights import load_model, save_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--output", type=Path, help="by default the file itself")
    options = parser.parse_args()

    model = load_model(options.weights)
    scale, device = model.header.scale, torch.device("cpu")
    enlargers = {
        "bicubic": whole_picture_enlarger(load_model(f"bicubic-x{scale}"), device),
        model.header.name: whole_picture_enlarger(model, device),
    }
    scores = dict(model.header.scores)
    print(f"| Gaussian8 ×{scale}, Y | bicubic | {model.header.name} | gain |\n|---|---|---|---|", flush=True)
    for entry in options.sets:
        name, folder = entry.split("=", 1)
        run = run_benchmark(enlargers, find_originals(Path(folder)), find_protocol("gaussian8", scale))
        bicubic, ours = (mean_of(r for r in run.results if r.model == chosen) for chosen in enlargers)
        print(
            f"| {name} | {bicubic.psnr_y:.2f} / {bicubic.ssim_y:.4f} | {ours.psnr_y:.2f} / {ours.ssim_y:.4f} "
            f"| +{ours.psnr_y - bicubic.psnr_y:.2f} dB |",
            flush=True,
        )
        scores[f"{name} gaussian8 x{scale}"] = {
            "psnr_y": round(ours.psnr_y, 3),
            "ssim_y": round(ours.ssim_y, 4),
            "psnr_rgb": round(ours.psnr_rgb, 3),
        }
    header = model.header.model_copy(update={"scores": scores, "date": datetime.now(UTC).date().isoformat()})
    save_weights(options.output or options.weights, model.network, header)


if __name__ == "__main__":
    main()
