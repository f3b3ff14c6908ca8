"""To ONNX: the drawn graph in ONNX's operators, with names, one file, and facts in its metadata."""

from typing import Any

from nlcunet.errors import ExportError
from nlcunet.export.drawing import draw, quiet
from nlcunet.export.facts import FACTS_KEY, INPUT_NAME, OUTPUT_NAME, ExportFacts
from nlcunet.export.libraries import import_library, quiet_log
from nlcunet.models.weights import LoadedModel

OPSET = 20
"""Of the ONNX operators: the first with GELU as one; ONNX Runtime has it since version 1.17."""


def make_onnx(model: LoadedModel, precision: str = "float32") -> Any:
    """An ``onnx.ModelProto`` of a network that also answers with what its sparse attention did.

    Raises:
        ExportError: a library is missing, or the network cannot be drawn.
    """
    import_library("onnxscript")
    onnx = import_library("onnx")
    import torch

    graph = draw(model, precision)
    try:
        with quiet(), quiet_log("torch.onnx"):
            program = torch.onnx.export(
                graph, (), dynamo=True, input_names=[INPUT_NAME], opset_version=OPSET, verbose=False
            )
    except Exception as error:
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise ExportError(f"{model.header.name} could not be written in ONNX's operators: {reason[0]}") from error
    if program is None:
        raise ExportError(f"{model.header.name} could not be written in ONNX's operators")
    proto = program.model_proto
    _name_sides(proto.graph, model.header.scale)
    onnx.checker.check_model(proto)
    return proto


def without_watching(proto: Any) -> Any:
    """A copy of a graph that answers with the picture alone."""
    onnx = import_library("onnx")
    lean = onnx.ModelProto()
    lean.CopyFrom(proto)
    del lean.graph.output[1:]
    for node in lean.graph.node:  # where in whose files an operator was traced
        del node.metadata_props[:]
        node.doc_string = ""
    return lean


def write_facts(proto: Any, facts: ExportFacts) -> None:
    """Put the facts into a graph's metadata, and a few of them where viewers show them."""
    import_library("onnx").helper.set_model_props(proto, {FACTS_KEY: facts.model_dump_json()})
    proto.producer_name, proto.producer_version = "nlcunet", facts.version
    proto.doc_string = f"{facts.header.name}, ×{facts.header.scale}, {facts.precision}, {facts.header.licence}"


def _name_sides(graph: Any, scale: int) -> None:
    """Give the picture and its sides names; sizes in between have none that a reader could use."""
    del graph.value_info[:]
    old = graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == old:
                    names[position] = OUTPUT_NAME
    graph.output[0].name = OUTPUT_NAME
    for value, sides in (
        (graph.input[0], ("height", "width")),
        (graph.output[0], (f"{scale}*height", f"{scale}*width")),
    ):
        dims = value.type.tensor_type.shape.dim
        for position, name in zip((0, 2, 3), ("batch", *sides), strict=True):
            dims[position].dim_param = name
