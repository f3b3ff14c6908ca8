"""The program with ONNX Runtime, and a small file for it."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from nlcunet.export.exporting import ExportRequest, export_model
from nlcunet.models.weights import LoadedModel

SCRIPT = Path(__file__).parents[2] / "examples" / "onnx_tiles.py"


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("onnx_tiles", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def exported(tiny, tmp_path_factory):
    """Convolutions that look 3 pixels far: tiles make no difference to them."""
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 8, 5, padding=2), nn.Conv2d(8, 12, 1)]
    network = nn.Sequential(*layers, nn.PixelShuffle(2))
    torch.manual_seed(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    path = tmp_path_factory.mktemp("onnx") / "plain.onnx"
    export_model(LoadedModel(network.eval(), tiny.header), path, ExportRequest(tiles=(40,)))
    return path
