"""Noise: within 5 % on even grounds, within half a step on a photograph."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlcunet.data.drawn.pictures import draw_picture
from nlcunet.imaging.files import Picture
from nlcunet.inspection.noise import ENERGY_OF_UNIT_NOISE, PATCH_PX, estimate_noise, gradient_energy
from nlcunet.inspection.windows import windows_of

QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def noise_of(pixels, **more):
    return estimate_noise(windows_of(Picture(pixels=pixels)), **more)


def grey(std, shape=(160, 160, 3), seed=0):
    return np.random.default_rng(seed).normal(128, std, shape).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("std", [0.6, 1.0, 2.0, 5.0, 10.0, 25.0])
def test_noise_on_an_even_ground_is_found_within_5_percent(std):
    assert noise_of(grey(std)) == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize("std", [1.0, 2.0, 5.0, 10.0, 25.0])
def test_noise_on_a_photograph_is_found_within_half_a_step_or_5_percent(degraded, std):
    assert noise_of(degraded(0.6, noise_std_8bit=std, seed=3)) == pytest.approx(std, rel=0.05, abs=0.5)


def test_a_clean_photograph_has_little(degraded):
    assert noise_of(degraded(0.6)) < 0.5
    assert noise_of(degraded(0.0)) < 1.0


@QUICK
@given(std=st.floats(0.5, 15.0), factor=st.floats(1.3, 3.0))
def test_estimates_grow_with_the_noise(degraded, std, factor):
    less, more = (degraded(0.5, noise_std_8bit=value, seed=5) for value in (std, std * factor))
    assert noise_of(less) < noise_of(more)


def test_it_is_the_root_mean_square_of_the_channels():
    pixels = np.full((160, 160, 3), 128, np.uint8)
    pixels[:, :, 2:] = grey(9.0, (160, 160, 1))
    assert noise_of(pixels) == pytest.approx(9.0 / np.sqrt(3), rel=0.05)


def test_transposing_hardly_changes_it(degraded):
    pixels = degraded(0.3, noise_std_8bit=4.0, seed=1)
    assert noise_of(pixels) == pytest.approx(noise_of(pixels.swapaxes(0, 1)), rel=0.05)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_bars_without_noise_do_not_hide_it(degraded, share):
    pixels = degraded(0.5, noise_std_8bit=8.0, seed=2)
    top = int(share * len(pixels))
    alone = noise_of(pixels[top:].copy())
    pixels[:top] = 100
    assert noise_of(pixels) == pytest.approx(alone, rel=0.15)
    assert alone == pytest.approx(8.0, rel=0.15)


def test_even_areas_and_slopes_have_none():
    slope = np.repeat(np.linspace(5, 250, 200)[None, :, None], 100, axis=0).astype(np.uint8)
    assert noise_of(np.full((100, 100, 1), 77, np.uint8)) == 0.0
    assert noise_of(slope) == 0.0


def test_sixteen_bits_show_what_rounding_to_eight_hides():
    random = np.random.default_rng(0).normal(0.5, 0.1 / 255, (120, 120, 1))
    pixels = (random * 65535).round().astype(np.uint16)
    assert noise_of(pixels, step_8bit=255 / 65535) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("value", [0, 255])
def test_clipped_pictures_are_unknown(value):
    assert noise_of(np.full((100, 100, 3), value, np.uint8)) is None


@pytest.mark.parametrize("shape", [(1, 1, 1), (6, 200, 3), (20, 20, 1)])
def test_small_pictures_are_unknown(shape):
    assert noise_of(grey(3.0, shape)) is None
    assert estimate_noise(()) is None


def test_hidden_pixels_do_not_count():
    pixels = np.concatenate([grey(3.0), grey(20.0)], axis=1)
    alpha = np.full(pixels.shape[:2], 255, np.uint8)
    alpha[:, 160:] = 254
    assert estimate_noise(windows_of(Picture(pixels=pixels, alpha=alpha))) == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("kind", ["curves", "text", "facades", "line-art", "branches"])
def test_drawings_have_none_and_show_what_is_added(kind):
    clean = draw_picture(kind, 0, 256).numpy()
    noisy = (clean + np.random.default_rng(0).normal(0, 5, clean.shape)).round().clip(0, 255).astype(np.uint8)
    assert noise_of(clean) < 0.2
    assert noise_of(noisy) == pytest.approx(5.0, rel=0.15)


def test_the_energy_of_unit_noise_is_that_of_drawn_patches():
    noise = np.random.default_rng(0).standard_normal((20_000, PATCH_PX, PATCH_PX))
    assert np.quantile(gradient_energy(noise), 0.99) == pytest.approx(ENERGY_OF_UNIT_NOISE, rel=1e-12)
