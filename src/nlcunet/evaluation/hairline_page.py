"""The hairline benchmark as a page, in Markdown or HTML: contrast kept by width, and verdicts against a baseline."""

from collections.abc import Iterator

from nlcunet.evaluation.hairlines import HairlineFindings, HairlineMeasure, make_hairline_table
from nlcunet.evaluation.report.looks import choose_looks, make_legend
from nlcunet.evaluation.report.markup import Cell, Head, escape, make_section, make_table, name_of
from nlcunet.evaluation.report.page import wrap_page
from nlcunet.evaluation.report.plots import CurvePoint, plot_curves
from nlcunet.evaluation.statistics import CONFIDENCE
from nlcunet.evaluation.verdicts import verdict

JUDGED: dict[HairlineMeasure, str] = {
    "contrast_error": "Distance of the contrast kept from 1",
    "false_lines": "False lines per 100 LR pixels",
}
"""What verdicts are about, less being better."""
CAPTION = "Contrast kept ± its mean distance from 1; false lines per 100 LR pixels on flat, on textured ground."


def what_was_measured(findings: HairlineFindings) -> tuple[str, ...]:
    """Pictures and inputs, in plain text."""
    blurs = ", ".join(f"{sigma:.2f}" for sigma in findings.sigmas_px)
    pictures = f"version {findings.version}, seed {findings.seed}: {len(findings.grounds)} pictures."
    return (
        f"Hairlines ×{findings.scale}, {pictures}",
        f"SHA-256 of their pixels: {findings.pictures_sha256}.",
        f"Input: 21×21 isotropic Gaussian blur of sigma {blurs} px; MATLAB bicubic downsampling; 8 bits.",
    )


def verdict_rows(
    findings: HairlineFindings, measure: HairlineMeasure, baseline: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """What is shown of each model against the baseline: over all widths, then width by width."""
    for width in (None, *findings.widths):
        cells = {}
        for model in findings.scores:
            if model != baseline:
                gain, interval = findings.gain(measure, model, baseline, width)
                cells[model] = verdict(gain, interval, better="lower", unit="", digits=3, lacking="one picture")
        yield "all" if width is None else f"{width:.1f}", cells


def verdict_table(findings: HairlineFindings, measure: HairlineMeasure, baseline: str) -> str:
    """The same as a table of Markdown."""
    models = [model for model in findings.scores if model != baseline]
    lines = [f"| width (LR px) | {' | '.join(models)} |", "|---|" + "---|" * len(models)]
    lines += [
        f"| {width} | {' | '.join(cells.values())} |" for width, cells in verdict_rows(findings, measure, baseline)
    ]
    return "\n".join(lines)


def how_to_read(findings: HairlineFindings, baseline: str) -> str:
    """What a verdict means: in plain text."""
    count = (len(findings.scores) - 1) * len(JUDGED) * (1 + len(findings.widths))
    return (
        f"A verdict is the {CONFIDENCE:.0%} interval of the difference to {baseline}, over pictures of other lines, "
        "paired; the blurs of one picture are averaged first. It is about these weights: another training of the same "
        "network may do otherwise. Where the interval holds zero, nothing is shown either way. Of these "
        f"{count} comparisons, one in twenty would look like a difference by chance."
    )


def make_markdown(findings: HairlineFindings, baseline: str) -> str:
    """The page; the same findings give the same bytes."""
    parts = [
        "# Hairlines",
        "  \n".join((*what_was_measured(findings), CAPTION)),
        "\n".join(make_hairline_table(findings)),
        f"## Against {baseline}",
    ]
    for measure, title in JUDGED.items():
        parts += [f"{title}, less being better:", verdict_table(findings, measure, baseline)]
    return "\n\n".join((*parts, how_to_read(findings, baseline))) + "\n"


def plot_contrast(findings: HairlineFindings) -> str:
    """Contrast kept over the width of the lines; 1 is that of the original."""
    curves: dict[str, list[CurvePoint]] = {model: [] for model in findings.scores}
    for width in findings.widths:
        means = findings.values("contrast_kept", width=width).mean(axis=1)
        for points, kept in zip(curves.values(), means, strict=True):
            points.append(CurvePoint(x=width, y=float(kept)))
    looks = choose_looks(list(curves), {next(iter(curves))})
    return plot_curves(
        "Contrast kept, 1 being right", curves, looks, x_title="width of lines (LR pixels)", y_title="contrast kept"
    )


def make_page(findings: HairlineFindings, baseline: str) -> str:
    """One page of HTML that needs no other file."""
    looks = choose_looks(list(findings.scores), {next(iter(findings.scores))})
    lead = [f"<p>{escape(line)}</p>" for line in what_was_measured(findings)]
    sections = [
        make_section("contrast", "Contrast kept", [make_legend(looks, list(looks)), plot_contrast(findings)]),
        make_section(
            "verdict",
            f"Against {baseline}",
            [
                *(_verdicts(findings, measure, baseline) for measure in JUDGED),
                f"<p>{escape(how_to_read(findings, baseline))}</p>",
            ],
        ),
    ]
    return wrap_page(f"Hairlines ×{findings.scale}", lead, sections)


def _verdicts(findings: HairlineFindings, measure: HairlineMeasure, baseline: str) -> str:
    heads = [Head(words="width (LR px)", is_number=False)]
    heads += [Head(words=model) for model in findings.scores if model != baseline]
    rows = []
    for width, cells in verdict_rows(findings, measure, baseline):
        words = [Cell(markup=escape(text.replace("**", "")), tone=_tone(text)) for text in cells.values()]
        rows.append([Cell(markup=escape(width)), *words])
    return make_table(f"{escape(JUDGED[measure])}: difference to {name_of(baseline)}", heads, rows)


def _tone(words: str) -> float:
    return 0.5 if words.startswith("**better") else -0.5 if words.startswith("**worse") else 0.0
