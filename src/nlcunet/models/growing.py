"""Deeper networks from the weights of shallower ones: added blocks begin as the identity.

A block adds two branches to its input. With the last layer of each at zero, both branches are zero, and the deeper
network answers as the shallower one does; their gradients are not zero, so the added blocks learn from the first step.
Source: zero-initialised residual branches, Goyal et al., https://arxiv.org/abs/1706.02677, section 5.1.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from nlcunet.models.nlcunet import STAGES, Block, NLCUnet, NLCUnetConfig


def can_grow(given: NLCUnetConfig, wanted: NLCUnetConfig) -> bool:
    """Whether every stage of the wanted network has at least the blocks of the given one."""
    return all(few <= many for few, many in zip(given.depths, wanted.depths, strict=True))


@torch.no_grad()
def grown_state(network: NLCUnet, given: NLCUnetConfig, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a deeper network that answers as a shallower one."""
    for stage, depth in zip(STAGES, given.depths, strict=True):
        for block in list(getattr(network, stage))[depth:]:
            if isinstance(block, Block):
                block.merge.weight.zero_()
                block.feed_forward.contract.weight.zero_()
                if block.merge.bias is not None:
                    block.merge.bias.zero_()
    return {name: tensors.get(name, value) for name, value in network.state_dict().items()}


def grown_network(shallow: NLCUnet, deep: NLCUnet) -> NLCUnet:
    """A network of the shape of the deeper one that answers as the shallower one; neither of the two is changed.

    What the added blocks hold before their last layers is that of the deeper network: of two such networks every
    mixture lies between the two.
    """
    network = copy.deepcopy(deep)
    network.load_state_dict(grown_state(network, shallow.config, shallow.state_dict()))
    return network
