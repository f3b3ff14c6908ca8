"""An analysis told: as Markdown for people, as JSON for programs."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from nlcunet.experiments.study.analysis import Analysis, Score
from nlcunet.experiments.study.bradley_terry import PSEUDO_WINS
from nlcunet.experiments.study.exclusion import MIN_CHECKS_PASSED, MIN_MEDIAN_MS

FEWEST_FOR_A_TEST = 6
"""Six equal signs have p = 2 / 2⁶ = 0.03, five have 0.06."""


def make_markdown(analysis: Analysis, joined: int) -> str:
    """A page of tables, with what is needed to read them.

    Args:
        analysis: What the answers say.
        joined: Participants who began, whether or not they answered anything.
    """
    parts = [f"# {analysis.study.title}", _make_summary(analysis, joined)]
    excluded = [person for person in analysis.people if person.name not in analysis.kept]
    if analysis.observer:
        parts[1:1] = [f"**Nobody was asked: a model observer answered.** Its rule: {analysis.observer}."]
    elif excluded:
        rows = ((person.name, f"{len(person.answers)}", "; ".join(person.objections)) for person in excluded)
        parts.append("Excluded:\n\n" + _make_table(("participant", "answers", "why"), "l-l", rows))
    parts += [_make_scores(analysis), _make_pairs(analysis)]
    parts += [] if analysis.observer else [_make_agreement(analysis)]
    warnings = make_warnings(analysis)
    if warnings:
        parts.append("\n".join(f"- {warning}" for warning in warnings))
    return "\n\n".join(parts) + "\n"


def make_warnings(analysis: Analysis) -> tuple[str, ...]:
    """What makes the numbers weaker than they look."""
    warnings = []
    if analysis.num_units < FEWEST_FOR_A_TEST:
        warnings.append(
            f"Only {analysis.num_units} {analysis.unit}: no sign test over fewer than {FEWEST_FOR_A_TEST} can fall "
            "below 0.05, and intervals are rough."
        )
    if analysis.unit == "images" and len(analysis.kept) == 1 and not analysis.observer:
        warnings.append("One participant: this says what one person prefers, over images.")
    if analysis.is_regularised:
        warnings.append(
            f"A system, or a group of them, never lost (or never won) against the others, so that no finite score is "
            f"the most likely one; {PSEUDO_WINS} wins were added to both sides of every pair."
        )
    elif analysis.regularised_share:
        warnings.append(
            f"{PSEUDO_WINS} wins were added to both sides of every pair in "
            f"{_percent(analysis.regularised_share)} of the resamples, in which a system never lost or never won."
        )
    if any(p.objections for p in analysis.people if p.name in analysis.kept) and not analysis.observer:
        warnings.append("Answers of participants who failed attention checks or were too fast are counted.")
    return tuple(warnings)


def _make_summary(analysis: Analysis, joined: int) -> str:
    study, people = analysis.study, analysis.people
    complete = sum(person.is_complete for person in people if person.name in analysis.kept)
    images = len({crop.image for crop in study.crops})
    question = f"Question: “{study.question}” {len(study.systems)} systems, {images} images, {len(study.crops)} crops."
    if analysis.observer:
        return question
    return (
        f"{question}\n"
        f"Participants: {joined} joined, {len(people)} answered, {len(people) - len(analysis.kept)} excluded, "
        f"{len(analysis.kept)} counted ({complete} of them to the end).\n"
        f"Excluded is who passed less than {_percent(MIN_CHECKS_PASSED)} of the attention checks, or took less than "
        f"{MIN_MEDIAN_MS} ms per comparison (median)."
    )


def _make_scores(analysis: Analysis) -> str:
    heads = ("system", "score", "95 % interval", "chosen")
    rows = (
        (
            _plain(score.system),
            f"{score.score:+.2f}",
            _interval(score),
            f"{score.wins} of {score.comparisons}",
        )
        for score in analysis.scores
    )
    return (
        "Scores of Bradley and Terry: a difference is the log odds of a choice, the mean is 0. Intervals: bootstrap "
        f"over {analysis.num_units} {analysis.unit}, {analysis.resamples} resamples.\n\n"
        f"{_make_table(heads, 'l---', rows)}"
    )


def _make_pairs(analysis: Analysis) -> str:
    heads = ("pair", "chosen", f"{analysis.unit} for each", "p", "p (Holm)")
    rows = (
        (
            f"{_plain(pair.first)} : {_plain(pair.second)}",
            f"{pair.first_wins} : {pair.second_wins}",
            f"{pair.first_units} : {pair.second_units}",
            _p_value(pair.p_value),
            _p_value(pair.p_holm),
        )
        for pair in analysis.pairs
    )
    return (
        f"Sign tests over {analysis.unit}, exact and two-sided; who chose both equally often is left out.\n\n"
        + _make_table(heads, "l----", rows)
    )


def _make_agreement(analysis: Analysis) -> str:
    counts = analysis.agreement
    rows = (
        ("same choice when asked again, sides swapped", *_share(counts.repeated_same, counts.repeated)),
        ("two participants, same pictures: same choice", *_share(counts.people_same, counts.people)),
        ("choices of the left or upper picture", *_share(counts.left, counts.choices)),
    )
    return _make_table(("agreement", "count", "share"), "l--", rows)


def _make_table(heads: tuple[str, ...], alignment: str, rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; in the alignment ``l`` is left, ``-`` is right."""
    rules = ["---" if letter == "l" else "---:" for letter in alignment]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows))


def _share(count: int, total: int) -> tuple[str, str]:
    return f"{count} of {total}", _percent(count / total) if total else "–"


def _interval(score: Score) -> str:
    return "–" if score.lower is None or score.upper is None else f"{score.lower:+.2f} … {score.upper:+.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"


def _p_value(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def _plain(name: str) -> str:
    """A name that does not break a table."""
    return name.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def make_json(analysis: Analysis, joined: int) -> str:
    """Everything, for programs."""
    study = analysis.study
    document: dict[str, Any] = {
        "format": "nlcunet study analysis 1",
        "title": study.title,
        "question": study.question,
        "systems": study.systems,
        "crops": len(study.crops),
        "rules": {"min_checks_passed": MIN_CHECKS_PASSED, "min_median_ms": MIN_MEDIAN_MS},
        "answered_by": f"model observer, not people: {analysis.observer}" if analysis.observer else "people",
        "joined": joined,
        "participants": [
            {
                "participant": person.name,
                "answers": len(person.answers),
                "is_complete": person.is_complete,
                "checks_passed": person.checks_passed,
                "checks_seen": person.checks_seen,
                "median_ms": person.median_ms,
                "windows": sorted({(answer.client_width, answer.client_height) for answer in person.answers}),
                "zooms": sorted({answer.zoom for answer in person.answers}),
                "objections": person.objections,
                "is_counted": person.name in analysis.kept,
            }
            for person in (() if analysis.observer else analysis.people)
        ],
        "unit": analysis.unit,
        "units": analysis.num_units,
        "resamples": analysis.resamples,
        "scores": [asdict(score) for score in analysis.scores],
        "pairs": [asdict(pair) for pair in analysis.pairs],
        "is_regularised": analysis.is_regularised,
        "regularised_share": analysis.regularised_share,
        "agreement": asdict(analysis.agreement),
        "warnings": make_warnings(analysis),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
