"""SVG to pixels: coverage, layers, fonts."""

import math

import numpy as np
import pytest

from nlcunet.errors import ImageError
from nlcunet.imaging import drawing
from nlcunet.imaging.drawing import has_glyph, list_font_families, render_svg

SIDE = 96


def line(angle_deg, width_px, x=47.37, y=48.81):
    """A line through a place, from edge to edge."""
    cosine, sine = (200 * f(math.radians(angle_deg)) for f in (math.cos, math.sin))
    ends = f'x1="{x - cosine}" y1="{y - sine}" x2="{x + cosine}" y2="{y + sine}"'
    return f'<line {ends} stroke="#fff" stroke-width="{width_px}"/>'


@pytest.mark.parametrize("width_px", [0.3, 0.5, 1.0, 2.2, 4.0])
@pytest.mark.parametrize("angle_deg", [0, 1, 17, 33, 44, 61, 89, 90])
def test_thin_lines_cover_exactly_their_width(width_px, angle_deg):
    coverage = render_svg(line(angle_deg, width_px), SIDE)[20:-20, 20:-20, 3]
    # Across a line that leaves the cut on both sides, each row (or column) holds width / |cos of its slant|.
    lies_flat = angle_deg < 45
    sums = coverage.sum(axis=0 if lies_flat else 1)
    slant = math.cos(math.radians(angle_deg)) if lies_flat else math.sin(math.radians(angle_deg))
    assert sums.mean() == pytest.approx(width_px / slant, rel=0.025)


def test_pixels_hold_the_area_that_a_shape_covers():
    layer = render_svg('<rect x="2.25" y="3.5" width="4.5" height="2" fill="#fff"/>', 12)
    expected = np.outer([0, 0, 0, 0.5, 1, 0.5, 0, 0, 0, 0, 0, 0], [0, 0, 0.75, 1, 1, 1, 0.75, 0, 0, 0, 0, 0])
    assert np.abs(layer[:, :, 3] - expected).max() < 0.02


def test_colours_are_multiplied_by_coverage():
    layer = render_svg('<rect x="0" y="0" width="8" height="4.5" fill="#ff8000" fill-opacity="0.5"/>', 8)
    assert layer.dtype == np.float32
    assert np.allclose(layer[2, 2], [0.5, 0.25, 0, 0.5], atol=0.005)
    assert np.allclose(layer[4, 2], [0.25, 0.125, 0, 0.25], atol=0.01)
    assert np.array_equal(layer[6], np.zeros((8, 4)))


def test_zoom_draws_the_same_larger():
    shape = '<circle cx="15.3" cy="16.8" r="9.7" fill="#fff"/>' + line(33, 1.3, 16, 16)
    small, large = render_svg(shape, 32), render_svg(shape, 32, zoom=4)
    assert large.shape == (128, 128, 4)
    assert np.abs(large.reshape(32, 4, 32, 4, 4).mean(axis=(1, 3)) - small).max() < 0.04


def test_what_is_no_svg_is_refused():
    with pytest.raises(ImageError, match="elements must be valid SVG"):
        render_svg("<path", 16)


def test_a_libvips_without_svg_is_told(monkeypatch):
    monkeypatch.setattr(drawing, "has_operation", lambda _: False)
    with pytest.raises(ImageError, match=r"install pyvips\[binary\]"):
        render_svg("", 16)


def test_families_come_with_their_languages():
    families = list_font_families()
    assert list(families) == sorted(families)
    assert all(family and languages for family, languages in families)


def test_without_fontconfig_there_are_no_families(monkeypatch):
    monkeypatch.setattr(drawing.shutil, "which", lambda _: None)
    assert list_font_families.__wrapped__() == ()


def test_a_fontconfig_that_fails_gives_no_families(monkeypatch):
    monkeypatch.setattr(drawing.shutil, "which", lambda _: "/nowhere/fc-list")
    assert list_font_families.__wrapped__() == ()


def test_letters_without_a_glyph_come_out_as_boxes():
    assert not has_glyph("\U000e0fff")  # not assigned in Unicode: no font has it
    if list_font_families():
        assert has_glyph("e")


@pytest.mark.parametrize(
    "shape", ["", '<rect x="8" y="8" width="30" height="40" fill="none" stroke="#fff" stroke-width="3"/>']
)
def test_nothing_and_a_box_are_no_glyphs(monkeypatch, shape):
    layer = render_svg(shape, 64)
    monkeypatch.setattr(drawing, "render_svg", lambda *_: layer)
    assert not has_glyph.__wrapped__("e")
