"""Convolutions on a CPU with what follows them in the same pass: GELU, or a sum or product with another map.

PyTorch's CPU builds hold oneDNN, which applies such an operation to every block of results while it is in a register.
The operators are those that ``torch.compile`` uses; they are PyTorch's own, not public, and may be missing: then the
same is done in two steps. (oneDNN's documentation, "Primitive Attributes: Post-ops",
https://uxlfoundation.github.io/oneDNN/dev_guide_attributes_post_ops.html.)
"""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Maps: TypeAlias = Float[Tensor, "batch _ _ _"]


def _find_operators() -> bool:
    """Whether oneDNN and its fused operators are there and take what is given to them below."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        x, weight = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1)
        with torch.inference_mode():
            is_right = [
                torch.allclose(_unary(x, weight, None, (0, 0), 1, "gelu"), F.gelu(x), atol=1e-5),
                torch.allclose(_binary(x, x, weight, None, (0, 0), 1, "add"), x + x),
                torch.allclose(_binary(x, x + 1, weight, None, (0, 0), 1, "mul"), x + 1),
            ]
    except (AttributeError, RuntimeError, TypeError):
        return False
    return all(is_right)


def _unary(x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int], groups: int, name: str) -> Tensor:  # noqa: PLR0917
    result: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001
        x, weight, bias, padding, (1, 1), (1, 1), groups, name, [], "none"
    )
    return result


def _binary(  # noqa: PLR0917
    x: Tensor, other: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int], groups: int, name: str
) -> Tensor:
    result: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(  # noqa: SLF001
        x, other, weight, bias, padding, (1, 1), (1, 1), groups, name, None, None, [], None
    )
    return result


HAS_OPERATORS = _find_operators()


def can_compute_only(x: Tensor) -> bool:
    """Whether only the values of what comes of ``x`` matter, on a CPU in float32: no gradients, no compiler."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_grad_enabled():
        return False
    return not (torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling())


def convolve(
    x: Maps,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    padding: tuple[int, int] = (0, 0),
    groups: int = 1,
) -> Maps:
    """A convolution of stride 1 by oneDNN, also where PyTorch would take its slower own (one thread, small maps)."""
    if HAS_OPERATORS:
        return torch.mkldnn_convolution(x, weight, bias, padding, (1, 1), (1, 1), groups)
    return F.conv2d(x, weight, bias, padding=padding, groups=groups)


def convolve_gelu(
    x: Maps, weight: Tensor, bias: Tensor | None = None, *, padding: tuple[int, int] = (0, 0), groups: int = 1
) -> Maps:
    """GELU of a convolution."""
    if HAS_OPERATORS:
        return _unary(x, weight, bias, padding, groups, "gelu")
    return F.gelu(F.conv2d(x, weight, bias, padding=padding, groups=groups))


def convolve_with(
    x: Maps,
    other: Maps,
    weight: Tensor,
    *,
    operation: Literal["add", "mul"],
    padding: tuple[int, int] = (0, 0),
    groups: int = 1,
) -> Maps:
    """A convolution without bias, plus or times ``other``."""
    if HAS_OPERATORS:
        return _binary(x, other, weight, None, padding, groups, operation)
    result = F.conv2d(x, weight, padding=padding, groups=groups)
    return result.add_(other) if operation == "add" else result.mul_(other)
