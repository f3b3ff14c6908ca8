"""Separable correlation against PyTorch's own convolution, over many sizes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from nlcunet.imaging.correlation import (
    BLOCK,
    correlate_by_convolutions,
    correlate_by_products,
    correlate_separable,
    shifted_rows,
)


def reference(planes, column, row):
    kernels = (column[:, :, None] * row[:, None]).expand(len(planes), -1, -1)
    return F.conv2d(planes[None], kernels[:, None], groups=len(planes))[0]


def made(count, height, width, kernels, size):
    random = torch.Generator().manual_seed(height * width + size)
    shapes = ((count, height, width), (kernels, size), (kernels, size))
    return tuple(torch.rand(shape, dtype=torch.float64, generator=random) for shape in shapes)


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 200), width=st.integers(1, 90), size=st.integers(1, 23), one=st.booleans())
def test_correlation_equals_convolution_at_every_size(height, width, size, one):
    planes, column, row = made(3, height + size - 1, width + size - 1, 1 if one else 3, size)
    result = correlate_separable(planes, column, row)
    assert result.shape == (3, height, width)
    torch.testing.assert_close(result, reference(planes, column, row))


@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1])
def test_blocks_join_without_gap(length):
    planes, column, row = made(2, length + 4, length + 4, 2, 5)
    torch.testing.assert_close(correlate_separable(planes, column, row), reference(planes, column, row))


def test_shifted_rows_hold_the_taps_one_column_further_each():
    expected = torch.tensor([[1.0, 2.0, 0.0, 0.0], [0.0, 1.0, 2.0, 0.0], [0.0, 0.0, 1.0, 2.0]])
    assert torch.equal(shifted_rows(torch.tensor([[1.0, 2.0]]), 3), expected[None])


def test_autocast_does_not_lower_the_precision():
    planes, column, row = (values.float() for values in made(2, 30, 30, 2, 5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = correlate_separable(planes, column, row)
    assert torch.equal(result, correlate_separable(planes, column, row))


@pytest.mark.parametrize("kernels", [1, 3])
def test_accelerator_path_equals_cpu_path(kernels):
    planes, column, row = made(3, 40, 50, kernels, 7)
    torch.testing.assert_close(
        correlate_by_convolutions(planes, column, row), correlate_by_products(planes, column, row)
    )
