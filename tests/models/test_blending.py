from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.errors import ConfigError, WeightsError
from nlcunet.models.blending import blend_weights, find_pair, load_blend, load_denoised, mix_networks
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import LoadedModel, WeightsHeader, describe, load_model, save_weights

CONFIG = NLCUnetConfig(
    scale=2,
    width=8,
    depths=(1, 0, 1, 0, 0, 0),
    attention=("none", "none", "sparse", "none", "none", "none"),
    num_hashes=1,
    chunk_size=16,
    max_buckets=8,
    upsampler="direct",
)


def make_model(name, seed, config=CONFIG, **facts):
    generator = torch.Generator().manual_seed(seed)
    network = NLCUnet(config)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2, generator=generator)
    return LoadedModel(network.eval(), describe(network, name, **facts))


def save(folder, model, name=None):
    path = folder / f"{name or model.header.name}.safetensors"
    save_weights(path, model.network, model.header, half=False)
    return path


@pytest.fixture
def psnr():
    return make_model("2x-Tiny", 1, scores={"Set5": {"psnr_y": 30.0}})


@pytest.fixture
def gan():
    return make_model("2x-Tiny-GAN", 2, scores={"Set5": {"psnr_y": 28.0}}, fidelity_weights="2x-Tiny", steps=9)


def assert_equal_states(first, second):
    second_state = second.network.state_dict()
    assert all(torch.equal(value, second_state[name]) for name, value in first.network.state_dict().items())


def test_the_ends_of_the_knob_are_the_two_networks_exactly(psnr, gan):
    assert_equal_states(blend_weights(psnr, gan, 0), psnr)
    assert_equal_states(blend_weights(psnr, gan, 1.0), gan)


def test_a_header_from_before_a_setting_was_known_is_mixed_as_its_default(psnr, gan):
    config = {name: value for name, value in psnr.header.config.items() if name != "without"}
    older = replace(psnr, header=psnr.header.model_copy(update={"config": config}))
    assert_equal_states(LoadedModel(mix_networks(older, gan, 1.0), gan.header), gan)


@given(strength=st.floats(0, 1))
@settings(max_examples=15, deadline=None)
def test_every_weight_lies_the_same_way_between(strength):
    psnr, gan = make_model("a", 1), make_model("b", 2)
    blended = dict(blend_weights(psnr, gan, strength).network.named_parameters())
    seconds = dict(gan.network.named_parameters())
    for name, first in psnr.network.named_parameters():
        torch.testing.assert_close(
            blended[name], (1 - strength) * first + strength * seconds[name], atol=1e-6, rtol=1e-5
        )


def test_half_way_is_the_mean_by_hand(psnr, gan):
    psnr.network.head.bias.data.fill_(1.0)
    gan.network.head.bias.data.fill_(4.0)
    assert blend_weights(psnr, gan, 0.25).network.head.bias.tolist() == [1.75] * 8


def test_a_blend_is_a_network_of_its_own(psnr, gan):
    before = {name: value.clone() for name, value in psnr.network.state_dict().items()}
    blended = blend_weights(psnr, gan, 0.5)
    for parameter in blended.network.parameters():
        parameter.data.zero_()
    assert all(torch.equal(value, before[name]) for name, value in psnr.network.state_dict().items())
    assert not blended.network.training


@pytest.mark.parametrize(
    ("strength", "name"),
    [(0.4, "2x-Tiny-GAN@0.40"), (0, "2x-Tiny-GAN@0.00"), (1, "2x-Tiny-GAN@1.00"), (0.125, "2x-Tiny-GAN@0.125")],
)
def test_the_name_says_the_strength(psnr, gan, strength, name):
    header = blend_weights(psnr, gan, strength).header
    assert header.name == name
    assert header.fidelity_weights == "2x-Tiny"


def test_scores_are_kept_only_where_they_hold(psnr, gan):
    assert blend_weights(psnr, gan, 0.0).header.scores == psnr.header.scores
    assert blend_weights(psnr, gan, 0.5).header.scores == {}
    assert blend_weights(psnr, gan, 1.0).header.scores == gan.header.scores


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan"), 2])
def test_strengths_outside_0_to_1_are_refused(psnr, gan, strength):
    with pytest.raises(ConfigError, match=r"strength must lie in 0 \(PSNR weights\) … 1 \(GAN weights\): got"):
        blend_weights(psnr, gan, strength)


