"""How quality depends on the degradation: curves over the strength of a blur, surfaces of damages and their pairs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from nlcunet.degradations.words import name_parts
from nlcunet.evaluation.report.contents import SetResults, degradation_of
from nlcunet.evaluation.report.estimates import estimate_gain, estimate_mean, gains
from nlcunet.evaluation.report.looks import Look
from nlcunet.evaluation.report.markup import Cell, Head, escape, make_table, name_of, number
from nlcunet.evaluation.report.plots import CurvePoint, plot_curves

IMAGES_PER_BIN = 4
MAX_BINS = 6
FULL_TONE = 4.0
"""Gains of so many decibels have the full colour of a surface."""
_ALONE = "alone"


def group_by_blur(results: SetResults) -> dict[float, list[tuple[str, int]]]:
    """Pairs by the sigma of their round or elliptic blur, in pixels of the original.

    Fixed sigmas make groups of their own, drawn ones are put together into groups of equal size. Empty where other
    damages play a part, where all blurs are alike, or where there are too few images.
    """
    sigmas: dict[tuple[str, int], float] = {}
    for pair in results.pairs:
        record = degradation_of(results.results[results.names[0]][pair])
        if record is None or len(name_parts(record)) > 1 or record.kernel not in {"isotropic", "anisotropic"}:
            return {}
        sigmas[pair] = record.sigma_px
    groups: dict[float, list[tuple[str, int]]] = defaultdict(list)
    if len({index for _, index in results.pairs}) > 1:
        for pair, sigma in sigmas.items():
            groups[round(sigma, 6)].append(pair)
    else:
        ordered = sorted(sigmas, key=lambda pair: (sigmas[pair], pair))
        for part in np.array_split(np.arange(len(ordered)), min(MAX_BINS, max(1, len(ordered) // IMAGES_PER_BIN))):
            chosen = [ordered[index] for index in part]
            groups[fmean(sigmas[pair] for pair in chosen)] = chosen
    return dict(sorted(groups.items())) if len(groups) > 1 else {}


def make_curves(results: SetResults, looks: Mapping[str, Look], y_title: str) -> list[str]:
    """Quality over the strength of the blur, and what is gained over the baseline; nothing where that has no sense."""
    groups = group_by_blur(results)
    if not groups:
        return []
    key, measure, x_title = results.facts.key, results.main, "blur sigma (px)"
    values = {
        name: [
            CurvePoint(x=sigma, y=estimate_mean(results, name, measure, pairs).mean) for sigma, pairs in groups.items()
        ]
        for name in results.names
    }
    plots = [plot_curves(key, values, looks, x_title=x_title, y_title=y_title)]
    if results.rivals:
        better_by = {name: _gain_points(results, name, groups) for name in results.rivals}
        plots.append(
            plot_curves(
                f"{key}, gain over {results.baseline}",
                better_by,
                looks,
                x_title=x_title,
                y_title=y_title,
                show_zero=True,
            )
        )
    return plots


def _gain_points(results: SetResults, name: str, groups: Mapping[float, Sequence[tuple[str, int]]]) -> list[CurvePoint]:
    points = []
    for sigma, pairs in groups.items():
        found = estimate_gain(results, name, results.main, pairs=pairs)
        points.append(CurvePoint(x=sigma, y=found.mean, interval=found.interval))
    return points


def make_surfaces(results: SetResults, unit: str) -> list[str]:
    """One table per system: each damage alone and together with each other one; nothing where damages do not meet."""
    groups: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for pair in results.pairs:
        record = degradation_of(results.results[results.names[0]][pair])
        if record is None:
            return []
        groups[name_parts(record)].append(pair)
    if max(map(len, groups)) != 2 or len(groups) < 4 or len(results.pairs) == len(results.images):
        return []
    alone = [parts[0] for parts in groups if len(parts) == 1]
    levels = list(dict.fromkeys([*alone, *(part for parts in groups for part in parts)]))
    return [_surface(results, name, groups, levels, unit) for name in results.rivals or results.names]


def _surface(
    results: SetResults,
    name: str,
    groups: Mapping[tuple[str, ...], Sequence[tuple[str, int]]],
    levels: Sequence[str],
    unit: str,
) -> str:
    """Rows and columns are damages. What is coloured are gains; where there is no baseline, there is no colour."""
    is_gain = name != results.baseline
    found = {
        frozenset(parts): gains(results, name, results.main, pairs=pairs)
        if is_gain
        else results.by_image(name, results.main, pairs)
        for parts, pairs in groups.items()
    }
    means = {parts: fmean(v for one in values.values() for v in one) for parts, values in found.items() if values}

    def cell(row: str, column: str) -> Cell:
        mean = means.get(frozenset({row, column} - {_ALONE})) if row != column else None
        if mean is None:
            return Cell(markup="")
        return Cell(markup=number(mean, 2, signed=is_gain), value=mean, tone=mean / FULL_TONE if is_gain else 0.0)

    columns = [_ALONE, *levels[:-1]]
    rows = [[Cell(markup=escape(row), value=row), *(cell(row, column) for column in columns)] for row in levels]
    clean = means.get(frozenset())
    undamaged = f"; without any of them {number(clean, 2, signed=is_gain)}" if clean is not None else ""
    against = f", gain over {name_of(results.baseline)}" if is_gain else ""
    caption = f"{name_of(name)} on {name_of(results.facts.key)}: {escape(unit)}{against}, mean over images{undamaged}"
    return make_table(caption, [Head(words="damage", is_number=False), *(Head(words=one) for one in columns)], rows)
