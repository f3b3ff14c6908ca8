"""The hairline benchmark: thin curves, degraded as any picture, enlarged by each model, scored by width.

Anybody's run is the same: scale, seed and version of `nlcunet.metrics.hairline_cases` name the pictures, and the
degradations are those of a protocol.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError
from nlcunet.evaluation.enlargers import LANCZOS, Enlarge, lanczos_enlarger, whole_picture_enlarger
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.statistics import Interval, paired_interval
from nlcunet.evaluation.systems import load_systems
from nlcunet.metrics.hairline import HairlineScore, score_hairlines
from nlcunet.metrics.hairline_cases import (
    GROUNDS,
    HAIRLINE_VERSION,
    Ground,
    HairlineCase,
    hairlines_sha256,
    make_hairline_cases,
)

PICTURES_AT_ONCE = 24

HairlineMeasure: TypeAlias = Literal["contrast_kept", "contrast_error", "false_lines"]
"""Contrast along the true lines over that of the original; how far that is from 1; lines that are not there."""


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


def load_enlargers(names: Iterable[str], scale: int, device: torch.device) -> tuple[dict[str, Enlarge], dict[str, str]]:
    """Bicubic, Lanczos and networks by name, and the SHA-256 of the weights files of those that have one.

    Args:
        names: Networks, as `load_systems` takes them.
        scale: What all must enlarge by.
        device: Where to compute.

    Raises:
        ConfigError: If one enlarges by another factor, or two have one name.
        WeightsError: If there is no such model.
    """
    bicubic, *networks = load_systems(names, scale, device)
    if any(system.facts.name == LANCZOS for system in networks):
        raise ConfigError(f"systems must have names of their own: two are called {LANCZOS}; say NAME=…")
    loaded = {one.facts.name: whole_picture_enlarger(one.model, device) for one in (bicubic, *networks) if one.model}
    models = {bicubic.facts.name: loaded[bicubic.facts.name], LANCZOS: lanczos_enlarger(scale), **loaded}
    return models, {one.facts.name: one.facts.sha256 for one in networks if one.facts.sha256}


class HairlineFindings(BaseModel):
    """What became of thin lines: a score for each model and picture, the mean over the degradations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    """`HAIRLINE_VERSION` of the pictures and scores."""
    scale: int
    seed: int
    """Of the pictures."""
    pictures_sha256: str
    """See `hairlines_sha256`."""
    sigmas_px: tuple[float, ...]
    """Blurs of the inputs."""
    weights: dict[str, str]
    """SHA-256 of the weights file, by model, of those that have one."""
    widths_low_res_px: tuple[float, ...]
    """Width of the curves, by picture."""
    grounds: tuple[Ground, ...]
    """Likewise."""
    scores: dict[str, dict[HairlineMeasure, tuple[float, ...]]]
    """By model and measure, in the order of the pictures."""

    @property
    def widths(self) -> tuple[float, ...]:
        """Each width once, thinnest first."""
        return tuple(sorted(set(self.widths_low_res_px)))

    def values(
        self, measure: HairlineMeasure, *, width: float | None = None, ground: Ground | None = None
    ) -> Float[np.ndarray, "models pictures"]:
        """A measure by model and picture, of all pictures or of those of a width or ground."""
        chosen = [
            width in {None, own_width} and ground in {None, own_ground}
            for own_width, own_ground in zip(self.widths_low_res_px, self.grounds, strict=True)
        ]
        return np.array([of_model[measure] for of_model in self.scores.values()])[:, chosen]

    def gain(
        self, measure: HairlineMeasure, model: str, baseline: str, width: float | None = None
    ) -> tuple[float, Interval | None]:
        """By how much a model is above another, with its interval over pictures; for the weights as they are."""
        names = list(self.scores)
        values = self.values(measure, width=width)[:, None]
        index, base = names.index(model), names.index(baseline)
        return float((values[index] - values[base]).mean()), paired_interval(values, index, base, counts_seeds=False)


def find_hairlines(
    models: Mapping[str, Enlarge],
    weights: Mapping[str, str],
    scale: int,
    *,
    sigmas_px: Sequence[float] = (),
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> HairlineFindings:
    """The benchmark: pictures of a seed under Gaussian8's blurs.

    Args:
        models: By name, in the order of the table.
        weights: SHA-256 of the weights file, by model.
        scale: That of the models.
        sigmas_px: Only these blurs; by default all eight.
        seed: What the pictures are drawn from.
        on_progress: Called with the number of enlarged pictures and of all.

    Raises:
        ConfigError: If a blur is not Gaussian8's, or a model enlarges by another factor.
    """
    records = [record for _, record in find_protocol("gaussian8", scale, sigmas_px).records("hairlines")]
    cases = make_hairline_cases(scale, seed)
    total, done = len(models) * len(cases) * len(records), 0

    def tell(_model: str, pictures: int) -> None:
        nonlocal done
        done += pictures
        on_progress(done, total)

    results = run_hairlines(models, cases, records, on_pictures_done=tell)
    return collect_findings(results, cases, seed=seed, weights=weights)


def collect_findings(
    results: Sequence[HairlineResult], cases: Sequence[HairlineCase], *, seed: int, weights: Mapping[str, str]
) -> HairlineFindings:
    """What `run_hairlines` found, by picture.

    Args:
        results: All of it.
        cases: The pictures, in order.
        seed: What they were drawn from.
        weights: SHA-256 of the weights file, by model.
    """
    scores: dict[tuple[str, int], list[HairlineScore]] = defaultdict(list)
    numbers = {id(case): number for number, case in enumerate(cases)}
    for result in results:
        scores[result.model, numbers[id(result.case)]].append(result.score)
    means: dict[HairlineMeasure, Callable[[HairlineScore], float]] = {
        "contrast_kept": lambda score: score.contrast_kept,
        "contrast_error": lambda score: abs(score.contrast_kept - 1),
        "false_lines": lambda score: score.false_lines,
    }
    return HairlineFindings(
        version=HAIRLINE_VERSION,
        scale=cases[0].scale,
        seed=seed,
        pictures_sha256=hairlines_sha256(cases),
        sigmas_px=tuple(sorted({result.record.sigma_px for result in results})),
        weights=dict(weights),
        widths_low_res_px=tuple(case.width_low_res_px for case in cases),
        grounds=tuple(case.ground for case in cases),
        scores={
            model: {
                name: tuple(round(fmean(map(of, scores[model, number])), 5) for number in range(len(cases)))
                for name, of in means.items()
            }
            for model in dict.fromkeys(result.model for result in results)
        },
    )


def make_hairline_table(findings: HairlineFindings) -> tuple[str, ...]:
    """Markdown rows: contrast kept ± its distance from 1, and false lines on flat and on textured ground, by width."""
    rows = [f"| width (LR px) | {' | '.join(findings.scores)} |", "|---|" + "---|" * len(findings.scores)]
    for width in findings.widths:
        kept, error = (findings.values(name, width=width).mean(axis=1) for name in ("contrast_kept", "contrast_error"))
        flat, textured = (findings.values("false_lines", width=width, ground=g).mean(axis=1) for g in GROUNDS)
        cells = [f"{k:.2f} ± {e:.2f}; {f:.2f}, {t:.2f}" for k, e, f, t in zip(kept, error, flat, textured, strict=True)]
        rows.append(f"| {width:.1f} | {' | '.join(cells)} |")
    return tuple(rows)
