"""Where a system does worst: against the baseline, and against its own input."""

import math
from collections.abc import Sequence

from nlcunet.evaluation.report.contents import SetResults, degradation_words
from nlcunet.evaluation.report.estimates import gain, words_of
from nlcunet.evaluation.report.gallery import WantedPlace, kept_records, worst_pairs
from nlcunet.evaluation.report.markup import Cell, make_heads, make_table, name_of, number, plural

WORST = 5
"""So many images are shown of each system."""
CONSISTENCY = "consistency"
"""How the names of measures begin that compare an output with its input."""


def find_failures(sets: Sequence[SetResults], system: str) -> list[WantedPlace]:
    """The images on which a system did worst against the baseline, over all its sets; alone, by its own result."""
    found = []
    for results in sets:
        if system in (results.rivals or results.names):
            against = results.baseline if results.rivals else None
            for value, pair in worst_pairs(results, system, results.main, against=against)[:WORST]:
                found.append((value, results.facts.key, pair, results))
    ordered = sorted(found, key=lambda one: one[:3])[:WORST]
    return [
        WantedPlace(results=results, pair=pair, kind="fail", system=system, note=_gain_words(results, value))
        for value, _, pair, results in ordered
    ]


def find_departures(sets: Sequence[SetResults], system: str) -> list[WantedPlace]:
    """The images whose output, degraded again, is least like its input; nothing where that was not measured."""
    found = []
    for results in sets:
        measure = next((one for one in results.measures if one.startswith(CONSISTENCY)), None)
        if measure is not None and system in (results.rivals or results.names):
            for value, pair in worst_pairs(results, system, measure, against=None)[:WORST]:
                found.append((value, results.facts.key, pair, results, measure))
    ordered = sorted(found, key=lambda one: one[:3])[:WORST]
    return [
        WantedPlace(results=results, pair=pair, kind="depart", system=system, note=_value_words(value, measure))
        for value, _, pair, results, measure in ordered
    ]


def with_pictures(wanted: Sequence[WantedPlace]) -> list[WantedPlace]:
    """Those whose output was kept."""
    return [one for one in wanted if any(r.system == one.system for r in kept_records(one.results, one.pair))]


def make_sentence(sets: Sequence[SetResults], system: str) -> str:
    """On how many pairs a system was below the baseline."""
    parts = []
    for results in sets:
        if system in results.rivals:
            gains = [gain_of(results, system, pair) for pair in results.pairs]
            below, known = sum(one < 0 for one in gains), sum(not math.isnan(one) for one in gains)
            parts.append(
                f"{below:,} of {plural(known, 'pair')} of {name_of(results.facts.key)} worse than "
                f"{name_of(results.baseline)}"
            )
    return "; ".join(parts) + "." if parts else ""


def gain_of(results: SetResults, system: str, pair: tuple[str, int]) -> float:
    """How much better than the baseline a system did on a pair."""
    own, other = (results.value(name, pair, results.main) for name in (system, results.baseline))
    return gain(own, other, results.main)


def make_table_of_failures(wanted: Sequence[WantedPlace]) -> str:
    """The same in numbers."""
    heads = make_heads(("image", "set", "degradation"), ("baseline", "system", "gain"))
    rows = []
    for one in wanted:
        results = one.results
        own, other = (results.value(name, one.pair, results.main) for name in (one.system, results.baseline))
        better_by = math.nan if one.system == results.baseline else gain_of(results, one.system, one.pair)
        decimals = words_of(results.main).decimals
        done = degradation_words(results.results[one.system][one.pair])
        rows.append(
            [
                Cell(markup=name_of(one.pair[0]), value=one.pair[0]),
                Cell(markup=name_of(results.facts.key), value=results.facts.key),
                Cell(markup=done, value=done),
                Cell(markup=number(other, decimals), value=other),
                Cell(markup=number(own, decimals), value=own),
                Cell(markup=number(better_by, decimals, signed=True), value=better_by),
            ]
        )
    name = name_of(wanted[0].system)
    words = words_of(wanted[0].results.main)
    return make_table(f"{name}: the {plural(len(wanted), 'image')} with the smallest gain in {words.name}", heads, rows)


def _gain_words(results: SetResults, value: float) -> str:
    words = words_of(results.main)
    if not results.rivals:
        return f"{words.name} {number(value, words.decimals)} {words.unit}".strip()
    return f"{number(value, words.decimals, signed=True)} {words.unit} against {name_of(results.baseline)}"


def _value_words(value: float, measure: str) -> str:
    words = words_of(measure)
    return f"{words.name} {number(value, words.decimals)} {words.unit}".strip()
