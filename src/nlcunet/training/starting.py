"""The weights that a run starts from: which ones fit, and what is made of those of another scale or depth."""

from dataclasses import replace
from typing import Any

from nlcunet.degradations.presets import find_preset, knows_damage
from nlcunet.errors import ConfigError
from nlcunet.models.growing import can_grow, grown_state
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.registry import Network, NetworkConfig
from nlcunet.models.weights import WeightsHeader, load_model
from nlcunet.training.recipe import Recipe


def load_initial_weights(network: Network, name: str) -> WeightsHeader:
    """Fill a network with weights.

    Of another scale, it gets those parameters that have the same shape; of a network with fewer blocks, the added ones
    begin as the identity.

    Raises:
        ConfigError: the weights are of another network.
    """
    loaded, config = load_model(name), network.config
    given = getattr(loaded.network, "config", None)
    if type(given) is not type(config) or not _can_begin_with(given, config):
        raise ConfigError(
            f"network.init must be of the recipe's network {config}, or of one with fewer blocks: got "
            f"{loaded.header.config}"
        )
    tensors = loaded.network.state_dict()
    if isinstance(network, NLCUnet) and isinstance(given, NLCUnetConfig):
        tensors = grown_state(network, given, tensors)
    if given.scale != config.scale:
        own, trained = network.state_dict(), {name for name, _ in network.named_parameters()}
        tensors = {
            name: tensors[name] if name in trained and tensors[name].shape == value.shape else value
            for name, value in own.items()
        }
    network.load_state_dict(tensors)
    return loaded.header


def _can_begin_with(given: NetworkConfig, wanted: NetworkConfig) -> bool:
    """Whether weights of one network can fill another of the same kind."""
    same: dict[str, Any] = {"scale": wanted.scale}
    if type(given) is NLCUnetConfig and type(wanted) is NLCUnetConfig and can_grow(given, wanted):
        same["depths"] = wanted.depths
    return replace(given, **same) == wanted


def clean_weights_of(start: WeightsHeader, recipe: Recipe) -> str:
    """The name of the weights for clean pictures that lie behind a run on noise and compression; else nothing."""
    if (
        recipe.data.low_res is not None
        or start.scale != recipe.scale
        or not knows_damage(find_preset(recipe.data.degradation, recipe.scale))
    ):
        return ""
    own = start.degradation.partition(" ")[0]
    return start.clean_weights if own == recipe.data.degradation else start.name
