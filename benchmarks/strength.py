"""What ``--strength`` costs in PSNR and brings in perceptual distance, on the damages of the protocol ``photo``.

Run: ``python benchmarks/strength.py ORIGINALS [--model 4x-NLCUnet-S-Photo] [--strengths 0 0.15 0.3 0.5 1]``. Prints a
Markdown row for each strength, bicubic first: means over all pictures and conditions, and in how many of the conditions
the distance is less than with strength 0.
"""

import argparse
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from nlcunet.evaluation.benchmark import RunOptions, run_benchmark
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.originals import find_originals
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import set_on_the_fly
from nlcunet.evaluation.systems import load_systems
from nlcunet.evaluation.table_conditions import ALL, by_condition
from nlcunet.models.blending import load_blend
from nlcunet.models.weights import save_weights

FIDELITY, DISTANCE = "psnr_y", "effnet_lite0"


def main() -> None:
    """Mix, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("originals", type=Path)
    parser.add_argument("--model", default="4x-NLCUnet-S-Photo")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.0, 0.15, 0.3, 0.5, 1.0])
    options = parser.parse_args()
    run_options = RunOptions(measures=find_measures((FIDELITY, DISTANCE)))
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{strength:g}.safetensors" for strength in options.strengths]
        for strength, file in zip(options.strengths, files, strict=True):
            mixed = load_blend(options.model, strength)
            scale = mixed.header.scale
            save_weights(file, mixed.network, mixed.header, half=False)
        systems = load_systems([f"{file.stem}={file}" for file in files], scale, run_options.device)
    originals = find_originals(options.originals)
    pictures = set_on_the_fly(originals, find_protocol("photo", scale), options.originals.name)
    pairs = run_benchmark([pictures], systems, run_options).pairs
    conditions = [group for name, group in by_condition(pairs).items() if name != ALL]
    means = {
        (system.facts.name, measure): [
            fmean(pair.measures[measure] for pair in group if pair.system == system.facts.name) for group in conditions
        ]
        for system in systems
        for measure in (FIDELITY, DISTANCE)
    }
    plain = means[files[0].stem, DISTANCE]
    print(f"| strength | PSNR on Y | `{DISTANCE}` | conditions with a smaller one |\n|---:|---:|---:|---:|")
    for system in systems:
        fidelity, distance = means[system.facts.name, FIDELITY], means[system.facts.name, DISTANCE]
        better = sum(one < other for one, other in zip(distance, plain, strict=True))
        print(
            f"| {system.facts.name} | {fmean(fidelity):.2f} | {fmean(distance):.4f} | {better} of {len(plain)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
