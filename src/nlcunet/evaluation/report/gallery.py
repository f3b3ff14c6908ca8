"""The places that are shown: where systems differ most, and where each does worst. What does not fit is told."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, TypeAlias

import numpy as np

from nlcunet.errors import DataError, ImageError
from nlcunet.evaluation.records import PairRecord
from nlcunet.evaluation.report.contents import Pair, SetResults, degradation_words, is_bicubic
from nlcunet.evaluation.report.crops import CropTile, make_tiles
from nlcunet.evaluation.report.estimates import gain
from nlcunet.evaluation.report.kept import (
    BICUBIC,
    KeptPair,
    degrade_again,
    enlarge_bicubic,
    has_files,
    luma,
    read_pair,
    squared_error,
)
from nlcunet.evaluation.report.markup import name_of, number
from nlcunet.evaluation.report.places import CropWindow, find_disagreement, find_excess

OnPair: TypeAlias = Callable[[], None]
Broken: TypeAlias = tuple[str, str]
"""An image that could not be read, and the reason: that may tell where files lie, and is not for the page."""


@dataclass(frozen=True, kw_only=True)
class WantedPlace:
    """One place that should be shown."""

    results: SetResults
    pair: Pair
    """Image and degradation."""
    kind: Literal["differ", "fail", "depart"]
    system: str = ""
    """Whose failure it is."""
    place: CropWindow | None = None
    """Where, if that is known before the pictures are read."""
    note: str = ""
    """What is told of it, as HTML."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What has become of the wanted places."""

    figures: tuple[tuple[WantedPlace, str], ...]
    """Places with their HTML."""
    left_out: tuple[WantedPlace, ...]
    broken: tuple[Broken, ...]
    bytes_left: int
    """What the page still may grow by."""


def kept_records(results: SetResults, pair: Pair) -> list[PairRecord]:
    """Results on a pair whose pictures were kept."""
    found = [results.results[name].get(pair) for name in results.names]
    return [one for one in found if one is not None and has_files(one)]


def count_kept(results: SetResults) -> int:
    """Pairs of which pictures were kept."""
    return sum(bool(kept_records(results, pair)) for pair in results.pairs)


def compared_systems(results: SetResults, kept: Iterable[str]) -> list[str]:
    """Whose errors are compared to find places: all but bicubic if at least two remain; else bicubic as well."""
    names = list(kept)
    trained = [one.name for one in results.systems if one.name in names and not is_bicubic(one)]
    if len(trained) > 1:
        return trained
    return names if len(names) > 1 else [*names, BICUBIC]


def find_disagreements(
    results: SetResults, count: int, crop_px: int, on_pair: OnPair, taken: Sequence[tuple[str, CropWindow]] = ()
) -> tuple[list[WantedPlace], list[Broken]]:
    """Places of a set where systems differ most, at most one per image, the most different first."""
    best: dict[str, tuple[CropWindow, Pair]] = {}
    broken: list[Broken] = []
    for pair in results.pairs:
        records = kept_records(results, pair)
        if records:
            try:
                place = _disagreement(results, records, crop_px, [one for image, one in taken if image == pair[0]])
            except (ImageError, DataError) as error:
                broken.append((f"{pair[0]} of {results.facts.key}", str(error)))
                place = None
            if place is not None and (pair[0] not in best or place.value > best[pair[0]][0].value):
                best[pair[0]] = (place, pair)
        on_pair()
    ordered = sorted(best.values(), key=lambda one: (-one[0].value, one[1]))[:count]
    wanted = [WantedPlace(results=results, pair=pair, kind="differ", place=place) for place, pair in ordered]
    return wanted, broken


def _disagreement(
    results: SetResults, records: Sequence[PairRecord], crop_px: int, taken: Sequence[CropWindow]
) -> CropWindow | None:
    scale = results.facts.scale
    kept = read_pair(records, scale)
    outputs = {name: output_of(kept, name) for name in compared_systems(results, kept.outputs)}
    truth = luma(kept.original)
    errors = {name: squared_error(luma(pixels), truth, scale) for name, pixels in outputs.items()}
    return find_disagreement(errors, crop_px=crop_px, scale=scale, taken=taken)


def output_of(kept: KeptPair, name: str) -> np.ndarray:
    """What a system made; bicubic enlargement is made anew where no system did it."""
    return enlarge_bicubic(kept.low_res, kept.scale) if name == BICUBIC else kept.outputs[name]


