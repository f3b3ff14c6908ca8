import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import DataSource, describe, embedded_models, save_weights

Run = Callable[..., Any]


def save_tiny(path: Path) -> Path:
    torch.manual_seed(0)
    network = NLCUnet(NLCUnetConfig(width=8, depths=(1, 0, 0, 0, 0, 0), scale=2))
    data = (DataSource(name="free photographs", licence="CC0-1.0", pictures=12),)
    header = describe(network, "2x-Tiny", data=data, scores={"Set5 gaussian8 x2": {"psnr_y": 30.5}}, steps=7)
    save_weights(path, network, header)
    return path


def test_every_embedded_model_is_listed(nlcunet: Run) -> None:
    listed = nlcunet("models").stdout
    assert all(name in listed for name in embedded_models())
    assert "bicubic-x2 … bicubic-x8" in listed


def test_one_model_is_described_in_full(nlcunet: Run, tmp_path: Path) -> None:
    told = nlcunet("models", str(save_tiny(tmp_path / "tiny.safetensors"))).stdout
    assert all(
        fact in told for fact in ("2x-Tiny", "×2", "free photographs, 12 pictures, CC0-1.0", "psnr_y 30.5", "7 steps")
    )


def test_one_model_is_described_as_json(nlcunet: Run, tmp_path: Path) -> None:
    values = json.loads(nlcunet("models", str(save_tiny(tmp_path / "tiny.safetensors")), "--json").stdout)
    assert (values["name"], values["scale"], values["config"]["width"]) == ("2x-Tiny", 2, 8)


def test_all_models_as_json_are_a_list(nlcunet: Run) -> None:
    assert [values["name"] for values in json.loads(nlcunet("models", "--json").stdout)] == list(embedded_models())


def test_an_unknown_model_is_told(nlcunet: Run) -> None:
    result = nlcunet("models", "nonsense")
    assert result.exit_code == 2
    assert "the model must be one of" in result.stderr
