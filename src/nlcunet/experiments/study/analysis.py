"""From answers to scores with intervals, tests, and how far people agree with themselves and each other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from jaxtyping import Float

from nlcunet.errors import DataError
from nlcunet.evaluation.statistics import holm, sign_test
from nlcunet.experiments.study.answers import Answer
from nlcunet.experiments.study.bootstrap import bootstrap
from nlcunet.experiments.study.bradley_terry import fit_strengths
from nlcunet.experiments.study.design import Study
from nlcunet.experiments.study.exclusion import Person, examine_people
from nlcunet.experiments.study.sessions import count_trials


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Counts; a share is ``same / of``."""

    repeated_same: int
    """Repeated comparisons, sides swapped, in which the same system was chosen again."""
    repeated: int
    """All repeated comparisons."""
    people_same: int
    """Pairs of participants who compared the same pictures and chose the same."""
    people: int
    """All pairs of participants who compared the same pictures."""
    left: int
    """Choices of the left (or upper) picture."""
    choices: int
    """All choices between two systems, repeated ones included."""


def measure_agreement(answers: Sequence[Answer]) -> Agreement:
    """Agreement in the answers of those who count."""
    first = {_key(answer): answer.chosen for answer in answers if answer.kind == "pair"}
    again = [answer for answer in answers if answer.kind == "repeat" and _key(answer) in first]
    votes: dict[tuple[int, frozenset[str]], Counter[str]] = {}
    for (_, crop, names), chosen in first.items():
        votes.setdefault((crop, names), Counter())[chosen] += 1
    shown = [answer for answer in answers if answer.kind != "check"]
    return Agreement(
        repeated_same=sum(answer.chosen == first[_key(answer)] for answer in again),
        repeated=len(again),
        people_same=sum(_pairs(count) for counter in votes.values() for count in counter.values()),
        people=sum(_pairs(counter.total()) for counter in votes.values()),
        left=sum(answer.choice == "left" for answer in shown),
        choices=len(shown),
    )


def _key(answer: Answer) -> tuple[str, int, frozenset[str]]:
    return answer.participant, answer.crop, frozenset((answer.left, answer.right))


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


RESAMPLES = 2000

Unit = Literal["participants", "images"]
"""What is drawn anew in the bootstrap and counted in sign tests: what another study would have others of."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Strength of a system."""

    system: str
    """Its name."""
    score: float
    """Log strength, the mean over systems being 0."""
    lower: float | None
    """Lower end of the 95 % interval; ``None`` where there is a single participant and image."""
    upper: float | None
    """Its upper end, likewise."""
    wins: int
    """How often it was chosen."""
    comparisons: int
    """How often it could have been."""


