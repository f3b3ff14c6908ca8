import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.models.attention import NonLocalAttention, attend_dense, attend_reference
from nlcunet.models.grouped_attention import attend_grouped
from nlcunet.models.hashing import count_buckets, hash_tokens, make_rotations, normalise_keys, sort_into_chunks

LENGTHS = sorted({height * width for height in range(1, 71) for width in range(1, 71)})
SETTINGS = list(itertools.product((1, 2, 4), (144, 64, 36, 7)))  # rounds, chunk size


def both_ways(tokens, rounds, chunk_size, *, batch=1, channels=8, scores_per_group=None):
    """Results and gradients of the layer's attention, by the reference and by the grouped form."""
    generator = torch.Generator().manual_seed(tokens)
    queries = torch.randn(batch, tokens, channels // 4, generator=generator)
    # Lengths 0.5 to 4: normalising a shorter query multiplies rounding errors of its gradient by 1 / length, in any
    # form.
    lengths = 0.5 + 3.5 * torch.rand(batch, tokens, 1, generator=generator)
    queries = lengths * queries / queries.norm(dim=-1, keepdim=True)
    values = torch.randn(batch, tokens, channels, generator=generator)
    weight = torch.randn(batch, tokens, channels, generator=generator)
    layer = NonLocalAttention(channels, num_hashes=rounds, chunk_size=chunk_size)
    buckets = count_buckets(tokens, chunk_size, layer.max_buckets)
    order = sort_into_chunks(hash_tokens(queries, layer.rotations, buckets), chunk_size) if buckets else None
    results = []
    for attend in (attend_reference, attend_grouped):
        q, v = queries.clone().requires_grad_(), values.clone().requires_grad_()
        if tokens <= chunk_size:
            layer.implementation = "reference" if attend is attend_reference else "grouped"
            output = layer.attend(q, v)
        elif attend is attend_grouped:
            output = attend(q, v, order, chunk_size, scores_per_group)
        else:
            output = attend(q, v, order, chunk_size)
        (output * weight).sum().backward()
        results.append((output.detach(), q.grad, v.grad))
    return results


def assert_equal(results, atol=1e-5):
    for reference, grouped in zip(*results, strict=True):
        torch.testing.assert_close(grouped, reference, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("part", range(16))
def test_both_forms_agree_for_every_size_up_to_70_by_70(part):
    # Attention sees a list of tokens, so that sizes of equal area are one case.
    for tokens in LENGTHS[part::16]:
        rounds, chunk_size = SETTINGS[tokens % len(SETTINGS)]
        assert_equal(both_ways(tokens, rounds, chunk_size))


@pytest.mark.slow
@pytest.mark.parametrize(("rounds", "chunk_size"), SETTINGS)
def test_both_forms_agree_for_every_size_and_setting(rounds, chunk_size):
    for tokens in LENGTHS:
        assert_equal(both_ways(tokens, rounds, chunk_size))


@pytest.mark.parametrize("groups", [1, 3 * 36 * 36, 10 * 3 * 36 * 36, 10**9])
@pytest.mark.parametrize("tokens", [37, 300, 1000])
def test_group_size_does_not_change_the_result(tokens, groups):
    assert_equal(both_ways(tokens, 3, 36, batch=3, channels=16, scores_per_group=groups))


@given(tokens=st.integers(2, 400), chunk_size=st.integers(1, 50), rounds=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_sorted_order_is_a_permutation_followed_by_its_own_tail(tokens, chunk_size, rounds):
    codes = torch.randint(0, 6, (2, rounds, tokens), generator=torch.Generator().manual_seed(tokens))
    order = sort_into_chunks(codes, chunk_size)
    padding = -tokens % chunk_size
    if padding <= tokens:
        assert order.shape[-1] == tokens + padding
        assert (order[..., :tokens].sort(dim=-1).values == torch.arange(tokens)).all()
        assert (order[..., tokens:] == order[..., tokens - padding : tokens]).all()


def test_equal_codes_keep_their_order():
    order = sort_into_chunks(torch.tensor([[[1, 0, 1, 0, 1, 0]]]), 3)
    assert order.flatten().tolist() == [1, 3, 5, 0, 2, 4]


def test_buckets_are_the_argmax_over_both_signs():
    rotations = torch.eye(2)[:, None, :]  # one round, projections are the coordinates themselves
    queries = torch.tensor([[[3.0, 1.0], [-3.0, 1.0], [0.5, 2.0], [0.5, -2.0]]])
    assert hash_tokens(queries, rotations, 4).flatten().tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize(("tokens", "expected"), [(1, 0), (144, 2), (725, 6), (3072, 22), (4096, 28), (10**6, 128)])
def test_bucket_count_is_even_and_capped(tokens, expected):
    assert count_buckets(tokens, 144, 128) == expected


def test_rotations_survive_half_precision_and_depend_on_the_seed():
    rotations = make_rotations(16, 4, 128, seed=5)
    assert torch.equal(rotations.half().float(), rotations)
    assert torch.equal(rotations, make_rotations(16, 4, 128, seed=5))
    assert not torch.equal(rotations, make_rotations(16, 4, 128, seed=6))


def test_keys_have_unit_length_and_zero_queries_give_zero_keys():
    keys = normalise_keys(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    torch.testing.assert_close(keys, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_a_picture_of_one_chunk_attends_densely():
    sparse, dense = NonLocalAttention(16, kind="sparse"), NonLocalAttention(16, kind="dense")
    dense.load_state_dict(sparse.state_dict(), strict=False)
    x = torch.randn(2, 16, 12, 12)
    assert torch.equal(sparse(x), dense(x))


def test_many_rounds_come_close_to_dense_attention_where_partners_share_a_bucket():
    # Two clusters of opposite directions: hashing never separates a token from its own cluster.
    generator = torch.Generator().manual_seed(3)
    signs = torch.where(torch.rand(288, 1, generator=generator) < 0.5, -1.0, 1.0)
    queries = (signs * torch.tensor([[12.0, 0.0]]))[None]
    values = torch.randn(1, 288, 8, generator=generator)
    order = sort_into_chunks(hash_tokens(queries, make_rotations(2, 1, 128, 0), 2), 144)
    sparse, dense = attend_grouped(queries, values, order, 144), attend_dense(queries, values)
    assert (sparse - dense).abs().mean() < 0.05
    assert dense.abs().mean() < 0.2  # each token averages its cluster


def test_same_input_gives_the_same_bits_twice():
    layer = NonLocalAttention(32)
    x = torch.randn(1, 32, 40, 41)
    with torch.no_grad():
        assert torch.equal(layer(x), layer(x))


def test_long_and_vanishing_queries_stay_finite():
    queries = torch.randn(1, 500, 4) * torch.logspace(-20, 3, 500)[None, :, None]
    values = torch.randn(1, 500, 8)
    order = sort_into_chunks(torch.randint(0, 4, (1, 2, 500)), 144)
    results = [a(queries, values, order, 144) for a in (attend_reference, attend_grouped)]
    assert all(torch.isfinite(result).all() for result in results)
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


def test_gradients_of_the_grouped_form_agree_with_finite_differences():
    queries = torch.randn(1, 20, 2, dtype=torch.float32)
    values = torch.randn(1, 20, 3)
    order = sort_into_chunks(torch.randint(0, 2, (1, 2, 20)), 8)
    direction = torch.randn_like(queries)
    q = queries.clone().requires_grad_()
    attend_grouped(q, values, order, 8).sin().sum().backward()
    step = 1e-3
    ahead, behind = (attend_grouped(queries + s * step * direction, values, order, 8).sin().sum() for s in (1, -1))
    assert math.isclose((ahead - behind) / (2 * step), (q.grad * direction).sum(), rel_tol=2e-2, abs_tol=1e-3)
