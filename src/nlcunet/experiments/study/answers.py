"""What participants leave behind: that they came, and what they chose."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from nlcunet.experiments.study.design import Side, TrialKind

LONGEST_MS = 24 * 60 * 60 * 1000
"""Somebody who left the page open over night is believed, somebody who left it for days is not."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Participant(_Strict):
    """One line of ``participants.jsonl``."""

    participant: str
    """A name that says nothing about the person."""
    number: int = Field(ge=0)
    """Counted from 0; decides what they see."""
    joined: str
    """When, UTC."""


class Invitations(_Strict):
    """``invitations.json``: who may take part."""

    codes: tuple[str, ...]
    """Each the name of a participant."""


class Choice(_Strict):
    """What the page sends when a picture is chosen."""

    participant: str = Field(max_length=64)
    """Who."""
    trial: int = Field(ge=0)
    """Which of the session, counted from 0."""
    choice: Side
    """The picture chosen."""
    time_ms: Annotated[int, Field(ge=0, le=LONGEST_MS)]
    """From the moment at which both pictures were there."""
    client_width: int = Field(ge=1, le=100_000)
    """Of the window, in CSS pixels."""
    client_height: int = Field(ge=1, le=100_000)
    """Of the window, in CSS pixels."""
    device_pixel_ratio: float = Field(gt=0, le=100, allow_inf_nan=False)
    """Pixels of the screen per CSS pixel."""
    zoom: int = Field(ge=1, le=1000)
    """Pixels of the screen per pixel of the picture, along each side."""


class Answer(Choice):
    """One line of ``answers.jsonl``: a choice, and what it was between."""

    kind: TrialKind
    """What the trial was for."""
    crop: int = Field(ge=0)
    """Which crop."""
    left: str
    """System of the left picture; of a check "better" or "worse"."""
    right: str
    """System of the right picture, likewise."""
    received: str
    """When, UTC."""

    @property
    def chosen(self) -> str:
        """System of the chosen picture."""
        return self.left if self.choice == "left" else self.right

    @property
    def other(self) -> str:
        """System of the other picture."""
        return self.right if self.choice == "left" else self.left
