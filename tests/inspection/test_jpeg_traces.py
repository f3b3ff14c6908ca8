"""JPEG's traces in pixels: exact from quality 10 to 98, and nothing where nothing was compressed."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlcunet.data.drawn.pictures import draw_picture
from nlcunet.imaging.files import Picture
from nlcunet.imaging.lossy import jpeg_round_trip
from nlcunet.inspection.jpeg_traces import OUTLIERS, ROUNDING_STD, _gain_of_steps, find_compression, find_grid
from nlcunet.inspection.windows import windows_of

QUICK = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def found_in(pixels, **more):
    return find_compression(windows_of(Picture(pixels=pixels, **more)))


def cosines():
    frequency = np.arange(8)[:, None]
    basis = np.cos(np.pi * frequency * (np.arange(8) + 0.5) / 8) / 2
    basis[0] /= np.sqrt(2)
    return basis


def quantised(luma, step):
    """The picture after its 8×8 blocks were rounded to multiples of one step, the mean apart: as MPEG does."""
    height, width = (side // 8 * 8 for side in luma.shape)
    blocks = luma[:height, :width].astype(float).reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    coefficients = cosines() @ blocks @ cosines().T
    rounded = step * np.round(coefficients / step)
    rounded[..., 0, 0] = coefficients[..., 0, 0]
    back = (cosines().T @ rounded @ cosines()).swapaxes(1, 2).reshape(height, width)
    return back.round().clip(0, 255).astype(np.uint8)[:, :, None]


@pytest.mark.parametrize("quality", [10, 20, 30, 50, 75, 85, 90, 95, 98])
@pytest.mark.parametrize("chroma", ["4:2:0", "4:4:4"])
def test_the_quality_is_told_exactly(degraded, quality, chroma):
    found = found_in(jpeg_round_trip(degraded(0.3), quality, chroma=chroma))
    assert (found.quality, found.is_standard, found.source) == (quality, True, "pixels")


@QUICK
@given(top=st.integers(0, 7), left=st.integers(0, 7), quality=st.integers(10, 97))
def test_the_grid_is_found_wherever_the_picture_was_cut(degraded, top, left, quality):
    windows = windows_of(Picture(pixels=jpeg_round_trip(degraded(0.3), quality)[top:, left:]))
    assert find_grid(windows) == (-top % 8, -left % 8)
    assert find_compression(windows).quality == quality


def test_grey_sixteen_bit_and_floating_point_pictures_keep_their_traces(degraded):
    grey = jpeg_round_trip(degraded(0.3)[:, :, :1].copy(), 80)
    assert found_in(grey).quality == 80
    assert found_in(grey.astype(np.uint16) * 257).quality == 80
    assert found_in((grey / 255).astype(np.float32)).quality == 80


def test_pictures_that_were_not_compressed_show_no_traces(degraded):
    for pixels in (degraded(0.0), degraded(1.5), degraded(0.5, noise_std_8bit=3.0, seed=1)):
        assert found_in(pixels) is None


@pytest.mark.parametrize("kind", ["line-art", "halftones", "grids", "facades", "charts"])
def test_drawings_show_no_traces(kind):
    assert all(found_in(draw_picture(kind, seed, 256).numpy()) is None for seed in (101, 103, 105))


@pytest.mark.parametrize("kind", ["line-art", "facades", "branches"])
def test_compressed_drawings_do(kind):
    found = found_in(jpeg_round_trip(draw_picture(kind, 101, 256).numpy(), 70))
    assert (found.quality, found.is_standard) == (70, True)


def test_steps_of_another_kind_are_called_about_as_good_as_a_quality(degraded):
    found = found_in(quantised(degraded(0.3)[:, :, 1], 13))
    assert not found.is_standard
    assert 80 <= found.quality <= 95


def test_resizing_hides_the_traces(degraded):
    compressed = jpeg_round_trip(degraded(0.3), 50)
    assert found_in(np.ascontiguousarray(compressed[::2, ::2])) is None


def test_hidden_pixels_do_not_count(degraded):
    compressed = jpeg_round_trip(degraded(0.3), 60)
    alpha = np.full(compressed.shape[:2], 255, np.uint8)
    alpha[:, :100] = 0
    assert found_in(compressed, alpha=alpha).quality == 60
    assert found_in(compressed, alpha=np.zeros_like(alpha)) is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 500, 1), (16, 16, 3)])
def test_pictures_of_few_blocks_tell_nothing(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert found_in(jpeg_round_trip(pixels, 50)) is None
    assert find_compression(()) is None


@pytest.mark.parametrize("step", [1, 2, 9, 10, 11, 60, 255])
def test_gains_are_those_of_a_density_around_every_multiple(step):
    size = np.arange(8192) / 8
    multiples = np.arange(-4, 1030 // step + 4) * step
    density = np.exp(-0.5 * ((size[:, None] - multiples) / ROUNDING_STD) ** 2).sum(axis=1) * step
    expected = np.log((1 - OUTLIERS) * density / (ROUNDING_STD * np.sqrt(2 * np.pi)) + OUTLIERS)
    beyond = size >= step / 2
    assert _gain_of_steps()[beyond, step - 1] == pytest.approx(expected[beyond], abs=2e-5)
    assert (_gain_of_steps()[(size > 3 * ROUNDING_STD) & ~beyond, step - 1] == np.float32(np.log(OUTLIERS))).all()
