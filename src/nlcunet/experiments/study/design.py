"""What a study is: systems, crops of their pictures, attention checks. One JSON file, strictly checked."""

from itertools import combinations
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Side = Literal["left", "right"]
"""Of a comparison; on a narrow window the left picture is the upper one."""

TrialKind = Literal["pair", "check", "repeat"]
"""Two systems; original against a degraded copy; a pair shown before, with its sides swapped."""

BETTER, WORSE = "better", "worse"
"""What stands in the place of a system's name in the answers to attention checks."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Crop(_Strict):
    """One place in one image, cut out of the pictures of all systems."""

    image: str
    """Stem of the picture's files."""
    top: int = Field(ge=0)
    left: int = Field(ge=0)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    difference: float = Field(ge=0)
    """How much the systems differ here: squared error, 1 being the mean over the image, mean over pairs of systems."""
    pictures: dict[str, str]
    """Name of a system → name of its file, which tells nothing."""
    original: str | None = None
    """File of the original, where it is shown."""
    low_res: str | None = None
    """File of the input, where it is shown."""
    low_res_scale: int = Field(default=1, ge=1)
    """Pixels of the crop per pixel of the input."""


class Check(_Strict):
    """A comparison that whoever looks will get right."""

    crop: int = Field(ge=0)
    """Which crop."""
    better: str
    """File of the original, or of a system's picture where there are no originals."""
    worse: str
    """File of a heavily degraded copy of it."""


class Study(_Strict):
    """Everything that defines a study but its answers."""

    format: Literal["nlcunet study 1"] = "nlcunet study 1"
    title: str
    consent: str = ""
    """A sentence of whoever asks, below the standard ones."""
    seed: int = Field(ge=0)
    """Decides on crops, and on order and sides for every participant."""
    systems: tuple[str, ...] = Field(min_length=2)
    crops: tuple[Crop, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()
    repeats: int = Field(default=0, ge=0)
    """Comparisons that each participant meets a second time."""
    judgements_per_pair: int = Field(ge=1)
    """Crops on which each participant compares each pair of systems."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Study":
        if len(set(self.systems)) != len(self.systems):
            raise ValueError("systems must have names of their own")
        if any(set(crop.pictures) != set(self.systems) for crop in self.crops):
            raise ValueError("every crop must have a picture of every system")
        if any(check.crop >= len(self.crops) for check in self.checks):
            raise ValueError("a check must belong to a crop that exists")
        if self.judgements_per_pair > len(self.crops):
            raise ValueError("nobody can compare a pair of systems on more crops than there are")
        return self

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All pairs of systems, in their order."""
        return tuple(combinations(self.systems, 2))

    @property
    def question(self) -> str:
        """What participants are asked; it depends on what they see beside the two pictures."""
        if any(crop.original is not None for crop in self.crops):
            return "Which picture looks more like the original?"
        if any(crop.low_res is not None for crop in self.crops):
            return "Which picture is the better enlargement of the input?"
        return "Which picture looks better?"

    def files(self) -> frozenset[str]:
        """Names of all picture files."""
        names = {name for crop in self.crops for name in (*crop.pictures.values(), crop.original, crop.low_res)}
        names |= {name for check in self.checks for name in (check.better, check.worse)}
        return frozenset(name for name in names if name is not None)
