import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.models.attention import NonLocalAttention, attend_dense, attend_reference
from nlcunet.models.exported_attention import TokenSorter, attend_exported, sort_by_unique_keys
from nlcunet.models.hashing import count_buckets, hash_tokens, make_rotations, sort_into_chunks

CHUNK = 16
MOST = 8


def exported(queries, values, rotations):
    _, order = TokenSorter(CHUNK)(queries, rotations)
    return attend_exported(queries, values, order, CHUNK)


@pytest.mark.parametrize("tokens", [17, 31, 32, 33, 47, 48, 63, 128, 129, 400])
@pytest.mark.parametrize("rounds", [1, 3])
def test_buckets_order_and_result_are_those_of_the_reference(tokens, rounds):
    queries, values = torch.randn(2, tokens, 4), torch.randn(2, tokens, 12)
    rotations = make_rotations(4, rounds, MOST, seed=1)
    want = hash_tokens(queries, rotations, count_buckets(tokens, CHUNK, MOST))
    chunks = sort_into_chunks(want, CHUNK)
    codes, order = TokenSorter(CHUNK)(queries, rotations)
    assert torch.equal(codes, want)
    assert torch.equal(order, chunks[..., :tokens])
    result = attend_exported(queries, values, order, CHUNK)
    torch.testing.assert_close(result, attend_reference(queries, values, chunks, CHUNK), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("tokens", range(1, CHUNK + 1))
def test_up_to_one_chunk_every_token_attends_to_every_token(tokens):
    queries, values = torch.randn(2, tokens, 4), torch.randn(2, tokens, 12)
    result = exported(queries, values, make_rotations(4, 2, MOST, seed=1))
    torch.testing.assert_close(result, attend_dense(queries, values), atol=2e-6, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_unique_keys_give_the_order_of_a_stable_sort(codes):
    row = torch.tensor(codes)
    assert torch.equal(sort_by_unique_keys(row[None, None])[0, 0], row.sort(stable=True).indices)


def test_long_queries_do_not_overflow():
    queries, values = 1000 * torch.randn(1, 50, 4), torch.randn(1, 50, 4)
    assert exported(queries, values, make_rotations(4, 1, MOST, seed=1)).isfinite().all()


def test_the_layer_gives_the_same_in_all_its_forms():
    layer = NonLocalAttention(16, num_hashes=2, chunk_size=CHUNK, max_buckets=MOST)
    features = torch.randn(2, 16, 9, 11)
    with torch.inference_mode():
        results = []
        for implementation in ("reference", "grouped", "exported"):
            layer.implementation = implementation
            results.append(layer(features))
    torch.testing.assert_close(results[0], results[1], atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(results[0], results[2], atol=2e-6, rtol=1e-5)


def test_exporting_adds_nothing_to_the_weights():
    assert set(NonLocalAttention(16).state_dict()) == {
        "query.weight", "query.bias", "value.weight", "value.bias", "rotations",
    }  # fmt: skip
