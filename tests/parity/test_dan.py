"""The original DANv1 and DANv2, same weights and same input, give our output.

Origin of the golden arrays: the authors' code, run once in float32 on a CPU. Weights are filled by name, see ``fill``.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.models.convert import from_original
from nlcunet.models.registry import make_network

ASSETS = Path(__file__).parents[1] / "assets"
GAINS = {"DANv1": 0.7, "DANv2": 0.4}


def read_names(architecture):
    return json.loads((ASSETS / f"{architecture.lower()}_x4.json").read_text())


def fill(names_and_shapes, gain):
    """Weights made from their names alone, so that no weight file is needed."""
    state = {}
    for name, shape in names_and_shapes:
        value = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
        if len(shape) >= 2 and not name.endswith("encoder"):
            value *= gain / np.sqrt(np.prod(shape[1:]))
        else:
            value *= 0.05
        state[name] = torch.from_numpy(value).float()
    return state


@pytest.mark.parametrize("architecture", GAINS)
def test_every_weight_of_the_original_has_a_place(architecture):
    names = read_names(architecture)
    network = make_network(architecture, {})
    ours = {name: list(value.shape) for name, value in network.state_dict().items()}
    state = {name: torch.empty(shape) for name, shape in names["state_dict"]}
    derived = {"init_kernel": torch.empty(1, 21, 21), "init_ker_map": torch.empty(1, 10)}
    converted = from_original(architecture, state | derived)
    assert {name: list(value.shape) for name, value in converted.items()} == ours
    assert sum(parameter.numel() for parameter in network.parameters()) == names["parameters"]


def test_weights_of_other_originals_are_refused():
    with pytest.raises(ConfigError, match="original weights must be of NLCUnet, DANv1, DANv2, DCLS: got 'IKC'"):
        from_original("IKC", {})


@pytest.mark.parametrize("architecture", GAINS)
def test_picture_and_kernel_are_those_of_the_original(architecture):
    golden = np.load(ASSETS / f"{architecture.lower()}_x4.npz")
    network = make_network(architecture, {}).eval()
    network.load_state_dict(
        from_original(architecture, fill(read_names(architecture)["state_dict"], GAINS[architecture]))
    )
    with torch.no_grad():
        estimate = network.forward_with_kernels(torch.from_numpy(golden["input"]))
    np.testing.assert_allclose(estimate.picture.numpy(), golden["output"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(estimate.codes[-1].numpy(), golden["kernel_code"], rtol=0, atol=1e-5)
    if architecture == "DANv2":  # 441 values of mean 0.0023
        np.testing.assert_allclose(estimate.kernel.flatten(1).numpy(), golden["kernel"], rtol=0, atol=1e-7)
