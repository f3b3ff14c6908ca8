"""The lattice of a pixel shuffle is measured, other errors are not."""

import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.metrics.lattice import phase_deviation


def pictures(seed=0):
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_errors_that_are_alike_everywhere_are_no_lattice():
    truth = pictures()
    assert phase_deviation(truth, truth, scale=4).abs().max() == 0
    assert phase_deviation(truth + 0.1, truth, scale=4).abs().max() < 1e-12


def test_an_error_at_one_place_of_every_block_is_measured_exactly():
    truth = pictures()
    result = truth.clone()
    result[..., 1::4, 2::4] += 0.16
    # One of 16 phases is off by 0.16, the common mean by 0.01: (0.15 + 15 · 0.01) / 16.
    assert phase_deviation(result, truth, scale=4) == pytest.approx(torch.full((2,), 0.01875), abs=1e-9)


def test_a_lattice_stands_out_of_noise_of_the_same_strength():
    truth, noise = torch.zeros(1, 3, 128, 128), torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    lattice = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(2)).repeat(1, 1, 32, 32)
    strengths = [float(phase_deviation(0.02 * error, truth, scale=4)) for error in (noise, lattice)]
    assert strengths[1] > 5 * strengths[0]


def test_its_gradient_flattens_the_lattice():
    truth = torch.zeros(1, 3, 32, 32)
    result = (0.1 * torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(3))).repeat(1, 1, 8, 8)
    result.requires_grad_()
    before = phase_deviation(result, truth, scale=4).sum()
    before.backward()
    after = phase_deviation(result.detach() - 10 * result.grad, truth, scale=4).sum()
    assert after < before


def test_small_pictures_are_one_window_and_shapes_must_agree():
    truth = pictures()[..., :16, :16]
    assert phase_deviation(truth, truth, scale=4).shape == (2,)
    with pytest.raises(ConfigError):
        phase_deviation(truth, truth[..., :8], scale=4)