@dataclass(frozen=True, kw_only=True)
class PairResult:
    """Two systems against each other."""

    first: str
    second: str
    first_wins: int
    """Choices of the first."""
    second_wins: int
    """Choices of the second."""
    first_units: int
    """Participants (or images) with more choices of the first."""
    second_units: int
    """Participants (or images) with more choices of the second."""
    p_value: float
    """Exact two-sided sign test over these."""
    p_holm: float
    """The same, corrected for the number of pairs."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """All that the answers say."""

    study: Study
    people: tuple[Person, ...]
    """Everybody who answered anything."""
    kept: tuple[str, ...]
    """Names of those whose answers count."""
    unit: Unit
    num_units: int
    """How many of them."""
    resamples: int
    scores: tuple[Score, ...]
    """The strongest first."""
    pairs: tuple[PairResult, ...]
    is_regularised: bool
    """Whether pseudo-wins were needed for the scores."""
    regularised_share: float
    """Share of the resamples that needed them."""
    agreement: Agreement
    observer: str
    """By which rule a model answered in the place of people; empty where people did."""


def analyse(
    study: Study,
    answers: Sequence[Answer],
    *,
    keeps_all: bool = False,
    unit: Unit | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    observer: str = "",
) -> Analysis:
    """Evaluate a study.

    Args:
        study: What was asked.
        answers: What was answered.
        keeps_all: Count answers of those, too, who failed attention checks or were too fast.
        unit: What another study would have others of; ``None``: participants, or images if there is one participant.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
        observer: By which rule a model answered, if it was not people.

    Raises:
        DataError: there is no answer that counts, or one does not belong to the study.
    """
    _check_answers(study, answers)
    people = examine_people(answers, study, count_trials(study))
    kept = tuple(person for person in people if keeps_all or not person.objections)
    counted = [answer for person in kept for answer in person.answers if answer.kind == "pair"]
    if not counted:
        raise DataError(
            f"an analysis needs answers that count: got {len(answers)} answers of {len(people)} participants, "
            f"{len(people) - len(kept)} of them excluded; wait for more, or use --keep-all"
        )
    unit = unit or ("participants" if len({answer.participant for answer in counted}) > 1 else "images")
    wins = count_wins(study, counted, unit)
    fitted = fit_strengths(wins.sum(axis=0, keepdims=True))
    intervals = bootstrap(wins, resamples, seed)
    total = wins.sum(axis=0)
    scores = [
        Score(
            system=name,
            score=float(fitted.scores[0, index]),
            lower=None if intervals is None else float(intervals.lower[index]),
            upper=None if intervals is None else float(intervals.upper[index]),
            wins=round(total[index].sum()),
            comparisons=round(total[index].sum() + total[:, index].sum()),
        )
        for index, name in enumerate(study.systems)
    ]
    return Analysis(
        study=study,
        people=people,
        kept=tuple(person.name for person in kept),
        unit=unit,
        num_units=len(wins),
        resamples=resamples,
        scores=tuple(sorted(scores, key=lambda score: -score.score)),
        pairs=_test_pairs(study, wins),
        is_regularised=bool(fitted.is_regularised[0]),
        regularised_share=0.0 if intervals is None else intervals.regularised_share,
        agreement=measure_agreement([answer for person in kept for answer in person.answers]),
        observer=observer,
    )


def count_wins(study: Study, answers: Sequence[Answer], unit: Unit) -> Float[np.ndarray, "units systems systems"]:
    """How often, for each participant or image, one system was chosen over another."""
    names = [_unit_of(study, answer, unit) for answer in answers]
    rows = {name: row for row, name in enumerate(sorted(set(names)))}
    places = {name: place for place, name in enumerate(study.systems)}
    wins = np.zeros((len(rows), len(places), len(places)))
    for name, answer in zip(names, answers, strict=True):
        wins[rows[name], places[answer.chosen], places[answer.other]] += 1
    return wins


def _unit_of(study: Study, answer: Answer, unit: Unit) -> str:
    return answer.participant if unit == "participants" else study.crops[answer.crop].image


def _test_pairs(study: Study, wins: Float[np.ndarray, "units systems systems"]) -> tuple[PairResult, ...]:
    """Sign tests over units, corrected together."""
    places = tuple(combinations(range(len(study.systems)), 2))
    signs = [np.sign(wins[:, i, j] - wins[:, j, i]) for i, j in places]
    counts = [(int((sign > 0).sum()), int((sign < 0).sum())) for sign in signs]
    p_values = [sign_test(*count) for count in counts]
    return tuple(
        PairResult(
            first=study.systems[i],
            second=study.systems[j],
            first_wins=round(wins[:, i, j].sum()),
            second_wins=round(wins[:, j, i].sum()),
            first_units=first,
            second_units=second,
            p_value=p_value,
            p_holm=p_holm,
        )
        for (i, j), (first, second), p_value, p_holm in zip(places, counts, p_values, holm(p_values), strict=True)
    )


def _check_answers(study: Study, answers: Sequence[Answer]) -> None:
    """See that answers belong to the study.

    Raises:
        DataError: one does not.
    """
    for answer in answers:
        names = {answer.left, answer.right}
        fits = answer.kind == "check" or (names <= set(study.systems) and len(names) == 2)
        if not fits or answer.crop >= len(study.crops):
            raise DataError(
                f"answers must be of this study: trial {answer.trial} of {answer.participant} compares "
                f"{answer.left} and {answer.right} on crop {answer.crop}; look whether files of two studies were mixed"
            )
