"""To OpenVINO: its reader of ONNX, its own two files, facts in its run-time information.

Its converter is not used: it reports use over the network, and reading an ONNX graph does not need it.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

from nlcunet.errors import ExportError
from nlcunet.export.facts import FACTS_KEY, ExportFacts
from nlcunet.export.libraries import import_library


def write_openvino(proto: Any, path: Path, *, is_half: bool, facts: ExportFacts | None = None) -> None:
    """Write an ONNX graph as OpenVINO's .xml and .bin.

    Raises:
        ExportError: OpenVINO is missing, or does not know an operator.
    """
    openvino = import_library("openvino")
    try:
        graph = openvino.Core().read_model(model=BytesIO(proto.SerializeToString()))
    except RuntimeError as error:
        raise ExportError(f"OpenVINO could not read the graph: {str(error).strip().splitlines()[-1]}") from error
    if facts is not None:
        graph.set_rt_info(facts.model_dump_json(), [FACTS_KEY])
    openvino.save_model(graph, str(path), compress_to_fp16=is_half)
