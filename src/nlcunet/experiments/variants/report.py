"""An experiment as a page of Markdown: verdicts first, then numbers, costs and curves."""

from collections.abc import Iterable, Mapping, Sequence

from nlcunet.evaluation import verdicts
from nlcunet.evaluation.measures import MEASURES
from nlcunet.evaluation.statistics import CONFIDENCE, Interval
from nlcunet.evaluation.table_blocks import title_of
from nlcunet.experiments.variants.results import BICUBIC, Results, SetResult

FIGURES = {
    "cost": "quality and cost of each variant",
    "steps": "validation over steps",
    "minutes": "validation over minutes of training",
}
"""Plots that may stand in the page: what they show."""


def make_markdown(results: Results, figures: Mapping[str, str] | None = None) -> str:
    """The page; the same results give the same bytes.

    Args:
        results: What was found.
        figures: Addresses of plots, by key of `FIGURES`; those that are not there are left out.
    """
    shown = {key: f"![{FIGURES[key]}]({address})" for key, address in (figures or {}).items()}
    parts = [
        f"# {results.experiment.name}",
        results.experiment.question,
        what_was_run(results),
        f"```sh\nnlcunet experiment run {results.experiment.name} --budget {results.budget}\n```",
        "## Verdict",
        verdict_tables(results),
        how_to_read(results),
    ]
    for one in results.sets:
        parts += [f"## {one.name}", _quality(results, one)]
    descriptions = dict.fromkeys("  \n".join(one.description) for one in results.sets)
    parts += ["## How inputs were made and measured", *descriptions]
    parts += ["## Cost", _costs(results), shown.get("cost", "")]
    parts += ["## While training", shown.get("steps", ""), shown.get("minutes", ""), _curves(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def what_was_run(results: Results) -> str:
    """Recipe, budget, seeds, photographs, machine: in plain text."""
    budget = results.experiment.budgets[results.budget]
    steps = {run.steps for run in results.runs}
    told = f"{min(steps):,} to {max(steps):,} steps" if len(steps) > 1 else f"{min(steps):,} steps"
    batches = {run.batch for run in results.runs}
    told += f" of {batches.pop()} patches" if len(batches) == 1 else ""
    told += "" if budget.minutes is None else f", as many as fit into {budget.minutes:g} minutes of processor time"
    made = results.made
    unfinished = f" Not finished, and not counted: {', '.join(results.unfinished)}." if results.unfinished else ""
    return (
        f"Recipe {results.experiment.recipe}, budget {results.budget}: {told}; seeds "
        f"{', '.join(map(str, results.seeds))}. Trained on {results.photographs}. The baseline is "
        f"{results.experiment.baseline}. Made on {made['date']} by nlcunet {made['nlcunet']}, torch {made['torch']}, "
        f"{made['machine']}.{unfinished}"
    )


def verdict_tables(results: Results) -> str:
    """What is shown of each variant on each set, as tables of Markdown, one for each measure."""
    tables = []
    for measure in results.experiment.measures:
        heads = [title_of(measure), *(one.name for one in results.sets)]
        rows = [
            [name, *(verdict(*results.gain(one, measure, variant), measure=measure) for one in results.sets)]
            for name, variant in names_compared(results).items()
        ]
        tables.append(make_table(heads, rows))
    return "\n\n".join(tables)


def names_compared(results: Results) -> dict[str, str]:
    """Variants that are compared, by what they are called; with their rival, where it is not the baseline."""
    return {
        variant if rival == results.experiment.baseline else f"{variant} against {rival}": variant
        for variant, rival in results.compared
    }


def verdict(gain: float, interval: Interval | None, *, measure: str) -> str:
    """What an interval allows to say: better or worse by how much, or not shown."""
    return verdicts.verdict(
        gain,
        interval,
        better=MEASURES[measure].better,
        unit=unit_of(measure),
        digits=digits_of(measure) + 1,
        lacking="one seed",
    )


def how_to_read(results: Results) -> str:
    """What a verdict means: in plain text."""
    count = len(results.compared) * len(results.sets) * len(results.experiment.measures)
    return (
        f"A verdict is the {CONFIDENCE:.0%} interval of the difference to the baseline, over pictures and over seeds: "
        "with the same seed both saw the same patches in the same order. How much seeds differ is estimated from all "
        f"variants together ({len(results.seeds)} seeds each). Where the interval holds zero, nothing is shown either "
        f"way. Of these {count} comparisons, one in twenty would look like a difference by chance."
    )


def _quality(results: Results, one: SetResult) -> str:
    measures = list(one.values)
    heads = ["variant"]
    heads += [title_of(measure) for measure in measures]
    heads += ["by seed", "gain"]
    rows = []
    if all(BICUBIC in by_system for by_system in one.values.values()):
        means = [_mean(one.values[measure][BICUBIC]) for measure in measures]
        rows.append([BICUBIC, *(f"{mean:.{digits_of(m)}f}" for m, mean in zip(measures, means, strict=True)), "", ""])
    first = results.experiment.measures[0]
    for variant in results.variants:
        values = {m: results.values(one, m)[results.variants.index(variant)] for m in measures}
        seeds = ", ".join(f"{seed.mean():.{digits_of(first)}f}" for seed in values[first])
        own = [f"{values[m].mean():.{digits_of(m)}f}" for m in measures]
        rows.append([variant, *own, seeds, gain_in_words(results, one, variant)])
    left_out = (
        f" Left out, since some network gives them back exactly: {', '.join(one.left_out)}." if one.left_out else ""
    )
    return f"{len(one.images)} pictures, {one.pairs} inputs.{left_out}\n\n{make_table(heads, rows)}"


def gain_in_words(results: Results, one: SetResult, variant: str) -> str:
    """A gain with its interval, of the first measure; empty where a variant is not compared."""
    if variant not in dict(results.compared):
        return ""
    measure = results.experiment.measures[0]
    gain, interval = results.gain(one, measure, variant)
    between = "" if interval is None else f" [{signed(interval.low, measure)}, {signed(interval.high, measure)}]"
    return f"{signed(gain, measure)}{between}"


def _costs(results: Results) -> str:
    one = results.sets[0]
    heads = ["variant", "parameters", "GFLOP", "ms", "MiB", "training, minutes", f"gain on {one.name}"]
    rows = []
    for variant in results.variants:
        facts, curve = results.costs.get(variant), results.curve(variant)
        known = ["–"] * 4
        if facts is not None:
            known = [
                "–" if facts.parameters is None else f"{facts.parameters:,}",
                "–" if facts.gflop is None else f"{facts.gflop:.2f}",
                "–" if facts.seconds is None else f"{1000 * facts.seconds:.0f}",
                "–" if facts.peak_mib is None else f"{facts.peak_mib:.0f}",
            ]
        rows.append(
            [variant, *known, f"{curve[-1].seconds / 60:.1f}" if curve else "–", gain_in_words(results, one, variant)]
        )
    facts = next(iter(results.costs.values()), None)
    at = "" if facts is None else f"One input of {facts.cost_size_px}×{facts.cost_size_px} pixels, {facts.machine}.\n\n"
    return f"{at}{make_table(heads, rows)}"


def _curves(results: Results) -> str:
    curves = {variant: results.curve(variant) for variant in results.variants}
    count = min(len(points) for points in curves.values())
    chosen = sorted({round(n * (count - 1) / 6) for n in range(7)}) if count > 1 else [0]
    base = curves[results.experiment.baseline]
    heads = ["variant", *(f"{base[number].step:,}" for number in chosen)]
    rows = [[variant, *(f"{points[n].psnr_y:.2f}" for n in chosen)] for variant, points in curves.items()]
    told = "Validation PSNR on Y in dB, after so many steps of the baseline or as large a share of a variant's own."
    return f"{told}\n\n{make_table(heads, rows)}"


def make_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, the first column left, all others right."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def unit_of(measure: str) -> str:
    """What stands behind a number of a measure."""
    unit = MEASURES[measure].unit
    return f" {unit}" if unit else ""


def digits_of(measure: str) -> int:
    """Decimals of a measure in tables: two for decibels, four for what lies within 1."""
    return 2 if MEASURES[measure].unit == "dB" else 4


def signed(value: float, measure: str) -> str:
    """A difference with its sign, and a decimal more than the values have; no sign for what is rounded to zero."""
    return verdicts.signed(value, digits_of(measure) + 1)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
