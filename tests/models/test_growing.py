"""A deeper network begins where the shallower one stands, and learns from there."""

from dataclasses import replace

import torch

from nlcunet.models.growing import can_grow, grown_state
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig

SHALLOW = NLCUnetConfig(
    scale=2,
    width=8,
    depths=(1, 0, 1, 0, 1, 0),
    attention=("none", "none", "sparse", "none", "none", "none"),
    num_hashes=1,
    chunk_size=16,
    max_buckets=8,
    upsampler="direct",
)
DEEP = replace(SHALLOW, depths=(2, 1, 3, 0, 1, 1))


def random_network(config, seed):
    network = NLCUnet(config)
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2, generator=generator)
    return network


def test_the_deeper_network_answers_as_the_shallower_one_and_all_of_it_learns():
    shallow, deep = random_network(SHALLOW, 1), random_network(DEEP, 2)
    deep.load_state_dict(grown_state(deep, SHALLOW, shallow.state_dict()))
    picture = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(3))
    answer = deep(picture)
    torch.testing.assert_close(answer, shallow(picture), rtol=0, atol=1e-6)
    answer.square().mean().backward()
    for name in ("encoder1.1", "encoder2.0", "latent.2", "refinement.0"):
        block = deep.get_submodule(name)
        assert block.merge.weight.grad.abs().max() > 0
        assert block.feed_forward.contract.weight.grad.abs().max() > 0


def test_no_stage_may_have_fewer_blocks():
    assert can_grow(SHALLOW, DEEP)
    assert can_grow(SHALLOW, SHALLOW)
    assert not can_grow(DEEP, SHALLOW)
    assert not can_grow(SHALLOW, replace(DEEP, depths=(0, 9, 9, 9, 9, 9)))
