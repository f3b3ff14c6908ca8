"""Depth-wise convolutions in training on a CPU: the weights' gradient a few samples at a time.

oneDNN's gradient of depth-wise weights slows down where a batch is larger than the cache. The gradient is a sum over
samples, so that it can be taken from as many at a time as fit, and added up in float32.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

NUMBERS_AT_A_TIME = 2**20
"""Of the input, per call; 2 MiB in bfloat16, a core's level-2 cache on current servers."""


def can_split_gradient(x: Tensor) -> bool:
    """Whether ``x`` is a batch of which gradients are wanted, on a CPU, and is larger than what is taken at a time."""
    if x.device.type != "cpu" or not torch.is_grad_enabled() or torch.compiler.is_exporting():
        return False
    return x.shape[0] > 1 and x.numel() > NUMBERS_AT_A_TIME


def convolve_depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
    """A depth-wise convolution of stride 1; under autocast in autocast's number type, as any convolution.

    Args:
        x: maps.
        weight: channels × 1 × rows × columns.
        bias: one number per channel.
        padding: rows and columns of zeros on either side.
    """
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    result: Tensor = _DepthwiseConvolution.apply(x, weight, bias, padding)  # type: ignore[no-untyped-call]
    return result


class _DepthwiseConvolution(torch.autograd.Function):
    """The convolution as it is; the gradient of the weights by ``_weight_gradient``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.bias_sizes = padding, None if bias is None else list(bias.shape)
        return F.conv2d(x, weight, bias, padding=padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad, padding = grad_outputs[0], list(ctx.padding)
        grad_x, _, grad_bias = torch.ops.aten.convolution_backward(
            grad,
            x,
            weight,
            ctx.bias_sizes,
            [1, 1],
            padding,
            [1, 1],
            False,
            [0, 0],
            x.shape[1],
            [ctx.needs_input_grad[0], False, ctx.needs_input_grad[2]],
        )
        grad_weight = _weight_gradient(grad, x, weight, padding) if ctx.needs_input_grad[1] else None
        return grad_x, grad_weight, grad_bias, None


@torch.library.custom_op("nlcunet::depthwise_weight_gradient", mutates_args=())
def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, padding: list[int]) -> Tensor:
    """The gradient of the weights, a few samples at a time; one operation, whatever compiles what is around it."""
    samples = max(1, NUMBERS_AT_A_TIME // x[0].numel())
    total = torch.zeros(weight.shape, dtype=torch.promote_types(weight.dtype, torch.float32))
    for grad_part, x_part in zip(grad.split(samples), x.split(samples), strict=True):
        total += torch.ops.aten.convolution_backward(
            grad_part,
            x_part,
            weight,
            None,
            [1, 1],
            padding,
            [1, 1],
            False,
            [0, 0],
            x.shape[1],
            [False, True, False],
        )[1]
    return total.to(weight.dtype)


@_weight_gradient.register_fake
def _(grad: Tensor, x: Tensor, weight: Tensor, padding: list[int]) -> Tensor:  # noqa: ARG001
    return weight.new_empty(weight.shape)
