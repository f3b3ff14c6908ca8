"""Needs spandrel; skipped where it is not installed."""

import numpy as np
import pytest
import torch

from nlcunet.errors import WeightsError
from nlcunet.models.foreign.library import import_spandrel

try:
    spandrel = import_spandrel()
except ImportError as error:
    pytest.skip(f"spandrel is not installed: {error}", allow_module_level=True)

from nlcunet.hub.spandrel_plugin import load_file, register
from nlcunet.inference.loading import load
from nlcunet.models.dan_v1 import DANv1, DANv1Config
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import describe, embedded_models, find_weights, load_model, save_weights


@pytest.fixture(autouse=True)
def _registered():
    register()
    register()  # a second time does no harm


@pytest.mark.parametrize("name", embedded_models())
def test_spandrel_knows_our_files_and_gives_the_same_pictures(name):
    model = spandrel.ModelLoader().load_from_file(find_weights(name))
    assert isinstance(model, spandrel.ImageModelDescriptor)
    assert (model.architecture.id, model.purpose, model.tiling) == ("NLCUnet", "SR", spandrel.ModelTiling.SUPPORTED)
    ours = load_model(name)
    assert (model.scale, model.input_channels, model.output_channels) == (ours.header.scale, 3, 3)
    assert model.model.config == ours.network.config
    depths = "-".join(map(str, ours.network.config.depths))
    assert model.tags == [*(["NLCUnet-S"] if depths == "2-2-4-2-1-0" else []), "32nf", depths, "direct"]
    low_res = torch.rand(1, 3, 32, 28)
    with torch.inference_mode():
        want = ours.network(low_res).clamp(0, 1)
    torch.testing.assert_close(model(low_res), want, rtol=0, atol=0)


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (17, 30)])
def test_any_size_is_padded_to_what_the_network_takes(size):
    model = spandrel.ModelLoader().load_from_file(find_weights("2x-NLCUnet-S"))
    assert (model.size_requirements.minimum, model.size_requirements.multiple_of) == (4, 4)
    assert model(torch.rand(1, 3, *size)).shape == (1, 3, 2 * size[0], 2 * size[1])


def test_our_upscaler_gives_what_spandrel_gives():
    pixels = np.random.default_rng(0).random((24, 32, 3), dtype=np.float32)
    theirs = spandrel.ModelLoader().load_from_file(find_weights("2x-NLCUnet-S"))(
        torch.from_numpy(pixels).permute(2, 0, 1)[None]
    )
    ours = load("2x-NLCUnet-S", device="cpu").upscale(pixels)
    torch.testing.assert_close(torch.from_numpy(ours), theirs[0].permute(1, 2, 0), rtol=0, atol=1e-6)


def test_half_precision_is_refused():
    model = spandrel.ModelLoader().load_from_file(find_weights("2x-NLCUnet-S"))
    with pytest.raises(spandrel.UnsupportedDtypeError):
        model.half()
    with pytest.raises(spandrel.UnsupportedDtypeError):
        model.bfloat16()


def test_a_state_dict_is_enough_as_comfyui_passes_it(tiny):
    model = spandrel.ModelLoader().load_from_state_dict(dict(tiny.network.state_dict()))
    assert (model.architecture.id, model.scale) == ("NLCUnet", 2)
    prefixed = {f"module.{name}": value for name, value in tiny.network.state_dict().items()}
    assert spandrel.ModelLoader().load_from_state_dict(prefixed).architecture.id == "NLCUnet"


def test_the_header_tells_what_shapes_do_not(tiny, tmp_path):
    save_weights(tmp_path / "tiny.safetensors", tiny.network, tiny.header, half=False)
    model = load_file(tmp_path / "tiny.safetensors")
    assert model.model.latent[0].attention.chunk_size == tiny.header.config["chunk_size"] == 20
    low_res = torch.rand(1, 3, 40, 40)
    with torch.inference_mode():
        # spandrel keeps the plain order of memory, in which sums of convolutions are taken in another order
        torch.testing.assert_close(model(low_res), tiny.network(low_res).clamp(0, 1), rtol=0, atol=1e-6)


def test_other_networks_are_left_to_others(tmp_path):
    network = DANv1(DANv1Config(scale=2, width=8, blocks=1, estimator_width=8, estimator_blocks=1))
    save_weights(tmp_path / "dan.safetensors", network, describe(network, "2x-DAN"))
    with pytest.raises(spandrel.UnsupportedModelError):
        spandrel.ModelLoader().load_from_file(tmp_path / "dan.safetensors")
    with pytest.raises(WeightsError, match="must hold an NLCUnet: got DANv1"):
        load_file(tmp_path / "dan.safetensors")


def test_no_architecture_of_spandrels_own_takes_our_files_first_or_ours_theirs():
    state = NLCUnet(NLCUnetConfig(width=8, depths=(1,) * 6)).state_dict()
    takers = [each.architecture.id for each in spandrel.MAIN_REGISTRY if each.detect(state)]
    assert takers == ["NLCUnet"]
