"""Measure a weights file on Gaussian8 and write the scores into its header.

Run: ``python benchmarks/score_weights.py WEIGHTS Set5=FOLDER Set14=FOLDER BSD100=FOLDER [--output FILE]``.
Prints a Markdown row for each set, bicubic beside it. Tensors stay as they are, bit for bit.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from nlcunet.evaluation.benchmark import RunOptions, run_benchmark
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.originals import find_originals
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import set_on_the_fly
from nlcunet.evaluation.systems import load_systems
from nlcunet.models.weights import load_model, save_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--output", type=Path, help="by default the file itself")
    options = parser.parse_args()

    model = load_model(options.weights)
    scale = model.header.scale
    run_options = RunOptions(measures=find_measures())
    systems = load_systems([str(options.weights)], scale, run_options.device)
    names = [system.facts.name for system in systems]
    scores = dict(model.header.scores)
    print(f"| Gaussian8 ×{scale}, Y | bicubic | {model.header.name} | gain |\n|---|---|---|---|", flush=True)
    for entry in options.sets:
        name, folder = entry.split("=", 1)
        measured = set_on_the_fly(find_originals(Path(folder)), find_protocol("gaussian8", scale), name)
        pairs = run_benchmark([measured], systems, run_options).pairs
        bicubic, ours = (
            {m.name: fmean(p.measures[m.name] for p in pairs if p.system == chosen) for m in run_options.measures}
            for chosen in names
        )
        print(
            f"| {name} | {bicubic['psnr_y']:.2f} / {bicubic['ssim_y']:.4f} | {ours['psnr_y']:.2f} / "
            f"{ours['ssim_y']:.4f} | +{ours['psnr_y'] - bicubic['psnr_y']:.2f} dB |",
            flush=True,
        )
        decimals = {"psnr_y": 3, "ssim_y": 4, "psnr_rgb": 3}
        scores[f"{name} gaussian8 x{scale}"] = {key: round(ours[key], digits) for key, digits in decimals.items()}
    header = model.header.model_copy(update={"scores": scores, "date": datetime.now(UTC).date().isoformat()})
    save_weights(options.output or options.weights, model.network, header)


if __name__ == "__main__":
    main()
