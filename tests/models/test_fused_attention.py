"""The kernels for GPUs give what the reference gives; on a CPU in Triton's interpreter, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest
import torch

from nlcunet.models.attention import NonLocalAttention, attend_reference
from nlcunet.models.hashing import count_buckets, hash_tokens, make_rotations, sort_into_chunks

pytest.importorskip("triton")

CASES = [  # batch, tokens, embedding, channels, rounds, chunk size
    (2, 330, 8, 32, 1, 48),  # padding in the last chunk, as many pictures as sequences
    (1, 500, 12, 48, 3, 144),  # sides that are no powers of two
    (2, 192, 4, 16, 2, 48),  # whole chunks
    (1, 130, 4, 16, 1, 48),  # three chunks: every one sees all
]


def compare(case, device, dtype):
    """Largest errors of attention and share of other codes, kernels against reference."""
    from nlcunet.models.fused_attention import attend_fused, hash_tokens_fused

    batch, tokens, embedding, channels, rounds, chunk_size = case
    generator = torch.Generator().manual_seed(tokens)
    queries = 2 * torch.randn(batch, tokens, embedding, generator=generator)
    values = torch.randn(batch, tokens, channels, generator=generator)
    rotations = make_rotations(embedding, rounds, 128, 0)
    num_buckets = count_buckets(tokens, chunk_size, 128)
    codes = hash_tokens(queries, rotations, num_buckets)
    order = sort_into_chunks(codes, chunk_size)
    expected = attend_reference(queries.double(), values.double(), order, chunk_size)
    given = (queries.to(device, dtype), values.to(device, dtype), order.to(device))
    result = attend_fused(*given, chunk_size)
    again = attend_fused(*given, chunk_size)
    other = hash_tokens_fused(queries.to(device), rotations.to(device), num_buckets).cpu() != codes
    return {
        "error": float((result.cpu().double() - expected).abs().max()),
        "differs": bool((result != again).any()),
        "other_codes": float(other.float().mean()),
    }


@pytest.fixture(scope="module")
def interpreted():
    """Results of all cases in both types, from a process in which Triton interprets."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__], check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("index", range(len(CASES)))
def test_kernels_equal_the_reference_in_float32(interpreted, index):
    result = interpreted["float32"][index]
    assert result["error"] < 1e-5
    assert result["other_codes"] == 0


@pytest.mark.parametrize("index", range(len(CASES)))
def test_kernels_come_near_the_reference_in_float16(interpreted, index):
    assert 0 < interpreted["float16"][index]["error"] < 4e-3


def test_the_same_input_gives_the_same_bits(interpreted):
    assert not any(result["differs"] for results in interpreted.values() for result in results)


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES)
def test_kernels_equal_the_reference_on_a_gpu(case):
    exact, half = (compare(case, "cuda", dtype) for dtype in (torch.float32, torch.float16))
    assert exact["error"] < 1e-5
    assert half["error"] < 4e-3
    assert exact["other_codes"] < 1e-3
    assert not exact["differs"]


@pytest.mark.gpu
def test_a_layer_takes_the_kernels_where_no_gradient_is_needed():
    layer = NonLocalAttention(32, num_hashes=2, chunk_size=48).cuda()
    x = torch.randn(1, 32, 24, 20, device="cuda")
    expected = layer(x)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), expected.detach(), rtol=0, atol=2e-3)


if __name__ == "__main__":
    types = {"float32": torch.float32, "float16": torch.float16}
    print(  # noqa: T201 - read by the test
        json.dumps({name: [compare(case, "cpu", dtype) for case in CASES] for name, dtype in types.items()})
    )
