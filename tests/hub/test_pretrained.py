import hashlib
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import huggingface_hub.errors
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nlcunet.errors import ConfigError, WeightsError
from nlcunet.hub.pretrained import from_pretrained
from nlcunet.hub.publishing import PublishRequest, publish, save_pretrained
from nlcunet.models.blending import GAN_ENDING
from nlcunet.models.fetching.repository import fetch_weights, find_model
from nlcunet.models.weights import LoadedModel, load_model, save_weights

REPO = "user/2x-Simple"


@pytest.fixture
def published(simple, tmp_path):
    return save_pretrained(simple, tmp_path / "published" / "2x-Simple").folder


def test_a_repository_gives_an_upscaler_with_its_weights(hub, published, simple):
    hub.add(REPO, published)
    upscaler = from_pretrained(REPO, device="cpu", tile=16, quality="fast")
    assert upscaler.header == simple.header
    assert (upscaler.tile, upscaler.quality) == (16, "fast")
    assert upscaler.upscale(np.zeros((9, 7, 3), np.uint8)).shape == (18, 14, 3)
    half = {name: value.half().float() for name, value in simple.network.state_dict().items()}
    torch.testing.assert_close(upscaler._model.network.state_dict(), half, rtol=0, atol=0)


def test_only_what_is_needed_is_fetched_and_never_a_pickle(hub, published):
    (published / "pytorch_model.bin").write_bytes(b"a pickle")
    (published / "model.onnx").write_bytes(b"a graph")
    hub.add(REPO, published)
    fetch_weights(REPO)
    assert hub.fetched() == ["SHA256SUMS", "config.json", "model.safetensors"]


def test_a_repository_of_pickles_is_refused(hub, tmp_path):
    (tmp_path / "pickles").mkdir()
    (tmp_path / "pickles" / "pytorch_model.bin").write_bytes(b"a pickle")
    hub.add(REPO, tmp_path / "pickles")
    with pytest.raises(WeightsError, match=r"user/2x-Simple must hold model\.safetensors: .*pickles .* never loaded"):
        fetch_weights(REPO)
    with pytest.raises(ConfigError, match=r"must be a \.safetensors file: got 'pytorch_model.bin'"):
        fetch_weights(f"hf://{REPO}/pytorch_model.bin")
    assert hub.fetched() == []


def test_a_second_time_nothing_is_fetched(hub, published):
    hub.add(REPO, published)
    first = fetch_weights(REPO)
    hub.requests.clear()
    assert fetch_weights(REPO) == first
    assert hub.fetched() == []
    fetch_weights(REPO, force_download=True)
    assert "model.safetensors" in hub.fetched()


def test_revisions_are_kept_apart(hub, published, simple, tmp_path):
    old = hub.add(REPO, published)
    renamed = LoadedModel(simple.network, simple.header.model_copy(update={"name": "2x-Newer"}))
    hub.add(REPO, save_pretrained(renamed, tmp_path / "newer").folder)
    hub.repositories[REPO].refs["refs/pr/1"] = old
    names = {
        revision: load_model(fetch_weights(REPO, revision=revision)).header.name
        for revision in (None, "main", old, "refs/pr/1")
    }
    assert names == {None: "2x-Newer", "main": "2x-Newer", old: "2x-Simple", "refs/pr/1": "2x-Simple"}
    assert load_model(find_model(f"hf://{REPO}@{old}")).header.name == "2x-Simple"
    assert load_model(find_model(f"hf://{REPO}@refs%2Fpr%2F1")).header.name == "2x-Simple"
    with pytest.raises(WeightsError, match="must be a branch, tag or commit of user/2x-Simple: got 'v9'"):
        fetch_weights(REPO, revision="v9")


@pytest.mark.parametrize("by", ["setting", "argument", "no server"])
def test_what_was_fetched_loads_without_a_connection(hub, published, monkeypatch, by):
    hub.add(REPO, published)
    path = fetch_weights(REPO)
    hub.requests.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", by == "setting")
    if by == "no server":
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert fetch_weights(REPO, local_files_only=by == "argument") == path
    assert hub.requests == []


def test_what_was_not_fetched_is_told_to_be_fetched_with_a_connection(hub, published, monkeypatch):
    hub.add(REPO, published)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"must be in the cache.*load it once with a connection, without HF_HUB_OFF"):
        fetch_weights(REPO)
    assert hub.requests == []


def test_a_hub_out_of_order_is_told(hub, published, monkeypatch):
    hub.add(REPO, published)
    hub.status = 503
    with pytest.raises(WeightsError, match="the hub is out of reach"):
        fetch_weights(REPO)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match="the hub is out of reach"):
        fetch_weights(REPO)


def test_a_connection_that_breaks_half_way_is_told(hub, published, monkeypatch):
    hub.add(REPO, published)

    def broken(*arguments, **settings):
        raise huggingface_hub.errors.HfHubHTTPError.__base__("peer closed connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", broken)
    with pytest.raises(
        WeightsError, match=r"the hub failed on user/2x-Simple: peer closed connection; try again later"
    ):
        fetch_weights(REPO)


