"""Blur: exact on ideal steps, within 0.25 px on a photograph, silent where there is nothing to measure."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlcunet.imaging.files import Picture
from nlcunet.inspection.blur import MIN_EDGE_POINTS, estimate_blur
from nlcunet.inspection.ranges import low_res_sigma_px
from nlcunet.inspection.windows import Window, windows_of

QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def blur_of(pixels, noise=0.0):
    return estimate_blur(windows_of(Picture(pixels=pixels)), noise)


def turn_difference(one, other):
    return abs((one - other + 90) % 180 - 90)


@pytest.mark.parametrize("sigma", [0.25, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0])
def test_ideal_steps_tell_their_width_within_3_percent(steps, sigma):
    blur = estimate_blur(steps(sigma, side=64 if sigma < 2 else 160))
    assert blur.major_sigma_px == pytest.approx(sigma, rel=0.03, abs=0.02)
    assert blur.minor_sigma_px == pytest.approx(sigma, rel=0.03, abs=0.02)
    assert blur.angle_deg is None


@pytest.mark.parametrize(("longer", "shorter", "angle"), [(1.0, 0.5, 17.0), (1.2, 0.4, 90.0), (0.9, 0.3, 135.0)])
def test_ideal_steps_tell_an_ellipse_and_its_direction(steps, longer, shorter, angle):
    blur = estimate_blur(steps(longer, shorter, angle))
    assert blur.major_sigma_px == pytest.approx(longer, abs=0.05)
    assert blur.minor_sigma_px == pytest.approx(shorter, abs=0.07)
    assert turn_difference(blur.angle_deg, angle) < 3


def test_steps_without_any_blur_measure_none(steps):
    assert estimate_blur(steps(1e-3)).sigma_px < 0.1


@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.6, 1.0, 1.5])
def test_a_photograph_measures_its_blur_and_that_of_shrinking_within_a_quarter_of_a_pixel(degraded, sigma):
    assert blur_of(degraded(sigma)).sigma_px == pytest.approx(low_res_sigma_px(sigma, 1), abs=0.25)


@QUICK
@given(first=st.floats(0.0, 2.0), more=st.floats(0.2, 1.0))
def test_estimates_grow_with_the_blur(degraded, first, more):
    assert blur_of(degraded(first)).sigma_px < blur_of(degraded(first + more)).sigma_px


@pytest.mark.parametrize("angle", [20.0, 65.0, 110.0, 160.0])
def test_a_photograph_tells_the_direction_within_15_degrees(degraded, angle):
    blur = blur_of(degraded(1.2, 0.4, angle_rad=np.radians(angle)))
    assert turn_difference(blur.angle_deg, angle) < 15
    assert blur.major_sigma_px == pytest.approx(low_res_sigma_px(1.2, 1), abs=0.3)
    assert blur.minor_sigma_px == pytest.approx(low_res_sigma_px(0.4, 1), abs=0.3)


@QUICK
@given(angle=st.floats(0.0, 180.0))
def test_transposing_swaps_the_axes(degraded, angle):
    pixels = degraded(1.2, 0.5, angle_rad=float(np.radians(angle)))
    one, other = blur_of(pixels), blur_of(pixels.swapaxes(0, 1))
    assert other.major_sigma_px == pytest.approx(one.major_sigma_px, abs=0.01)
    assert other.minor_sigma_px == pytest.approx(one.minor_sigma_px, abs=0.01)
    assert turn_difference(other.angle_deg, 90 - one.angle_deg) < 1


def test_mirroring_mirrors_the_direction(degraded):
    pixels = degraded(1.2, 0.5, angle_rad=0.4)
    one, other = blur_of(pixels), blur_of(pixels[:, ::-1])
    assert turn_difference(other.angle_deg, -one.angle_deg) < 1


def test_noise_moves_estimates_by_less_than_a_fifth_of_a_pixel(degraded):
    quiet = blur_of(degraded(0.6))
    for std in (2.0, 5.0, 10.0):
        noisy = blur_of(degraded(0.6, noise_std_8bit=std, seed=4), std)
        assert noisy.sigma_px == pytest.approx(quiet.sigma_px, abs=0.2)


def test_hidden_pixels_do_not_count(degraded):
    sharp, soft = degraded(0.0), degraded(1.5)
    mixed = np.concatenate([sharp, soft], axis=1)
    alpha = np.full(mixed.shape[:2], 255, np.uint8)
    alpha[:, : sharp.shape[1]] = 0
    hidden = estimate_blur(windows_of(Picture(pixels=mixed, alpha=alpha)))
    assert hidden.sigma_px == pytest.approx(blur_of(soft).sigma_px, abs=0.03)
    assert blur_of(mixed).sigma_px < hidden.sigma_px - 0.15


def test_the_edge_of_a_cut_out_figure_is_no_edge(degraded):
    soft = degraded(1.2)
    alpha = np.zeros(soft.shape[:2], np.uint8)
    alpha[::40] = 255  # lines too thin to measure anything on
    assert estimate_blur(windows_of(Picture(pixels=soft, alpha=alpha))) is None


@pytest.mark.parametrize("side", [1, 2, 12, 14, 15])
def test_tiny_pictures_are_unknown(side):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert blur_of(pixels) is None


def test_flat_pictures_and_slopes_are_unknown():
    slope = np.repeat(np.linspace(0, 255, 200)[None, :, None], 100, axis=0).astype(np.uint8)
    assert blur_of(np.full((100, 100, 1), 77, np.uint8)) is None
    assert blur_of(slope) is None


def test_pure_noise_is_unknown():
    pixels = np.random.default_rng(0).normal(128, 40, (200, 200, 1)).clip(0, 255).astype(np.uint8)
    assert blur_of(pixels, 40.0) is None


def test_black_and_white_is_sharp(steps):
    windows = tuple(Window((window.channels > 127) * np.float32(255)) for window in steps(0.5))
    assert estimate_blur(windows).sigma_px < 0.2


def test_values_far_beyond_white_give_no_nonsense():
    pixels = np.zeros((64, 64, 3), np.float32)
    pixels[:, 32:] = 60.0
    blur = blur_of(pixels)
    assert blur is None or np.isfinite(blur.sigma_px)


def test_few_edge_points_are_not_believed(steps):
    few = steps(0.5)[:1]
    assert estimate_blur(few) is None or estimate_blur(few).edge_points >= MIN_EDGE_POINTS
    assert estimate_blur(()) is None
