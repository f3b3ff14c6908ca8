"""Hash rounds of sparse attention, chosen when a network is used and not when it is trained.

A round groups pixels at random directions; a pixel that misses its partners in one may meet them in another. The rounds
are added (see ``grouped_attention``), so any number of them gives the same kind of result at proportional cost.
"""

import copy
from dataclasses import replace

from nlcunet.errors import ConfigError
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.hashing import change_rounds
from nlcunet.models.weights import LoadedModel


def sparse_layers(model: LoadedModel) -> list[NonLocalAttention]:
    """Layers of sparse attention, in the order of the network; none in most baselines."""
    layers = [layer for layer in model.network.modules() if isinstance(layer, NonLocalAttention)]
    return [layer for layer in layers if layer.kind == "sparse"]


def count_rounds(model: LoadedModel) -> int:
    """Hash rounds of the network; 0 where it has no sparse attention."""
    return max((layer.rotations.shape[1] for layer in sparse_layers(model)), default=0)


def with_attention_rounds(model: LoadedModel, rounds: int) -> LoadedModel:
    """The same network with another number of hash rounds; ``model`` is not changed.

    Args:
        model: a network with sparse attention.
        rounds: fewer than it has: the first ones; more: its own and further ones, always the same.

    Returns:
        A network of its own, with the rounds in name and configuration of its header; scores of the network as it was
        trained are left out.

    Raises:
        ConfigError: ``rounds`` is less than 1, or the network has no sparse attention.
    """
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise ConfigError(f"attention rounds must be a whole number of at least 1: got {rounds!r}")
    if not sparse_layers(model):
        raise ConfigError(
            f"attention rounds are those of sparse attention: {model.header.name} has none; leave them out"
        )
    if rounds == count_rounds(model):
        return model
    model = replace(model, network=copy.deepcopy(model.network))
    for layer in sparse_layers(model):
        layer.rotations = change_rounds(layer.rotations, rounds)
    header = model.header
    name, config = f"{header.name}@{rounds}-rounds", {**header.config, "num_hashes": rounds}
    return replace(model, header=header.model_copy(update={"name": name, "config": config, "scores": {}}))
