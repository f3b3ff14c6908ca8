"""What one participant sees, in which order and on which sides: a function of the study's seed and their number.

Order comes from SHA-256 rather than from a random generator, so that a session that is resumed after an update of
any library goes on as it began.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nlcunet.experiments.study.design import BETTER, WORSE, Study, TrialKind


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Two pictures side by side."""

    kind: TrialKind
    """What it is for."""
    crop: int
    """Which crop."""
    left: str
    """System of the left picture; of a check "better" or "worse"."""
    right: str
    """System of the right picture, likewise."""
    left_file: str
    """File of the left picture."""
    right_file: str
    """File of the right picture."""

    def swapped(self) -> "Trial":
        """The same with its sides exchanged."""
        return replace(self, left=self.right, right=self.left, left_file=self.right_file, right_file=self.left_file)


def draw_number(*labels: object) -> int:
    """A number of 64 bits that depends on nothing but the labels, and looks random."""
    digest = hashlib.sha256("/".join(str(label) for label in labels).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def count_trials(study: Study) -> int:
    """Length of every session."""
    return len(study.pairs) * study.judgements_per_pair + len(study.checks) + study.repeats


def plan_session(study: Study, participant: int) -> tuple[Trial, ...]:
    """All trials of a participant.

    Over participants every pair of systems meets every crop equally often (they differ by one at most); within a
    session each pair has its systems left and right equally often (likewise).

    Args:
        study: The study.
        participant: Number of the participant, counted from 0.
    """
    comparisons = _without_neighbours_of_one_crop(_shuffled(_comparisons(study, participant), study, participant))
    session = _with_repeats(comparisons, study, participant)
    return tuple(_with_checks(session, study, participant))


def _comparisons(study: Study, participant: int) -> list[Trial]:
    """Pairs of systems on the crops whose turn it is."""
    trials = []
    count = study.judgements_per_pair
    for number, (first, second) in enumerate(study.pairs):
        crops = sorted(range(len(study.crops)), key=lambda crop: draw_number(study.seed, "crops", number, crop))
        parity = draw_number(study.seed, participant, "sides", number)
        for index in range(count):
            crop = crops[(participant * count + index) % len(crops)]
            files = study.crops[crop].pictures
            trial = Trial(
                kind="pair",
                crop=crop,
                left=first,
                right=second,
                left_file=files[first],
                right_file=files[second],
            )
            trials.append(trial if (index + parity) % 2 else trial.swapped())
    return trials


def _shuffled(trials: list[Trial], study: Study, participant: int) -> list[Trial]:
    order = sorted(range(len(trials)), key=lambda index: draw_number(study.seed, participant, "order", index))
    return [trials[index] for index in order]


def _without_neighbours_of_one_crop(trials: Sequence[Trial]) -> list[Trial]:
    """Nearly the same order, but no crop twice in a row as long as another one is left."""
    waiting = list(trials)
    ordered: list[Trial] = []
    while waiting:
        last = ordered[-1].crop if ordered else None
        chosen = next((index for index, trial in enumerate(waiting) if trial.crop != last), 0)
        ordered.append(waiting.pop(chosen))
    return ordered


def _with_repeats(trials: list[Trial], study: Study, participant: int) -> list[Trial]:
    """Some trials of the first half once more in the second half, sides swapped."""
    half = len(trials) // 2
    chosen = sorted(range(half), key=lambda index: draw_number(study.seed, participant, "repeat", index))
    sources = sorted(chosen[: study.repeats])
    session = list(trials)
    for number in reversed(range(len(sources))):  # from the end, so that earlier places stay where they are
        place = half + (number + 1) * (len(trials) - half) // len(sources)
        session.insert(place, replace(trials[sources[number]].swapped(), kind="repeat"))
    return session


def _with_checks(trials: list[Trial], study: Study, participant: int) -> list[Trial]:
    """Attention checks spread over the session, one in each equal part of it."""
    session = list(trials)
    order = sorted(
        range(len(study.checks)), key=lambda index: draw_number(study.seed, participant, "check order", index)
    )
    for number in reversed(range(len(order))):
        start, stop = (len(trials) * edge // len(order) for edge in (number, number + 1))
        place = start + draw_number(study.seed, participant, "check place", number) % max(1, stop - start)
        check = study.checks[order[number]]
        trial = Trial(
            kind="check",
            crop=check.crop,
            left=BETTER,
            right=WORSE,
            left_file=check.better,
            right_file=check.worse,
        )
        is_swapped = draw_number(study.seed, participant, "check side", number) % 2
        session.insert(place, trial.swapped() if is_swapped else trial)
    return session
