"""A model's record in the form of OpenModelDB, https://openmodeldb.info: a file of its ``data/models`` folder.

Source of the form: ``src/lib/schema.ts`` and ``src/lib/model-props.ts`` of
https://github.com/OpenModelDB/open-model-database; files of the type ``safetensors`` stand in its data.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nlcunet.degradations.photo import PhotoPreset
from nlcunet.files.checksums import hash_file
from nlcunet.hub.words import preset_of, tell_degradation, tell_limits, tell_purpose
from nlcunet.models.weights import WeightsHeader

CHANNELS = 3
"""All networks here take and give RGB."""


@dataclass(frozen=True)
class PublishedFile:
    """A file that people may fetch."""

    path: Path
    platform: str
    """``pytorch`` or ``onnx``."""
    type: str
    """``safetensors`` or ``onnx``."""


def make_record(
    header: WeightsHeader, *, author: str, files: Sequence[PublishedFile], web: str | None, images: Sequence[str]
) -> dict[str, Any]:
    """The record, ready for JSON.

    Args:
        header: of the weights.
        author: who publishes them; written as OpenModelDB writes users.
        files: weights and their exports.
        web: address of the folder that will hold the files; without it addresses and pictures must be filled in.
        images: path of a small picture in that folder, and of the same enlarged, or nothing.
    """
    record: dict[str, Any] = {
        "name": header.name,
        "author": to_user_id(author),
        "license": header.licence,
        "tags": _tags(header),
        "description": " ".join([tell_purpose(header), tell_degradation(header), *tell_limits(header)]),
        "date": header.date or datetime.now(UTC).date().isoformat(),
        "architecture": header.architecture.lower(),
        "size": [f"{header.config['width']}nf"] if "width" in header.config else None,
        "scale": header.scale,
        "inputChannels": CHANNELS,
        "outputChannels": CHANNELS,
        "resources": [_resource(file, web) for file in files],
        **_training(header),
        "images": [],
    }
    if web is not None and images:
        low_res, high_res = images
        record["images"] = [{"type": "paired", "LR": f"{web}/{low_res}", "SR": f"{web}/{high_res}"}]
    return record


def to_user_id(name: str) -> str:
    """A name as OpenModelDB writes users: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _tags(header: WeightsHeader) -> list[str]:
    """Those of OpenModelDB's own tags that hold."""
    tags, preset = {"general-upscaler", "photo", "restoration"}, preset_of(header)
    if isinstance(preset, PhotoPreset):
        tags |= {"deblur", "denoise", "compression-removal", "jpeg"}
    elif preset is not None:
        tags |= {"deblur"} if preset.kernels is not None else set()
        tags |= {"denoise"} if preset.noise_probability > 0 else set()
        tags |= {"compression-removal", "jpeg"} if preset.jpeg_probability > 0 else set()
    return sorted(tags)


def _resource(file: PublishedFile, web: str | None) -> Mapping[str, Any]:
    return {
        "platform": file.platform,
        "type": file.type,
        "size": file.path.stat().st_size,
        "sha256": hash_file(file.path),
        "urls": [] if web is None else [f"{web}/{file.path.name}"],
    }


def _training(header: WeightsHeader) -> dict[str, Any]:
    facts = {
        "trainingIterations": header.steps,
        "trainingOTF": preset_of(header) is not None,  # degraded patch by patch, on the fly
        "dataset": "; ".join(f"{source.name} ({source.licence})" for source in header.data),
        "datasetSize": sum(source.pictures for source in header.data),
        "pretrainedModelG": header.fidelity_weights,
    }
    return {key: value for key, value in facts.items() if value}
