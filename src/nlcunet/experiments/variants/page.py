"""An experiment as one page of HTML that needs no other file, and as Markdown with its plots beside it."""

from nlcunet.evaluation.measures import MEASURES
from nlcunet.evaluation.report.figure_files import make_figure_file
from nlcunet.evaluation.report.looks import Look, choose_looks, make_legend
from nlcunet.evaluation.report.markup import Cell, Head, escape, make_section, make_table, name_of
from nlcunet.evaluation.report.page import wrap_page
from nlcunet.evaluation.report.plots import CostPoint, CurvePoint, plot_costs, plot_curves
from nlcunet.evaluation.table_blocks import title_of
from nlcunet.experiments.variants.report import (
    digits_of,
    how_to_read,
    make_markdown,
    names_compared,
    unit_of,
    verdict,
    what_was_run,
)
from nlcunet.experiments.variants.results import Results, SetResult


def make_page(results: Results) -> str:
    """The page; the same results give the same bytes."""
    looks = choose_looks(results.variants, {results.experiment.baseline})
    legend = make_legend(looks, results.variants)
    lead = [f"<p>{escape(results.experiment.question)}</p>", f"<p>{escape(what_was_run(results))}</p>"]
    sections = [
        make_section(
            "verdict",
            "Verdict",
            [
                *(_verdicts(results, measure) for measure in results.experiment.measures),
                f"<p>{escape(how_to_read(results))}</p>",
            ],
        ),
        make_section("curves", "While training", [legend, '<div class="plots">', *_curves(results, looks), "</div>"]),
        make_section("cost", "Cost and quality", [legend, '<div class="plots">', *_costs(results, looks), "</div>"]),
        make_section("results", "Results", [_quality(results, one) for one in results.sets]),
        make_section("protocol", "Protocol", _protocols(results)),
    ]
    return wrap_page(f"Experiment: {results.experiment.name}", lead, sections)


def make_files(results: Results, stem: str) -> dict[str, str]:
    """The report as Markdown and its plots as SVG, by file name; the same results give the same bytes.

    Args:
        results: What was found.
        stem: What the names of all files begin with.
    """
    looks = choose_looks(results.variants, {results.experiment.baseline})
    steps, minutes = _curves(results, looks)
    figures = {
        "steps": make_figure_file(steps, looks, results.variants),
        "minutes": make_figure_file(minutes, looks, results.variants),
        "cost": make_figure_file("".join(_costs(results, looks)[:1]), looks),
    }
    names = {key: f"{stem}-{key}.svg" for key, figure in figures.items() if figure}
    return {f"{stem}.md": make_markdown(results, names), **{name: figures[key] for key, name in names.items()}}


def _verdicts(results: Results, measure: str) -> str:
    heads = [Head(words="variant", is_number=False), *(Head(words=one.name) for one in results.sets)]
    better = 1 if MEASURES[measure].better == "higher" else -1
    rows = []
    for name, variant in names_compared(results).items():
        cells = [Cell(markup=name_of(name), value=name)]
        for one in results.sets:
            gain, interval = results.gain(one, measure, variant)
            words = verdict(gain, interval, measure=measure).replace("**", "")
            is_shown = interval is not None and not interval.low <= 0 <= interval.high
            tone = (better if gain > 0 else -better) * 0.5 if is_shown else 0.0
            cells.append(Cell(markup=escape(words), value=gain, tone=tone))
        rows.append(cells)
    return make_table(f"{escape(title_of(measure))}: difference to {name_of(results.experiment.baseline)}", heads, rows)


def _quality(results: Results, one: SetResult) -> str:
    measures = list(one.values)
    heads = [Head(words="variant", is_number=False), *(Head(words=title_of(measure)) for measure in measures)]
    heads += [Head(words=f"seed {seed}", note=title_of(measures[0])) for seed in results.seeds]
    rows = []
    for number, variant in enumerate(results.variants):
        values = {measure: results.values(one, measure)[number] for measure in measures}
        shown = [(values[measure].mean(), measure) for measure in measures]
        shown += [(seed.mean(), measures[0]) for seed in values[measures[0]]]
        cells = [Cell(markup=f"{value:.{digits_of(measure)}f}", value=float(value)) for value, measure in shown]
        rows.append([Cell(markup=name_of(variant), value=variant), *cells])
    caption = f"{name_of(one.name)}: {len(one.images)} pictures, {one.pairs} inputs"
    return make_table(caption, heads, rows)


def _protocols(results: Results) -> list[str]:
    """How inputs were made and measured, once for all sets that were treated alike."""
    texts = dict.fromkeys(one.description for one in results.sets)
    return [f'<div class="protocol">{"".join(f"<p>{escape(line)}</p>" for line in lines)}</div>' for lines in texts]


def _curves(results: Results, looks: dict[str, Look]) -> list[str]:
    curves = {variant: results.curve(variant) for variant in results.variants}
    over_steps = {name: [CurvePoint(x=float(p.step), y=p.psnr_y) for p in points] for name, points in curves.items()}
    over_time = {name: [CurvePoint(x=p.seconds / 60, y=p.psnr_y) for p in points] for name, points in curves.items()}
    return [
        plot_curves(f"Validation over {title}", shown, looks, x_title=title, y_title="PSNR Y (dB)")
        for title, shown in (("steps", over_steps), ("minutes of training", over_time))
    ]


def _costs(results: Results, looks: dict[str, Look]) -> list[str]:
    one, measure = results.sets[0], results.experiment.measures[0]
    ways: dict[str, dict[str, float | None]] = {
        "GFLOP": {name: facts.gflop for name, facts in results.costs.items()},
        "ms": {name: None if f.seconds is None else 1000 * f.seconds for name, f in results.costs.items()},
        "million parameters": {
            n: None if f.parameters is None else f.parameters / 1e6 for n, f in results.costs.items()
        },
        "minutes of training": {name: results.curve(name)[-1].seconds / 60 for name in results.variants},
    }
    plots = []
    for title, costs in ways.items():
        points = []
        for number, variant in enumerate(results.variants):
            cost = costs.get(variant)
            if cost:
                quality = float(results.values(one, measure)[number].mean())
                points.append(
                    CostPoint(name=variant, cost=float(cost), quality=quality, interval=_around(results, variant))
                )
        if len(points) > 1:
            unit = unit_of(measure)
            plots.append(
                plot_costs(
                    f"{one.name}: quality and {title}",
                    points,
                    looks,
                    cost_title=title,
                    quality_title=f"{title_of(measure)}{'' if unit.strip() in title_of(measure) else unit}",
                )
            )
    return plots


def _around(results: Results, variant: str) -> tuple[float, float] | None:
    """The interval of a gain, put around the variant's own quality."""
    if variant not in dict(results.compared):
        return None
    one, measure = results.sets[0], results.experiment.measures[0]
    gain, interval = results.gain(one, measure, variant)
    quality = float(results.values(one, measure)[results.variants.index(variant)].mean())
    return None if interval is None else (quality - gain + interval.low, quality - gain + interval.high)
