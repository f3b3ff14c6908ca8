"""Attention in sorted order gives what the reference gives."""

import pytest
import torch

from nlcunet.models import sorted_attention
from nlcunet.models.attention import NonLocalAttention, attend_reference
from nlcunet.models.hashing import count_buckets, hash_tokens, make_rotations, sort_into_chunks
from nlcunet.models.sorted_attention import attend_sorted, level_2_bytes


@pytest.mark.parametrize("tokens", [17, 48, 100, 333])
@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("chunks_at_once", [1, 2, 100])
def test_equals_the_reference(tokens, rounds, chunks_at_once):
    generator = torch.Generator().manual_seed(tokens)
    queries = 3 * torch.randn(2, tokens, 4, generator=generator)
    values = torch.randn(2, tokens, 16, generator=generator)
    rotations = make_rotations(4, rounds, 128, 0)
    order = sort_into_chunks(hash_tokens(queries, rotations, count_buckets(tokens, 16, 128)), 16)
    expected = attend_reference(queries.double(), values.double(), order, 16).float()
    result = attend_sorted(queries, values, order, 16, scores_at_once=chunks_at_once * 3 * 16 * 16)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_a_layer_takes_it_without_gradients_only(monkeypatch):
    calls = []
    kept = sorted_attention.attend_sorted
    monkeypatch.setattr("nlcunet.models.attention.attend_sorted", lambda *a: calls.append(1) or kept(*a))
    layer, x = NonLocalAttention(16, chunk_size=16), torch.randn(1, 16, 8, 8)
    layer(x)
    assert not calls
    with torch.inference_mode():
        layer(x)
    assert calls


def test_scores_held_do_not_grow_with_the_picture(monkeypatch):
    held = []
    kept = sorted_attention._score

    def watch(own, near_keys, scores, sums):
        held.append(scores.numel())
        return kept(own, near_keys, scores, sums)

    monkeypatch.setattr(sorted_attention, "_score", watch)
    layer = NonLocalAttention(16, chunk_size=16)
    sizes = []
    for side in (32, 64):
        held.clear()
        with torch.inference_mode():
            layer(torch.randn(1, 16, side, side))
        sizes.append(max(held))
    assert sizes[0] == sizes[1]


def test_the_cache_is_read_from_the_system(tmp_path):
    for index, (level, size) in enumerate([("1", "32K"), ("2", "512K"), ("3", "32768K")]):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "level").write_text(level + "\n")
        (tmp_path / f"index{index}" / "size").write_text(size + "\n")
    assert level_2_bytes(tmp_path) == 512 * 1024


@pytest.mark.parametrize("size", ["many", None])
def test_a_cache_that_cannot_be_read_is_guessed(tmp_path, size):
    if size is not None:
        (tmp_path / "index0").mkdir()
        (tmp_path / "index0" / "level").write_text("2")
        (tmp_path / "index0" / "size").write_text(size)
    assert level_2_bytes(tmp_path) == sorted_attention.LEVEL_2_BYTES
