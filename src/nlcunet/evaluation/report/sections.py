"""The sections of numbers: protocol, tables, plots."""

from collections.abc import Mapping, Sequence
from math import isinf

from nlcunet.evaluation.records import Records
from nlcunet.evaluation.report.contents import Pair, SetResults
from nlcunet.evaluation.report.costs import COSTS, Cost
from nlcunet.evaluation.report.degradations import make_curves, make_surfaces
from nlcunet.evaluation.report.estimates import (
    LEVEL,
    correct_p_values,
    estimate_gain,
    estimate_mean,
    find_best,
    gains,
    words_of,
)
from nlcunet.evaluation.report.looks import Look, make_legend
from nlcunet.evaluation.report.markup import Cell, Head, escape, make_table, name_of, plural
from nlcunet.evaluation.report.plots import CostPoint, Swarm, SwarmDot, plot_costs, plot_swarms
from nlcunet.evaluation.report.summary import make_image_table, make_notes, make_summary, mean_of
from nlcunet.evaluation.table import make_groups
from nlcunet.evaluation.table_blocks import TableBlock, published_block
from nlcunet.evaluation.table_conditions import blocks_of_set

PUBLISHED_MEASURES = ("psnr_y", "ssim_y")


def make_lead(sets: Sequence[SetResults]) -> list[str]:
    """What it comes to, one sentence for each set."""
    sentences = []
    for results in sets:
        words = words_of(results.main)
        finite = [pair for pair in results.pairs if not _has_perfect_copy(results, pair)]
        where = (
            ""
            if len(finite) == len(results.pairs)
            else f" over the {plural(len(finite), 'pair')} without perfect copies"
        )
        best, is_significant, p_value = find_best(results, results.main, finite)
        if not best:
            told = "every pair has a perfect copy" if not finite else f"no picture has a {words.name}"
            sentences.append(f"<li>{name_of(results.facts.key)}: {told}, so that there is no mean to compare.</li>")
            continue
        value = words.with_unit(estimate_mean(results, best, results.main, finite).mean)
        sentence = f"{name_of(results.facts.key)}: {name_of(best)} has the best mean {words.name}{where}, {value}"
        if len(results.names) > 1:
            others = [name for name in results.names if name != best]
            told = "significant" if is_significant else f"not significant (p = {p_value:.2f})"
            sentence += f"; its lead over {name_of(others[0]) if len(others) == 1 else 'every other system'} is {told}"
        sentences.append(f"<li>{sentence}.</li>")
    return [f"<ul class='lead'>{''.join(sentences)}</ul>"]


def _has_perfect_copy(results: SetResults, pair: Pair) -> bool:
    """Whether an output equals its original, so that its decibels are infinite and every mean with them."""
    return any(isinf(results.value(name, pair, results.main)) for name in results.names)


def make_protocols(sets: Sequence[SetResults]) -> list[str]:
    """How things were measured, once for all sets that were measured alike."""
    by_text: dict[tuple[str, ...], list[str]] = {}
    for one in sets:
        by_text.setdefault(one.facts.description, []).append(one.facts.name)
    return [
        f'<div class="protocol">{"".join(f"<p>{escape(line)}</p>" for line in text)}'
        f'<p class="soft">Sets: {", ".join(map(name_of, names))}.</p></div>'
        for text, names in by_text.items()
    ]


def make_results(sets: Sequence[SetResults], looks: Mapping[str, Look]) -> list[str]:
    """A table for each set, and how to read it."""
    rule = (
        "Below each mean stands its 95 % interval, by resampling images (bootstrap, BCa). A gain is the mean "
        "difference to the baseline, image by image, with its own interval and the p-value of a paired sign-flip test, "
        "corrected for the number of tests (Holm). The best value of a column is marked only where it differs from "
        f"every other system at p &lt; {LEVEL:g}, corrected likewise. With fewer than 6 images no p-value can be that "
        "small, and nothing is marked."
    )
    parts, p_values = [f"<p>{rule}</p>"], correct_p_values(sets)
    for results in sets:
        parts.append(make_summary(results, looks, p_values))
        parts += [f'<p class="soft">{escape(note)}</p>' for note in make_notes(results)]
    return parts


def make_published(records: Records) -> list[str]:
    """What others have published for these sets: beside our numbers, not among them."""
    blocks = [published_block(group, PUBLISHED_MEASURES) for group in make_groups(records)]
    return [_block_table(block) for block in blocks if block is not None]


def _block_table(block: TableBlock) -> str:
    heads = [Head(words=words, is_number=0 < n < len(block.heads) - 1) for n, words in enumerate(block.heads)]
    rows = [[Cell(markup=escape(cell), value=_number_in(cell)) for cell in row] for row in block.rows]
    return make_table(escape(block.title), heads, rows)


