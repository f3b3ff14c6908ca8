import hashlib
import json
import re
import subprocess
from pathlib import Path

import huggingface_hub.errors
import onnxruntime
import pytest
import torch

from nlcunet.errors import ConfigError, ExportError, WeightsError
from nlcunet.hub import publishing
from nlcunet.hub.publishing import PublishRequest, publish, save_pretrained
from nlcunet.hub.upload import push_to_hub
from nlcunet.imaging.files import read_picture
from nlcunet.models.fetching.checksums import check_against, read_checksums
from nlcunet.models.fetching.repository import fetch_weights
from nlcunet.models.weights import LoadedModel, load_model, read_header, save_weights

PLAIN = PublishRequest(has_onnx=False)
FILES = ["README.md", "SHA256SUMS", "config.json", "images/bicubic.png", "images/enlarged.png", "images/low_res.png"]


@pytest.fixture
def weights(simple, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, simple.network, simple.header)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_holds_everything_and_the_weights_to_the_last_byte(weights, tmp_path, simple):
    written = publish(weights, tmp_path / "out", PLAIN)
    assert (written.folder / "model.safetensors").read_bytes() == weights.read_bytes()
    assert list(written.files) == [*FILES, "model.safetensors", "openmodeldb.json"]
    assert written.header == simple.header
    assert names(tmp_path) == ["out", "weights.safetensors"]  # nothing half done beside it
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_the_program_sha256sum_agrees(weights, tmp_path):
    publish(weights, tmp_path / "out", PLAIN)
    told = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.count(": OK") == len(told.splitlines()) == 6


def test_the_configuration_is_the_header(weights, tmp_path, simple):
    publish(weights, tmp_path / "out", PLAIN)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config.pop("library_name") == "nlcunet"
    config.pop("nlcunet_version")
    assert config == simple.header.model_dump(mode="json")