def test_private_and_missing_repositories_are_told_alike(hub, published):
    with pytest.raises(WeightsError, match="found no user/2x-Simple; check the name, or log in"):
        fetch_weights(REPO)
    hub.add(REPO, published)
    hub.repositories[REPO].is_private = True
    with pytest.raises(WeightsError, match="must be on the hub and open to you"):
        fetch_weights(REPO)
    assert fetch_weights(REPO, token="hf_secret").is_file()  # noqa: S106


def test_exchanged_weights_are_refused(hub, published, simple):
    other = LoadedModel(simple.network, simple.header.model_copy(update={"name": "2x-Exchanged"}))
    save_weights(published / "model.safetensors", other.network, other.header)
    hub.add(REPO, published)
    with pytest.raises(
        WeightsError, match=r"must have the SHA-256 .*damaged or was exchanged; delete .*models--user--2x"
    ):
        fetch_weights(REPO)


def test_a_cached_file_that_was_damaged_later_is_refused_and_its_cure_works(hub, published):
    hub.add(REPO, published)
    path = fetch_weights(REPO)
    blob = path.resolve()
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged or was exchanged; delete ") as told:
        fetch_weights(REPO)
    folder = Path(str(told.value).partition("delete ")[2].partition(" and load")[0])
    assert folder == path.parents[2]
    assert fetch_weights(REPO, force_download=True) == path


def test_a_checksum_of_ones_own_goes_before_the_list(hub, published):
    digest = (published / "SHA256SUMS").read_text().split("model.safetensors")[0].splitlines()[-1].split()[0]
    (published / "SHA256SUMS").unlink()
    hub.add(REPO, published)
    with pytest.raises(
        WeightsError, match=r"SHA256SUMS must lie beside model\.safetensors: there is none; give the SHA-256"
    ):
        fetch_weights(REPO)
    assert fetch_weights(REPO, sha256=digest.upper()).is_file()
    with pytest.raises(WeightsError, match=f"must have the SHA-256 {'0' * 64}: got {digest}"):
        fetch_weights(REPO, sha256="0" * 64)


def test_a_list_without_the_weights_is_refused(hub, published):
    (published / "SHA256SUMS").write_text(f"{'0' * 64}  other.safetensors\n")
    hub.add(REPO, published)
    with pytest.raises(WeightsError, match=r"SHA256SUMS must name model\.safetensors: it names other\.safetensors"):
        fetch_weights(REPO)


def test_weights_of_another_program_are_refused(hub, tmp_path):
    folder = tmp_path / "foreign"
    folder.mkdir()
    save_file({"weight": torch.zeros(3)}, folder / "model.safetensors")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest} *model.safetensors\n")
    hub.add(REPO, folder)
    with pytest.raises(WeightsError, match="has no nlcunet header"):
        fetch_weights(REPO)


def test_gan_weights_come_with_their_partner_and_mix(hub, simple, tmp_path):
    save_weights(tmp_path / "2x-Simple.safetensors", simple.network, simple.header)
    names = {"name": f"2x-Simple{GAN_ENDING}", "fidelity_weights": "2x-Simple"}
    vivid = simple.header.model_copy(update=names)
    source = tmp_path / "2x-Simple-GAN.safetensors"
    save_weights(source, simple.network, vivid)
    folder = publish(source, tmp_path / "out", PublishRequest(has_onnx=False)).folder
    hub.add("user/2x-Simple-GAN", folder)
    upscaler = from_pretrained("user/2x-Simple-GAN", strength=0.5, device="cpu")
    assert "2x-Simple.safetensors" in hub.fetched()
    assert upscaler.upscale(np.zeros((4, 4, 3), np.uint8)).shape == (8, 8, 3)


def test_a_folder_loads_like_a_repository(published, simple):
    assert from_pretrained(published, device="cpu").header == simple.header
    assert fetch_weights(str(published)) == published / "model.safetensors"
    (published / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"must hold model\.safetensors: there is none in"):
        fetch_weights(published)


@pytest.mark.parametrize("name", ["4x-NLCUnet-S", Path("some.safetensors"), "bicubic-x4"])
def test_other_names_stay_as_they_are(name):
    assert find_model(name) == name


def test_without_the_library_its_name_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"needs huggingface_hub: install it with pip install '\.\[hub\]'"):
        fetch_weights(REPO)


PROGRAM = """
import sys
import nlcunet.hub.pretrained, nlcunet.hub.publishing, nlcunet.hub.upload
assert "huggingface_hub" not in sys.modules, "it is to be imported when it is needed"
from nlcunet.cli.app import main
main()
"""


def test_the_program_reads_the_hubs_own_settings(hub, published, tmp_path):
    hub.add(REPO, published)
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}

    def run(**further: str) -> str:
        command = [sys.executable, "-c", PROGRAM, "models", f"hf://{REPO}"]
        environment = {**os.environ, **settings, **further}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert "2x-Simple" in run()
    hub.requests.clear()
    assert "2x-Simple" in run(HF_HUB_OFFLINE="1")
    assert hub.requests == []
