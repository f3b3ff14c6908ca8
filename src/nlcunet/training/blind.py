"""Losses of networks that estimate the blur kernel: the picture, and the kernel against the true one, both by L1.

DANv1 (https://arxiv.org/abs/2010.02631) counts the pictures and kernel codes of all loops; DANv2
(https://arxiv.org/abs/2105.06878) picture and kernel of the last one, as its published code does; DCLS
(https://arxiv.org/abs/2202.07508) the kernel between low-resolution pictures. All weights are 1, as published; that of
EstimatingNLCUnet's kernel code is smaller. Kernels are known in training, because patches are degraded there.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.data.pairs import Pairs
from nlcunet.degradations.record import DegradationRecord, true_kernels
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.blind import BlindEstimate, BlindNetwork
from nlcunet.models.dan_v1 import DANv1
from nlcunet.models.dcls import DCLS
from nlcunet.models.kernel_conditioned import EstimatingNLCUnet, NonBlindNLCUnet, encode_kernels
from nlcunet.models.least_squares import reformulate_kernels
from nlcunet.models.registry import Network
from nlcunet.training.losses import l1_loss

Restored: TypeAlias = Tensor | BlindEstimate
"""What a network says while it is trained: a picture, or all that it estimates."""

ESTIMATOR_WEIGHT = 0.01
"""Of EstimatingNLCUnet's kernel loss. It trains the estimator alone, and Adam does not see its size. But all gradients
are clipped together, and the estimator's shall not be what the rest is clipped for."""


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


def known_kernels(network: nn.Module, records: Sequence[DegradationRecord], device: torch.device) -> tuple[Tensor, ...]:
    """What a network takes beside pictures: their true kernels, where it must be told them; else nothing.

    Args:
        network: that will see the pictures.
        records: how each picture was degraded.
        device: where the kernels are to be.

    Raises:
        ConfigError: a picture has no single kernel.
    """
    if not isinstance(network, NonBlindNLCUnet):
        return ()
    return (true_kernels(records, network.config.kernel_size).to(device),)


def _kernel_loss(network: Network, estimate: BlindEstimate, pairs: Pairs) -> Float[Tensor, ""]:
    size = estimate.kernel.shape[-1]
    if isinstance(network, DCLS):
        plain = resize_bicubic(pairs.high_res, *pairs.low_res.shape[-2:])
        return l1_loss(estimate.kernel, reformulate_kernels(pairs.low_res, plain, size))
    target = true_kernels(pairs.records, size).to(pairs.low_res.device)
    if isinstance(network, EstimatingNLCUnet):
        return ESTIMATOR_WEIGHT * l1_loss(estimate.codes[-1], encode_kernels(target, network.config.scale))
    if isinstance(network, DANv1):
        code = network.coder.encode(target)
        return torch.stack([l1_loss(estimated, code) for estimated in estimate.codes]).sum()
    return l1_loss(estimate.kernel, target)
