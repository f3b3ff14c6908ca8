"""A small NLCUnet with sparse attention in its middle, drawn once for all tests of a process."""

import pytest
import torch

from nlcunet.export.onnx import make_onnx
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import LoadedModel, describe


@pytest.fixture(scope="session")
def tiny():
    torch.manual_seed(1)
    network = NLCUnet(
        NLCUnetConfig(
            width=8,
            scale=2,
            depths=(0, 0, 1, 0, 0, 0),
            attention=("none", "none", "sparse", "none", "none", "none"),
            num_hashes=2,
            chunk_size=20,
            max_buckets=8,
            upsampler="direct",
        )
    )
    torch.nn.init.normal_(network.upsampler[0].weight, std=0.05)
    return LoadedModel(network.eval(), describe(network, "2x-tiny"))


@pytest.fixture(scope="session")
def drawn(tiny):
    """Its ONNX graph, as bytes; it also tells what its attention did."""
    return make_onnx(tiny).SerializeToString()
