"""Blur kernels: golden arrays of the original code, and what must hold for every kernel."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.degradations.kernels import (
    anisotropic_gaussian,
    gaussian8_kernels,
    gaussian8_sigmas_px,
    isotropic_gaussian,
    multiplicative_noise,
)
from nlcunet.errors import ConfigError

GOLDEN = np.load(Path(__file__).parents[1] / "assets" / "degradations_and_metrics.npz")
odd_sizes = st.integers(0, 20).map(lambda half: 2 * half + 1)
sigmas = st.floats(0.2, 6.0)
angles = st.floats(-math.pi, math.pi)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_gaussian8_kernels_match_the_original_code(scale):
    expected = torch.from_numpy(GOLDEN[f"gaussian8_kernels_x{scale}"])
    torch.testing.assert_close(gaussian8_kernels(scale), expected, atol=1e-10, rtol=0)


def test_anisotropic_kernel_matches_the_original_sampler():
    expected = torch.from_numpy(GOLDEN["aniso_kernel_31_sx2.0_sy4.5_theta0.7"][0])
    torch.testing.assert_close(anisotropic_gaussian(31, 2.0, 4.5, 0.7), expected, atol=1e-10, rtol=0)


def test_gaussian8_sigmas_at_x4_are_the_published_ones():
    assert gaussian8_sigmas_px(4) == (1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2)


@given(size=odd_sizes, sigma_x=sigmas, sigma_y=sigmas, angle=angles)
def test_kernels_sum_to_one_and_are_centred(size, sigma_x, sigma_y, angle):
    kernel = anisotropic_gaussian(size, sigma_x, sigma_y, angle)
    torch.testing.assert_close(kernel.sum(), torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(kernel, kernel.flip(0, 1))
    assert kernel[size // 2, size // 2] == kernel.max()


@given(sigma_x=sigmas, sigma_y=sigmas, angle=angles)
def test_a_quarter_turn_swaps_the_axes(sigma_x, sigma_y, angle):
    turned = anisotropic_gaussian(15, sigma_x, sigma_y, angle + math.pi / 2)
    torch.testing.assert_close(turned, anisotropic_gaussian(15, sigma_y, sigma_x, angle))


def test_the_first_sigma_is_measured_along_the_angle():
    kernel = anisotropic_gaussian(21, 4.0, 1.0, math.pi / 4)
    assert kernel[13, 13] > 100 * kernel[7, 13]  # right and down against right and up


def test_a_wide_kernel_has_its_sigma():
    kernel = isotropic_gaussian(41, 3.0)
    positions = torch.arange(41, dtype=torch.float64) - 20
    torch.testing.assert_close((kernel.sum(0) * positions**2).sum().sqrt(), torch.tensor(3.0, dtype=torch.float64))


def test_multiplicative_noise_stays_within_its_amount_and_follows_its_seed():
    def draw(seed):
        return multiplicative_noise(31, 0.25, torch.Generator().manual_seed(seed))

    assert draw(1).min() >= 0.75
    assert draw(1).max() <= 1.25
    assert draw(1).std() > 0.13
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_a_rough_kernel_still_sums_to_one():
    noise = multiplicative_noise(31, 0.25, torch.Generator().manual_seed(0))
    kernel = anisotropic_gaussian(31, 2.0, 4.5, 0.7, noise=noise)
    torch.testing.assert_close(kernel.sum(), torch.tensor(1.0, dtype=torch.float64))
    assert not torch.allclose(kernel, kernel.flip(0, 1))


def test_impossible_kernels_are_refused():
    with pytest.raises(ConfigError, match="odd and at least 1: got 20"):
        isotropic_gaussian(20, 1.0)
    with pytest.raises(ConfigError, match="sigma must be above 0 px: got 0"):
        isotropic_gaussian(21, 0.0)
    with pytest.raises(ConfigError, match=r"must be 21 × 21: got \(5, 5\)"):
        anisotropic_gaussian(21, 1.0, 1.0, 0.0, noise=torch.ones(5, 5))
    with pytest.raises(ConfigError, match=r"in \[0, 1\): got 1.5"):
        multiplicative_noise(21, 1.5, torch.Generator())
    with pytest.raises(ConfigError, match="scale 2, 3 and 4: got 8"):
        gaussian8_kernels(8)
