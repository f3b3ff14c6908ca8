"""Every network that can be built by name, and the named sizes of each. Literal tables, nothing registers itself."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from torch import nn

from nlcunet.errors import ConfigError, did_you_mean
from nlcunet.models.bicubic import Bicubic
from nlcunet.models.dan_v1 import DANv1, DANv1Config
from nlcunet.models.dan_v2 import DANv2, DANv2Config
from nlcunet.models.dcls import DCLS, MIN_SIZE, DCLSConfig
from nlcunet.models.nlcunet import SIZE_MULTIPLE, NLCUnet, NLCUnetConfig
from nlcunet.models.own import OwnConfig, OwnNetwork, is_own

if TYPE_CHECKING:
    from nlcunet.models.kernel_conditioned import EstimatingNLCUnet, NonBlindNLCUnet

Network: TypeAlias = "NLCUnet | DANv1 | DANv2 | DCLS | OwnNetwork | EstimatingNLCUnet | NonBlindNLCUnet"
"""Any network with trained weights."""
NetworkConfig: TypeAlias = NLCUnetConfig | DANv1Config | DANv2Config | DCLSConfig | OwnConfig
"""The shape of any of them."""

SIZES: dict[str, NetworkConfig] = {
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
    "DANv1": DANv1Config(),
    "DANv1-S": DANv1Config(width=16, blocks=5, estimator_width=8, estimator_blocks=2, upsampler="direct"),
    "DANv2": DANv2Config(),
    "DANv2-S": DANv2Config(width=20, groups=2, blocks=3, estimator_width=8, estimator_blocks=2, upsampler="direct"),
    "DCLS": DCLSConfig(),
    "DCLS-S": DCLSConfig(
        width=28, groups=2, blocks=4, head_blocks=1, kernel_channels=8, code_length=64, upsampler="direct"
    ),
}
"""Named sizes at ×4; ``size_config`` gives them at other scales. All sizes that end in -S cost the same within 5 %.
Why they look as they do: docs/decisions.md."""


@dataclass(frozen=True, kw_only=True)
class SizeRules:
    """Which inputs a network takes, and how tiles should overlap; in low-resolution pixels."""

    size_multiple: int = 1
    """Height and width must be multiples of this."""
    min_size: int = 1
    """Smallest height and width."""
    tile_overlap: int = 16
    """Advised overlap of tiles."""


SIZE_RULES: dict[str, SizeRules] = {
    "NLCUnet": SizeRules(size_multiple=SIZE_MULTIPLE, min_size=SIZE_MULTIPLE),
    "EstimatingNLCUnet": SizeRules(size_multiple=SIZE_MULTIPLE, min_size=SIZE_MULTIPLE),
    "NonBlindNLCUnet": SizeRules(size_multiple=SIZE_MULTIPLE, min_size=SIZE_MULTIPLE),
    "DANv1": SizeRules(),
    "DANv2": SizeRules(),
    # A deconvolution reaches half a kernel further than the convolutions around it.
    "DCLS": SizeRules(min_size=MIN_SIZE, tile_overlap=32),
    "OwnNetwork": SizeRules(size_multiple=4, min_size=4),
    "Bicubic": SizeRules(tile_overlap=4),
}
"""Rules by architecture."""


def size_rules(network: Network) -> SizeRules:
    """The rules of a network; one of another package may have its own, as attributes of its class."""
    rules = SIZE_RULES[type(network).__name__]
    if not isinstance(network, OwnNetwork):
        return rules
    return SizeRules(**{name: getattr(network.network, name, value) for name, value in asdict(rules).items()})


def size_config(name: str, scale: int = 4) -> NetworkConfig:
    """The configuration of a named size, or of a network of another package, at a scale.

    Raises:
        ConfigError: the name is unknown or the scale is not 2, 3 or 4.
    """
    if is_own(name):
        return OwnConfig(network=name, scale=scale)
    if name not in SIZES:
        raise ConfigError(
            f"the size must be one of {', '.join(SIZES)}, or package.module:Class for a network of your own: "
            f"got {name!r}{did_you_mean(name, tuple(SIZES))}"
        )
    return replace(SIZES[name], scale=scale)


def network_from_config(config: NetworkConfig) -> Network:
    """Build the network of a configuration with fresh weights."""
    match config:
        case DANv1Config():
            return DANv1(config)
        case DANv2Config():
            return DANv2(config)
        case DCLSConfig():
            return DCLS(config)
        case NLCUnetConfig():
            if type(config) is NLCUnetConfig:
                return NLCUnet(config)
            return _kernel_conditioned(config)
        case OwnConfig():
            return OwnNetwork(config)


def _make_nlcunet(config: Mapping[str, Any]) -> nn.Module:
    return NLCUnet(NLCUnetConfig(**_with_tuples(config)))


def _make_kernel_conditioned(config: Mapping[str, Any]) -> nn.Module:
    from nlcunet.models.kernel_conditioned import KernelConditionedConfig

    return network_from_config(KernelConditionedConfig(**_with_tuples(config)))


def _kernel_conditioned(config: NLCUnetConfig) -> "EstimatingNLCUnet | NonBlindNLCUnet":
    """The networks of one experiment; who enlarges pictures does not import them."""
    from nlcunet.models.kernel_conditioned import EstimatingNLCUnet, KernelConditionedConfig, NonBlindNLCUnet

    if not isinstance(config, KernelConditionedConfig):
        raise ConfigError(f"the configuration must be that of a network of nlcunet: got {config}")
    return EstimatingNLCUnet(config) if config.kernel == "estimated" else NonBlindNLCUnet(config)


def _with_tuples(config: Mapping[str, Any]) -> dict[str, Any]:
    """As arguments; JSON and YAML know lists only."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in config.items()}


def _make_dan_v1(config: Mapping[str, Any]) -> nn.Module:
    return DANv1(DANv1Config(**config))


def _make_dan_v2(config: Mapping[str, Any]) -> nn.Module:
    return DANv2(DANv2Config(**config))


def _make_dcls(config: Mapping[str, Any]) -> nn.Module:
    return DCLS(DCLSConfig(**config))


def _make_own(config: Mapping[str, Any]) -> nn.Module:
    return OwnNetwork(OwnConfig(**config))


def _make_bicubic(config: Mapping[str, Any]) -> nn.Module:
    return Bicubic(config["scale"])


ARCHITECTURES: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "NLCUnet": _make_nlcunet,
    "EstimatingNLCUnet": _make_kernel_conditioned,
    "NonBlindNLCUnet": _make_kernel_conditioned,
    "DANv1": _make_dan_v1,
    "DANv2": _make_dan_v2,
    "DCLS": _make_dcls,
    "OwnNetwork": _make_own,
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
