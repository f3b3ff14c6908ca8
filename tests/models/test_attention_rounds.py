import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.attention_rounds import count_rounds, sparse_layers, with_attention_rounds
from nlcunet.models.hashing import change_rounds, make_rotations
from nlcunet.models.registry import make_network
from nlcunet.models.weights import LoadedModel, load_model


def test_fewer_rounds_are_the_first_ones():
    rotations = make_rotations(4, 4, 8, seed=3)
    assert torch.equal(change_rounds(rotations, 2), rotations[:, :2])
    assert torch.equal(change_rounds(rotations, 4), rotations)


def test_more_rounds_keep_all_that_were_there_before():
    rotations = make_rotations(4, 2, 8, seed=3)
    three, five = change_rounds(rotations, 3), change_rounds(rotations, 5)
    assert five.shape == (4, 5, 4)
    assert torch.equal(five[:, :2], rotations)
    assert torch.equal(five[:, :3], three)


def test_further_rounds_are_directions_of_their_own_in_half_precision():
    rotations = change_rounds(make_rotations(8, 1, 32, seed=3), 6)
    others = change_rounds(make_rotations(8, 1, 32, seed=4), 6)
    assert torch.equal(rotations, rotations.half().float())
    rounds = torch.cat([rotations, others], dim=1).unbind(1)
    correlations = torch.corrcoef(torch.stack([each.flatten() for each in rounds]))
    assert (correlations - torch.eye(len(rounds))).abs().max() < 0.4
    assert 0.8 < rotations.std() < 1.2


@pytest.mark.parametrize("rounds", [1, 3])
def test_all_implementations_agree_with_other_rounds(tiny, rounds):
    layer = sparse_layers(with_attention_rounds(tiny, rounds))[0]
    x = torch.randn(1, layer.value.in_channels, 12, 13)
    results = []
    for implementation, has_gradients in (
        ("reference", True),
        ("grouped", True),
        ("grouped", False),
        ("exported", True),
    ):
        layer.implementation = implementation  # without gradients the grouped one is the sorted one
        with torch.set_grad_enabled(has_gradients):
            results.append(layer(x).detach())
    assert all(torch.allclose(result, results[0], atol=1e-5) for result in results)


def test_more_rounds_see_more_of_the_picture(tiny):
    """One pixel's result depends on more pixels when they are grouped more often."""

    def reached(rounds: int) -> int:
        layer = sparse_layers(with_attention_rounds(tiny, rounds))[0]
        x = torch.randn(1, layer.value.in_channels, 16, 16, generator=torch.Generator().manual_seed(0))
        x.requires_grad_()
        layer(x)[..., 0, 0].sum().backward()
        return int((x.grad.abs().sum(dim=1) > 0).sum())

    assert reached(1) < reached(2) < reached(8)


def test_the_given_model_is_not_changed_and_the_header_says_what_runs(tiny):
    before = {name: value.clone() for name, value in tiny.network.state_dict().items()}
    changed = with_attention_rounds(tiny, 5)
    assert count_rounds(tiny) == 2
    assert count_rounds(changed) == changed.header.config["num_hashes"] == 5
    assert changed.header.name == "2x-tiny@5-rounds"
    assert all(torch.equal(before[name], value) for name, value in tiny.network.state_dict().items())
    rebuilt = make_network(changed.header.architecture, changed.header.config)
    rebuilt.load_state_dict(changed.network.state_dict())


def test_as_many_rounds_as_trained_change_nothing(tiny):
    assert with_attention_rounds(tiny, 2) is tiny


@pytest.mark.parametrize("rounds", [0, -1, True])
def test_rounds_must_be_a_whole_number_of_at_least_1(tiny, rounds):
    with pytest.raises(ConfigError, match="whole number of at least 1"):
        with_attention_rounds(tiny, rounds)


def test_networks_without_sparse_attention_are_refused(tiny):
    with pytest.raises(ConfigError, match="bicubic-x4 has none"):
        with_attention_rounds(load_model("bicubic-x4"), 2)
    dense = LoadedModel(NonLocalAttention(8, kind="dense"), tiny.header)
    with pytest.raises(ConfigError, match="2x-tiny has none"):
        with_attention_rounds(dense, 2)
