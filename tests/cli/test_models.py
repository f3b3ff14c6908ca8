import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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


@pytest.mark.parametrize("words", [["--json", "2x-NLCUnet-S"], ["2x-NLCUnet-S", "--json"]])
def test_options_may_stand_before_the_name(nlcunet: Run, words: list[str]) -> None:
    assert json.loads(nlcunet("models", *words).stdout)["scale"] == 2


def test_the_help_of_models_is_that_of_describing_and_names_publishing(nlcunet: Run) -> None:
    told = nlcunet("models", "--help").stdout
    assert " models [OPTIONS] [NAME]\n" in told
    assert "nlcunet models publish --help" in " ".join(told.split())
    assert " models publish [OPTIONS] {MODEL}\n" in nlcunet("models", "publish", "-h").stdout


def test_a_model_may_be_called_like_the_hidden_command(nlcunet: Run) -> None:
    result = nlcunet("models", "describe")
    assert result.exit_code == 2
    assert "got 'describe'" in result.stderr


def test_a_model_is_published_as_a_folder(nlcunet: Run, tmp_path: Path) -> None:
    weights = save_tiny(tmp_path / "tiny.safetensors")
    result = nlcunet("models", "publish", str(weights), "--no-onnx", "--author", "Some One", "--json")
    assert result.exit_code == 0, result.output
    assert "2x-Tiny: 2x-Tiny, 8 files\n" in result.stderr
    assert "note: addresses in 2x-Tiny/openmodeldb.json are to be filled in; --push knows them" in result.stderr
    told = json.loads(result.stdout)
    assert (told["folder"], told["model"], told["commit"], told["onnx_parity"]) == ("2x-Tiny", "2x-Tiny", None, None)
    assert sorted(told["files"]) == sorted(
        path.relative_to(tmp_path / "2x-Tiny").as_posix()
        for path in (tmp_path / "2x-Tiny").rglob("*")
        if path.is_file()
    )
    assert json.loads((tmp_path / "2x-Tiny" / "openmodeldb.json").read_text())["author"] == "some-one"
    described = nlcunet("models", "2x-Tiny/model.safetensors")
    assert "free photographs, 12 pictures, CC0-1.0" in described.stdout


def test_a_folder_that_is_there_is_not_touched(nlcunet: Run, tmp_path: Path) -> None:
    weights = save_tiny(tmp_path / "tiny.safetensors")
    publish = ["models", "publish", str(weights), "--no-onnx", "-o", "out"]
    assert nlcunet(*publish).exit_code == 0
    refused = nlcunet(*publish)
    assert refused.exit_code == 2
    assert "the folder must not be there yet: got out; choose another, or give --overwrite" in refused.stderr
    assert nlcunet(*publish, "--overwrite").exit_code == 0


@pytest.mark.parametrize("flag", ["--private", "--create-pr"])
def test_flags_of_the_upload_need_an_upload(nlcunet: Run, tmp_path: Path, flag: str) -> None:
    result = nlcunet("models", "publish", str(save_tiny(tmp_path / "tiny.safetensors")), "--no-onnx", flag)
    assert result.exit_code == 2
    assert "name the repository with --push" in result.stderr
    assert not (tmp_path / "2x-Tiny").exists()


def test_a_missing_library_is_told_before_the_work(
    nlcunet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = str(save_tiny(tmp_path / "tiny.safetensors"))
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    result = nlcunet("models", "publish", weights)
    assert result.exit_code == 2
    assert "install it with: pip install '.[export]'" in result.stderr
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    result = nlcunet("models", "publish", weights, "--no-onnx")
    assert "pip install '.[hub]'" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.safetensors"]
