"""Fit the NIQE model that ships in the package on a folder of sharp photographs.

Run: ``python benchmarks/fit_niqe.py FOLDER --description "what the pictures are, their licences"
[--output src/nlcunet/metrics/niqe_photographs.npz] [--hold-out 0.1]``. Prints the scores of the held-out pictures too,
sharp and blurred, so that a bad fit is seen at once.
"""

import argparse
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nlcunet.degradations.kernels import isotropic_gaussian
from nlcunet.degradations.pipeline import blur
from nlcunet.evaluation.originals import find_originals, read_original
from nlcunet.metrics.niqe import MODEL_FILE, fit_niqe_model, niqe

TARGET = Path(__file__).parents[1] / "src" / "nlcunet" / "metrics" / MODEL_FILE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--description", required=True)
    parser.add_argument("--output", type=Path, default=TARGET)
    parser.add_argument("--hold-out", type=float, default=0.1, help="share of the pictures, by a hash of their names")
    options = parser.parse_args()

    files = find_originals(options.folder)
    held_out = [path for path in files if is_held_out(path, options.hold_out)]
    fitted = sorted(set(files) - set(held_out))
    model = fit_niqe_model(read_pictures(fitted), options.description)
    np.savez_compressed(
        options.output,
        mean=model.mean.numpy(),
        covariance=model.covariance.numpy(),
        description=np.array(model.description),
        pictures=np.array(model.pictures),
        blocks=np.array(model.blocks),
    )
    print(f"{model.pictures} pictures, {model.blocks} sharp blocks → {options.output}")
    sharp, blurred = [], []
    kernel = isotropic_gaussian(21, 1.5)
    for picture in read_pictures(held_out):
        sharp.append(niqe(picture[None], model).item())
        blurred.append(niqe(blur(picture[None], kernel), model).item())
    for name, scores in {"sharp": sharp, "blurred by sigma 1.5": blurred}.items():
        low, middle, high = np.quantile(scores, [0.05, 0.5, 0.95])
        print(f"{len(scores)} held-out pictures, {name}: median {middle:.2f}, 5 % below {low:.2f} and above {high:.2f}")


def is_held_out(path: Path, share: float) -> bool:
    """By a hash of the name without what follows its last underscore: tiles of one photograph stay together."""
    return zlib.crc32(path.stem.rsplit("_", 1)[0].encode()) % 1000 < 1000 * share


def read_pictures(files: Sequence[Path]) -> Iterator[Tensor]:
    """One after the other, RGB in [0, 1]."""
    for path in files:
        yield read_original(path, 1)[0]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
