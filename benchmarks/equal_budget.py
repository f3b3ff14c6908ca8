"""NLCUnet-S against DANv1-S, DANv2-S and DCLS-S: same cost, same patches in the same order, same number of steps.

Run: ``python benchmarks/equal_budget.py --photographs FOLDER [--manifest CSV] [--steps N] [--seeds 1 2]``. Each network
costs the same FLOPs within 5 % (``python benchmarks/sizes.py``), has a bicubic skip and a one-step upsampler, and is
trained with its own published losses. Recipe, batches, schedule and arithmetic are those of ``nlcunet_s_x4_isotropic``,
stretched to the steps; ``--lr SYSTEM=RATE`` gives one its own rate. Weights lie in ``--output`` as
``4x-SYSTEM-seedN.safetensors``; runs that are there are kept, interrupted ones go on. To measure them:
``nlcunet bench run SETS -m OUTPUT/4x-….safetensors … -o records.jsonl`` and ``nlcunet bench table records.jsonl``.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

import torch

from nlcunet.training.loop import Listener, train
from nlcunet.training.processes import Processes
from nlcunet.training.recipe import Recipe
from nlcunet.training.recipe_file import read_recipe
from nlcunet.training.run_folder import Report
from nlcunet.training.state import has_state

SYSTEMS = ("NLCUnet-S", "DANv1-S", "DANv2-S", "DCLS-S")


def make_recipe(options: argparse.Namespace, system: str, seed: int, lr: float) -> Recipe:
    """The recipe of one run."""
    changes: dict[str, Any] = {
        "name": f"4x-{system}-seed{seed}",
        "seed": seed,
        "compile": False,
        "network.size": system,
        "data.photographs": options.photographs,
        "data.manifest": options.manifest,
        "optim.steps": options.steps,
        "optim.warmup_steps": 3 * options.steps // 100,
        "optim.decay_steps": 6 * options.steps // 10,
        "optim.lr": lr,
        "validation.every_steps": max(1, options.steps // 4),
    }
    if not system.startswith("NLCUnet"):
        changes["network.overrides"] = {"skip": "bicubic"}
    return read_recipe("nlcunet_s_x4_isotropic", changes)


def show(name: str, report: Report) -> None:
    """One line per validation."""
    kernel = f"  kernel {report.metrics['kernel']:.5f}" if "kernel" in report.metrics else ""
    print(
        f"{name}  step {report.step:,}  {report.psnr_y:.3f} dB  loss {report.loss:.5f}{kernel}  "
        f"{report.seconds / 60:.1f} min",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--lr", action="append", default=[], metavar="SYSTEM=RATE")
    parser.add_argument("--output", type=Path, default=Path("runs/equal-budget"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rates = {system: float(rate) for system, _, rate in (text.partition("=") for text in options.lr)}
    for seed in options.seeds:
        for system in options.systems:
            recipe = make_recipe(options, system, seed, rates.get(system, 1e-3))
            result, folder = options.output / f"{recipe.name}.safetensors", options.output / "runs" / recipe.name
            if result.is_file():
                print(f"{recipe.name} is there", flush=True)
                continue
            listener = Listener(on_report=lambda report, name=recipe.name: show(name, report))
            processes = Processes(torch.device("cpu"))
            weights = train(recipe, folder, processes=processes, resume=has_state(folder), listener=listener)
            shutil.copyfile(weights, result)


if __name__ == "__main__":
    main()
