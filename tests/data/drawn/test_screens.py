"""Screens and dither keep the tone; strokes and fields are what they say."""

import numpy as np
import pytest

from nlcunet.data.drawn.canvas import Canvas, discrete_gaussian, over, soften, tint
from nlcunet.data.drawn.palette import draw_pair, luma_of_colour, rgb_of, with_luma
from nlcunet.data.drawn.screens import bayer_matrix, diffuse_error, dot_screen, enlarge, ordered_dither
from nlcunet.data.drawn.strokes import circles, shapes, smooth, straight, strokes, tapering

CANVAS = Canvas(120)


def flat(tone, side=120):
    return np.full((side, side), tone, dtype=np.float32)


@pytest.mark.parametrize("shape", ["round", "line"])
@pytest.mark.parametrize("tone", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("pitch_px", [4.0, 12.0])
def test_screens_lay_as_much_ink_as_the_tone_asks(shape, tone, pitch_px):
    coverage = dot_screen(CANVAS, flat(tone), pitch_px, 0.4, shape=shape)
    assert coverage.shape == (120, 120)
    assert coverage.mean() == pytest.approx(tone, abs=0.05)


def test_screens_are_mostly_paper_or_ink():
    coverage = dot_screen(CANVAS, flat(0.4), 12.0, 0.4)
    assert ((coverage < 0.05) | (coverage > 0.95)).mean() > 0.55


def test_rows_of_dots_stand_at_the_angle_and_pitch_asked_for():
    coverage = dot_screen(Canvas(128), flat(0.3, 128), 8.0, 0.0)
    spectrum = np.abs(np.fft.fft2(coverage - coverage.mean()))
    assert spectrum[16, 0] > 0.9 * spectrum.max()  # 128 / 8 dots down
    assert spectrum[0, 16] > 0.9 * spectrum.max()  # and across


def test_bayer_thresholds_are_those_published():
    # Bayer 1973: the 4×4 index matrix.
    index = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    assert np.allclose(bayer_matrix(2), (index + 0.5) / 16)


@pytest.mark.parametrize("tone", [0.0, 0.25, 0.5, 0.8, 1.0])
def test_dither_keeps_the_tone(tone):
    for dithered in (ordered_dither(flat(tone), 3), diffuse_error(flat(tone))):
        assert set(np.unique(dithered)) <= {0.0, 1.0}
        assert dithered.mean() == pytest.approx(tone, abs=0.02)


def test_error_diffusion_equals_the_plain_loop():
    tone = np.random.default_rng(0).uniform(0, 1, (13, 17)).astype(np.float32)
    values, expected = tone.astype(np.float64).copy(), np.zeros((13, 17))
    for y in range(13):
        for x in range(17):
            expected[y, x] = values[y, x] > 0.5
            error = values[y, x] - expected[y, x]
            for down, across, share in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
                if y + down < 13 and 0 <= x + across < 17:
                    values[y + down, x + across] += error * share / 16
    assert np.array_equal(diffuse_error(tone), expected)


def test_cells_become_squares():
    cells = np.array([[0, 1], [1, 0]], dtype=np.float32)
    assert np.array_equal(enlarge(cells, 2, 3), [[0, 0, 1], [0, 0, 1], [1, 1, 0]])


@pytest.mark.parametrize("sigma_px", [0.1, 0.3, 0.9, 2.0])
def test_softness_has_the_variance_asked_for(sigma_px):
    weights = discrete_gaussian(sigma_px)
    places = np.arange(len(weights)) - len(weights) // 2
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert (weights * places**2).sum() == pytest.approx(sigma_px**2, rel=0.01)


def test_soft_pictures_keep_their_mean_and_sharp_ones_all():
    picture = np.random.default_rng(0).uniform(0, 1, (30, 40, 3)).astype(np.float32)
    assert soften(picture, 0.0) is picture
    assert soften(picture, 0.8).std() < 0.6 * picture.std()
    even = np.full((20, 20, 3), 0.3, dtype=np.float32)
    assert np.allclose(soften(even, 1.7), 0.3, atol=1e-6)


@pytest.mark.parametrize("cell_px", [2.0, 9.0, 40.0])
def test_clouds_have_mean_0_and_deviation_1(cell_px):
    fields = np.stack([CANVAS.clouds(np.random.default_rng(seed), cell_px) for seed in range(20)])
    assert abs(fields.mean()) < 0.25
    assert fields.std() == pytest.approx(1, abs=0.2)


def test_clouds_are_the_same_at_any_zoom():
    small = CANVAS.clouds(np.random.default_rng(0), 6.0)
    large = Canvas(120, zoom=4).clouds(np.random.default_rng(0), 6.0)
    assert np.abs(large.reshape(120, 4, 120, 4).mean(axis=(1, 3)) - small).max() < 0.1


def test_layers_and_tints_mix_by_coverage():
    below = np.full((2, 2, 3), 0.2, dtype=np.float32)
    half = np.full((2, 2), 0.5, dtype=np.float32)
    assert np.allclose(tint(below, half, np.array([1.0, 0.2, 0.0])), [0.6, 0.2, 0.1])
    layer = np.zeros((2, 2, 4), dtype=np.float32)
    layer[:] = [0.3, 0.0, 0.0, 0.3]
    assert np.allclose(over(below, layer), [0.44, 0.14, 0.14])


def area(elements):
    """Pixels covered."""
    return CANVAS.draw(elements)[:, :, 3].sum()


WHITE = rgb_of("#ffffff")


def test_drawn_shapes_have_their_area():
    middle, radius = np.array([50.0]), np.array([20.0])
    assert area(shapes(circles(middle, middle, radius), WHITE)) == pytest.approx(np.pi * 400, rel=0.01)
    square = np.array([[[10.0, 10], [40, 10], [40, 40], [10, 40]]])
    assert area(shapes(straight(square, closed=True), WHITE)) == pytest.approx(900, rel=0.01)
    assert area(shapes(straight(square, closed=True), WHITE, 0.25)) == pytest.approx(225, rel=0.02)
    wedge = np.array([[[10.0, 60], [60, 60], [110, 60]]])
    assert area(shapes(tapering(wedge, np.array([[0.0, 5, 10]])), WHITE)) == pytest.approx(500, rel=0.01)


def test_smooth_curves_pass_through_their_points_and_close():
    angle = np.arange(12) * (np.pi / 6)
    ring = np.stack([60 + 40 * np.cos(angle), 60 + 40 * np.sin(angle)], axis=1)[None]
    assert area(shapes(smooth(ring, closed=True), WHITE)) == pytest.approx(np.pi * 1600, rel=0.02)
    arc = ring[:, :7]
    assert area(strokes(smooth(arc), WHITE, 2.0)) == pytest.approx(np.pi * 40 * 2, rel=0.03)


def test_no_curves_make_no_elements():
    none = np.zeros((0, 4, 2))
    for paths in (straight(none), smooth(none), smooth(none, closed=True), tapering(none, np.zeros((0, 4)))):
        assert list(strokes(paths, WHITE, 1.0)) == []


def test_many_curves_are_parted_into_elements():
    lines = np.zeros((130, 2, 2))
    assert len(list(strokes(straight(lines), WHITE, 1.0))) == 3


@pytest.mark.parametrize("luma", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_colours_take_the_luma_asked_for(luma):
    changed = with_luma(rgb_of("#b3262a"), luma)
    assert luma_of_colour(changed) == pytest.approx(luma, abs=1e-6)
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_ink_stands_out_from_its_ground_on_both_sides():
    rng = np.random.default_rng(0)
    differences = np.array([luma_of_colour(a) - luma_of_colour(b) for a, b in (draw_pair(rng) for _ in range(300))])
    assert np.abs(differences).min() > 0.11
    assert 0.35 < (differences > 0).mean() < 0.65
    assert 0.35 < (np.abs(differences) > 0.55).mean() < 0.65
