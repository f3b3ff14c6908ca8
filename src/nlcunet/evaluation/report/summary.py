"""The numbers: one table per set, and one line for each image."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from nlcunet.evaluation.records import SystemFacts
from nlcunet.evaluation.report.contents import SetResults
from nlcunet.evaluation.report.costs import Cost, common_size, cost_note, known_costs
from nlcunet.evaluation.report.estimates import (
    MeasureWords,
    estimate_gain,
    estimate_mean,
    find_best,
    gains,
    words_of,
)
from nlcunet.evaluation.report.looks import Look
from nlcunet.evaluation.report.markup import Cell, Head, escape, make_table, name_of, number, plural, significant


def make_summary(
    results: SetResults, looks: Mapping[str, Look], p_values: Mapping[tuple[str, str], float | None]
) -> str:
    """Means with their intervals, gains over the baseline with their tests, costs."""
    best = {measure: find_best(results, measure) for measure in results.measures}
    costs = known_costs(results)
    heads = [Head(words="system", is_number=False)]
    for measure in results.measures:
        words = words_of(measure)
        heads.append(Head(words=words.name, note=_unit_words(words)))
        if measure == results.main and results.rivals:
            heads.append(Head(words=f"gain over {results.baseline}", note=words.unit))
    heads += [Head(words=cost.head, note=cost.unit) for cost in costs]
    rows = []
    for system in results.systems:
        row = [Cell(markup=f"{looks[system.name].swatch()} {name_of(system.name)}", value=system.name)]
        for measure in results.measures:
            name, is_significant, _ = best[measure]
            row.append(_mean_cell(results, system.name, measure, is_best=is_significant and name == system.name))
            if measure == results.main and results.rivals:
                row.append(_gain_cell(results, system.name, p_values))
        rows.append(row + [_cost_cell(cost, system, results) for cost in costs])
    facts = results.facts
    caption = (
        f"<b>{name_of(facts.name)}</b>, {name_of(facts.protocol)} ×{facts.scale}: "
        f"{plural(len(results.images), 'image')}, {plural(len(results.pairs), 'pair')}"
    )
    return make_table(caption, heads, rows, row_classes=[looks[name].css_class for name in results.names])


def make_notes(results: SetResults) -> list[str]:
    """What has to be known beside the table, in sentences."""
    notes = []
    total = {name: len(results.results[name]) for name in results.names}
    if len({*total.values(), len(results.pairs)}) > 1:
        told = ", ".join(f"{name} {count:,}" for name, count in total.items())
        notes.append(
            f"Not all systems were measured on the same pairs ({told}): all numbers are of the "
            f"{plural(len(results.pairs), 'pair')} that all have."
        )
    if results.facts.pairs != len(results.pairs):
        notes.append(f"The set has {results.facts.pairs:,} pairs; {len(results.pairs):,} of them are compared here.")
    infinite = [name for name in results.names if math.isinf(estimate_mean(results, name, results.main).mean)]
    if infinite:
        notes.append(f"Infinite: at least one output of {', '.join(infinite)} equals its original exactly.")
    note = cost_note(results)
    return [*notes, note] if note else notes


def make_image_table(results: SetResults) -> str:
    """One line per image: the main measure of every system, and the differences to the baseline."""
    words = words_of(results.main)
    values = {name: results.by_image(name, results.main) for name in results.names}
    better_by = {name: gains(results, name, results.main) for name in results.rivals}
    heads = [Head(words="image", is_number=False), *(Head(words=name, note=words.unit) for name in results.names)]
    heads += [Head(words=f"{name}, gain over {results.baseline}", note=words.unit) for name in results.rivals]
    rows = []
    for image in results.images:
        row = [Cell(markup=name_of(image), value=image)]
        for name in results.names:
            value = mean_of(values[name].get(image))
            row.append(Cell(markup=number(value, words.decimals), value=value))
        for name in results.rivals:
            value = mean_of(better_by[name].get(image))
            row.append(Cell(markup=number(value, words.decimals, signed=True), value=value))
        rows.append(row)
    caption = f"{name_of(results.facts.key)}, {words.name} of each image, mean over its degradations"
    return make_table(caption, heads, rows)


def _unit_words(words: MeasureWords) -> str:
    return ", ".join(part for part in (words.unit, "" if words.more_is_better else "less is better") if part)


def mean_of(values: Sequence[float] | None) -> float:
    """The mean over the degradations of an image; NaN without any."""
    return fmean(values) if values else math.nan


def _mean_cell(results: SetResults, name: str, measure: str, *, is_best: bool) -> Cell:
    found, decimals = estimate_mean(results, name, measure), words_of(measure).decimals
    return Cell(
        markup=number(found.mean, decimals) + _interval(found.interval, decimals), value=found.mean, is_best=is_best
    )


def _gain_cell(results: SetResults, name: str, p_values: Mapping[tuple[str, str], float | None]) -> Cell:
    if name == results.baseline:
        return Cell(markup="baseline", value=0.0)
    found, decimals = estimate_gain(results, name, results.main), words_of(results.main).decimals
    p_value = p_values.get((results.facts.key, name))
    test = f"<small>p {escape(p_words(p_value))}</small>" if p_value is not None else ""
    return Cell(
        markup=number(found.mean, decimals, signed=True) + _interval(found.interval, decimals, signed=True) + test,
        value=found.mean,
    )


def p_words(p_value: float) -> str:
    """A p-value as papers print it."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}" if p_value < 0.1 else f"= {p_value:.2f}"


def _interval(interval: tuple[float, float] | None, decimals: int, *, signed: bool = False) -> str:
    if interval is None:
        return ""
    low, high = (number(bound, decimals, signed=signed) for bound in interval)
    return f"<small>{low} … {high}</small>"


def _cost_cell(cost: Cost, system: SystemFacts, results: SetResults) -> Cell:
    value, size = cost.value(system), system.cost_size_px
    own_size = value is not None and cost.depends_on_size and size is not None and common_size(results) is None
    markup = significant(value) + (f"<small>at {size}×{size}</small>" if own_size else "")
    return Cell(markup=markup, value=value)
