"""Recipes: everything that defines a training run, in one YAML file, strictly checked.

Unknown keys are refused, so that a typing error cannot silently change an experiment. The recipes of our published
weights lie in ``nlcunet/recipes``.
"""

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nlcunet.errors import ConfigError
from nlcunet.models.nlcunet import NLCUnetConfig
from nlcunet.models.registry import size_config


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkRecipe(_Strict):
    """Which NLCUnet to train."""

    size: str = "NLCUnet-S"
    """Named size (``nlcunet.models.registry.SIZES``)."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Fields of ``NLCUnetConfig`` that differ from the named size."""


class DataRecipe(_Strict):
    """Which photographs, and how patches are cut from them."""

    photographs: Path
    """Folder of sharp photographs."""
    manifest: Path | None = None
    """CSV with the columns file, split (train, valid) and licence; None trains on every picture in the folder."""
    validation: Path | None = None
    """Folder of validation photographs; None takes the manifest's split ``valid``, or no validation without one."""
    name: str = "photographs"
    """What the set is called in the header of the weights."""
    patch_px: int = Field(default=64, ge=4, multiple_of=4)
    """Side of a low-resolution patch."""
    central_px: int | None = Field(default=512, ge=16)
    """Crops stay inside the central square of this side, in high-resolution pixels (the paper: 512); null: anywhere."""
    degradation: str = "isotropic"
    """Preset of ``nlcunet.degradations.presets``: ``isotropic`` is the paper's setting 1, ``anisotropic`` setting 2."""


class OptimRecipe(_Strict):
    """Adam, its rate over time, and the running average of the weights."""

    steps: int = Field(ge=1)
    """Optimiser steps in all."""
    batch: int = Field(default=4, ge=1)
    """Patches per step."""
    learning_rate: float = Field(default=4e-4, gt=0)
    """Rate after the warm-up."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Adam's decay rates."""
    warmup_steps: int = Field(default=0, ge=0)
    """The rate rises linearly over so many steps from the start."""
    milestones: tuple[int, ...] = ()
    """Steps at which the rate is halved (the paper's schedule)."""
    decay_steps: int = Field(default=0, ge=0)
    """The rate falls linearly to zero over the last so many steps."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; null: not clipped."""
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the running average of the weights, which is what gets validated and shipped."""


class ValidationRecipe(_Strict):
    """How progress is measured while training."""

    every_steps: int = Field(default=1000, ge=1)
    """Validate and save the state after so many steps."""
    pictures: int = Field(default=24, ge=1)
    """Validation pictures, spread evenly over the set."""
    crop_px: int = Field(default=256, ge=64)
    """Side of the central crop of each, in high-resolution pixels; a multiple of 16 times the scale is wise."""


class Recipe(_Strict):
    """One training run of the first stage (L1)."""

    name: str
    """Name of the weights, as ``4x-NLCUnet-S``."""
    scale: Literal[2, 3, 4] = 4
    """Enlargement."""
    seed: int = 0
    """Seed of the initial weights and of every batch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of convolutions; weights, optimiser and attention stay in float32."""
    compile: bool = False
    """Fuse the network with torch.compile (needs a C++ compiler on CPUs; a minute at the start, then faster steps)."""
    network: NetworkRecipe = NetworkRecipe()
    data: DataRecipe
    optim: OptimRecipe
    validation: ValidationRecipe = ValidationRecipe()

    def network_config(self) -> NLCUnetConfig:
        """The configuration of the network to train.

        Raises:
            ConfigError: the size is unknown or an override does not fit.
        """
        overrides: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in self.network.overrides.items()
        }
        try:
            return replace(size_config(self.network.size, self.scale), **overrides)
        except TypeError as error:
            raise ConfigError(f"network.overrides must name fields of NLCUnetConfig: {error}") from error


def embedded_recipes() -> tuple[str, ...]:
    """Names of the recipes inside the package."""
    folder = resources.files("nlcunet") / "recipes"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def find_recipe(name_or_path: str | Path) -> Path:
    """The file behind an embedded recipe's name or a path.

    Raises:
        ConfigError: there is neither.
    """
    embedded = Path(str(resources.files("nlcunet") / "recipes" / f"{name_or_path}.yaml"))
    path = embedded if embedded.is_file() else Path(name_or_path).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"the recipe must be a YAML file or one of {', '.join(embedded_recipes())}: found no {name_or_path}"
        )
    return path


def read_recipe(name_or_path: str | Path, changes: dict[str, Any] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        name_or_path: embedded name or YAML file.
        changes: values that replace those of the file, by dotted key, as ``{"optim.steps": 1000}``; paths in a recipe
        are
            taken from the working directory.

    Raises:
        ConfigError: the file is missing, is no YAML, or does not describe a run.
    """
    try:
        import yaml
    except ImportError as error:
        raise ConfigError("recipes need PyYAML: install it with pip install 'nlcunet[train]'") from error
    path = find_recipe(name_or_path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} must be a YAML file: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys such as name, data and optim: got {type(content).__name__}")
    for key, value in (changes or {}).items():
        *parents, last = key.split(".")
        section = content
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
        raise ConfigError(f"the recipe {path.name} is not valid: {problems}") from error