def test_networks_of_other_shape_are_refused(psnr):
    other = make_model("2x-Tiny-GAN", 2, NLCUnetConfig(scale=2, width=12, depths=(1, 0, 1, 0, 0, 0)))
    with pytest.raises(WeightsError, match="must have one config: got"):
        blend_weights(psnr, other, 0.5)


def test_tensors_that_contradict_the_header_are_refused(psnr, gan):
    other = LoadedModel(torch.nn.Conv2d(1, 1, 1), gan.header)
    with pytest.raises(WeightsError, match="tensors of one name and shape"):
        blend_weights(psnr, other, 0.5)


def test_different_hash_rotations_are_refused(psnr, gan):
    (name,) = (name for name, _ in gan.network.named_buffers() if name.endswith("rotations"))
    gan.network.get_buffer(name).neg_()
    with pytest.raises(WeightsError, match=r"hash rotations, must be equal: latent.*rotations differs"):
        blend_weights(psnr, gan, 0.5)


def test_counters_are_copied():
    networks = [torch.nn.BatchNorm2d(2) for _ in range(2)]
    networks[0].num_batches_tracked += 5
    header = WeightsHeader(name="x", architecture="x", config={}, scale=1)
    blended = blend_weights(LoadedModel(networks[0], header), LoadedModel(networks[1], header), 0.5)
    assert blended.network.num_batches_tracked.item() == 5


# finding the pair


def test_either_of_the_two_finds_the_other_beside_it(psnr, gan, tmp_path):
    pair = save(tmp_path, psnr), save(tmp_path, gan)
    assert find_pair(pair[0]) == find_pair(pair[1]) == pair
    blended = load_blend(str(pair[1]), 0.5)
    assert blended.header.name == "2x-Tiny-GAN@0.50"
    expected = blend_weights(psnr, gan, 0.5)
    assert_equal_states(blended, expected)


def test_partners_are_found_among_the_embedded_weights(psnr, gan, tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "weights").mkdir(parents=True)
    monkeypatch.setattr("nlcunet.models.headers.resources.files", lambda _: package)
    pair = save(package / "weights", psnr), save(package / "weights", gan)
    assert find_pair("2x-Tiny") == find_pair("2x-Tiny-GAN") == pair
    elsewhere = save(tmp_path, make_model("2x-Tiny-GAN", 3, fidelity_weights="2x-Tiny"))
    assert find_pair(elsewhere) == (pair[0], elsewhere)
    beside = save(tmp_path, make_model("2x-Tiny", 4))
    assert find_pair(elsewhere) == (beside, elsewhere)  # what lies beside comes first


def test_a_renamed_psnr_file_finds_its_partner_by_its_header(psnr, gan, tmp_path):
    renamed, perceptual = save(tmp_path, psnr, "mine"), save(tmp_path, gan)
    assert find_pair(renamed) == (renamed, perceptual)


def test_names_by_custom_do_where_the_header_is_older_than_the_field(psnr, gan, tmp_path):
    old = LoadedModel(gan.network, gan.header.model_copy(update={"fidelity_weights": ""}))
    pair = save(tmp_path, psnr), save(tmp_path, old)
    assert find_pair(pair[0]) == find_pair(pair[1]) == pair


def test_headers_without_the_field_still_load(psnr):
    old = psnr.header.model_dump()
    del old["fidelity_weights"]
    assert WeightsHeader.model_validate(old) == psnr.header


