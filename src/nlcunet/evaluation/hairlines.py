"""The hairline benchmark: thin curves, degraded as any picture, enlarged by each model, scored by width.

Anybody's run is the same: scale, seed and version of `nlcunet.metrics.hairline_cases` name the pictures, and the
degradations are those of a protocol.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError
from nlcunet.evaluation.enlargers import Enlarge
from nlcunet.metrics.hairline import HairlineMean, HairlineScore, mean_by_width, score_hairlines
from nlcunet.metrics.hairline_cases import HairlineCase

PICTURES_AT_ONCE = 24


@dataclass(frozen=True, kw_only=True)
class HairlineResult:
    """How one model did on one picture and degradation."""

    model: str
    case: HairlineCase
    record: DegradationRecord
    score: HairlineScore


def run_hairlines(
    models: Mapping[str, Enlarge],
    cases: Sequence[HairlineCase],
    records: Sequence[DegradationRecord],
    *,
    on_pictures_done: Callable[[str, int], None] = lambda _model, _count: None,
) -> tuple[HairlineResult, ...]:
    """Scores every model on every picture under every degradation.

    Raises:
        ConfigError: If scales differ, or a model enlarges by another factor.
    """
    scales = {case.scale for case in cases} | {record.scale for record in records}
    if len(scales) != 1 or not cases or not records:
        raise ConfigError(
            f"hairline pictures and degradations must be given, all of one scale: got {len(cases)} and {len(records)} "
            f"of scales {sorted(scales)}"
        )
    results: list[HairlineResult] = []
    for record in records:
        for start in range(0, len(cases), PICTURES_AT_ONCE):
            some = cases[start : start + PICTURES_AT_ONCE]
            high_res = torch.stack([case.high_res for case in some])
            low_res = apply_records(high_res.double(), [record] * len(some)).float()
            for model, enlarge in models.items():
                scores = score_hairlines(enlarge(low_res), some)
                results += [
                    HairlineResult(model=model, case=case, record=record, score=score)
                    for case, score in zip(some, scores, strict=True)
                ]
                on_pictures_done(model, len(some))
    return tuple(results)


def means_of_models(results: Sequence[HairlineResult]) -> dict[str, tuple[HairlineMean, ...]]:
    """Means by width for each model, in the order of the results."""
    names = list(dict.fromkeys(result.model for result in results))
    return {
        name: mean_by_width((result.case, result.score) for result in results if result.model == name) for name in names
    }


def make_hairline_table(means: Mapping[str, Sequence[HairlineMean]]) -> tuple[str, ...]:
    """Markdown rows: contrast kept ± its distance from 1, and false lines on flat and on textured ground, by width."""
    head = "| width (LR px) | " + " | ".join(means) + " |"
    rows = [head, "|---|" + "---|" * len(means)]
    for parts in zip(*means.values(), strict=True):
        cells = [
            f"{mean.contrast_kept:.2f} ± {mean.contrast_error:.2f}; {mean.false_lines_flat:.2f}, "
            f"{mean.false_lines_textured:.2f}"
            for mean in parts
        ]
        rows.append(f"| {parts[0].width_low_res_px:.1f} | " + " | ".join(cells) + " |")
    return tuple(rows)
