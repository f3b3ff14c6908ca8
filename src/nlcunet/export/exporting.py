"""One export from end to end: draw, verify on real pictures, and only then write."""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nlcunet.errors import ConfigError, ExportError
from nlcunet.export.facts import ExportFacts, Parity
from nlcunet.export.libraries import import_library
from nlcunet.export.onnx import make_onnx, without_watching, write_facts
from nlcunet.export.openvino import write_openvino
from nlcunet.export.pictures import read_pictures
from nlcunet.export.quantisation import quantise
from nlcunet.export.sessions import Session, open_onnx, open_openvino
from nlcunet.export.torch_export import compile_package, open_graph, open_package, watch_network, write_graph
from nlcunet.export.verification import BOUNDS, Bound, compare, cut_tiles
from nlcunet.models.weights import LoadedModel, weights_checksum

DEFAULT_TILES = (64, 128)
"""Sides of the tiles that are verified where none are named."""
CALIBRATION_BATCHES = 16
"""At most so many batches of tiles are calibrated on; their activations are held in memory."""


@dataclass(frozen=True)
class Target:
    """A format to export to."""

    suffix: str
    precisions: tuple[str, ...]


TARGETS = {
    "onnx": Target(".onnx", ("float32", "float16", "int8")),
    "openvino": Target(".xml", ("float32", "float16", "int8")),
    "torch": Target(".pt2", ("float32", "float16")),
    "aotinductor": Target(".pt2", ("float32",)),
}
"""Formats by the name that ``--to`` takes."""


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What to export to, and what to hold it against."""

    to: str = "onnx"
    """A key of ``TARGETS``."""
    precision: str = "float32"
    """``float32``, ``float16`` or ``int8``."""
    tiles: tuple[int, ...] = DEFAULT_TILES
    verification: Path | None = None
    """Folder of low-resolution pictures to verify on; by default the embedded photograph."""
    calibration: Path | None = None
    """Folder of low-resolution pictures that int8 measures its ranges on; by default the embedded photograph."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.to not in TARGETS:
            raise ConfigError(f"the format must be one of {', '.join(TARGETS)}: got {self.to!r}")
        known = TARGETS[self.to].precisions
        if self.precision not in known:
            raise ConfigError(f"the precision of {self.to} must be one of {', '.join(known)}: got {self.precision!r}")
        if not self.tiles or min(self.tiles) < 1:
            raise ConfigError(f"tiles to verify must be at least 1 pixel: got {self.tiles}")


def check_libraries(request: ExportRequest) -> None:
    """Import what an export needs, before the minutes of work and not after them.

    Raises:
        ExportError: a library is missing.
    """
    if request.to in {"onnx", "openvino"}:
        runtimes = {"onnxruntime"} if request.to == "onnx" or request.precision == "int8" else set()
        for name in sorted({"onnx", "onnxscript", *runtimes, *({"openvino"} & {request.to})}):
            import_library(name)


def check_origin(model: LoadedModel) -> None:
    """Refuse other people's networks, whose code no exporter was tried with.

    Raises:
        ExportError: it is one.
    """
    if model.header.is_foreign:
        raise ExportError(
            f"a network to export must be one of nlcunet: {model.header.name} is other people's; run it with PyTorch"
        )


def export_model(model: LoadedModel, path: Path, request: ExportRequest) -> ExportFacts:
    """Write a network in another format, verified against PyTorch on tiles of real pictures.

    Raises:
        ExportError: the export differs from PyTorch, cannot be made, or lacks a library. Nothing is written then.
        ConfigError: the name does not fit the format.
    """
    suffix = TARGETS[request.to].suffix
    if path.suffix != suffix:
        raise ConfigError(f"a file for {request.to} must end in {suffix}: got {path.name}")
    check_origin(model)
    check_libraries(request)
    batches = cut_tiles(read_pictures(request.verification), request.tiles, model.header)
    make = {"onnx": _export_onnx, "openvino": _export_openvino}.get(request.to, _export_torch)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".nlcunet-") as folder:
            draft = Path(folder) / path.name
            facts = make(model, draft, request, batches)
            # the file that is read last comes last
            for part in sorted(Path(folder).iterdir(), key=lambda file: file == draft):
                os.replace(part, path.with_name(part.name))  # noqa: PTH105 - Path.replace hides that this is atomic
    except OSError as error:
        raise ExportError(
            f"the export could not be written to {path}: {error}; is there space and permission?"
        ) from error
    return facts


def _facts(model: LoadedModel, request: ExportRequest, parity: Parity) -> ExportFacts:
    return ExportFacts(
        target=request.to,
        precision=request.precision,
        tiles=request.tiles,
        weights_sha256=weights_checksum(model),
        header=model.header,
        parity=parity,
    )


def _make_proto(model: LoadedModel, request: ExportRequest) -> Any:
    """The ONNX graph behind both formats. OpenVINO halves weights itself, when it writes."""
    proto = make_onnx(model, "float16" if (request.to, request.precision) == ("onnx", "float16") else "float32")
    if request.precision != "int8":
        return proto
    tiles = cut_tiles(read_pictures(request.calibration), request.tiles, model.header)
    return quantise(proto, tiles[:: -(-len(tiles) // CALIBRATION_BATCHES)])


def _export_onnx(model: LoadedModel, draft: Path, request: ExportRequest, batches: Sequence[Tensor]) -> ExportFacts:
    proto = _make_proto(model, request)
    parity = compare(model, open_onnx(proto.SerializeToString())[0], batches, BOUNDS[request.precision])
    facts = _facts(model, request, parity)
    lean = without_watching(proto)
    write_facts(lean, facts)
    draft.write_bytes(lean.SerializeToString())
    _check_written(model, lambda: open_onnx(draft)[0], request, batches)
    return facts


def _export_openvino(model: LoadedModel, draft: Path, request: ExportRequest, batches: Sequence[Tensor]) -> ExportFacts:
    proto, is_half = _make_proto(model, request), request.precision == "float16"
    with tempfile.TemporaryDirectory() as folder:
        watched = Path(folder) / "watched.xml"
        write_openvino(proto, watched, is_half=is_half)
        parity = compare(model, open_openvino(watched)[0], batches, BOUNDS[request.precision])
    facts = _facts(model, request, parity)
    write_openvino(without_watching(proto), draft, is_half=is_half, facts=facts)
    _check_written(model, lambda: open_openvino(draft)[0], request, batches)
    return facts


def _export_torch(model: LoadedModel, draft: Path, request: ExportRequest, batches: Sequence[Tensor]) -> ExportFacts:
    """A graph, or a package, which keeps facts known before it is compiled: so parity is that of what is drawn."""
    is_graph = request.to == "torch"
    parity = compare(model, watch_network(model, request.precision), batches, BOUNDS[request.precision])
    facts = _facts(model, request, parity)
    (write_graph if is_graph else compile_package)(model, facts, draft)
    _check_written(model, lambda: (open_graph if is_graph else open_package)(draft)[0], request, batches)
    return facts


def _check_written(
    model: LoadedModel, reopen: Callable[[], Session], request: ExportRequest, batches: Sequence[Tensor]
) -> None:
    """Read the file again, and hold the picture that it gives to the bound, on every batch."""
    bound = BOUNDS[request.precision]
    compare(model, reopen(), batches, Bound(max(bound.max_difference, LOOSEST_TILE), bound.psnr_db))


LOOSEST_TILE = 0.05
"""A file without watched attention cannot tell that a token has moved; a tile in which one has may differ by this."""
