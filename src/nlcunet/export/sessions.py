"""Exported graphs at work: ONNX Runtime and OpenVINO behind one call, tensors in and out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ExportError
from nlcunet.export.facts import FACTS_KEY, INPUT_NAME
from nlcunet.export.libraries import import_library

Session: TypeAlias = Callable[[Float[Tensor, "batch 3 height width"]], tuple[Tensor, ...]]
"""Runs a graph: a batch in, all its outputs out, on the CPU."""

MEMORY_PHRASES = ("failed to allocate memory", "bad_alloc", "out of memory", "cudaerrormemoryallocation")
"""What ONNX Runtime and OpenVINO say when memory runs out, in lower case."""


def open_onnx(
    source: bytes | Path, threads: int | None = None, *, providers: tuple[str, ...] = ("CPUExecutionProvider",)
) -> tuple[Session, str]:
    """An ONNX graph in ONNX Runtime.

    Returns:
        The session, and the facts in the graph's metadata as JSON (empty if there are none).

    Raises:
        ExportError: ONNX Runtime is missing, or cannot read the graph.
    """
    runtime = import_library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3  # errors; warnings are on its own work
    try:
        graph = runtime.InferenceSession(
            source if isinstance(source, bytes) else str(source), options, providers=list(providers)
        )
    except Exception as error:
        raise ExportError(
            f"{_named(source)} must be an ONNX graph that ONNX Runtime can run: {_reason(error)}"
        ) from error

    def run(batch: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        with _memory_errors():
            return _to_tensors(graph.run(None, {INPUT_NAME: np.ascontiguousarray(batch.numpy())}))

    return run, graph.get_modelmeta().custom_metadata_map.get(FACTS_KEY, "")


def open_openvino(source: bytes | Path | Any, threads: int | None = None) -> tuple[Session, str]:
    """An OpenVINO or ONNX graph in OpenVINO, on the CPU, in float32 where the graph does not say otherwise.

    Returns:
        The session, and the facts in the graph's metadata as JSON (empty if there are none).

    Raises:
        ExportError: OpenVINO is missing, or cannot read the graph.
    """
    openvino = import_library("openvino")
    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads or torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    try:
        if isinstance(source, bytes):
            source = core.read_model(model=BytesIO(source))
        elif isinstance(source, Path):
            source = core.read_model(model=str(source))
        compiled = core.compile_model(source, "CPU", settings)
    except Exception as error:
        raise ExportError(f"{_named(source)} must be a graph that OpenVINO can run: {_reason(error)}") from error
    request = compiled.create_infer_request()

    def run(batch: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        with _memory_errors():
            results = request.infer([np.ascontiguousarray(batch.numpy())])
            return _to_tensors([results[output] for output in compiled.outputs])

    return run, _facts_of(source)


def _facts_of(graph: Any) -> str:
    for path in ([FACTS_KEY], ["framework", FACTS_KEY]):  # its own files, and ONNX files that it has read
        if graph.has_rt_info(path):
            return str(graph.get_rt_info(path).value)
    return ""


def _to_tensors(arrays: list[np.ndarray]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.array(array)) for array in arrays)


def _reason(error: Exception) -> str:
    """The last line of what an engine says, which is the cause; those before it name places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[-1] if lines else type(error).__name__}; is the file whole? write it again with `nlcunet export`"


def _named(source: object) -> str:
    return str(source) if isinstance(source, Path) else "the export"


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Engines tell in words of their own that memory ran out; here it becomes ``MemoryError``."""
    try:
        yield
    except Exception as error:
        if any(phrase in str(error).lower() for phrase in MEMORY_PHRASES):
            raise MemoryError(str(error).strip().splitlines()[0]) from error
        raise
