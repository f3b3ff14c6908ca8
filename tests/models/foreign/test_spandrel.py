"""Networks of spandrel itself with random weights, in files as their makers write them; skipped without spandrel."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import nlcunet
from nlcunet.errors import WeightsError
from nlcunet.models.foreign.library import import_spandrel
from nlcunet.models.weights import load_model, weights_checksum

try:
    spandrel = import_spandrel()
except ImportError as error:
    pytest.skip(f"spandrel is not installed: {error}", allow_module_level=True)

from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN
from spandrel.architectures.SwinIR import SwinIR

NETWORKS = {
    "Compact": lambda: Compact(num_feat=16, num_conv=3, upscale=2),
    "ESRGAN": lambda: ESRGAN(num_filters=16, num_blocks=1, scale=4),
    "SPAN": lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2),
    "SwinIR": lambda: SwinIR(
        embed_dim=12, depths=(2,), num_heads=(2,), window_size=8, upscale=2, upsampler="pixelshuffledirect"
    ),
}
SCALES = {"Compact": 2, "ESRGAN": 4, "SPAN": 2, "SwinIR": 2}
DIFFERENCE = 1e-5
"""Between tiles and the whole picture, of [0, 1]: a three-hundredth of an 8-bit step."""

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")  # as spandrel calls it


def make_file(folder, name):
    path = folder / f"{SCALES[name]}x-{name}.pth"
    torch.save({"params_ema": NETWORKS[name]().state_dict()}, path)
    return path


def theirs(path, pixels):
    """What spandrel itself makes of a picture."""
    model = spandrel.ModelLoader().load_from_file(path)
    return model(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_our_pictures_are_those_of_spandrel_whole_and_in_tiles(name, tmp_path):
    path, pixels = make_file(tmp_path, name), np.random.default_rng(0).random((96, 112, 3), dtype=np.float32)
    want = theirs(path, pixels)
    whole = nlcunet.load(path, device="cpu", tile=112).upscale(pixels)
    np.testing.assert_allclose(whole, want, rtol=0, atol=1e-6)
    tiled = nlcunet.load(path, device="cpu", tile=80).upscale(pixels)
    np.testing.assert_allclose(tiled, want, rtol=0, atol=DIFFERENCE)
    assert np.array_equal(nlcunet.load(path, device="cpu", tile=80).upscale(pixels), tiled)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (2, 17), (33, 5)])
def test_small_pictures_are_padded(name, size, tmp_path):
    path = make_file(tmp_path, name)
    result = nlcunet.load(path, device="cpu").upscale(np.zeros((*size, 3), np.uint8))
    assert result.shape == (SCALES[name] * size[0], SCALES[name] * size[1], 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_both_kinds_of_files_hold_the_same(name, tmp_path):
    path = make_file(tmp_path, name)
    state = torch.load(path, weights_only=True)["params_ema"]
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "same.safetensors")
    pixels = np.random.default_rng(0).random((20, 24, 3), dtype=np.float32)
    results = [nlcunet.load(file, device="cpu").upscale(pixels) for file in (path, tmp_path / "same.safetensors")]
    assert np.array_equal(*results)


def test_header_and_checksum_stay_whatever_span_does_to_its_tensors(tmp_path):
    path = make_file(tmp_path, "SPAN")
    model, again = load_model(path), load_model(path)
    nlcunet.Upscaler(model, device="cpu").upscale(np.zeros((9, 9, 3), np.uint8))
    assert weights_checksum(model) == weights_checksum(again)
    assert model.header == again.header


def test_windows_lie_as_in_the_whole_picture(tmp_path):
    header = load_model(make_file(tmp_path, "SwinIR")).header
    assert (header.min_size, header.size_multiple) == (16, 16)
    assert load_model(make_file(tmp_path, "Compact")).header.size_multiple == 1


def test_networks_that_do_not_bear_half_precision_are_computed_in_float32(tmp_path):
    path = make_file(tmp_path, "SwinIR")
    with pytest.warns(UserWarning, match="2x-SwinIR does not bear float16"):
        assert nlcunet.load(path, device="cpu", precision="float16").engine.precisions == ("float32",)


def test_a_network_that_fills_holes_is_named_and_refused(tmp_path):
    torch.save({"model.model.1.bn_l.running_mean": torch.zeros(3)}, tmp_path / "lama.pth")
    with pytest.raises(WeightsError, match="looks like a LaMa"):
        load_model(tmp_path / "lama.pth")


def test_files_of_other_things_are_told(tmp_path):
    save_file({"lora_unet_down.weight": torch.zeros(4, 4)}, tmp_path / "lora.safetensors")
    with pytest.raises(
        WeightsError, match=r"has no nlcunet header, and spandrel .* does not know its network \(1 tens"
    ):
        load_model(tmp_path / "lora.safetensors")
