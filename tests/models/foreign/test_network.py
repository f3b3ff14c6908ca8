"""Other people's networks behind our interface, with a stand-in for spandrel."""

import copy
import sys

import numpy as np
import pytest
import torch
from foreign_library import make_library, save_shuffle
from safetensors.torch import save_file

import nlcunet
from nlcunet.errors import ConfigError, ExportError, WeightsError
from nlcunet.export.exporting import ExportRequest, export_model
from nlcunet.files.checksums import hash_file
from nlcunet.hub.publishing import save_pretrained
from nlcunet.imaging.picture import Picture
from nlcunet.inspection.choice import choosable
from nlcunet.inspection.ranges import embedded_headers
from nlcunet.models.blending import has_pair
from nlcunet.models.weights import find_header, load_model, weights_checksum


@pytest.fixture
def library(monkeypatch):
    def install(**facts):
        monkeypatch.setitem(sys.modules, "spandrel", make_library(**facts))

    install()
    return install


@pytest.fixture
def path(tmp_path, library):
    save_shuffle(tmp_path / "2x-Foreign.pth")
    return tmp_path / "2x-Foreign.pth"


def noise(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def whole(path, pixels):
    """What the network itself makes of a picture, clamped."""
    low_res = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return load_model(path).network.network(low_res).clamp(0, 1)[0].permute(1, 2, 0).numpy()


def test_a_file_describes_itself(path):
    header = find_header(path)
    assert (header.name, header.architecture, header.scale) == ("2x-Foreign", "spandrel:Shuffle", 2)
    assert (header.size_multiple, header.min_size, header.licence) == (1, 1, "unknown")
    assert header.parameters == 3 * 12 * 49 + 12
    assert header.is_foreign
    assert not any(embedded.is_foreign for embedded in embedded_headers())


@pytest.mark.parametrize(("name", "ending"), [("2x-Foreign", "pth.tar"), ("a.b", "ckpt"), ("x", "pt")])
def test_the_name_is_that_of_the_file(name, ending, tmp_path, library):
    save_shuffle(tmp_path / f"{name}.{ending}")
    assert find_header(tmp_path / f"{name}.{ending}").name == name


def test_the_picture_is_what_the_network_makes_of_it(path):
    pixels = noise(23, 31, 3)
    result = nlcunet.load(path, device="cpu").upscale(pixels)
    np.testing.assert_allclose(result, whole(path, pixels), rtol=0, atol=1e-6)
    assert 0 <= result.min() < result.max() <= 1


def test_tiles_are_not_seen(path):
    pixels = noise(90, 110, 3)
    tiled = nlcunet.load(path, device="cpu", tile=48, overlap=12).upscale(pixels)
    np.testing.assert_allclose(tiled, whole(path, pixels), rtol=0, atol=1e-6)


def test_sizes_are_padded_to_what_the_network_takes(path, library):
    library(size_requirements={"minimum": 12, "multiple_of": 12})
    header = load_model(path).header
    assert (header.size_multiple, header.min_size) == (48, 12)  # its windows lie the same in every tile
    assert nlcunet.load(path, device="cpu", tile=48).upscale(noise(50, 5, 3)).shape == (100, 10, 3)
    library(size_requirements={"multiple_of": 6})
    assert load_model(path).header.size_multiple == 6
    assert nlcunet.load(path, device="cpu").upscale(noise(1, 7, 3)).shape == (2, 14, 3)


def test_grey_pictures_stay_grey(path):
    result = nlcunet.load(path, device="cpu").upscale(noise(9, 12))
    assert result.shape == (18, 24)


def test_alpha_passes_beside_the_colour(path):
    pixels = (255 * noise(9, 12, 4)).astype(np.uint8)
    result = nlcunet.load(path, device="cpu").upscale(pixels)
    assert (result.shape, result.dtype) == ((18, 24, 4), np.uint8)
    opaque = pixels.copy()
    opaque[..., 3] = 255
    assert (nlcunet.load(path, device="cpu").upscale(opaque)[..., 3] == 255).all()


def test_a_grey_network_sees_the_channels_one_by_one(tmp_path, library):
    save_shuffle(tmp_path / "grey.pth", channels=1)
    upscaler, pixels = nlcunet.load(tmp_path / "grey.pth", device="cpu"), noise(8, 9, 3)
    result = upscaler.upscale(pixels)
    for channel in range(3):
        single = upscaler.upscale(np.ascontiguousarray(pixels[..., channel]))
        np.testing.assert_allclose(result[..., channel], single, rtol=0, atol=1e-6)


def test_a_grey_network_sees_a_grey_picture_once(tmp_path, library):
    save_shuffle(tmp_path / "grey.pth", channels=1)
    model = load_model(tmp_path / "grey.pth")
    seen = model.network.network.seen
    seen.clear()
    nlcunet.Upscaler(model, device="cpu").upscale(noise(8, 9))
    assert seen == [(1, 1, 8, 9)]


def test_a_batch_is_seen_one_by_one(path):
    network, batch = load_model(path).network, torch.rand(3, 3, 8, 8)
    with torch.inference_mode():
        together = network(batch)
        apart = torch.cat([network(picture[None]) for picture in batch])
    assert torch.equal(together, apart)


def test_the_input_is_left_as_it_was(path, monkeypatch):
    network = load_model(path).network
    monkeypatch.setattr(
        network.network, "forward", lambda x: torch.nn.functional.interpolate(x.mul_(0), scale_factor=2)
    )
    batch = torch.rand(1, 3, 8, 8)
    before = batch.clone()
    with torch.inference_mode():
        network(batch)
    assert torch.equal(batch, before)


def test_half_precision_is_kept_from_networks_that_do_not_bear_it(path, library):
    assert nlcunet.load(path, device="cpu", precision="float16").engine.precisions == ("float16", "float32")
    library(supports_half=False)
    with pytest.warns(UserWarning, match="2x-Foreign does not bear float16: float32 is used"):
        upscaler = nlcunet.load(path, device="cpu", precision="float16")
    assert (upscaler.engine.precisions, upscaler.dtype) == (("float32",), torch.float32)


def test_half_weights_are_computed_in_float32(tmp_path, library):
    network = save_shuffle(tmp_path / "whole.pth")
    save_file({name: value.half() for name, value in network.state_dict().items()}, tmp_path / "half.safetensors")
    model = load_model(tmp_path / "half.safetensors")
    assert {value.dtype for value in model.network.state_dict().values()} == {torch.float32}
    assert nlcunet.Upscaler(model, device="cpu").upscale(noise(8, 9, 3)).shape == (16, 18, 3)


def test_one_tile_is_in_the_network_at_a_time(path):
    upscaler = nlcunet.load(path, device="cpu", threads=4)
    assert upscaler.tiles_at_once == 1


def test_a_network_of_the_same_size_cleans_and_says_what_it_does_not(tmp_path, library):
    save_shuffle(tmp_path / "1x-Clean.pth", scale=1)
    library(purpose="Restoration")
    upscaler, pixels = nlcunet.load(tmp_path / "1x-Clean.pth", device="cpu"), noise(8, 9, 3)
    np.testing.assert_allclose(upscaler.upscale(pixels), whole(tmp_path / "1x-Clean.pth", pixels), rtol=0, atol=1e-6)
    picture = Picture(pixels=(255 * pixels).astype(np.uint8))
    assert upscaler.upscale(picture).notes == ()
    enlarged = upscaler.upscale(picture, 2)
    assert enlarged.pixels.shape == (16, 18, 3)
    assert enlarged.notes == ("1x-Clean works at a picture's own size; the rest of the enlargement is bicubic.",)


def test_the_checksum_is_that_of_the_file_whatever_a_network_does_to_itself(path):
    model = load_model(path)
    before = weights_checksum(model)
    model.network.network.layer.weight.data.zero_()
    assert weights_checksum(model) == before == hash_file(path)


def test_a_copy_is_loaded_from_the_tensors(path):
    network = load_model(path).network
    other, batch = copy.deepcopy(network), torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        assert torch.equal(other(batch), network(batch))
    assert other.network is not network.network


def test_auto_never_chooses_one_whatever_it_is_called(tmp_path, library):
    save_shuffle(tmp_path / "4x-NLCUnet-S.pth")
    header = find_header(tmp_path / "4x-NLCUnet-S.pth")
    assert header.name == "4x-NLCUnet-S"
    assert choosable([header]) == []
    assert len(choosable(embedded_headers())) > 1


def test_strength_and_denoise_are_refused(path):
    with pytest.raises(ConfigError, match="strength mixes the weights of two networks of nlcunet"):
        nlcunet.load(path, strength=0.5)
    with pytest.raises(ConfigError, match="denoise needs weights that were trained on noise"):
        nlcunet.load(path, denoise=0.5)
    assert not has_pair(path)


def test_it_is_neither_exported_nor_published(path, tmp_path):
    with pytest.raises(ExportError, match="a network to export must be one of nlcunet: 2x-Foreign"):
        export_model(load_model(path), tmp_path / "x.onnx", ExportRequest())
    with pytest.raises(ConfigError, match="a model to publish must be a network of nlcunet: 2x-Foreign"):
        save_pretrained(load_model(path), tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"purpose": "FaceSR"}, "it is a Shuffle net, which restores one aligned face; choose another"),
        ({"purpose": "Inpainting"}, "it is a Shuffle net, which fills holes and needs a mask; choose another"),
        ({"channels": (4, 3)}, "it is a Shuffle net that takes 4 and gives 3 channels; choose another"),
    ],
)
def test_networks_of_no_use_are_named_and_refused(facts, told, path, library):
    library(**facts)
    with pytest.raises(WeightsError, match=told):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda _: {"some.weight": torch.zeros(1), "step": 3},
            r"does not know its network \(1 tensors, as some.weight",
        ),
        (lambda _: {"step": 3}, r"does not know its network \(no tensors"),
        (lambda state: {"layer.weight": state["layer.weight"]}, "looks like a Shuffle net, but does not fit one"),
        (lambda state: {name: value * torch.nan for name, value in state.items()}, "must give finite numbers"),
        (lambda state: {"params": state, "step": 3}, None),
        (lambda state: {**state, "step": 3}, None),
    ],
)
def test_files_that_hold_something_else(change, told, tmp_path, library):
    save_shuffle(tmp_path / "x.pth", change=change)
    if told is None:
        assert load_model(tmp_path / "x.pth").header.scale == 2
        return
    with pytest.raises(WeightsError, match=told):
        load_model(tmp_path / "x.pth")


def test_a_network_of_a_wrong_scale_is_refused(path, monkeypatch):
    monkeypatch.setattr("foreign_library.Shuffle.forward", lambda _, x: x)
    with pytest.raises(WeightsError, match=r"a tensor of shape \(1, 3, 64, 64\) for ×2: got \(1, 3, 32, 32\)"):
        load_model(path)


def test_without_spandrel_one_sentence_says_what_to_install(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(WeightsError, match=r"no nlcunet header.* pip install --no-deps spandrel einops$"):
        load_model(path)
