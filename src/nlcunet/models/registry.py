"""Every network that can be built by name, and the named sizes of NLCUnet. Literal tables, nothing registers itself."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from nlcunet.errors import ConfigError
from nlcunet.models.bicubic import Bicubic
from nlcunet.models.dan_v1 import DANv1, DANv1Config
from nlcunet.models.dan_v2 import DANv2, DANv2Config
from nlcunet.models.dcls import DCLS, DCLSConfig
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig

SIZES: dict[str, NLCUnetConfig] = {
    "NLCUnet": NLCUnetConfig(),
    "NLCUnet-M": NLCUnetConfig(
        width=48,
        depths=(2, 4, 5, 3, 3, 2),
        attention=("none", "sparse", "sparse", "sparse", "none", "none"),
        num_hashes=2,
    ),
    "NLCUnet-S": NLCUnetConfig(
        width=32,
        depths=(2, 2, 4, 2, 1, 0),
        attention=("none", "none", "sparse", "none", "none", "none"),
        num_hashes=1,
        upsampler="direct",
    ),
}
"""Named sizes at ×4; ``size_config`` gives them at other scales. Why S looks as it does: docs/decisions.md."""


def size_config(name: str, scale: int = 4) -> NLCUnetConfig:
    """The configuration of a named size at a scale.

    Raises:
        ConfigError: the name is unknown or the scale is not 2, 3 or 4.
    """
    if name not in SIZES:
        raise ConfigError(f"the size must be one of {', '.join(SIZES)}: got {name!r}")
    return replace(SIZES[name], scale=scale)


def _make_nlcunet(config: Mapping[str, Any]) -> nn.Module:
    # JSON and YAML know lists only.
    arguments: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in config.items()}
    return NLCUnet(NLCUnetConfig(**arguments))


def _make_dan_v1(config: Mapping[str, Any]) -> nn.Module:
    arguments: dict[str, Any] = dict(config)
    return DANv1(DANv1Config(**arguments))


def _make_dan_v2(config: Mapping[str, Any]) -> nn.Module:
    arguments: dict[str, Any] = dict(config)
    return DANv2(DANv2Config(**arguments))


def _make_dcls(config: Mapping[str, Any]) -> nn.Module:
    arguments: dict[str, Any] = dict(config)
    return DCLS(DCLSConfig(**arguments))


def _make_bicubic(config: Mapping[str, Any]) -> nn.Module:
    return Bicubic(config["scale"])


ARCHITECTURES: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "NLCUnet": _make_nlcunet,
    "DANv1": _make_dan_v1,
    "DANv2": _make_dan_v2,
    "DCLS": _make_dcls,
    "Bicubic": _make_bicubic,
}


def make_network(architecture: str, config: Mapping[str, Any]) -> nn.Module:
    """Build a network with fresh weights.

    Raises:
        ConfigError: the architecture is unknown, or the configuration does not fit it.
    """
    if architecture not in ARCHITECTURES:
        raise ConfigError(f"the architecture must be one of {', '.join(ARCHITECTURES)}: got {architecture!r}")
    try:
        return ARCHITECTURES[architecture](config)
    except (TypeError, KeyError) as error:
        raise ConfigError(f"the configuration does not fit {architecture}: {error}") from error
