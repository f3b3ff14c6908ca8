"""Other people's files are read without running anything that is in them."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from nlcunet.errors import WeightsError
from nlcunet.models.foreign.tensors import read_tensors


class Malicious:
    """Runs a command where it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("ending", ["pth", "pth.tar", "ckpt", "pt", "PTH"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_tensors_are_read(ending, is_zip, tmp_path):
    state = OrderedDict(a=torch.rand(2, 3), b=torch.arange(4).half())
    torch.save({"params_ema": state, "step": 5}, tmp_path / f"x.{ending}", _use_new_zipfile_serialization=is_zip)
    held = read_tensors(tmp_path / f"x.{ending}")
    assert held["step"] == 5
    assert all(torch.equal(held["params_ema"][name], value) for name, value in state.items())


def test_safetensors_are_read(tmp_path):
    save_file({"a": torch.ones(3)}, tmp_path / "x.safetensors")
    assert torch.equal(read_tensors(tmp_path / "x.safetensors")["a"], torch.ones(3))


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_malicious_pickle_is_refused_and_nothing_runs(is_zip, tmp_path):
    path, trace = tmp_path / "evil.pth", tmp_path / "it-ran"
    torch.save({"a": Malicious(f"touch {trace}")}, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(WeightsError, match=r"must hold tensors only: it asks for \w+\.system, .* was not opened"):
        read_tensors(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()  # the file is what it is meant to be


def test_a_plain_pickle_is_refused_and_nothing_runs(tmp_path):
    path, trace = tmp_path / "evil.pth", tmp_path / "it-ran"
    path.write_bytes(pickle.dumps({"a": Malicious(f"touch {trace}")}, protocol=2))
    with pytest.raises(WeightsError, match=r"evil\.pth must"):
        read_tensors(path)
    assert not trace.exists()


def test_a_whole_network_is_refused(tmp_path):
    torch.save(nn.Conv2d(1, 1, 1), tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"it asks for torch\.nn\.modules\.conv\.Conv2d"):
        read_tensors(tmp_path / "x.pth")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_archive_is_refused(tmp_path):
    torch.jit.save(torch.jit.trace(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 1, 1)), tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="it is a TorchScript archive, which holds code"):
        read_tensors(tmp_path / "x.pth")


def test_damaged_and_other_files_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(10_000)}, path)
    whole = path.read_bytes()
    for content in (b"", b"<html>not found</html>", whole[:-3000], bytes(range(256)) * 8, pickle.dumps(np.ones(3))):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"x\.pth must"):
            read_tensors(path)
    torch.save(torch.ones(3), path)
    with pytest.raises(WeightsError, match="must hold tensors by name: it holds a Tensor"):
        read_tensors(path)


def test_an_ending_that_says_nothing_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"must end in \.safetensors, \.pth"):
        read_tensors(tmp_path / "x.bmp")
