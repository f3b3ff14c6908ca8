"""Every measure on a folder of sharp originals, the originals themselves beside the models: docs/measures.md.

Run: ``python benchmarks/measures.py Set5/ [--scale 4] [--model 4x-NLCUnet-S]``. LPIPS and DISTS are measured if their
weights are given (``--lpips-backbone``, ``--lpips-linear``, ``--dists-backbone``, ``--dists-weights``).
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import find_preset, fixed_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.evaluation.enlargers import Enlarge, whole_picture_enlarger
from nlcunet.evaluation.measures import Measure, MeasureOptions, find_measures
from nlcunet.evaluation.originals import find_originals, read_original
from nlcunet.models.weights import load_model

NAMES = ("psnr_y", "ssim_y", "psnr_rgb", "consistency", "effnet_lite0", "niqe")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    parser.add_argument("--sigmas", help="only these of Gaussian8's, between commas")
    for name in ("lpips-backbone", "lpips-linear", "dists-backbone", "dists-weights"):
        parser.add_argument(f"--{name}", type=Path)
    options = parser.parse_args()

    device = torch.device("cpu")
    models = {
        "bicubic": whole_picture_enlarger(load_model(f"bicubic-x{options.scale}"), device),
        options.model: whole_picture_enlarger(load_model(options.model), device),
    }
    records = list(fixed_records(find_preset("gaussian8", options.scale)))
    if options.sigmas:
        chosen = {float(sigma) for sigma in options.sigmas.split(",")}
        records = [record for record in records if round(record.sigma_px, 2) in chosen]
    print_measures(options.folder, models, records, choose_measures(options))


def choose_measures(options: argparse.Namespace) -> tuple[Measure, ...]:
    """Those that need no weights, and those whose weights are given."""
    names = [*NAMES, *(["lpips"] if options.lpips_linear else []), *(["dists"] if options.dists_weights else [])]
    return find_measures(
        names,
        MeasureOptions(
            lpips_backbone_weights=options.lpips_backbone,
            lpips_linear_weights=options.lpips_linear,
            dists_backbone_weights=options.dists_backbone,
            dists_weights=options.dists_weights,
        ),
    )


def print_measures(
    folder: Path, models: dict[str, Enlarge], records: Sequence[DegradationRecord], measures: Sequence[Measure]
) -> None:
    """Means over all pairs of a folder; the last column holds the originals themselves."""
    scores: dict[tuple[str, str], list[Tensor]] = {}
    seconds = dict.fromkeys([measure.name for measure in measures], 0.0)
    for path in find_originals(folder):
        truth = read_original(path, records[0].scale).expand(len(records), -1, -1, -1)
        low_res = apply_records(truth, records)
        outputs = {name: enlarge(low_res.float()) for name, enlarge in models.items()}
        for model, output in {**outputs, "original": truth.float()}.items():
            for measure in measures:
                started = time.perf_counter()
                score = measure.score(output, truth.float(), low_res.float(), records)
                seconds[measure.name] += time.perf_counter() - started
                scores.setdefault((measure.name, model), []).append(score)
    columns = [*models, "original"]
    print(f"| measure | {' | '.join(columns)} | s per picture |\n|---|{'---|' * (len(columns) + 1)}")
    count = len(columns) * sum(len(score) for score in scores[measures[0].name, columns[0]])
    for measure in measures:
        cells = [f"{torch.cat(scores[measure.name, column]).mean().item():.4f}" for column in columns]
        unit = f" ({measure.unit})" if measure.unit else ""
        arrow = {"higher": "↑", "lower": "↓"}[measure.better]
        print(f"| {measure.name}{unit} {arrow} | {' | '.join(cells)} | {seconds[measure.name] / count:.3f} |")


if __name__ == "__main__":
    main()
