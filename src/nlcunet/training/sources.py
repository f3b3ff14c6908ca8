"""The pictures that a recipe asks for: photographs to train and validate on, drawn ones, and pairs cut from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nlcunet.data.crops import CropSettings
from nlcunet.data.loading import PairSource, Share, make_source
from nlcunet.data.paired import PairedPatches, find_partners, load_pairs
from nlcunet.data.pairs import PairSettings
from nlcunet.data.photographs import Photographs, find_pictures, list_photographs, load_photographs, read_photograph
from nlcunet.data.pools import PhotographFiles
from nlcunet.data.shards import is_packed, is_tile_path, read_tile
from nlcunet.degradations.presets import find_preset
from nlcunet.errors import ConfigError, DataError, ImageError
from nlcunet.imaging.files import read_header
from nlcunet.models.blind import BlindNetwork
from nlcunet.models.weights import DataSource
from nlcunet.runtime import free_system_memory_bytes, usable_cores
from nlcunet.training.recipe import Recipe
from nlcunet.training.trainer import Trainer

MIN_VALIDATION_PX = 64
MEMORY_SHARE = 0.5
"""Photographs are kept in main memory if they need no more than this share of what is free."""
SAMPLED_HEADERS = 100
LARGEST_HELD_OUT_SHARE = 10
"""Without a validation set, at most one photograph in so many is held out."""


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from and is measured on."""

    training: Photographs | PhotographFiles
    """In memory, or where that is too small, files for workers to read."""
    validation: Photographs | None
    drawn: Photographs | None
    source: DataSource
    """What the header of the weights says of it."""
    low_res: Photographs | None = None
    """The low-resolution partners of ``training``, where pairs exist already."""
    validation_low_res: Photographs | None = None
    """Those of ``validation``."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files left out, each with its reason; those that workers read later are not known yet."""
        return self.training.skipped if isinstance(self.training, Photographs) else ()

    @property
    def names(self) -> list[str]:
        """File names of the photographs to train on, in the order in which patches are cut from them."""
        if isinstance(self.training, Photographs):
            return list(self.training.names)
        return [path.name for path in self.training.paths]


def load_training_data(recipe: Recipe) -> TrainingData:
    """Read and draw what the recipe asks for.

    Raises:
        DataError: a folder or manifest cannot be used.
    """
    if recipe.data.low_res is not None:
        return _load_pairs(recipe, recipe.data.low_res)
    training, validation, licence = _load_photographs(recipe)
    drawn = None
    if recipe.data.drawn.ratio > 0:
        from nlcunet.data.drawn.pictures import draw_set

        drawn = draw_set(recipe.data.drawn.pictures, seed=recipe.seed, size_px=recipe.data.drawn.size_px)
    name = recipe.data.name
    if drawn is not None:
        name = f"{name}; {recipe.data.drawn.ratio:.0%} of the patches from {len(drawn)} drawn pictures"
    source = DataSource(name=name, licence=licence or "unknown", pictures=len(training))
    return TrainingData(training, validation, drawn, source)


def load_validation(recipe: Recipe) -> Photographs | None:
    """Only the photographs to validate on, without loading those to train on where that can be avoided.

    Raises:
        DataError: a folder or manifest cannot be used.
    """
    if recipe.data.validation is not None or _has_valid_split(recipe):
        return _load_validation(recipe, [])
    return _load_photographs(recipe)[1]


def changed_photographs(before: Sequence[str], now: Sequence[str]) -> str | None:
    """What a change of the list of photographs means for a run, in a sentence; nothing if it is the same."""
    if list(before) == list(now):
        return None
    lost, added = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    parts = [
        f"{len(names):,} {word} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for names, word in ((lost, "gone"), (added, "new"))
        if names
    ]
    what = " and ".join(parts) or "they come in another order"
    return (
        f"the photographs have changed since the run was saved, {len(before):,} then and {len(now):,} now: {what}; "
        "patches are others than those of an uninterrupted run from here on"
    )


def make_stage_source(trainer: Trainer, data: TrainingData) -> PairSource:
    """The pairs of the present stage; stage two sees other patches than stage one."""
    recipe, settings = trainer.recipe, trainer.recipe.data
    pair_settings = PairSettings(
        preset=find_preset(settings.degradation, recipe.scale),
        seed=recipe.seed if trainer.adversary is None else recipe.seed + 1,
        patch_px=settings.patch_px,
        crops=CropSettings(kind=settings.crop, central_px=settings.central_px, detail_power=settings.detail_power),
        drawn_ratio=settings.drawn.ratio,
    )
    if isinstance(data.training, Photographs) and data.low_res is not None:
        if isinstance(trainer.network, BlindNetwork):
            raise ConfigError(
                f"{recipe.network.size} learns from known blur, which pairs do not tell: leave data.low_res out or "
                "take NLCUnet"
            )
        processes = trainer.processes
        share = Share(batch=trainer.optim.batch, rank=processes.rank, num_ranks=processes.count)
        return PairedPatches(data.training, data.low_res, pair_settings, share, processes.device)
    return make_source(
        data.training,
        pair_settings,
        device=trainer.processes.device,
        drawn=data.drawn,
        batch=trainer.optim.batch,
        rank=trainer.processes.rank,
        num_ranks=trainer.processes.count,
        placement=settings.placement,
        num_workers=min(settings.workers, usable_cores()),
    )