def test_pictures_show_the_model_at_work(weights, tmp_path, simple):
    publish(weights, tmp_path / "out", PLAIN)
    low_res, bicubic, enlarged = (
        read_picture(tmp_path / "out" / "images" / f"{name}.png").pixels for name in ("low_res", "bicubic", "enlarged")
    )
    assert (low_res.shape, bicubic.shape, enlarged.shape) == ((96, 96, 3), (192, 192, 3), (192, 192, 3))
    batch = torch.from_numpy(low_res.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        want = (simple.network(batch).clamp(0, 1) * 255).round()[0].permute(1, 2, 0)
    assert (torch.from_numpy(enlarged.copy()) - want).abs().max() <= 1
    assert (bicubic != enlarged).any()


@pytest.mark.usefixtures("unchecked_shapes")
def test_the_onnx_file_is_held_against_pytorch_and_the_card_says_how_far_it_is(weights, tmp_path, monkeypatch):
    called = []
    written = publish(weights, tmp_path / "out", PublishRequest(), on_export=lambda: called.append(names(tmp_path)))
    assert written.parity.psnr_db > 100
    assert written.parity.max_difference < 1e-5
    assert "out" not in called[0]
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    low_res = torch.rand(1, 3, 12, 8)
    half = load_model(weights).network
    with torch.inference_mode():
        torch.testing.assert_close(
            torch.from_numpy(session.run(None, {"low_res": low_res.numpy()})[0]), half(low_res), atol=2e-6, rtol=1e-5
        )
    card = (tmp_path / "out" / "README.md").read_text()
    snippet = next(block for block in re.findall(r"```python\n(.*?)```", card, re.DOTALL) if "onnxruntime" in block)
    monkeypatch.chdir(tmp_path / "out")
    values = {}
    exec(snippet, values)  # noqa: S102 - our own card
    assert f"# {', '.join(map(str, values['enlarged'].shape))}; not clamped" in snippet
    assert f"{written.parity.psnr_db:.1f} dB, at most {written.parity.max_difference:.2g}" in card
    assert "model.onnx" in read_checksums(tmp_path / "out" / "SHA256SUMS")
    record = json.loads((tmp_path / "out" / "openmodeldb.json").read_text())
    assert [each["type"] for each in record["resources"]] == ["safetensors", "onnx"]


def test_an_export_that_fails_leaves_nothing(weights, tmp_path, monkeypatch):
    def differs(*_):
        raise ExportError("the export must be within 80 dB")

    monkeypatch.setattr(publishing, "export_model", differs)
    with pytest.raises(ExportError, match="within 80 dB"):
        publish(weights, tmp_path / "out", PublishRequest())
    assert names(tmp_path) == ["weights.safetensors"]


def test_an_interrupt_leaves_nothing(weights, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "write_samples", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(weights, tmp_path / "out", PLAIN)
    assert names(tmp_path) == ["weights.safetensors"]


def test_a_folder_that_is_there_stays_as_it_is(weights, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"must not be there yet: got .*out; choose another, or give --overwrite"):
        publish(weights, tmp_path / "out", PLAIN)
    overwrite = PublishRequest(has_onnx=False, overwrite=True)
    with pytest.raises(ConfigError, match="only a folder that was published before is replaced"):
        publish(weights, tmp_path / "out", overwrite)
    assert names(tmp_path / "out") == ["mine.txt"]


def test_a_published_folder_is_replaced_as_a_whole_if_asked_for(weights, tmp_path, simple):
    publish(weights, tmp_path / "out", PLAIN)
    (tmp_path / "out" / "model.onnx").write_bytes(b"of an earlier run")
    renamed = LoadedModel(simple.network, simple.header.model_copy(update={"name": "2x-Newer"}))
    overwrite = PublishRequest(has_onnx=False, overwrite=True)
    save_pretrained(renamed, tmp_path / "out", overwrite)
    assert read_header(tmp_path / "out" / "model.safetensors").name == "2x-Newer"
    assert "model.onnx" not in names(tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"replaced as a whole: .*out also holds notes\.txt; move it away first"):
        save_pretrained(simple, tmp_path / "out", overwrite)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert names(tmp_path) == ["out", "weights.safetensors"]


def test_the_old_folder_is_back_if_the_new_one_cannot_take_its_name(weights, tmp_path, monkeypatch):
    publish(weights, tmp_path / "out", PLAIN)
    before = (tmp_path / "out" / "SHA256SUMS").read_bytes()
    rename = Path.rename

    def fail_for_the_draft(path, target):
        if path.suffix == ".part":
            raise OSError("the disk is gone")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_draft)
    with pytest.raises(WeightsError, match="must be a folder that can be written: the disk is gone"):
        publish(weights, tmp_path / "out", PublishRequest(has_onnx=False, overwrite=True))
    assert (tmp_path / "out" / "SHA256SUMS").read_bytes() == before
    assert names(tmp_path) == ["out", "weights.safetensors"]


def test_a_folder_can_be_published_over_itself(weights, tmp_path):
    publish(weights, tmp_path / "out", PLAIN)
    publish(tmp_path / "out" / "model.safetensors", tmp_path / "out", PublishRequest(has_onnx=False, overwrite=True))
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == weights.read_bytes()


def test_what_has_no_weights_is_not_published(tmp_path):
    with pytest.raises(ConfigError, match="must have weights: bicubic-x4 has none"):
        publish("bicubic-x4", tmp_path / "out", PLAIN)
    with pytest.raises(WeightsError, match="the model must be one of"):
        publish("nonsense", tmp_path / "out", PLAIN)


def test_a_model_in_memory_is_saved_in_half_or_full_precision(simple, tmp_path):
    save_pretrained(simple, tmp_path / "half")
    save_pretrained(simple, str(tmp_path / "full"), half=False)
    full = load_model(fetch_weights(tmp_path / "full"))
    torch.testing.assert_close(full.network.state_dict(), simple.network.state_dict(), rtol=0, atol=0)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.7 * sizes[1]


@pytest.mark.parametrize("repo", ["name", "user/name@v1", "hf://user/name", "user/name/model.safetensors"])
def test_a_repository_to_publish_in_is_user_and_name(repo):
    with pytest.raises(ConfigError, match="must be"):
        PublishRequest(repo=repo)


def test_a_pushed_model_comes_back_as_it_was(hub, weights, tmp_path):
    folder = publish(weights, tmp_path / "out", PublishRequest(repo="user/2x-Simple", has_onnx=False)).folder
    address = push_to_hub(folder, "user/2x-Simple", token="hf_secret", private=True)  # noqa: S106
    repository = hub.repositories["user/2x-Simple"]
    sha = repository.refs["main"]
    assert address == f"{hub.url}/user/2x-Simple/commit/{sha}"
    assert repository.is_private
    assert sorted(repository.commits[sha]) == sorted(
        [".gitattributes", *FILES, "model.safetensors", "openmodeldb.json"]
    )
    path = fetch_weights("user/2x-Simple", token="hf_secret")  # noqa: S106
    assert path.read_bytes() == weights.read_bytes()


def test_a_model_in_memory_is_pushed_to_a_repository_that_is_there(hub, simple):
    for _ in range(2):
        push_to_hub(simple, "user/2x-Simple", token="hf_secret")  # noqa: S106
    repository = hub.repositories["user/2x-Simple"]
    card = repository.commits[repository.refs["main"]]["README.md"].decode()
    assert "nlcunet upscale photo.jpg -m hf://user/2x-Simple" in card
    assert read_header(fetch_weights("user/2x-Simple")) == simple.header


def test_a_folder_that_changed_is_not_pushed(hub, weights, tmp_path):
    folder = publish(weights, tmp_path / "out", PLAIN).folder
    (folder / "README.md").write_text("my own words")  # people edit it
    push_to_hub(folder, "user/2x-Simple", token="hf_secret")  # noqa: S106
    (folder / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"config\.json must have the SHA-256 .*; publish it again"):
        push_to_hub(folder, "user/2x-Simple")
    (folder / "config.json").unlink()
    with pytest.raises(WeightsError, match="must be a file that can be read"):
        push_to_hub(folder, "user/2x-Simple")
    with pytest.raises(ConfigError, match=r"must hold model\.safetensors and SHA256SUMS: .* does not"):
        push_to_hub(tmp_path, "user/2x-Simple")


def test_a_hub_that_refuses_is_told(hub, weights, tmp_path, monkeypatch):
    folder = publish(weights, tmp_path / "out", PLAIN).folder
    hub.status = 403
    with pytest.raises(WeightsError, match=r"the hub failed on user/2x-Simple: .*403"):
        push_to_hub(folder, "user/2x-Simple")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"the hub failed on user/2x-Simple: .*offline"):
        push_to_hub(folder, "user/2x-Simple")


