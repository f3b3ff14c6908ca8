"""The engines that run exported graphs, opened from their files; weights are exported when they are first needed.

An exported file says itself what it is. Weights are exported on first use into the cache folder, verified, under a name
made of their checksum, the version and the precision; so what is there is right. All that knows of exports is imported
here: who enlarges with PyTorch never comes by.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from nlcunet.errors import ConfigError, DeviceError, ExportError
from nlcunet.export.exporting import ExportRequest, check_libraries, check_origin, export_model
from nlcunet.export.facts import ExportFacts
from nlcunet.export.libraries import import_library
from nlcunet.export.sessions import Session, open_onnx, open_openvino
from nlcunet.export.torch_export import open_graph
from nlcunet.files.cache import cache_folder
from nlcunet.files.paths import expand_home
from nlcunet.inference.engines.engine import ENGINE_OF_SUFFIX
from nlcunet.inference.settings import EngineSettings
from nlcunet.models.weights import LoadedModel, weights_checksum
from nlcunet.runtime import choose_device
from nlcunet.version import __version__

READABLE = {"onnx": (".onnx",), "openvino": (".onnx", ".xml"), "torch": (".pt2",)}
"""Exported files that an engine takes."""
SUFFIX_OF_ENGINE = {"onnx": ".onnx", "openvino": ".xml"}
"""What an engine has weights exported to."""


class ExportedEngine:
    """Runs an exported graph."""

    tiles_at_once = 1  # both engines use all threads for one tile

    def __init__(self, name: str, session: Session, facts: ExportFacts, device: torch.device) -> None:
        self.name = name
        self.header = facts.header
        self.facts = facts
        self.device = device
        self.precisions: tuple[str, ...] = (facts.precision,)
        self._session = session

    def run(
        self,
        batch: Float[Tensor, "batch 3 height width"],
        precision: str,  # noqa: ARG002 - a file has one
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Enlarge a batch of tiles; see ``Engine``."""
        return self._session(batch)[0]


def open_exported(path: Path, settings: EngineSettings) -> ExportedEngine:
    """An engine for an exported file.

    Args:
        path: an .onnx, .xml or .pt2 file that ``nlcunet export`` has written.
        settings: engine, device, precision and threads. The device of ONNX Runtime may be one of CUDA; the precision is
            ``"auto"``, or the file's own, to be sure of it.

    Raises:
        ExportError: the file is missing, is none of ours, or a library is missing.
        ConfigError: file, engine and precision do not fit together.
        DeviceError: the engine cannot use the device.
    """
    path, engine, precision = expand_home(path), settings.engine, settings.precision
    name = ENGINE_OF_SUFFIX[path.suffix.lower()] if engine == "auto" else engine
    if path.suffix.lower() not in READABLE[name]:
        raise ConfigError(f"the engine {name} takes files that end in {' or '.join(READABLE[name])}: got {path.name}")
    if not path.is_file():
        raise ExportError(f"an exported model must be a file: found no {path}")
    place, providers = _place(name, settings.device)
    if name == "onnx":
        session, text = open_onnx(path, settings.threads, providers=providers)
    elif name == "openvino":
        session, text = open_openvino(path, settings.threads)
    else:
        session, text = open_graph(path)
    try:
        facts = ExportFacts.model_validate_json(text)
    except ValidationError as error:
        raise ExportError(f"{path} must say what network it is; write it with `nlcunet export`") from error
    if precision not in {"auto", facts.precision}:
        raise ConfigError(f"the precision of {path.name} is {facts.precision}: got {precision}; leave it out")
    return ExportedEngine(name, session, facts, place)


def _place(engine: str, device: str | torch.device) -> tuple[torch.device, tuple[str, ...]]:
    """Where an engine computes, and what ONNX Runtime calls it."""
    chosen, cpu = choose_device(device), torch.device("cpu")
    if engine == "onnx" and chosen.type == "cuda":
        if "CUDAExecutionProvider" in import_library("onnxruntime").get_available_providers():
            return chosen, ("CUDAExecutionProvider", "CPUExecutionProvider")
        if device != "auto":
            raise DeviceError("this ONNX Runtime has no CUDA: install onnxruntime-gpu instead, or take --device cpu")
    elif chosen.type != "cpu" and device != "auto":
        raise DeviceError(f"exported graphs run in {engine} on the CPU: got {chosen}; leave --device out")
    return cpu, ("CPUExecutionProvider",)


def open_cached(
    model: LoadedModel, settings: EngineSettings, *, on_export: Callable[[Path], None] = lambda _: None
) -> ExportedEngine:
    """An engine for weights, exported into the cache folder if they are not there yet.

    Args:
        model: the network.
        settings: see ``open_exported``; the engine is ``"onnx"`` or ``"openvino"``, the precision ``"auto"`` (float32),
            ``"float32"``, ``"float16"`` or ``"int8"``.
        on_export: called with the file that will be written; a minute may pass then.

    Raises:
        ExportError: the export differs, cannot be made, or a library is missing.
        ConfigError: the engine has no such precision.
        DeviceError: the engine cannot use the device.
    """
    engine, precision = settings.engine, settings.precision
    request = ExportRequest(to=engine, precision="float32" if precision == "auto" else precision)
    _place(engine, settings.device)  # refused before the work, not after it
    name = f"{model.header.name}-{weights_checksum(model)[:16]}-{__version__}-{request.precision}"
    path = cache_folder("exports") / f"{name.replace('/', '_')}{SUFFIX_OF_ENGINE[engine]}"
    if not path.is_file():
        check_origin(model)
        check_libraries(request)
        on_export(path)
        export_model(model, path, request)
    return open_exported(path, settings)