def test_weights_without_a_partner_are_told_what_is_missing(psnr, gan, tmp_path):
    with pytest.raises(WeightsError, match=r"strength needs GAN weights.*found no 2x-Tiny-GAN.safetensors"):
        find_pair(save(tmp_path, psnr))
    Path(tmp_path / "2x-Tiny.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"was trained from 2x-Tiny, whose file must lie in .*found no 2x-Tiny.safe"):
        find_pair(save(tmp_path, gan))


def test_a_partner_of_other_weights_is_refused(psnr, gan, tmp_path):
    path = save(tmp_path, psnr)
    save(tmp_path, LoadedModel(gan.network, gan.header.model_copy(update={"fidelity_weights": "2x-Other"})))
    with pytest.raises(WeightsError, match="must have been trained from 2x-Tiny: got weights trained from 2x-Other"):
        find_pair(path)


def test_a_partner_named_by_a_path_is_not_followed(psnr, gan, tmp_path):
    save(tmp_path, psnr)
    (tmp_path / "inner").mkdir()
    path = save(
        tmp_path / "inner", LoadedModel(gan.network, gan.header.model_copy(update={"fidelity_weights": "../2x-Tiny"}))
    )
    with pytest.raises(WeightsError, match=r"found no ../2x-Tiny.safetensors"):
        find_pair(path)


def test_bicubic_has_no_strength():
    with pytest.raises(ConfigError, match="got bicubic-x4, which has none"):
        load_blend("bicubic-x4", 0.5)


def test_unknown_models_are_refused():
    with pytest.raises(WeightsError, match="the model must be one of"):
        load_blend("4x-Nothing", 0.5)


@pytest.mark.parametrize("named", ["4x-NLCUnet-S-Photo", "4x-NLCUnet-S-Photo-GAN"])
def test_the_embedded_weights_of_both_stages_belong_together(named):
    assert_equal_states(load_blend(named, 0), load_model("4x-NLCUnet-S-Photo"))
    assert_equal_states(load_blend(named, 1), load_model("4x-NLCUnet-S-Photo-GAN"))
    assert load_blend(named, 0.5).header.name == "4x-NLCUnet-S-Photo-GAN@0.50"


@pytest.fixture
def denoising():
    return make_model("2x-Tiny-Photo", 3, clean_weights="2x-Tiny", scores={"Set5": {"psnr_y": 29.0}})


def test_denoise_goes_from_the_clean_weights_to_the_named_ones(tmp_path, psnr, denoising):
    save(tmp_path, psnr)
    path = save(tmp_path, denoising)
    assert_equal_states(load_denoised(path, 0), psnr)
    assert_equal_states(load_denoised(path, 1), denoising)
    half = load_denoised(path, 0.5)
    assert (half.header.name, half.header.scores) == ("2x-Tiny-Photo@denoise=0.50", {})
    first, second = psnr.network.state_dict(), denoising.network.state_dict()
    value = half.network.state_dict()["head.weight"]
    torch.testing.assert_close(value, (first["head.weight"] + second["head.weight"]) / 2)


def test_denoise_goes_from_a_network_with_fewer_blocks_to_one_with_more(tmp_path, psnr):
    deeper = make_model("2x-Tiny-Photo", 3, replace(CONFIG, depths=(2, 1, 2, 0, 0, 0)), clean_weights="2x-Tiny")
    save(tmp_path, psnr)
    path = save(tmp_path, deeper)
    picture = torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        answers = {share: load_denoised(path, share).network(picture) for share in (0, 0.5, 1)}
        torch.testing.assert_close(answers[0], psnr.network(picture), rtol=0, atol=1e-6)
        assert torch.equal(answers[1], deeper.network(picture))
    assert not torch.equal(answers[0.5], answers[1])
    mixed, last = load_denoised(path, 0.5).network.state_dict(), deeper.network.state_dict()
    assert torch.equal(mixed["encoder1.1.merge.weight"], last["encoder1.1.merge.weight"] / 2)
    assert torch.equal(mixed["encoder1.1.local.0.weight"], last["encoder1.1.local.0.weight"])
    with pytest.raises(WeightsError, match="must have one config"):
        mix_networks(deeper, psnr, 0.5)


def test_denoise_and_strength_go_together(tmp_path, psnr, denoising):
    vivid = make_model("2x-Tiny-Photo-GAN", 4, fidelity_weights="2x-Tiny-Photo", clean_weights="2x-Tiny")
    for model in (psnr, denoising, vivid):
        path = save(tmp_path, model)
    mixed = load_denoised(path, 0.25, strength=0.5).network.state_dict()["head.weight"]
    parts = [model.network.state_dict()["head.weight"] for model in (psnr, denoising, vivid)]
    torch.testing.assert_close(mixed, 0.75 * parts[0] + 0.125 * parts[1] + 0.125 * parts[2])


def test_denoise_refuses_weights_without_clean_ones_and_numbers_outside(tmp_path, psnr, denoising):
    path = save(tmp_path, denoising)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(ConfigError, match="trained on noise"):
        load_denoised(save(tmp_path / "elsewhere", psnr), 0.5)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="grain kept"):
            load_denoised(path, wrong)
    with pytest.raises(WeightsError, match=r"2x-Tiny\.safetensors"):
        load_denoised(path, 0.5)
