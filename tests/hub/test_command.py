"""``nlcunet models publish --push`` and ``hf://`` on the command line, against the hub on loopback."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.models.weights import save_weights


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture
def weights(simple, tmp_path):
    save_weights(tmp_path / "weights.safetensors", simple.network, simple.header)
    return "weights.safetensors"


def test_a_model_is_published_pushed_and_described_from_the_hub(hub, run, weights):
    result = run("models", "publish", weights, "-o", "out", "--no-onnx", "--push", "user/2x-Simple", "--json")
    assert result.exit_code == 0, result.output
    sha = hub.repositories["user/2x-Simple"].refs["main"]
    assert json.loads(result.stdout)["commit"] == f"{hub.url}/user/2x-Simple/commit/{sha}"
    assert f"out → {hub.url}/user/2x-Simple/commit/{sha}" in result.stderr
    record = json.loads(hub.repositories["user/2x-Simple"].commits[sha]["openmodeldb.json"])
    web = f"{hub.url}/user/2x-Simple/resolve/main"
    assert record["author"] == "user"
    assert record["resources"][0]["urls"] == [f"{web}/model.safetensors"]
    assert record["images"] == [
        {"type": "paired", "LR": f"{web}/images/low_res.png", "SR": f"{web}/images/enlarged.png"}
    ]

    described = run("models", "hf://user/2x-Simple")
    assert "own photographs, 12 pictures, CC-BY-4.0" in described.stdout
    assert json.loads(run("models", f"hf://user/2x-Simple@{sha}", "--json").stdout)["name"] == "2x-Simple"


def test_weights_on_the_hub_can_be_published_again(hub, run, weights, tmp_path):
    run("models", "publish", weights, "-o", "out", "--no-onnx", "--push", "user/2x-Simple")
    result = run("models", "publish", "hf://user/2x-Simple", "-o", "again", "--no-onnx")
    assert result.exit_code == 0, result.output
    first, again = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("out", "again"))
    assert first == again


def test_pictures_are_enlarged_with_weights_from_the_hub(hub, run, weights, tmp_path):
    run("models", "publish", weights, "-o", "out", "--no-onnx", "--push", "user/2x-Simple")
    write_picture(Picture(pixels=np.zeros((8, 12, 3), np.uint8)), tmp_path / "photo.png")
    result = run("upscale", "photo.png", "-m", "hf://user/2x-Simple", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert (record["model"], record["output_width"], record["output_height"]) == ("2x-Simple", 24, 16)


def test_a_refused_upload_leaves_the_folder_for_another_try(hub, run, weights, tmp_path):
    hub.status = 403
    result = run("models", "publish", weights, "-o", "out", "--no-onnx", "--push", "user/2x-Simple")
    assert result.exit_code == 2
    assert "the hub failed on user/2x-Simple" in result.stderr
    assert (tmp_path / "out" / "SHA256SUMS").is_file()


def test_what_is_not_on_the_hub_is_a_sentence(hub, run):
    for words in (["models", "hf://user/nothing"], ["models", "publish", "hf://user/nothing"]):
        result = run(*words)
        assert result.exit_code == 2
        assert "found no user/nothing; check the name, or log in" in result.stderr
