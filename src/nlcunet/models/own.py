"""A network of another package, named as ``mypackage.mymodule:MyNetwork``.

Its class is a ``torch.nn.Module`` that is made by ``MyNetwork(scale=4, …)``. It takes and gives pictures as all
networks here do: ``batch 3 height width`` in [0, 1] to ``batch 3 scale·height scale·width``, not clamped, for sides
that are multiples of 4. The class attributes ``size_multiple``, ``min_size`` and ``tile_overlap`` say more, where they
differ from 4, 4 and 16 pixels.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.errors import ConfigError

TRUSTED_VARIABLE = "NLCUNET_NETWORKS"
"""Environment variable: names of networks, with commas between them, that weights files may ask for."""
TRIED_SIZE = (24, 32)
"""Height and width of the picture that every network is tried on when it is made."""


@dataclass(frozen=True, kw_only=True)
class OwnConfig:
    """Which network, and with which arguments it is made."""

    network: str
    """``package.module:Class``."""
    scale: int = 4
    """Enlargement."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the class, by name; as JSON knows them."""


class OwnNetwork(nn.Module):
    """The network of another package, with a configuration like all others here.

    Raises:
        ConfigError: there is no such class, it cannot be made so, or it does not enlarge by the scale.
    """

    def __init__(self, config: OwnConfig) -> None:
        super().__init__()
        self.config = config
        try:
            self.network = find_class(config.network)(scale=config.scale, **config.arguments)
        except TypeError as error:
            raise ConfigError(
                f"{config.network} must take scale and what network.overrides names as arguments: {error}"
            ) from error
        self._try()

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """What the network gives."""
        answer: Tensor = self.network(low_res)
        return answer

    @torch.no_grad()
    def _try(self) -> None:
        """Enlarge a small picture, so that a network that does not fit fails at the start."""
        self.network.eval()
        config, picture = self.config, torch.zeros(1, 3, *TRIED_SIZE)
        wanted = (1, 3, *(config.scale * side for side in TRIED_SIZE))
        try:
            answer = self.network(picture)
        except Exception as error:
            raise ConfigError(
                f"{config.network} must enlarge a tensor of shape {tuple(picture.shape)}: it failed with "
                f"{type(error).__name__}: {error}"
            ) from error
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        if got != wanted:
            raise ConfigError(f"{config.network} must give a tensor of shape {wanted} for ×{config.scale}: got {got}")
        self.network.train()


def is_own(name: str) -> bool:
    """Whether a network is named by package, module and class."""
    return ":" in name


def find_class(name: str) -> type[nn.Module]:
    """The class that ``package.module:Class`` names; its module is imported."""
    module_name, _, class_name = name.partition(":")
    try:
        found = getattr(import_module(module_name), class_name)
    except Exception as error:
        raise ConfigError(
            f"a network of your own must be named as package.module:Class and be importable: got {name!r} "
            f"({type(error).__name__}: {error}); install the package, or put its folder into PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ConfigError(f"a network of your own must be a subclass of torch.nn.Module: {name} is not")
    return found


def check_trusted(name: str) -> None:
    """Refuse to run code that only a weights file asks for.

    Raises:
        ConfigError: nobody here has named the network or imported its module.
    """
    trusted = [word.strip() for word in os.environ.get(TRUSTED_VARIABLE, "").split(",")]
    if name not in trusted and name.partition(":")[0] not in sys.modules:
        raise ConfigError(
            f"the code of the network {name!r} must be trusted before weights may ask for it: set "
            f"{TRUSTED_VARIABLE}={name}, or import its module first"
        )
