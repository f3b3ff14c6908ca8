"""Whose answers cannot be used: fixed rules, stated before anybody looks at the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from nlcunet.experiments.study.answers import Answer
from nlcunet.experiments.study.design import BETTER, Study

MIN_CHECKS_PASSED = 0.8
"""Of the attention checks seen. Of four, all; of five to nine, all but one."""

MIN_MEDIAN_MS = 500
"""Half of the comparisons in less than this: too little time to see both pictures and press a key."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One participant and all they answered."""

    name: str
    """Random name."""
    answers: tuple[Answer, ...]
    """In the order of the session."""
    is_complete: bool
    """Whether they came to the end."""
    checks_passed: int
    """Attention checks answered rightly."""
    checks_seen: int
    """Attention checks answered."""
    median_ms: float
    """Time per comparison."""
    objections: tuple[str, ...]
    """Why their answers should not count; empty if they should."""


def examine_people(answers: Sequence[Answer], study: Study, num_trials: int) -> tuple[Person, ...]:
    """Everybody who answered anything, in the order of their first answers."""
    sorted_answers: dict[str, list[Answer]] = {}
    for answer in answers:
        sorted_answers.setdefault(answer.participant, []).append(answer)
    return tuple(_examine(name, own, study, num_trials) for name, own in sorted_answers.items())


def _examine(name: str, answers: Sequence[Answer], study: Study, num_trials: int) -> Person:
    """One participant."""
    checks = [answer for answer in answers if answer.kind == "check"]
    passed = sum(answer.chosen == BETTER for answer in checks)
    median_ms = float(median(answer.time_ms for answer in answers))
    objections = []
    if checks and passed < MIN_CHECKS_PASSED * len(checks):
        objections.append(f"passed {passed} of {len(checks)} attention checks")
    if study.checks and not checks:
        objections.append("left before the first attention check")
    if median_ms < MIN_MEDIAN_MS:
        objections.append(f"too fast: {median_ms:.0f} ms per comparison (median)")
    return Person(
        name=name,
        answers=tuple(answers),
        is_complete=len(answers) == num_trials,
        checks_passed=passed,
        checks_seen=len(checks),
        median_ms=median_ms,
        objections=tuple(objections),
    )
