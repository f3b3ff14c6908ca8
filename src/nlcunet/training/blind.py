"""Losses of networks that estimate the blur kernel: the picture, and the kernel against the true one, both by L1.

DANv1 (https://arxiv.org/abs/2010.02631) counts the pictures and kernel codes of all loops; DANv2
(https://arxiv.org/abs/2105.06878) picture and kernel of the last one, as its published code does; DCLS
(https://arxiv.org/abs/2202.07508) the kernel between low-resolution pictures. All weights are 1, as published.
Kernels are known in training, because patches are degraded there.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.data.pairs import Pairs
from nlcunet.degradations.record import DegradationRecord, record_kernel
from nlcunet.errors import ConfigError
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.blind import BlindEstimate, BlindNetwork, Kernels
from nlcunet.models.dan_v1 import DANv1
from nlcunet.models.dcls import DCLS
from nlcunet.models.least_squares import reformulate_kernels
from nlcunet.models.registry import Network
from nlcunet.training.losses import l1_loss

Restored: TypeAlias = Tensor | BlindEstimate
"""What a network says while it is trained: a picture, or all that it estimates."""


class WithKernels(nn.Module):
    """A network whose ``forward`` gives all that it estimates, so that it can be compiled and run in parallel."""

    def __init__(self, network: BlindNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, low_res: Float[Tensor, "batch 3 height width"]) -> BlindEstimate:
        """Pictures and kernels of every loop."""
        return self.network.forward_with_kernels(low_res)


def picture_of(answer: Restored) -> Float[Tensor, "batch 3 height width"]:
    """The restored pictures."""
    return answer.picture if isinstance(answer, BlindEstimate) else answer


def fidelity_terms(
    network: Network, answer: Restored, pairs: Pairs, pixel_loss: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Tensor]:
    """The loss of stage one, term by term; it is their sum.

    Raises:
        ConfigError: the degradation has kernels of another size than the network estimates.
    """
    if not isinstance(answer, BlindEstimate):
        return {"pixel": pixel_loss(answer, pairs.high_res)}
    pictures = answer.pictures if isinstance(network, DANv1) else (answer.picture,)
    pixel = torch.stack([pixel_loss(picture, pairs.high_res) for picture in pictures]).sum()
    return {"pixel": pixel, "kernel": _kernel_loss(network, answer, pairs)}


def true_kernels(records: Sequence[DegradationRecord], size: int) -> Kernels:
    """The kernels of some degradations, centred in squares of one size, float32 on the CPU."""
    kernels = []
    for record in records:
        kernel = record_kernel(record).float()
        margin = (size - kernel.shape[-1]) // 2
        if margin < 0:
            raise ConfigError(
                f"the network must estimate kernels of {kernel.shape[-1]} × {kernel.shape[-1]} px, as the degradation "
                f"has: got {size}; set network.overrides.kernel_size"
            )
        kernels.append(F.pad(kernel, (margin,) * 4))
    return torch.stack(kernels)


def _kernel_loss(network: Network, estimate: BlindEstimate, pairs: Pairs) -> Float[Tensor, ""]:
    size = estimate.kernel.shape[-1]
    if isinstance(network, DCLS):
        plain = resize_bicubic(pairs.high_res, *pairs.low_res.shape[-2:])
        return l1_loss(estimate.kernel, reformulate_kernels(pairs.low_res, plain, size))
    target = true_kernels(pairs.records, size).to(pairs.low_res.device)
    if isinstance(network, DANv1):
        code = network.coder.encode(target)
        return torch.stack([l1_loss(estimated, code) for estimated in estimate.codes]).sum()
    return l1_loss(estimate.kernel, target)
