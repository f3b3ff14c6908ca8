"""The original DCLS, same weights and same input, gives our output, with 21×21 and with 31×31 kernels.

Origin of the golden arrays: the authors' code, run once in float32 on a CPU. Weights are filled by name, see ``fill``.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from nlcunet.models.convert import from_original
from nlcunet.models.dcls import DCLS, DCLSConfig

ASSETS = Path(__file__).parents[1] / "assets"


def fill(names_and_shapes):
    """Weights made from their names alone, so that no weight file is needed."""
    state = {}
    for name, shape in names_and_shapes:
        value = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
        value *= 0.7 / np.sqrt(np.prod(shape[1:])) if len(shape) >= 2 else 0.05
        state[name] = torch.from_numpy(value).float()
    return state


def load_original(kernel_size):
    names = json.loads((ASSETS / f"dcls_x4_k{kernel_size}.json").read_text())
    network = DCLS(DCLSConfig(kernel_size=kernel_size)).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == names["parameters"]
    network.load_state_dict(from_original("DCLS", fill(names["state_dict"])))
    return network, np.load(ASSETS / f"dcls_x4_k{kernel_size}.npz")


@pytest.mark.parametrize("kernel_size", [21, 31])
def test_kernel_and_picture_are_those_of_the_original(kernel_size):
    network, golden = load_original(kernel_size)
    low_res = torch.from_numpy(golden["input"])
    with torch.no_grad():
        estimate = network.forward_with_kernels(low_res)
        picture_by_golden_kernel = network.restorer(low_res, torch.from_numpy(golden["kernel"][:, 0]))
    np.testing.assert_allclose(estimate.kernel[:, None].numpy(), golden["kernel"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(picture_by_golden_kernel.numpy(), golden["output"], rtol=0, atol=1e-4)
    # From end to end float32 itself goes no further: deconvolution by a random kernel multiplies the last digit of the
    # kernel. The golden pictures lie 1.3e-4 (21×21) and 3.3e-4 (31×31) from ours in float64, at values up to 11 and 17.
    difference = np.abs(estimate.picture.numpy() - golden["output"])
    assert difference.max() < 1e-3
    assert difference.mean() < 1e-4