def _load_pairs(recipe: Recipe, low_folder: Path) -> TrainingData:
    """Photographs and their low-resolution partners, all in memory, and the same to validate on."""
    data, wanted = recipe.data, recipe.validation.pictures
    paths, licence = list_photographs(data.photographs, data.manifest, "train")
    if is_packed(data.photographs):
        raise DataError(f"photographs with data.low_res must be a folder of pictures: {data.photographs} holds shards")
    if not _fit_into_memory(paths, recipe):
        raise DataError(f"{len(paths):,} pairs must fit into half of the free memory: cut or take fewer of them")
    partners = find_partners(paths, data.photographs, low_folder, recipe.scale)
    central_px = max(data.central_px, data.patch_px * recipe.scale) if data.crop == "central" else None
    high, low = load_pairs(paths, partners, recipe.scale, central_px=central_px)
    source = DataSource(name=data.name, licence=licence or "unknown", pictures=len(high))
    if data.validation is None or data.validation_low_res is None:
        (high, validation), (low, validation_low) = (hold_out(each, wanted) for each in (high, low))
        return TrainingData(high, validation, None, source, low, validation_low)
    paths = find_pictures(data.validation)
    partners = find_partners(paths, data.validation, data.validation_low_res, recipe.scale)
    validation, validation_low = load_pairs(paths, partners, recipe.scale, central_px=recipe.validation.crop_px)
    return TrainingData(high, validation, None, source, low, validation_low)


def _load_photographs(recipe: Recipe) -> tuple[Photographs | PhotographFiles, Photographs | None, str]:
    """Training photographs, validation photographs from their own folder, the manifest, or held out, and licences."""
    data, pictures = recipe.data, recipe.validation.pictures
    paths, licence = list_photographs(data.photographs, data.manifest, "train")
    has_own = data.validation is not None or _has_valid_split(recipe)
    if data.placement == "workers" or (data.placement == "auto" and not _fit_into_memory(paths, recipe)):
        aside = set() if has_own else held_out(len(paths), pictures)
        files = PhotographFiles(paths=tuple(path for number, path in enumerate(paths) if number not in aside))
        return files, _load_validation(recipe, [paths[number] for number in sorted(aside)]), licence
    training = load_photographs(
        data.photographs,
        manifest=data.manifest,
        split="train",
        min_px=data.patch_px * recipe.scale,
        central_px=data.central_px if data.crop == "central" else None,
    )
    if has_own:
        return training, _load_validation(recipe, []), licence
    return *hold_out(training, pictures), licence


def _has_valid_split(recipe: Recipe) -> bool:
    """Whether the manifest or the shards say what to validate on."""
    try:
        list_photographs(recipe.data.photographs, recipe.data.manifest, "valid")
    except DataError:
        return False
    return recipe.data.manifest is not None or is_packed(recipe.data.photographs)


def _load_validation(recipe: Recipe, aside: list[Path]) -> Photographs | None:
    """Validation photographs from wherever the recipe has them, or those put aside."""
    data, crop_px = recipe.data, recipe.validation.crop_px
    if data.validation is not None:
        return load_photographs(data.validation, min_px=MIN_VALIDATION_PX, central_px=crop_px)
    if aside:
        pictures = tuple(read_photograph(path, crop_px) for path in aside)
        return Photographs(pictures, tuple(path.name for path in aside), "")
    if not _has_valid_split(recipe):
        return None
    return load_photographs(
        data.photographs, manifest=data.manifest, split="valid", min_px=MIN_VALIDATION_PX, central_px=crop_px
    )


def _fit_into_memory(paths: list[Path], recipe: Recipe) -> bool:
    """Whether all photographs, decoded, need less than half of the free main memory; from a sample of the files."""
    largest_px = recipe.data.central_px if recipe.data.crop == "central" else None
    sizes = []
    for path in paths[:: max(1, len(paths) // SAMPLED_HEADERS)]:
        try:
            header = read_header(read_tile(path) if is_tile_path(path) else path)
        except ImageError:
            continue  # the loader leaves it out and says why
        sides = (min(side, largest_px or side) for side in (header.height, header.width))
        sizes.append(3 * math.prod(sides))
    mean = sum(sizes) / len(sizes) if sizes else 0.0
    return mean * len(paths) <= MEMORY_SHARE * free_system_memory_bytes()


def held_out(count: int, wanted: int) -> set[int]:
    """Numbers of the photographs to put aside, spread evenly: at most a tenth, none of fewer than ten."""
    aside = min(wanted, count // LARGEST_HELD_OUT_SHARE)
    return {index * count // aside for index in range(aside)}


def hold_out(photographs: Photographs, wanted: int) -> tuple[Photographs, Photographs | None]:
    """Put some photographs aside; see `held_out`."""
    aside = held_out(len(photographs), wanted)
    if not aside:
        return photographs, None

    def pick(is_aside: bool) -> Photographs:
        chosen = [index for index in range(len(photographs)) if (index in aside) == is_aside]
        return replace(
            photographs,
            pictures=tuple(photographs.pictures[index] for index in chosen),
            names=tuple(photographs.names[index] for index in chosen),
        )

    return pick(is_aside=False), pick(is_aside=True)
