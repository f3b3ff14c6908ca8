"""To int8: convolutions in 8 bits, with ranges read off real pictures; everything else stays in float32.

What stays: attention (buckets hang on the last digits of its queries), normalisation, channel attention, depth-wise
convolutions (on NLCUnet-S they cost 1 dB in 8 bits and save no time), the first convolution, which sees the picture,
and everything after the U, which makes it.

Weights have 7 bits. Processors without VNNI instructions add two products of 8 bits in 16, which overflows: with
weights of 8 bits NLCUnet-S lost 2 dB there.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nlcunet.export.drawing import quiet
from nlcunet.export.facts import INPUT_NAME
from nlcunet.export.libraries import import_library, quiet_log

KEPT_PARTS = ("attention", "channel_attention", "head", "fusion", "upsampler", "estimator")
"""Modules whose convolutions stay in float32; a part of a name between dots."""
SCOPES = "pkg.torch.onnx.name_scopes"
"""Where PyTorch's exporter notes the module that an operator came from."""


def quantise(proto: Any, tiles: Sequence[Float[Tensor, "_ 3 _ _"]]) -> Any:
    """A copy of an ONNX graph whose convolutions compute in 8 bits.

    Args:
        proto: the graph in float32, as ``make_onnx`` gives it.
        tiles: batches of real tiles, which the ranges of activations are measured on.
    """
    quantization = import_library("onnxruntime.quantization")
    onnx = import_library("onnx")
    kept = [node.name for node in proto.graph.node if node.op_type == "Conv" and _is_kept(node)]
    with tempfile.TemporaryDirectory() as folder, quiet(), quiet_log():
        source, target = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        onnx.save(proto, source)
        quantization.quantize_static(
            source,
            target,
            _Tiles(tiles),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=kept,
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return onnx.load(target)


def _is_kept(node: Any) -> bool:
    if any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute):
        return True
    scopes = next((entry.value for entry in node.metadata_props if entry.key == SCOPES), "")
    return any(part in KEPT_PARTS for part in scopes.replace("'", ".").replace(",", ".").split("."))


class _Tiles:
    """Tiles in the manner that ONNX Runtime's calibration asks for them."""

    def __init__(self, tiles: Sequence[Tensor]) -> None:
        self._tiles = iter(tiles)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, or nothing after the last."""
        tile = next(self._tiles, None)
        return None if tile is None else {INPUT_NAME: tile.numpy()}
