"""How far people agree with themselves, with each other, and whether they prefer a side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nlcunet.experiments.study.answers import Answer


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
