"""Headers of weights files, which say what a network is and how well it does; read without PyTorch.

All of it is in ``nlcunet.models.weights`` as well.
"""

import json
import re
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from nlcunet.errors import WeightsError, did_you_mean
from nlcunet.files.paths import embedded_names, expand_home

HEADER_KEY = "nlcunet"
AUTOMATIC = "auto"
"""Instead of a model's name: those weights that suit each picture."""
DEFAULT_MODEL = "4x-NLCUnet-S"
"""Of clean pictures; the other scales of its family differ in their first letter."""
FOREIGN_PREFIX = "spandrel:"
"""How the architecture of other people's networks begins; see ``nlcunet.models.foreign``."""
_BICUBIC = re.compile(r"bicubic-x([2-8])")


class DataSource(BaseModel):
    """A set of photographs that weights were trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """What it is called."""
    licence: str
    """Licence or licences of the pictures."""
    pictures: int = 0
    """How many pictures or tiles."""


class WeightsHeader(BaseModel):
    """What a weights file says of itself; unknown keys are kept out so that a typing error cannot pass as data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Name in the manner of OpenModelDB, as ``4x-NLCUnet-S``."""
    architecture: str
    """Key of ``nlcunet.models.registry.ARCHITECTURES``; of other people's, spandrel's name behind ``spandrel:``."""
    config: dict[str, Any]
    """Arguments of the architecture."""
    scale: int
    """Enlargement."""
    size_multiple: int = 1
    """Height and width of the input must be multiples of this (callers pad)."""
    min_size: int = 1
    """Smallest height and width of the input, in pixels."""
    tile_overlap: int = 16
    """Advised overlap of tiles, in low-resolution pixels."""
    parameters: int = 0
    """Number of trained parameters."""
    degradation: str = ""
    """What it was trained to undo: a preset of ``nlcunet.degradations.presets`` or words."""
    data: tuple[DataSource, ...] = ()
    """What it was trained on."""
    licence: str = "Apache-2.0"
    """Licence of the weights."""
    steps: int = 0
    """Optimiser steps."""
    patches: int = 0
    """Training patches seen."""
    hours: float = 0.0
    """Hours of training by the clock."""
    scores: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Measured results: ``{"Set5 gaussian8 x4": {"psnr_y": …, "ssim_y": …}}``."""
    fidelity_weights: str = ""
    """Of GAN weights: name of the PSNR weights that they started from, embedded or in the same folder."""
    clean_weights: str = ""
    """Of weights that know noise and compression: name of those for clean pictures that they started from."""
    date: str = ""
    """Day the weights were made, ISO 8601."""

    @property
    def is_foreign(self) -> bool:
        """Whether the network is of other people and runs through spandrel."""
        return self.architecture.startswith(FOREIGN_PREFIX)


def read_header(path: Path) -> WeightsHeader:
    """The header of a weights file, without its tensors.

    Raises:
        WeightsError: the file is missing, is no safetensors file, or has no valid header.
    """
    metadata = _read_metadata(path)
    if HEADER_KEY not in metadata:
        raise WeightsError(f"{path} has no nlcunet header; write it with nlcunet.models.weights.save_weights")
    try:
        return WeightsHeader.model_validate_json(metadata[HEADER_KEY])
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise WeightsError(f"the header of {path} is not valid: {problems}") from error


def has_header(path: Path) -> bool:
    """Whether a file of weights is one of ours; else it is of other people, or of nobody.

    Raises:
        WeightsError: the file is missing, or damaged.
    """
    return path.suffix.lower() == ".safetensors" and HEADER_KEY in _read_metadata(path)


def _read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself, whoever has written it."""
    if not path.is_file():
        raise WeightsError(f"weights must be a safetensors file or an embedded name: found no {path}")
    try:
        with safe_open(path, framework="np") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is no readable safetensors file ({error}); fetch or copy it again") from error


def embedded_models() -> tuple[str, ...]:
    """Names of the weights inside the package."""
    return embedded_names("weights", ".safetensors")


def find_weights(name_or_path: str | Path) -> Path:
    """The file behind an embedded name, a path, a folder of weights, or an address on the hub.

    Raises:
        WeightsError: there is neither such a name nor such a file, or it cannot be fetched.
        ConfigError: the address is none.
    """
    from nlcunet.models.fetching.repository import find_model  # which reads headers itself

    name_or_path = find_model(name_or_path)
    embedded = Path(str(resources.files("nlcunet") / "weights" / f"{name_or_path}.safetensors"))
    if embedded.is_file():
        return embedded
    path = expand_home(name_or_path)
    if not path.is_file():
        known = embedded_models()
        raise WeightsError(
            f"the model must be one of {', '.join(known)}, bicubic-x2 … bicubic-x8, a .safetensors or .pth file, a "
            f"folder of weights, or hf://user/name: got {str(name_or_path)!r}{did_you_mean(str(name_or_path), known)}"
        )
    return path


def is_bicubic(name_or_path: str | Path) -> bool:
    """Whether a name stands for bicubic enlargement, which has no weights."""
    return _BICUBIC.fullmatch(str(name_or_path)) is not None


def find_header(name_or_path: str | Path) -> WeightsHeader:
    """What a model says of itself, by the same names as ``load_model``, without loading its tensors.

    Raises:
        WeightsError: there is no such model, or its file is damaged.
    """
    if match := _BICUBIC.fullmatch(str(name_or_path)):
        from nlcunet.models.registry import SIZE_RULES  # which imports all networks

        scale = int(match[1])
        return WeightsHeader(
            name=str(name_or_path),
            architecture="Bicubic",
            config={"scale": scale},
            scale=scale,
            **asdict(SIZE_RULES["Bicubic"]),
        )
    path = find_weights(name_or_path)
    if has_header(path):
        return read_header(path)
    from nlcunet.models.foreign.network import foreign_header  # which makes headers itself, and needs PyTorch

    return foreign_header(path)


def header_as_json(header: WeightsHeader) -> str:
    """A header for people: indented JSON."""
    return json.dumps(header.model_dump(), indent=2, ensure_ascii=False)