def test_a_hub_that_is_not_there_is_told(hub, weights, tmp_path, monkeypatch):
    folder = publish(weights, tmp_path / "out", PLAIN).folder
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=r"the hub failed on user/2x-Simple: .*; try again later"):
        push_to_hub(folder, "user/2x-Simple")


@pytest.mark.parametrize("line", ["nonsense", f"{'0' * 63}  name", f"{'A' * 64}  name"])
def test_lists_of_checksums_that_are_none_are_refused(tmp_path, line):
    path = tmp_path / "SHA256SUMS"
    path.write_text(f"{'0' * 64}  good\n{line}\n")
    with pytest.raises(WeightsError, match="must hold a SHA-256 and a name in every line"):
        read_checksums(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(WeightsError, match="must be a list of checksums"):
        read_checksums(path)


def test_checksums_are_read_with_both_marks_of_the_program(tmp_path):
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in ("text", "binary file")]
    (tmp_path / "SHA256SUMS").write_text(f"{digests[0]}  text\n{digests[1]} *binary file\n")
    assert read_checksums(tmp_path / "SHA256SUMS") == {"text": digests[0], "binary file": digests[1]}
    with pytest.raises(WeightsError, match="must name other: it names text"):
        check_against({"text": digests[0]}, tmp_path, "other", "fetch it again")
