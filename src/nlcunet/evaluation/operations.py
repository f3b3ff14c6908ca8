"""Counting operations, those of oneDNN's convolutions among them."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count


def count_operations(run: Callable[[], object]) -> int:
    """Operations of a run as they happen, two for each multiply-add.

    Counted are convolutions and matrix products, those of attention among them; not Fourier transforms, and not what is
    done element by element.
    """
    with FlopCounterMode(display=False, custom_mapping=_onednn_formulas()) as counter:
        run()
    return int(counter.get_total_flops())


def _onednn_formulas() -> dict[Any, Any]:
    """How PyTorch's counter shall count the operators of ``nlcunet.models.fused_convolution``."""
    operators = [torch.ops.aten.mkldnn_convolution]
    if hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        operators.append(torch.ops.mkldnn._convolution_pointwise)  # noqa: SLF001
    return dict.fromkeys(operators, _convolution_operations)


def _convolution_operations(x: Any, *shapes: Any, out_shape: Any = None, **_: Any) -> int:
    """From the shapes of an operator's arguments: input, what is added or multiplied if anything, weights, bias, ..."""
    has_other = isinstance(shapes[1], torch.Size) and len(shapes[1]) == len(x)
    return int(conv_flop_count(x, shapes[1] if has_other else shapes[0], out_shape))
