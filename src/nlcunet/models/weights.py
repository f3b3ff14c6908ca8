"""Weights files: safetensors with a JSON header that says what the network is, and how well it does.

A loaded model describes itself as data: scale, size rules and tiling advice stand in its header, not in code around it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from nlcunet.errors import ConfigError, WeightsError
from nlcunet.models.headers import (
    AUTOMATIC,
    DEFAULT_MODEL,
    HEADER_KEY,
    DataSource,
    WeightsHeader,
    embedded_models,
    find_header,
    find_weights,
    has_header,
    header_as_json,
    is_bicubic,
    read_header,
)
from nlcunet.models.own import check_trusted
from nlcunet.models.registry import Network, make_network, size_rules

__all__ = [
    "AUTOMATIC",
    "DEFAULT_MODEL",
    "HEADER_KEY",
    "DataSource",
    "LoadedModel",
    "WeightsHeader",
    "describe",
    "embedded_models",
    "find_header",
    "find_weights",
    "has_header",
    "header_as_json",
    "load_model",
    "read_header",
    "save_weights",
    "weights_checksum",
]


@dataclass(frozen=True)
class LoadedModel:
    """A network with its weights, ready to run, and its description."""

    network: nn.Module
    """The network in evaluation mode: (n, 3, h, w) in [0, 1] to (n, 3, scale · h, scale · w), not clamped."""
    header: WeightsHeader
    """What it is."""
    file_sha256: str = ""
    """Checksum of the file, of other people's networks: some change their own tensors when they run."""


def describe(network: Network, name: str, **facts: Any) -> WeightsHeader:
    """The header of a network; ``facts`` are further fields of ``WeightsHeader``."""
    return WeightsHeader(
        name=name,
        architecture=type(network).__name__,
        config=json.loads(json.dumps(asdict(network.config))),  # as it will be read back: lists, not tuples
        scale=network.config.scale,
        **asdict(size_rules(network)),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        **facts,
    )


def save_weights(path: Path, network: nn.Module, header: WeightsHeader, *, half: bool = True) -> None:
    """Write a network's weights with their header, atomically.

    Args:
        path: target, by custom ``NAME.safetensors``.
        network: its state dict is stored.
        header: stored as JSON in the file's metadata.
        half: store float tensors in half precision (what embedded weights do); else as they are.
    """
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    temporary = path.with_name(f".{path.name}.part")
    try:
        # Not save_file: it makes files that only their owner may read, whatever the umask says.
        temporary.write_bytes(save(tensors, metadata={HEADER_KEY: header.model_dump_json()}))
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"the weights could not be written to {path}: {error}; is there space and permission?"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def load_model(name_or_path: str | Path = DEFAULT_MODEL, *, device: torch.device | str = "cpu") -> LoadedModel:
    """Load a network by embedded name, ``"bicubic-x2"`` … ``"bicubic-x8"``, weights file, folder, or ``hf://`` address.

    Files without our header are other people's networks, which spandrel loads; see ``nlcunet.models.foreign``.

    Args:
        name_or_path: what to load.
        device: where its weights go.

    Raises:
        WeightsError: there is no such model, or its file is damaged.
    """
    if is_bicubic(name_or_path):
        header = find_header(name_or_path)
        return LoadedModel(make_network("Bicubic", header.config).eval(), header)
    path = find_weights(name_or_path)
    if not has_header(path):
        from nlcunet.models.foreign.network import load_foreign  # which makes headers itself

        return load_foreign(path, device=device)
    header = read_header(path)
    if header.architecture == "OwnNetwork":
        check_trusted(str(header.config.get("network")))
    try:
        network = make_network(header.architecture, header.config)
        with safe_open(path, framework="pt", device=str(device)) as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no mapping
        network.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in state.items()})
    except (SafetensorError, OSError, RuntimeError, ConfigError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"the tensors of {path} do not fit its header ({first_line}); fetch or copy it again"
        ) from error
    return LoadedModel(network.to(device).eval(), header)


def weights_checksum(model: LoadedModel) -> str:
    """SHA-256 over a model's header and tensors, or of another's file; names what an export was made from."""
    if model.file_sha256:
        return model.file_sha256
    digest = hashlib.sha256(model.header.model_dump_json().encode())
    for name, value in sorted(model.network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
