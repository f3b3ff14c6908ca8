import json
import os
import struct

import pytest
import torch

from nlcunet.errors import WeightsError
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import (
    DataSource,
    describe,
    embedded_models,
    header_as_json,
    load_model,
    read_header,
    save_weights,
)

CONFIG = NLCUnetConfig(
    scale=3,
    width=8,
    depths=(1, 0, 2, 1, 1, 0),
    attention=("none", "none", "sparse", "dense", "none", "none"),
    num_hashes=3,
    chunk_size=20,
    max_buckets=16,
    upsampler="direct",
)


@pytest.fixture
def saved(tmp_path):
    network = NLCUnet(CONFIG)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.1)
    header = describe(network, "3x-Tiny", steps=5, data=(DataSource(name="noise", licence="CC0-1.0", pictures=2),))
    path = tmp_path / "tiny.safetensors"
    save_weights(path, network, header, half=False)
    return network, header, path


def test_constructor_arguments_and_weights_survive_a_round_trip(saved):
    network, header, path = saved
    loaded = load_model(path)
    assert loaded.header == header
    assert isinstance(loaded.network, NLCUnet)
    assert loaded.network.config == CONFIG
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], value)
    assert not loaded.network.training


def test_half_precision_halves_the_file_and_keeps_the_rotations(saved, tmp_path):
    network, header, path = saved
    half_path = tmp_path / "half.safetensors"
    save_weights(half_path, network, header, half=True)
    assert half_path.stat().st_size < 0.7 * path.stat().st_size
    loaded = load_model(half_path).network.state_dict()
    for name, value in network.state_dict().items():
        assert loaded[name].dtype == torch.float32
        if name.endswith("rotations"):
            assert torch.equal(loaded[name], value)


def test_header_can_be_read_without_tensors(saved):
    _, header, path = saved
    assert read_header(path) == header
    assert json.loads(header_as_json(header))["parameters"] == header.parameters > 0


def test_embedded_model_loads_and_says_what_it_is():
    assert "4x-NLCUnet-S" in embedded_models()
    header = load_model().header
    assert header.name == "4x-NLCUnet-S"
    assert header.scale == 4
    assert header.data
    assert header.data[0].licence
    assert header.steps > 0
    assert header.patches > 0
    assert any("Set5" in name for name in header.scores)


def test_bicubic_model_needs_no_file():
    model = load_model("bicubic-x3")
    assert model.header.scale == 3
    assert model.network(torch.rand(1, 3, 5, 7)).shape == (1, 3, 15, 21)


def test_missing_and_unknown_models_are_refused():
    with pytest.raises(WeightsError, match="the model must be one of"):
        load_model("4x-Nothing")


def test_files_that_are_no_weights_are_refused(tmp_path):
    path = tmp_path / "noise.safetensors"
    path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(WeightsError, match="no readable safetensors file"):
        load_model(path)


def test_truncated_weights_are_refused(saved, tmp_path):
    path = tmp_path / "short.safetensors"
    path.write_bytes(saved[2].read_bytes()[:-100])
    with pytest.raises(WeightsError, match="no readable safetensors file"):
        load_model(path)


def test_weights_without_our_header_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")
    with pytest.raises(WeightsError, match="no nlcunet header"):
        load_model(path)


def test_tensors_that_do_not_fit_the_header_are_refused(saved, tmp_path):
    network, header, _ = saved
    path = tmp_path / "wrong.safetensors"
    save_weights(path, network, header.model_copy(update={"config": {**header.config, "width": 16}}))
    with pytest.raises(WeightsError, match="do not fit its header"):
        load_model(path)


def test_weights_that_cannot_be_written_leave_nothing_behind(saved, tmp_path):
    network, header, _ = saved
    before = sorted(tmp_path.iterdir())
    with pytest.raises(WeightsError, match="could not be written"):
        save_weights(tmp_path / "no-such-folder" / "x.safetensors", network, header)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")
def test_weights_are_readable_by_others_if_the_umask_says_so(tmp_path):
    network = NLCUnet(NLCUnetConfig(width=4, depths=(0,) * 6))
    before = os.umask(0o022)
    try:
        save_weights(tmp_path / "w.safetensors", network, describe(network, "4x-Tiny"))
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o644
