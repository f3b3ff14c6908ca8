"""Numbers from a hash behave like independent normal ones."""

import math

import pytest
import torch

from nlcunet.degradations.batched_noise import noise_keys, normal_noise, scramble

COUNT = 3 * 256 * 256
NOISE = normal_noise(noise_keys(range(8)), (3, 256, 256))


def correlation(first, second):
    return (first * second).mean().item()


def test_moments_are_those_of_the_normal_distribution():
    flat = NOISE.double().flatten(1)
    # Five standard errors of each moment.
    assert flat.mean(1).abs().max() < 5 / COUNT**0.5
    assert (flat.var(1) - 1).abs().max() < 5 * (2 / COUNT) ** 0.5
    assert (flat**3).mean(1).abs().max() < 5 * (15 / COUNT) ** 0.5
    assert ((flat**4).mean(1) - 3).abs().max() < 5 * (96 / COUNT) ** 0.5


def test_shares_are_those_of_the_normal_distribution():
    total = NOISE.numel()
    for limit in (0.5, 1.0, 2.0, 3.0, 4.0):
        expected = 0.5 * math.erfc(limit / 2**0.5)
        for share in ((limit < NOISE).float().mean().item(), (-limit > NOISE).float().mean().item()):
            assert abs(share - expected) < 5 * (expected / total) ** 0.5


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (1, 1), (0, 128), (128, 0), (7, 13)])
def test_pixels_do_not_know_their_neighbours(shift):
    moved = NOISE.roll(shift, (-2, -1))
    assert abs(correlation(NOISE, moved)) < 5 / NOISE.numel() ** 0.5
    assert abs(correlation(NOISE.abs() - NOISE.abs().mean(), moved.abs())) < 5 / NOISE.numel() ** 0.5


def test_channels_and_pictures_are_independent():
    for table in (NOISE.transpose(0, 1).flatten(1), NOISE.flatten(1)):
        correlations = torch.corrcoef(table) - torch.eye(len(table))
        assert correlations.abs().max() < 5 / table.shape[1] ** 0.5
    halves = NOISE.flatten(1).chunk(2, dim=1)  # cosine and sine of the same pairs
    assert abs(correlation(*halves)) < 5 / halves[0].numel() ** 0.5
    assert abs(correlation(halves[0] ** 2 - 1, halves[1] ** 2 - 1)) < 5 * 2 / halves[0].numel() ** 0.5


def test_the_spectrum_is_flat():
    power = torch.fft.rfft2(NOISE).abs().square().mean((0, 1)) / (256 * 256)
    blocks = power[:, 1:129].unfold(0, 32, 32).unfold(1, 32, 32).mean((-1, -2))
    # Mean of 24 pictures · 1024 exponentially distributed powers, half of them mirror images in no case.
    assert (blocks - 1).abs().max() < 5 / (24 * 1024) ** 0.5


def test_noise_is_a_function_of_its_key_alone():
    keys = noise_keys([4, 9])
    together = normal_noise(keys, (3, 20, 24))
    assert torch.equal(together[1], normal_noise(noise_keys([9]), (3, 20, 24))[0])
    assert not torch.equal(together[0], together[1])


def test_odd_counts_are_possible_and_finite():
    assert normal_noise(noise_keys([1]), (3, 5, 7)).shape == (1, 3, 5, 7)
    assert NOISE.isfinite().all()


def test_the_hash_is_one_to_one():
    counters = torch.cat([torch.arange(2**18), 2**32 - 1 - torch.arange(2**18)])
    hashed = scramble(counters)
    assert len(hashed.unique()) == len(counters)
    assert 0 <= hashed.min() <= hashed.max() < 2**32


def test_one_bit_in_changes_half_of_the_bits_out():
    counters = torch.arange(4096) * 1_000_003 % 2**32
    for bit in range(32):
        changed = scramble(counters) ^ scramble(counters ^ (1 << bit))
        ones = sum(((changed >> position) & 1).sum().item() for position in range(32))
        assert ones / (4096 * 32) == pytest.approx(0.5, abs=0.02)
