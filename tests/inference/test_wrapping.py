"""Edges that continue each other: a picture that is moved round and enlarged is the enlarged picture moved round."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.imaging.files import Picture, read_picture, write_picture
from nlcunet.imaging.pixel_sources import PictureSource, RepeatingSource
from nlcunet.imaging.resize import resize_axis
from nlcunet.inference.giant.enlargement import upscale_giant
from nlcunet.inference.loading import load
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.sizes import WRAPS, SizeRequest, Wrap
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import LoadedModel

MakeModel = Callable[..., LoadedModel]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).random(shape, dtype=np.float32)


def moved(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.roll(picture, (rows, columns), (0, 1))


def difference_after_moving(upscaler: Upscaler, picture: np.ndarray, scale: float, wrap: Wrap) -> float:
    """How much it matters where a picture is cut; the move is a whole number of pixels before and after."""
    result = upscaler.upscale(picture, scale, wrap=wrap)
    other = upscaler.upscale(moved(picture, 10, 20), scale, wrap=wrap)
    return float(np.abs(moved(result, round(10 * scale), round(20 * scale)) - other).max())


@pytest.mark.parametrize("scale", [0.5, 1, 1.3, 2, 3.2, 4, 8])
@pytest.mark.parametrize("size", [(40, 60), (100, 130), (30, 200)])
def test_it_does_not_matter_where_a_repeating_picture_is_cut(
    make_local: MakeModel, size: tuple[int, int], scale: float
) -> None:
    upscaler, picture = Upscaler(make_local(), tile=64, overlap=8), noise(*size, 3)
    assert difference_after_moving(upscaler, picture, scale, "both") < 1e-5
    assert difference_after_moving(upscaler, picture, scale, "none") > 1e-2  # so the measure sees edges


@pytest.mark.parametrize("scale", [2, 2.5])
def test_a_panorama_is_joined_at_its_sides_only(make_local: MakeModel, scale: float) -> None:
    upscaler, picture = Upscaler(make_local(), tile=64, overlap=8), noise(40, 60, 3)
    plain, wide, high, both = (upscaler.upscale(picture, scale, wrap=wrap) for wrap in WRAPS)
    edge = round(4 * scale)  # as far as network and resampling look
    inside, middle = slice(edge, -edge), slice(None)
    for result, rows, columns in ((wide, middle, inside), (high, inside, middle), (both, inside, inside)):
        np.testing.assert_allclose(result[rows, columns], plain[rows, columns], atol=1e-6)
    assert np.abs(wide - plain)[:, :2].max() > 1e-3
    assert np.abs(high - plain)[:2].max() > 1e-3
    turned = upscaler.upscale(np.roll(picture, 20, 1), scale, wrap="horizontal")
    np.testing.assert_allclose(turned, np.roll(wide, round(20 * scale), 1), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_grey_and_alpha_are_joined_as_well(make_local: MakeModel, channels: int) -> None:
    picture = np.clip(noise(50, 70, channels), 0.1, 1)  # what lies under transparent places may differ
    upscaler = Upscaler(make_local(), tile=64, overlap=8)
    assert difference_after_moving(upscaler, picture, 2, "both") < 1e-5
    assert difference_after_moving(upscaler, picture, 1.5, "both") < 1e-5


def test_a_picture_smaller_than_what_the_network_looks_at_is_laid_beside_itself_often() -> None:
    upscaler = load("bicubic-x2", device="cpu")
    picture = noise(2, 3, 3)
    many = upscaler.upscale(np.tile(picture, (21, 21, 1)))
    np.testing.assert_allclose(upscaler.upscale(picture, wrap="both"), many[40:44, 60:66], atol=1e-6)


def test_a_network_with_rules_of_sizes_keeps_them(make_local: MakeModel) -> None:
    upscaler = Upscaler(make_local(size_multiple=8, min_size=16), tile=48, overlap=8)
    work = upscaler.plan(30, 45, SizeRequest(wrap="both"))
    assert all(span.start % 8 == 0 for span in work.tilings[0].columns.spans)
    assert (work.height, work.width) == (60, 90)
    assert difference_after_moving(upscaler, noise(48, 64, 3), 2, "both") < 1e-5


def test_a_picture_that_is_shrunk_first_is_joined_as_well(make_local: MakeModel) -> None:
    upscaler = Upscaler(make_local(), tile=64, overlap=8, shrink_to=0.5)
    assert difference_after_moving(upscaler, noise(40, 60, 3), 2, "both") < 1e-5


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("scale", [2, 3.5])
def test_giant_pictures_are_joined_like_others(tmp_path: Path, wrap: Wrap, scale: float) -> None:
    picture = Picture(pixels=(noise(110, 70, 3) * 255).astype(np.uint8))
    write_picture(picture, tmp_path / "in.tif")
    upscaler = load("bicubic-x2", tile=48, device="cpu", threads=1)
    settings = BatchSettings(request=SizeRequest(scale=scale, wrap=wrap))
    upscale_giant(tmp_path / "in.tif", tmp_path / "out.tif", upscaler, settings)
    expected = upscaler.upscale(picture, scale, wrap=wrap)
    assert np.array_equal(read_picture(tmp_path / "out.tif").pixels, expected.pixels)


def test_windows_of_a_repeating_source_are_those_of_many_copies() -> None:
    pixels, alpha = noise(5, 4, 3), noise(5, 4)
    source = RepeatingSource(PictureSource(Picture(pixels=pixels, alpha=alpha)), 7, 6)
    assert (source.height, source.width, source.channels, source.has_alpha) == (19, 16, 3, True)
    tiled, tiled_alpha = np.tile(pixels, (5, 5, 1))[3:22, 2:18], np.tile(alpha, (5, 5))[3:22, 2:18]
    for rows, columns in ((slice(0, 19), slice(0, 16)), (slice(6, 13), slice(5, 11)), (slice(18, 19), slice(3, 4))):
        window = source.read(rows, columns)
        assert np.array_equal(window.pixels, tiled[rows, columns])
        assert window.alpha is not None
        assert np.array_equal(window.alpha, tiled_alpha[rows, columns])


@pytest.mark.parametrize("length", [20, 33, 90])
def test_margins_are_looked_at_and_not_shown(length: int) -> None:
    wave = torch.from_numpy(noise(3, 30, 5))
    laid = torch.cat([wave[:, -10:], wave, wave[:, :10]], dim=1)
    thrice = resize_axis(torch.cat([wave] * 3, dim=1), 1, 3 * length, True)
    np.testing.assert_allclose(resize_axis(laid, 1, length, True, 10), thrice[:, length : 2 * length], atol=1e-5)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ConfigError, match="wrap must be one of none, horizontal, vertical, both: got 'diagonal'"):
        SizeRequest(wrap="diagonal")
