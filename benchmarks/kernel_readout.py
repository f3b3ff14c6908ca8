"""Do networks that never estimate the blur know it? A linear read-out of their features, stage by stage.

Run: ``python benchmarks/kernel_readout.py PHOTOGRAPHS [--manifest CSV] [-m 4x-NLCUnet-S …]``. Photographs that nobody
trained on (the manifest's split valid, or all) are blurred with kernels drawn from setting 1 (round) and setting 2
(elliptic) and reduced. From the mean and the standard deviation of every channel behind every stage, ridge regression
predicts the blur: sigma of round kernels; of elliptic ones the mean of the axes, the angle, and both together. With the
axes a and b the angle is (a - b) / 2 · (cos 2θ, sin 2θ): that of a nearly round kernel counts next to nothing. R² is
measured on photographs that the regression has not seen, in five folds by photograph; ± is its standard deviation over
the folds.

Beside the trained networks stand what needs no network (mean and deviation of the input's gradients at three
distances), and the same network with its first, random weights: what is above both was learned. Of weights that
estimate the kernel (``network.kernel: estimated``), the estimate is read instead of the stages, in the first column.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.data.photographs import list_photographs, load_photographs
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import draw_record, find_preset
from nlcunet.degradations.record import DegradationRecord
from nlcunet.models.kernel_conditioned import EstimatingNLCUnet
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import load_model

CROP_PX = 256
KERNELS_PER_PICTURE = 16
FOLDS = 5
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
STAGES = ("head", "encoder1", "encoder2", "latent", "decoder1", "decoder2")
Features = Callable[[Tensor], dict[str, Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("-m", "--model", action="append", help="NLCUnet weights at x4; by default both embedded ones")
    options = parser.parse_args()
    split = "train" if options.manifest is None else "valid"
    crops = read_crops(options.photographs, options.manifest, split)
    networks = {name: trained(name) for name in options.model or ["4x-NLCUnet-S", "4x-NLCUnet-S-Photo"]}
    untrained = NLCUnet(size_of(next(iter(networks.values())))).eval()
    readers: dict[str, Features] = {"the input's gradients": gradients, "random weights": stages_of(untrained)}
    for name, network in networks.items():
        readers[name] = stages_of(network) if isinstance(network, NLCUnet) else estimate_of(network)
    print(f"{len(crops)} photographs, {KERNELS_PER_PICTURE} kernels each, R² on photographs not fitted to\n")
    print_tables("isotropic", crops, sigma, {"sigma": [0]}, readers)
    parts = {"both axes and the angle": [0, 1, 2], "the mean of the axes": [0], "the angle": [1, 2]}
    print_tables("anisotropic", crops, covariance, parts, readers)


def print_tables(
    preset: str,
    crops: Tensor,
    targets: Callable[[DegradationRecord], list[float]],
    parts: Mapping[str, list[int]],
    readers: Mapping[str, Features],
) -> None:
    """One degradation: a table for each part of the targets, with every reader at every stage."""
    generator = torch.Generator().manual_seed(7)
    drawn = find_preset(preset, 4)
    records = [draw_record(drawn, generator) for _ in range(len(crops) * KERNELS_PER_PICTURE)]
    wanted = np.array([targets(record) for record in records])
    pictures = np.repeat(np.arange(len(crops)), KERNELS_PER_PICTURE)
    found: dict[str, dict[str, list[Tensor]]] = {name: {} for name in readers}
    for start in range(0, len(records), KERNELS_PER_PICTURE):
        chunk = records[start : start + KERNELS_PER_PICTURE]
        high_res = crops[start // KERNELS_PER_PICTURE].expand(len(chunk), -1, -1, -1)
        low_res = apply_records(high_res, chunk)
        for name, read in readers.items():
            for stage, values in read(low_res).items():
                found[name].setdefault(stage, []).append(values)
    features = {
        name: {stage: torch.cat(values).double().numpy() for stage, values in stages.items()}
        for name, stages in found.items()
    }
    for part, columns in parts.items():
        print(f"{preset}: {part}\n\n| read from | {' | '.join(STAGES)} |\n|---|{'---:|' * len(STAGES)}", flush=True)
        for name, stages in features.items():
            cells = [score(stages[s], wanted[:, columns], pictures) if s in stages else "" for s in STAGES]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
        print()


def read_crops(folder: Path, manifest: Path | None, split: str) -> Float[Tensor, "pictures 3 side side"]:
    """The centre of every photograph that is large enough, RGB in [0, 1]."""
    list_photographs(folder, manifest, split)
    pictures = load_photographs(folder, manifest=manifest, split=split, min_px=CROP_PX, central_px=CROP_PX).pictures
    crops = [picture[-CROP_PX:, -CROP_PX:].permute(2, 0, 1).float() / 255 for picture in pictures]
    return torch.stack(crops)


def trained(name: str) -> NLCUnet | EstimatingNLCUnet:
    """Weights that are to be looked into."""
    network = load_model(name).network
    if not isinstance(network, NLCUnet | EstimatingNLCUnet):
        raise SystemExit(f"{name} must be weights of NLCUnet that are not told the kernel")
    return network.eval()


def size_of(network: NLCUnet | EstimatingNLCUnet) -> NLCUnetConfig:
    """The shape of the NLCUnet in it."""
    return network.config if isinstance(network, NLCUnet) else network.conditioning.backbone.config


def estimate_of(network: EstimatingNLCUnet) -> Features:
    """The code of the estimated kernel, in the first column."""

    def read(low_res: Tensor) -> dict[str, Tensor]:
        with torch.inference_mode():
            return {"head": network.estimator(low_res.float())}

    return read


def stages_of(network: NLCUnet) -> Features:
    """Mean and deviation of every channel behind every stage."""

    def read(low_res: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}

        def keep(stage: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
            def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
                found[stage] = torch.cat([output.mean(dim=(2, 3)), output.std(dim=(2, 3))], dim=1)

            return hook

        handles = [getattr(network, stage).register_forward_hook(keep(stage)) for stage in STAGES]
        with torch.inference_mode():
            network(low_res.float())
        for handle in handles:
            handle.remove()
        return found

    return read


def gradients(low_res: Tensor) -> dict[str, Tensor]:
    """What is to be had without a network: how much neighbours at distances 1, 2 and 4 differ, and ratios of these."""
    sizes = []
    for distance in (1, 2, 4):
        for axis in (2, 3):
            first = low_res.narrow(axis, 0, low_res.shape[axis] - distance)
            step = (low_res.narrow(axis, distance, low_res.shape[axis] - distance) - first).abs()
            sizes += [step.mean(dim=(1, 2, 3)), step.std(dim=(1, 2, 3))]
    values = torch.stack(sizes, dim=1).clamp(min=1e-6).log()
    return {"head": values}


def sigma(record: DegradationRecord) -> list[float]:
    """Of a round kernel, in high-resolution pixels."""
    return [record.sigma_px]


def covariance(record: DegradationRecord) -> list[float]:
    """Of an elliptic kernel: mean of the axes; the angle as (cos 2θ, sin 2θ), weighted by how elongated it is."""
    mean, half = (record.sigma_x_px + record.sigma_y_px) / 2, (record.sigma_x_px - record.sigma_y_px) / 2
    return [mean, half * np.cos(2 * record.angle_rad), half * np.sin(2 * record.angle_rad)]


def score(
    features: Float[np.ndarray, "samples features"],
    wanted: Float[np.ndarray, "samples targets"],
    pictures: np.ndarray,
) -> str:
    """R² over all targets, mean and deviation over the folds; the ridge is chosen inside each fold."""
    values = []
    for fold in range(FOLDS):
        is_test = pictures % FOLDS == fold
        is_check = pictures % FOLDS == (fold + 1) % FOLDS
        is_fit = ~is_test & ~is_check
        errors = [r_squared(features, wanted, is_fit, is_check, ridge) for ridge in RIDGES]
        best = RIDGES[int(np.argmax(errors))]
        values.append(r_squared(features, wanted, ~is_test, is_test, best))
    return f"{np.mean(values):.2f} ± {np.std(values):.2f}"


def r_squared(features: np.ndarray, wanted: np.ndarray, is_fit: np.ndarray, is_test: np.ndarray, ridge: float) -> float:
    """Of ridge regression on standardised features, fitted on some samples and measured on others."""
    centre, spread = features[is_fit].mean(axis=0), features[is_fit].std(axis=0) + 1e-12
    scaled = (features - centre) / spread
    mean = wanted[is_fit].mean(axis=0)
    fitted = scaled[is_fit]
    gram = fitted.T @ fitted / len(fitted) + ridge * np.eye(fitted.shape[1])
    weights = np.linalg.solve(gram, fitted.T @ (wanted[is_fit] - mean) / len(fitted))
    rest = wanted[is_test] - mean - scaled[is_test] @ weights
    return float(1 - (rest**2).sum() / ((wanted[is_test] - wanted[is_test].mean(axis=0)) ** 2).sum())


if __name__ == "__main__":
    main()