def worst_pairs(results: SetResults, system: str, measure: str, *, against: str | None) -> list[tuple[float, Pair]]:
    """Pairs by how badly a system did, absolutely or against another one, the worst first, one per image."""
    worst: dict[str, tuple[float, Pair]] = {}
    for pair in results.pairs:
        other = 0.0 if against is None else results.value(against, pair, measure)
        value = gain(results.value(system, pair, measure), other, measure)
        if not math.isnan(value) and (pair[0] not in worst or value < worst[pair[0]][0]):
            worst[pair[0]] = (value, pair)
    return sorted(worst.values())


def take_turns(groups: Sequence[Sequence[WantedPlace]]) -> list[WantedPlace]:
    """The first of each group, then the second of each …, so that what is left out is not all of one group."""
    return [one for turn in zip_longest(*groups) for one in turn if one is not None]


def show(wanted: Sequence[WantedPlace], crop_px: int, bytes_left: int) -> Shown:
    """Figures of the places, as long as the page may grow."""
    figures: list[tuple[WantedPlace, str]] = []
    left_out: list[WantedPlace] = []
    broken: list[Broken] = []
    for one in wanted:
        try:
            markup = _figure(one, crop_px) if bytes_left > 0 else None
        except (ImageError, DataError) as error:
            broken.append((f"{one.pair[0]} of {one.results.facts.key}", str(error)))
            continue
        if markup is None or len(markup) > bytes_left:
            left_out.append(one)
        else:
            figures.append((one, markup))
            bytes_left -= len(markup.encode())
    return Shown(figures=tuple(figures), left_out=tuple(left_out), broken=tuple(broken), bytes_left=bytes_left)


def _figure(wanted: WantedPlace, crop_px: int) -> str:
    results, scale = wanted.results, wanted.results.facts.scale
    kept = read_pair(kept_records(results, wanted.pair), scale)
    place = _place_of(wanted, kept, crop_px)
    tiles = [CropTile(name=f"input, pixels ×{scale}", pixels=kept.low_res, step=scale, is_output=False)]
    if wanted.kind == "depart":
        again = degrade_again(kept.outputs[wanted.system], kept.record)
        tiles += [
            CropTile(name=f"{wanted.system}, degraded again", pixels=again, step=scale, is_output=False),
            CropTile(name=wanted.system, pixels=kept.outputs[wanted.system]),
        ]
    else:
        names = list(kept.outputs) if wanted.kind == "differ" else _opponents(wanted, kept)
        if not any(is_bicubic(one) for one in results.systems if one.name in kept.outputs):
            names = [BICUBIC, *names]
        tiles += [CropTile(name=name, pixels=output_of(kept, name)) for name in dict.fromkeys(names)]
    where = f"{place.width}×{place.height} pixels at ({place.left}, {place.top})"
    caption = (
        f"<b>{name_of(wanted.pair[0])}</b> of {name_of(results.facts.key)}, {degradation_words(kept.record)}, {where}"
        f"{f': {wanted.note}' if wanted.note else ''}"
    )
    if wanted.kind == "differ":
        caption += f": mean squared errors differ by {number(place.value, 1)}"
    return f'<figure class="place"><figcaption>{caption}</figcaption>{make_tiles(kept.original, tiles, place)}</figure>'


def _opponents(wanted: WantedPlace, kept: KeptPair) -> list[str]:
    """The baseline, if its output was kept, and the system that failed."""
    return [name for name in kept.outputs if name in {wanted.results.baseline, wanted.system}]


def _place_of(wanted: WantedPlace, kept: KeptPair, crop_px: int) -> CropWindow:
    """Where to look: given, or where a system is worst."""
    if wanted.place is not None:
        return wanted.place
    output, scale = kept.outputs[wanted.system], kept.scale
    if wanted.kind == "depart":
        again = np.square(luma(degrade_again(output, kept.record)) - luma(kept.low_res))
        large = again.repeat(scale, axis=0).repeat(scale, axis=1)
        return find_excess(large, np.zeros_like(large), crop_px=crop_px, scale=scale)
    baseline = wanted.results.baseline
    reference = kept.outputs.get(baseline) if baseline != wanted.system else None
    other = enlarge_bicubic(kept.low_res, scale) if reference is None else reference
    truth = luma(kept.original)
    errors = (squared_error(luma(pixels), truth, scale) for pixels in (output, other))
    return find_excess(*errors, crop_px=crop_px, scale=scale)
