"""Noise has the strength that it says; JPEG loses what it should."""

import numpy as np
import pytest
import torch

from nlcunet.degradations.jpeg import compress_jpeg
from nlcunet.degradations.noise import add_gaussian_noise, add_poisson_noise
from nlcunet.errors import ConfigError
from nlcunet.imaging.lossy import jpeg_round_trip
from nlcunet.imaging.resize import resize_bicubic


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth_picture(seed=0):
    return resize_bicubic(torch.rand(3, 8, 8, generator=seeded(seed)), 64, 64).clamp(0, 1)


@pytest.mark.parametrize("add_noise", [add_gaussian_noise, add_poisson_noise])
@pytest.mark.parametrize("is_grey", [False, True])
def test_noise_has_its_strength_at_white(add_noise, is_grey):
    white = torch.ones(3, 128, 128)
    noise = add_noise(white, 10.0, seeded(), is_grey=is_grey) - white
    assert noise.std().item() * 255 == pytest.approx(10.0, rel=0.03)
    assert abs(noise.mean().item()) * 255 < 0.3


def test_poisson_noise_halves_at_a_quarter_of_the_light():
    grey = torch.full((3, 128, 128), 0.25)
    assert (add_poisson_noise(grey, 10.0, seeded()) - grey).std().item() * 255 == pytest.approx(5.0, rel=0.03)


def test_poisson_noise_leaves_black_alone():
    black = torch.zeros(3, 8, 8)
    assert torch.equal(add_poisson_noise(black, 10.0, seeded()), black)


@pytest.mark.parametrize("add_noise", [add_gaussian_noise, add_poisson_noise])
def test_grey_noise_is_equal_in_all_channels_and_colour_noise_is_not(add_noise):
    flat = torch.full((3, 32, 32), 0.5)
    grey = add_noise(flat, 20.0, seeded(), is_grey=True)
    colour = add_noise(flat, 20.0, seeded(), is_grey=False)
    torch.testing.assert_close(grey[0], grey[2])
    assert not torch.allclose(colour[0], colour[2])


@pytest.mark.parametrize("add_noise", [add_gaussian_noise, add_poisson_noise])
def test_noise_of_strength_zero_changes_nothing(add_noise):
    picture = smooth_picture()
    assert torch.equal(add_noise(picture, 0.0, seeded()), picture)


@pytest.mark.parametrize("add_noise", [add_gaussian_noise, add_poisson_noise])
def test_negative_noise_is_refused(add_noise):
    with pytest.raises(ConfigError, match="at least 0: got -1"):
        add_noise(smooth_picture(), -1.0, seeded())


def test_lower_quality_loses_more():
    picture = smooth_picture()
    errors = [(compress_jpeg(picture, quality) - picture).square().mean().item() for quality in (95, 60, 30, 5)]
    assert errors == sorted(errors)
    assert errors[0] < 5e-4


def test_halved_chroma_blurs_colour_but_full_chroma_does_not():
    stripes = torch.zeros(3, 32, 32)
    stripes[0, :, ::2], stripes[2, :, 1::2] = 1.0, 1.0
    full, halved = (compress_jpeg(stripes, 98, chroma=chroma) - stripes for chroma in ("4:4:4", "4:2:0"))
    assert full.abs().mean() < 0.03
    assert halved.abs().mean() > 0.2


def test_compressed_pictures_are_in_8_bit_steps():
    steps = compress_jpeg(smooth_picture(), 50) * 255
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)


def test_channels_keep_their_places():
    red = torch.zeros(3, 16, 16)
    red[0] = 1.0
    torch.testing.assert_close(compress_jpeg(red, 95), red, atol=0.02, rtol=0)


def test_grey_pictures_stay_grey():
    grey = np.linspace(0, 255, 256, dtype=np.uint8).reshape(16, 16, 1)
    decoded = jpeg_round_trip(grey, 95)
    assert decoded.shape == grey.shape
    assert np.abs(decoded.astype(int) - grey).max() < 12


def test_wrong_pixels_and_qualities_are_refused():
    with pytest.raises(ConfigError, match=r"uint8 pixels of shape .*got float32"):
        jpeg_round_trip(np.zeros((4, 4, 3), np.float32), 50)
    with pytest.raises(ConfigError, match="1 to 100: got 101"):
        jpeg_round_trip(np.zeros((4, 4, 3), np.uint8), 101)
