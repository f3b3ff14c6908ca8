from dataclasses import replace

import pytest
import torch

from nlcunet.errors import WeightsError
from nlcunet.hub.shapes import config_from_shapes, has_nlcunet_shapes
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.registry import SIZES, network_from_config
from nlcunet.models.weights import embedded_models, load_model

MIXED = NLCUnetConfig(
    scale=3,
    width=12,
    depths=(1, 0, 2, 1, 1, 3),
    attention=("none", "none", "sparse", "dense", "none", "sparse"),
    num_hashes=3,
    max_buckets=16,
    upsampler="direct",
)


@pytest.mark.parametrize("name", embedded_models())
def test_embedded_weights_tell_their_configuration(name):
    model = load_model(name)
    assert config_from_shapes(model.network.state_dict()) == model.network.config


@pytest.mark.parametrize("upsampler", ["direct", "stepwise"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_scale_and_upsampler_are_read_from_shapes(scale, upsampler):
    config = replace(MIXED, scale=scale, upsampler=upsampler)
    assert config_from_shapes(NLCUnet(config).state_dict()) == config


def test_a_width_of_three_times_a_square_is_not_taken_for_colours():
    config = replace(MIXED, width=48, scale=4)  # as many channels as 3 · 4² sub-pixels
    assert config_from_shapes(NLCUnet(config).state_dict()) == config


def test_stages_without_blocks_have_no_attention_to_tell():
    state = NLCUnet(replace(MIXED, depths=(0, 0, 1, 0, 0, 0))).state_dict()
    config = config_from_shapes(state)
    assert config.attention == ("none", "none", "sparse", "none", "none", "none")
    assert set(NLCUnet(config).state_dict()) == set(state)


def test_a_network_without_attention_needs_no_hashes():
    state = NLCUnet(replace(MIXED, attention=("none",) * 6)).state_dict()
    assert NLCUnet(config_from_shapes(state)).load_state_dict(state)


def test_chunks_leave_no_trace_and_are_told():
    state = NLCUnet(replace(MIXED, chunk_size=20)).state_dict()
    assert config_from_shapes(state).chunk_size == 144
    assert config_from_shapes(state, chunk_size=20) == replace(MIXED, chunk_size=20)


@pytest.mark.parametrize("name", ["DANv1-S", "DANv2-S", "DCLS-S"])
def test_other_networks_are_none(name):
    state = network_from_config(SIZES[name]).state_dict()
    assert not has_nlcunet_shapes(state)
    with pytest.raises(WeightsError, match="must be of an NLCUnet"):
        config_from_shapes(state)


@pytest.mark.parametrize(
    "change",
    [
        {"head.weight": None},
        {"head.weight": torch.zeros(12, 1, 3, 3)},
        {"fusion.weight": torch.zeros(12, 12, 3, 3)},
        {"upsampler.0.weight": torch.zeros(27, 24, 3, 3)},
        {"down1.0.weight": "no tensor"},
        {"merge1.weight": torch.zeros(24)},
    ],
)
def test_a_backbone_with_a_part_missing_or_misshapen_is_none(change):
    state = {**NLCUnet(MIXED).state_dict(), **change}
    assert not has_nlcunet_shapes({name: value for name, value in state.items() if value is not None})
    assert not has_nlcunet_shapes({})
