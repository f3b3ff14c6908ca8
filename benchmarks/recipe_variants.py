"""Short training runs of equal budget: which settings of a recipe bring more dB per hour.

Run: ``python benchmarks/recipe_variants.py RECIPE --photographs FOLDER [--manifest CSV] --minutes 4 --seeds 1 2
--variant "name: key=value key=value" …``. A variant without settings is the recipe itself. Every run gets the same
processor time (not time by the clock, so that other programs disturb it little) on one thread: the time of a step is
measured first, then the steps are set so that the budget is used up, with the schedule stretched to them (warm-up 3 %,
decay over the last 60 % unless the variant says otherwise). PSNR is that of the averaged weights on Y over the
validation crops; the gain is that over the first variant with the same seed.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from nlcunet.training.processes import Processes
from nlcunet.training.recipe import Recipe
from nlcunet.training.recipe_file import parse_setting, read_recipe
from nlcunet.training.sources import TrainingData, load_training_data, make_stage_source
from nlcunet.training.trainer import make_trainer
from nlcunet.training.validation import make_validation_pairs, validate

CPU = Processes(torch.device("cpu"))
MEASURED_STEPS = 6


def read_variant(text: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of ``name: key=value key=value``."""
    name, _, settings = text.partition(":")
    return name.strip(), dict(parse_setting(setting) for setting in settings.split())


def seconds_per_step(recipe: Recipe, data: TrainingData) -> float:
    """Processor time of one step, measured on a throw-away trainer."""
    trainer = make_trainer(recipe, CPU)
    source = make_stage_source(trainer, data)
    for step in range(2 + MEASURED_STEPS):
        if step == 2:
            start = time.process_time()
        trainer.step(source.pairs(step))
    return (time.process_time() - start) / MEASURED_STEPS


def stretched(name: str, changes: Mapping[str, Any], steps: int) -> Recipe:
    """The variant's recipe over so many steps; a decay given as a share of them, as ``optim.decay_steps=0.9``."""
    schedule: dict[str, Any] = {"optim.steps": steps, "optim.warmup_steps": 3 * steps // 100}
    share = changes.get("optim.decay_steps", 0.6)
    schedule["optim.decay_steps"] = int(share * steps) if isinstance(share, float) else share
    return read_recipe(name, {**changes, **schedule})


def run(recipe: Recipe, data: TrainingData) -> tuple[float, float]:
    """Validation PSNR in dB, and minutes of processor time."""
    trainer = make_trainer(recipe, CPU)
    source = make_stage_source(trainer, data)
    start = time.process_time()
    for step in range(recipe.optim.steps):
        trainer.step(source.pairs(step))
    minutes = (time.process_time() - start) / 60
    if data.validation is None:
        raise SystemExit("validation photographs are needed: give a manifest with a split valid")
    pairs = make_validation_pairs(data.validation, recipe)
    return validate(trainer.average, pairs, recipe.scale, CPU.device).psnr_y, minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--variant", action="append", required=True, type=read_variant)
    options = parser.parse_args()
    torch.set_num_threads(1)
    common = {"data.photographs": options.photographs, "data.manifest": options.manifest, "compile": False}
    print("| variant | steps | minutes | PSNR Y (dB) | gain (dB) |\n|---|---|---|---|---|", flush=True)
    first: dict[int, float] = {}
    for name, changes in options.variant:
        results = []
        for seed in options.seeds:
            chosen = {**common, **changes, "seed": seed}
            data = load_training_data(stretched(options.recipe, chosen, 100))
            cost = seconds_per_step(stretched(options.recipe, chosen, 100), data)
            recipe = stretched(options.recipe, chosen, max(1, int(60 * options.minutes / cost)))
            psnr, minutes = run(recipe, data)
            first.setdefault(seed, psnr)
            results.append((recipe.optim.steps, minutes, psnr, psnr - first[seed]))
        steps, minutes, psnr, gain = (mean(column) for column in zip(*results, strict=True))
        each = ", ".join(f"{result[3]:+.3f}" for result in results)
        print(f"| {name} | {steps:.0f} | {minutes:.1f} | {psnr:.3f} | {gain:+.3f} ({each}) |", flush=True)


if __name__ == "__main__":
    main()
