"""Experiments as data: a YAML file names a recipe, what differs, for how long to train and what to measure.

Checked like recipes: an unknown key is refused. The embedded ones lie in ``files``.
"""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nlcunet.errors import ConfigError
from nlcunet.files.paths import embedded_names, expand_home
from nlcunet.training.strict_yaml import read_model

FOLDER = "experiments/variants/files"
"""Where the embedded experiments lie, in the package."""
HELD_OUT = "held-out"
"""The validation crops of the training photographs, as originals to measure on."""
DRAWN = "drawn"
"""Drawn pictures, as originals to measure on."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
"""Names folders and files: letters, digits, ``.``, ``_``, ``+`` and ``-``."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Budget(_Strict):
    """For how long every variant is trained: so many steps, or so much processor time."""

    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps, of both stages together; the schedule of the recipe is stretched to them."""
    minutes: float | None = Field(default=None, gt=0)
    """Minutes of processor time (on a GPU: of time). The time of a step is measured first, then the steps are set."""
    seeds: tuple[int, ...] | None = None
    """Instead of the experiment's."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Values of the recipe, by dotted key, for this budget."""

    @model_validator(mode="after")
    def _has_one_measure(self) -> "Budget":
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("a budget must have either steps or minutes")
        return self


class MeasuredOn(_Strict):
    """Originals, and the protocol by which inputs are made of them."""

    images: Name = HELD_OUT
    """held-out: the validation crops; drawn: drawn pictures; else the name of a folder of originals, as Set14."""
    protocol: str = "gaussian8"
    """As in `nlcunet bench make --protocol`."""
    sigmas: tuple[float, ...] = ()
    """Only these of Gaussian8's kernels; empty takes all."""
    kinds: tuple[str, ...] = ()
    """Kinds of drawn pictures, as grids and facades; empty takes all."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many originals; the first ones."""

    @property
    def title(self) -> str:
        """What the set is called in tables."""
        return f"{self.images} ({', '.join(self.kinds)})" if self.kinds else self.images


class Experiment(_Strict):
    """A question, and the trainings that answer it."""

    name: Name
    """What it is called on the command line."""
    question: str
    """What it is to find out, in a sentence."""
    recipe: str
    """The recipe that all variants start from: an embedded one, or a YAML file."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Values of the recipe, by dotted key, that all variants share."""
    variants: dict[Name, dict[str, Any]] = Field(min_length=2)
    """Name and values of the recipe, by dotted key, of each variant; {} is the recipe itself."""
    baseline: str
    """The variant that the others are compared with."""
    against: dict[Name, str] = Field(default_factory=dict)
    """For variants that are compared with another one than the baseline: which."""
    seeds: tuple[int, ...] = (1, 2)
    """Every variant is trained once with each."""
    budgets: dict[Name, Budget] = Field(min_length=1)
    """For how long; --budget chooses, by default the first."""
    measured_on: tuple[MeasuredOn, ...] = (MeasuredOn(),)
    """What the trained networks are measured on."""
    measures: tuple[str, ...] = ("psnr_y", "ssim_y")
    """As in `nlcunet bench run --measures`; verdicts go by the first."""

    @model_validator(mode="after")
    def _is_whole(self) -> "Experiment":
        if self.baseline not in self.variants:
            raise ValueError(f"baseline must be one of {', '.join(self.variants)}: got {self.baseline}")
        if unknown := sorted({*self.against, *self.against.values()} - set(self.variants)):
            raise ValueError(f"against must name variants ({', '.join(self.variants)}): got {', '.join(unknown)}")
        for seeds in (self.seeds, *(one.seeds for one in self.budgets.values() if one.seeds is not None)):
            if not seeds or len(set(seeds)) < len(seeds):
                raise ValueError(f"seeds must be at least one, each once: got {list(seeds)}")
        return self

    def rival(self, variant: str) -> str | None:
        """What a variant is compared with; nothing for the baseline, and for what others alone are compared with."""
        if variant == self.baseline or variant in self.against.values():
            return None
        return self.against.get(variant, self.baseline)

    def budget(self, name: str | None = None) -> tuple[str, Budget]:
        """A budget with its name; the first one without a name.

        Raises:
            ConfigError: there is no such budget.
        """
        chosen = next(iter(self.budgets)) if name is None else name
        if chosen not in self.budgets:
            raise ConfigError(f"the budget must be one of {', '.join(self.budgets)}: got {chosen!r}")
        return chosen, self.budgets[chosen]


def embedded_experiments() -> tuple[str, ...]:
    """Names of the experiments inside the package."""
    return embedded_names(FOLDER, ".yaml")


def read_experiment(name_or_path: str | Path) -> Experiment:
    """Read and check an experiment.

    Args:
        name_or_path: embedded name or YAML file.

    Raises:
        ConfigError: it is not there, is no YAML, or does not describe an experiment.
    """
    return read_model(find_experiment(name_or_path), Experiment, "experiment")


def find_experiment(name_or_path: str | Path) -> Path:
    """The file behind an embedded experiment's name or a path.

    Raises:
        ConfigError: there is neither.
    """
    embedded = Path(str(resources.files("nlcunet") / FOLDER / f"{name_or_path}.yaml"))
    path = embedded if embedded.is_file() else expand_home(name_or_path)
    if not path.is_file():
        known = ", ".join(embedded_experiments())
        raise ConfigError(f"the experiment must be a YAML file or one of {known}: found no {name_or_path}")
    return path


def experiment_schema() -> str:
    """JSON schema of experiments, for editors: completes keys, shows what they mean, marks unknown ones."""
    schema: Mapping[str, Any] = Experiment.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)
