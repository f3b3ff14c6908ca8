"""Short equal training runs of small NLCUnets: what depths and attention bring per patch and per second.

Run: ``python benchmarks/architectures.py PHOTOGRAPHS --manifest CSV [--steps 400]``. Every variant sees the same
patches in the same order, at rate 1e-3 that falls to zero over the last 30 % of the steps. Time is that of the
processor on one thread, so that other programs disturb it little; PSNR is that of the averaged weights on Y over
validation crops.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import torch

from nlcunet.models.registry import SIZES
from nlcunet.training.loop import load_training_data, make_trainer
from nlcunet.training.recipe import Recipe
from nlcunet.training.validation import make_validation_pairs, validate

SMALL = SIZES["NLCUnet-S"]
VARIANTS = {
    "2-2-4-2-1-0, attention latent (NLCUnet-S)": SMALL,
    "2-2-4-2-1-0, no attention": dataclasses.replace(SMALL, attention=("none",) * 6),
    "2-2-4-2-1-0, attention at 1/2 and latent": dataclasses.replace(
        SMALL, attention=("none", "sparse", "sparse", "sparse", "none", "none")
    ),
    "1-1-2-1-1-1, attention latent": dataclasses.replace(SMALL, depths=(1, 1, 2, 1, 1, 1)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--precision", default="bfloat16")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe.model_validate(
        {
            "name": "variant",
            "precision": options.precision,
            "data": {"photographs": options.photographs, "manifest": options.manifest},
            "optim": {
                "steps": options.steps,
                "learning_rate": 1e-3,
                "warmup_steps": 100,
                "decay_steps": 3 * options.steps // 10,
                "clip_norm": 0.5,
            },
        }
    )
    training, validation = load_training_data(recipe)
    if validation is None:
        parser.error("a manifest with a split 'valid' is needed")
    pairs = make_validation_pairs(validation, recipe)
    print(f"{options.steps} steps of {recipe.optim.batch} patches of {recipe.data.patch_px}×{recipe.data.patch_px}\n")
    print("| variant | parameters (M) | ms per step | PSNR Y (dB) |\n|---|---|---|---|", flush=True)
    for name, config in VARIANTS.items():
        chosen = recipe.model_copy(
            update={"network": recipe.network.model_copy(update={"overrides": dataclasses.asdict(config)})}
        )
        trainer = make_trainer(chosen, torch.device("cpu"))
        start = time.process_time()
        for _ in range(options.steps):
            trainer.step(training, trainer.network)
        seconds = time.process_time() - start
        psnr = validate(trainer.average, pairs, recipe.scale, torch.device("cpu"))
        parameters = sum(p.numel() for p in trainer.network.parameters()) / 1e6
        print(f"| {name} | {parameters:.2f} | {1e3 * seconds / options.steps:.0f} | {psnr:.3f} |", flush=True)


if __name__ == "__main__":
    main()
