"""Who takes part, what they see next, and which answers are taken: the study while it is served."""

import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from nlcunet.errors import DataError
from nlcunet.experiments.study.answers import Answer, Choice, Invitations, Participant
from nlcunet.experiments.study.design import Study
from nlcunet.experiments.study.folder import ANSWERS, INVITATIONS, PARTICIPANTS
from nlcunet.experiments.study.journal import Journal, read_json, read_lines
from nlcunet.experiments.study.sessions import Trial, plan_session
from nlcunet.files.atomic import write_file_atomically

Reception = Literal["accepted", "known", "too early", "no such participant"]
"""What became of a choice."""


class Desk:
    """Keeps the two journals of a study, and in memory what they say.

    Args:
        folder: The study's.
        study: The study.
        invited: Names of those who may take part; ``None``: everybody.

    Raises:
        ConfigError: the study is served already.
        DataError: a journal is damaged or cannot be written.
    """

    def __init__(self, folder: Path, study: Study, invited: frozenset[str] | None = None) -> None:
        self.study = study
        self.invited = invited
        self._guard = threading.Lock()
        self._answers = Journal(folder / ANSWERS)
        try:
            self._participants = Journal(folder / PARTICIPANTS)
        except BaseException:
            self._answers.close()
            raise
        self._plans: dict[str, tuple[Trial, ...]] = {}
        self._answered: dict[str, int] = {}
        try:
            self._read_back(folder)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the files."""
        self._answers.close()
        self._participants.close()

    def join(self, invitation: str | None) -> str | None:
        """A new participant, or the one of this invitation; nothing if that is needed and not good."""
        with self._guard:
            if self.invited is not None and invitation not in self.invited:
                return None
            name = secrets.token_urlsafe(12) if self.invited is None or invitation is None else invitation
            if name not in self._plans:
                line = Participant(participant=name, number=len(self._plans), joined=_now())
                self._participants.append(line)
                self._enter(line)
            return name

    def is_known(self, participant: str) -> bool:
        """Whether they have joined."""
        return participant in self._plans

    def count_answered(self, participant: str) -> int:
        """Trials behind them."""
        return self._answered[participant]

    def session(self, participant: str) -> tuple[Trial, ...]:
        """All their trials."""
        return self._plans[participant]

    def receive(self, choice: Choice) -> Reception:
        """Take an answer to the trial at hand; it is on disk when this returns.

        The first answer counts: one to a trial behind them is known and changes nothing.

        Raises:
            DataError: the disk does not take it.
        """
        with self._guard:
            if choice.participant not in self._plans:
                return "no such participant"
            answered = self._answered[choice.participant]
            if choice.trial < answered:
                return "known"
            if choice.trial > answered or choice.trial >= len(self._plans[choice.participant]):
                return "too early"
            trial = self._plans[choice.participant][choice.trial]
            self._answers.append(
                Answer(
                    **choice.model_dump(),
                    kind=trial.kind,
                    crop=trial.crop,
                    left=trial.left,
                    right=trial.right,
                    received=_now(),
                )
            )
            self._answered[choice.participant] = answered + 1
            return "accepted"

    def summary(self) -> tuple[int, int]:
        """Participants and answers so far."""
        return len(self._plans), sum(self._answered.values())

    def _enter(self, line: Participant) -> None:
        self._plans[line.participant] = plan_session(self.study, line.number)
        self._answered[line.participant] = 0

    def _read_back(self, folder: Path) -> None:
        """Take up what was there.

        Raises:
            DataError: an answer is of nobody, or one is missing.
        """
        for line in read_lines(folder / PARTICIPANTS, Participant):
            self._enter(line)
        for answer in read_lines(folder / ANSWERS, Answer):
            if answer.trial != self._answered.get(answer.participant):
                raise DataError(
                    f"answers of a participant must follow each other without gaps: {folder / ANSWERS} has trial "
                    f"{answer.trial} of {answer.participant!r} out of turn; restore the file from a copy"
                )
            self._answered[answer.participant] += 1


def invite(folder: Path, count: int) -> tuple[str, ...]:
    """Invitations of a study, made once and kept; more are added where there are fewer.

    Raises:
        DataError: the file of invitations is damaged.
        ImageWriteError: it cannot be written.
    """
    known = read_invitations(folder) or ()
    codes = known + tuple(secrets.token_urlsafe(12) for _ in range(count - len(known)))
    if codes != known:
        write_file_atomically(folder / INVITATIONS, Invitations(codes=codes).model_dump_json(indent=1).encode() + b"\n")
    return codes


def read_invitations(folder: Path) -> tuple[str, ...] | None:
    """Invitations of a study; nothing if there never were any.

    Raises:
        DataError: their file is damaged.
    """
    found = read_json(folder / INVITATIONS, Invitations)
    return None if found is None else found.codes


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
