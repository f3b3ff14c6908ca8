"""The pictures that the networks of an experiment are measured on, as files that stay with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from nlcunet.data.drawn.pictures import KINDS, draw_set
from nlcunet.errors import DataError
from nlcunet.evaluation.originals import find_originals
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import BenchmarkSet, set_on_the_fly
from nlcunet.experiments.variants.definition import DRAWN, HELD_OUT, MeasuredOn
from nlcunet.files.folders import new_folder
from nlcunet.imaging.files import write_picture
from nlcunet.imaging.picture import Picture
from nlcunet.training.recipe import Recipe
from nlcunet.training.sources import load_validation
from nlcunet.training.validation import make_validation_pairs

DRAWN_PICTURES, DRAWN_SEED, DRAWN_PX = 18, 2307, 384
"""The set of drawn pictures: how many, their seed (no recipe's), and their side."""


@dataclass(frozen=True, kw_only=True)
class Originals:
    """Where the pictures of a set lie, and how inputs are made of them."""

    folder: Path
    """Folder of pictures."""
    on: MeasuredOn
    """What the experiment says of it."""
    scale: int
    """Enlargement."""

    def open(self) -> BenchmarkSet:
        """The set; inputs are made when they are measured."""
        files = find_originals(self.folder)[: self.on.limit]
        return set_on_the_fly(files, find_protocol(self.on.protocol, self.scale, self.on.sigmas), self.on.title)


def prepare_originals(
    measured_on: Sequence[MeasuredOn], recipe: Recipe, folder: Path, sets: Mapping[str, Path]
) -> tuple[tuple[Originals, ...], tuple[str, ...]]:
    """The sets that are there; validation crops and drawn pictures are written where they are missing.

    Args:
        measured_on: what the experiment wants.
        recipe: of any of its trainings.
        folder: that of the experiment.
        sets: folders of originals by name.

    Returns:
        The sets, and the names of those whose pictures are not there.

    Raises:
        DataError: there is nothing to measure on.
        ImageWriteError: pictures cannot be written.
    """
    found: list[Originals] = []
    missing: list[str] = []
    for on in measured_on:
        own = on.images in {HELD_OUT, DRAWN}
        place = folder / "originals" / "-".join((on.images, *on.kinds)) if own else sets.get(on.images)
        if own and place is not None and not place.is_dir():
            _write(_crops_held_out(recipe) if on.images == HELD_OUT else _draw(on.kinds), place)
        if place is not None and place.is_dir():
            found.append(Originals(folder=place, on=on, scale=recipe.scale))
        else:
            missing.append(on.images)
    if not found:
        raise DataError(f"there must be something to measure on: found none of {', '.join(missing)}")
    return tuple(found), tuple(dict.fromkeys(missing))


def _crops_held_out(recipe: Recipe) -> list[UInt8[np.ndarray, "height width 3"]]:
    """The crops that validation looks at while training."""
    validation = load_validation(recipe)
    if validation is None:
        raise DataError(
            "some photographs must be held out to measure on: none are; give a manifest with the split valid, or at "
            "least ten photographs"
        )
    pairs = make_validation_pairs(validation, recipe)
    return [(pair.high_res[0] * 255).round().byte().permute(1, 2, 0).numpy() for pair in pairs]


def _draw(kinds: Sequence[str]) -> list[UInt8[np.ndarray, "height width 3"]]:
    drawn = draw_set(DRAWN_PICTURES, DRAWN_SEED, DRAWN_PX, dict.fromkeys(kinds or KINDS, 1.0))
    return [picture.numpy() for picture in drawn.pictures]


def _write(pictures: Sequence[UInt8[np.ndarray, "height width 3"]], folder: Path) -> None:
    with new_folder(folder) as draft:
        for number, pixels in enumerate(pictures):
            write_picture(Picture(pixels=pixels), draft / f"{number:03d}.png")