def _number_in(cell: str) -> float | str:
    """By what a cell is sorted: its first number, or its words."""
    try:
        return float(cell.split(" ", 1)[0])
    except ValueError:
        return cell


def make_costs(sets: Sequence[SetResults], looks: Mapping[str, Look]) -> list[str]:
    """Quality over operations and over time, for each set."""
    plots = [plot for results in sets for cost in COSTS[1:3] if (plot := _plot_cost(results, cost, looks))]
    if not plots:
        return ["<p>Costs of fewer than two systems of a set are known: there is nothing to compare.</p>"]
    bars = (
        "Bars are the 95 % interval of the gain over the baseline. The dotted line joins systems that no cheaper one "
        "beats."
    )
    missing = dict.fromkeys(
        one.name for results in sets for one in results.systems if one.gflop is None and one.seconds is None
    )
    note = [f"<p class='soft'>Without known costs: {', '.join(map(name_of, missing))}.</p>"] if missing else []
    return [f"<p>{bars}</p>", f'<div class="plots">{"".join(plots)}</div>', *note]


def _plot_cost(results: SetResults, cost: Cost, looks: Mapping[str, Look]) -> str:
    """One set, one cost; nothing unless two systems can be compared."""
    words, points = words_of(results.main), []
    for system in results.systems:
        value, found = cost.value(system), estimate_mean(results, system.name, results.main)
        if value is None or value <= 0 or isinf(found.mean):
            continue
        interval = None
        if system.name != results.baseline:
            gained = estimate_gain(results, system.name, results.main)
            if gained.interval is not None:
                low, high = gained.interval
                interval = (found.mean + low - gained.mean, found.mean + high - gained.mean)
        points.append(CostPoint(name=system.name, cost=value, quality=found.mean, interval=interval))
    if len(points) < 2:
        return ""
    return plot_costs(
        f"{results.facts.key}, {cost.head}",
        points,
        looks,
        cost_title=f"{cost.head} ({cost.unit})",
        quality_title=words.title,
    )


def make_degradations(sets: Sequence[SetResults], looks: Mapping[str, Look]) -> list[str]:
    """Curves and surfaces, of sets that have them."""
    titles = {one.facts.key: words_of(one.main).title for one in sets}
    plots = [plot for one in sets for plot in make_curves(one, looks, titles[one.facts.key])]
    surfaces = [table for one in sets for table in make_surfaces(one, titles[one.facts.key])]
    names = list(dict.fromkeys(name for one in sets for name in one.names))
    parts = []
    if plots:
        parts += [
            "<p>Mean over images at each strength of the blur; bands are 95 % intervals of the gain.</p>",
            make_legend(looks, names),
            f'<div class="plots">{"".join(plots)}</div>',
        ]
    return parts + surfaces + [_block_table(block) for one in sets for block in _condition_blocks(one)]


def _condition_blocks(results: SetResults) -> list[TableBlock]:
    by_system = {name: tuple(results.results[name][pair] for pair in results.pairs) for name in results.names}
    if not any(one.condition for pairs in by_system.values() for one in pairs):
        return []
    return blocks_of_set(results.facts.name, by_system, [results.main], results.baseline)


def make_images(sets: Sequence[SetResults], looks: Mapping[str, Look]) -> list[str]:
    """Differences to the baseline, one dot per image, and all numbers."""
    plots = []
    for results in sets:
        words, swarms = words_of(results.main), []
        for name in results.rivals:
            found = estimate_gain(results, name, results.main)
            better_by = gains(results, name, results.main)
            dots = tuple(SwarmDot(image=image, value=mean_of(values)) for image, values in better_by.items())
            swarms.append(Swarm(name=name, dots=dots, mean=found.mean, interval=found.interval))
        title = f"gain over {results.baseline}, {words.title}"
        plots.append(plot_swarms(results.facts.key, swarms, looks, x_title=title) if swarms else "")
    shown = "".join(plots)
    parts = []
    if shown:
        rule = (
            "Each dot is an image, the mean over its degradations; right of the dashed line a system is better than "
            "the baseline. Below the dots: the mean and its 95 % interval. Point at a dot for the name of the image."
        )
        parts = [f"<p>{rule}</p>", f'<div class="plots">{shown}</div>']
    for results in sets:
        count = plural(len(results.images), "image")
        summary = f"<summary>Numbers of {count}, {name_of(results.facts.key)}</summary>"
        parts.append(f"<details>{summary}{make_image_table(results)}</details>")
    return parts
