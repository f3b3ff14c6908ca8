"""Hairline pictures are what they say they are; their scores know kept, faded, moved and invented lines apart."""

import math
from statistics import fmean

import numpy as np
import pytest
import torch

from nlcunet.degradations.kernels import isotropic_gaussian
from nlcunet.degradations.pipeline import blur
from nlcunet.errors import ConfigError
from nlcunet.imaging.colour import rgb_to_luma
from nlcunet.imaging.drawing import render_svg
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.hairline import (
    LINE_THRESHOLD,
    HairlineScore,
    line_contrast,
    sample,
    score_hairlines,
)
from nlcunet.metrics.hairline_cases import (
    HAIRLINE_VERSION,
    hairlines_sha256,
    half_plane_coverage,
    line_coverage,
    make_hairline_cases,
)
from nlcunet.metrics.ridges import find_ridges


@pytest.fixture(scope="module")
def cases():
    return make_hairline_cases(4, widths_low_res_px=(0.5, 1.4), contrasts=(0.25,))


def originals(cases):
    return torch.stack([case.high_res for case in cases])


def straight_line(*, side=128, width=4.0, contrast=0.1, angle_deg=0.0, offset=0.0, ground=0.5):
    """Brightness of a picture with one straight line through its middle."""
    angle = math.radians(angle_deg)
    normal = np.array([-math.sin(angle), math.cos(angle)])
    middles = np.arange(side) + 0.5 - side / 2
    distance = middles[None, :] * normal[0] + middles[:, None] * normal[1] - offset
    covered = line_coverage(distance, np.broadcast_to(normal, (*distance.shape, 2)), width)
    return torch.from_numpy(ground + contrast * covered).float()


def crest_length(luma, *, scale=4, margin=24, threshold=LINE_THRESHOLD):
    ridges = find_ridges(luma[None], scale)
    inner = (slice(None), 0, slice(margin, -margin), slice(margin, -margin))
    return (ridges.length_px * (ridges.strength > threshold))[inner].sum(dim=(1, 2))


# Coverage


@pytest.mark.parametrize("angle_deg", [0, 7, 30, 45, 60, 90, 123])
def test_coverage_of_a_half_plane_is_the_area_that_counting_finds(angle_deg):
    normal = np.array([math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))])
    fine = (np.arange(1000) + 0.5) / 1000 - 0.5
    along = fine[None, :] * normal[0] + fine[:, None] * normal[1]
    for reach in (-0.8, -0.4, -0.1, 0.0, 0.25, 0.6, 50.0):
        counted = (along < reach).mean()
        assert half_plane_coverage(np.array([reach]), normal[None]) == pytest.approx(counted, abs=2e-3)


@pytest.mark.parametrize(("width", "angle_deg"), [(1.2, 0.0), (1.2, 33.0), (3.0, 71.0), (5.6, 45.0)])
def test_lines_are_those_that_the_vector_renderer_draws(width, angle_deg):
    reach = 200 * np.array([math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))])
    (x1, y1), (x2, y2) = 32 - reach, 32 + reach
    line = f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="white" stroke-width="{width}"/>'
    drawn = render_svg(line, 64)[..., 3]
    ours = straight_line(side=64, width=width, contrast=1.0, angle_deg=angle_deg, ground=0.0).numpy()
    assert np.abs(drawn - ours).max() < 0.03
    assert ours.sum() == pytest.approx(drawn.sum(), rel=0.01)


# Pictures


def test_equal_seeds_give_equal_pictures_and_others_do_not(cases):
    again = make_hairline_cases(4, widths_low_res_px=(0.5,), contrasts=(0.25,))
    other = make_hairline_cases(4, 1, widths_low_res_px=(0.5,), contrasts=(0.25,))
    assert torch.equal(originals(cases[:4]), originals(again))  # also: a width's pictures do not depend on the others
    assert not torch.equal(originals(again), originals(other))


def test_the_pictures_of_this_version_are_pinned():
    # the default set at seed 0; a change of the pictures needs a new HAIRLINE_VERSION and new checksums here
    assert HAIRLINE_VERSION == 1
    cases = make_hairline_cases(2)
    assert len(cases) == 72
    assert hairlines_sha256(cases) == "d02cef0c2514531a216d95c88a592b99cf28c84673085a98aebff01f5b3dfcdc"


def test_every_width_has_every_contrast_sign_and_ground_at_its_own_angle():
    cases = make_hairline_cases(1, widths_low_res_px=(1.0,))
    kinds = {(case.contrast, case.ground) for case in cases}
    assert kinds == {
        (sign * c, ground) for sign in (-1, 1) for c in (0.12, 0.25, 0.5) for ground in ("flat", "textured")
    }
    assert sorted(int(case.angle_deg // 15) for case in cases) == list(range(12))


def test_wide_lines_have_their_contrast_at_their_true_place(cases):
    for case in cases:
        if case.ground == "flat" and case.width_low_res_px == 1.4:
            contrast = line_contrast(rgb_to_luma(case.high_res)[0], case)
            torch.testing.assert_close(contrast, torch.full_like(contrast, 0.25), atol=0.005, rtol=0)


def test_thin_lines_cover_the_share_that_their_width_says(cases):
    for case in cases:
        if case.ground == "flat":
            luma = rgb_to_luma(case.high_res)[0]
            share = (luma - luma.median()).mean() / case.contrast
            assert share == pytest.approx(case.width_low_res_px / 16, rel=0.25)  # 16 px apart; some cut by the border


def test_angles_are_those_of_the_curves_at_the_middle(cases):
    for case in cases:
        towards_middle = (case.points - case.high_res.shape[-1] / 2).norm(dim=1)
        normal = case.normals[towards_middle.argmin()]
        angle = math.degrees(math.atan2(-normal[0], normal[1])) % 180
        difference = abs(angle - case.angle_deg)
        assert min(difference, 180 - difference) < 4


def test_geometry_in_low_resolution_pixels_is_the_same_at_every_scale():
    small, large = (make_hairline_cases(s, widths_low_res_px=(2.0,), contrasts=(0.25,)) for s in (2, 4))
    for a, b in zip(small, large, strict=True):
        assert a.angle_deg == b.angle_deg
        shrunk = resize_bicubic(b.high_res.double(), 128, 128)
        assert (shrunk - a.high_res).abs().mean() < 0.012


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": 9}, "scales 1 to 8: got 9"),
        ({"scale": 4, "seed": -1}, "seed must be at least 0"),
        ({"scale": 4, "widths_low_res_px": (0.0,)}, "wider than 0"),
        ({"scale": 4, "contrasts": (0.8,)}, "at most at 0.7"),
        ({"scale": 4, "grounds": ()}, "grounds must be among"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        make_hairline_cases(**settings)


# Ridges


@pytest.mark.parametrize("angle_deg", [0, 10, 22.5, 45, 77, 90, 135, 170])
@pytest.mark.parametrize("contrast", [0.1, -0.1])
@pytest.mark.parametrize("width", [2.0, 4.0, 7.0])
def test_a_line_is_found_once_and_at_its_length(angle_deg, contrast, width):
    light, dark = crest_length(straight_line(width=width, contrast=contrast, angle_deg=angle_deg, offset=0.3)).tolist()
    found, other = (light, dark) if contrast > 0 else (dark, light)
    angle = math.radians(angle_deg)
    true = 80 / max(abs(math.cos(angle)), abs(math.sin(angle)))  # from border to border of the inner 80 pixels
    assert found == pytest.approx(true, rel=0.08)
    assert other == 0


def test_the_strength_of_a_line_is_its_smoothed_contrast():
    for width in (1.2, 4.0, 8.0):
        ridges = find_ridges(straight_line(width=width, contrast=0.2, offset=0.5)[None], 4)

        def smoothed(distance, half=width / 2, sigma=1.4 * 2**0.5):
            return 0.1 * (math.erf((distance + half) / sigma) - math.erf((distance - half) / sigma))

        expected = max(smoothed(0) - smoothed(side * 4) for side in (0.75, 1.5))
        assert ridges.strength[0, 0, 60:68, 40:90].amax() == pytest.approx(expected, rel=0.03)


def test_what_is_no_line_is_not_found():
    step = torch.zeros(128, 128)
    step[:, 64:] = 0.5
    ramp = torch.linspace(0, 1, 128).expand(128, 128)
    wide_band = straight_line(width=24.0, contrast=0.3)
    noise = 0.5 + 0.02 * torch.randn(128, 128, generator=torch.Generator().manual_seed(0))
    corner = step * step.T
    for picture in (torch.full((128, 128), 0.5), step, step.T.contiguous(), ramp, wide_band, noise):
        assert crest_length(picture).sum() == 0
    assert crest_length(corner).sum() < 36  # a tip stands out from both sides, as far as the detector's arms reach


def test_a_dot_is_much_shorter_than_a_line():
    distance = torch.hypot(*torch.meshgrid(torch.arange(128) - 63.5, torch.arange(128) - 63.5, indexing="ij"))
    dot = 0.5 + 0.1 * (distance < 2)
    assert crest_length(dot).sum() < 16


def test_pictures_too_small_for_the_detector_are_refused():
    with pytest.raises(ConfigError, match="at least 64 pixels on both sides: got 60 × 80"):
        find_ridges(torch.zeros(1, 60, 80), 4)


# Scores


def test_the_original_keeps_everything_and_invents_nothing(cases):
    for score in score_hairlines(originals(cases), cases):
        assert score == HairlineScore(contrast_kept=1.0, false_lines=0.0)


def test_bare_ground_has_kept_nothing(cases):
    for case in cases:
        if case.ground == "flat":
            bare = case.high_res[:, :, :].flatten(1).median(dim=1).values.view(1, 3, 1, 1).expand(1, 3, 256, 256)
            (score,) = score_hairlines(bare, [case])
            assert score.contrast_kept == pytest.approx(0.0, abs=1e-6)


def test_faded_inverted_and_doubled_lines_have_their_shares(cases):
    flat = [case for case in cases if case.ground == "flat"]
    high_res = originals(flat)
    ground = high_res.flatten(2).median(dim=2).values[..., None, None]
    for share in (0.5, -1.0, 1.5):
        for score in score_hairlines(ground + share * (high_res - ground), flat):
            assert score.contrast_kept == pytest.approx(share, abs=0.05)


def test_more_blur_and_more_shift_keep_less(cases):
    high_res = originals(cases)

    def kept(outputs):
        scores = score_hairlines(outputs, cases)
        widths = sorted({case.width_low_res_px for case in cases})
        pairs = list(zip(cases, scores, strict=True))
        return [fmean(s.contrast_kept for case, s in pairs if case.width_low_res_px == width) for width in widths]

    blurred = [kept(blur(high_res, isotropic_gaussian(21, sigma_px))) for sigma_px in (1.2, 2.4)]
    assert all(1 > weak > strong for weak, strong in zip(*blurred, strict=True))
    assert blurred[1][0] < blurred[1][1]  # thin lines fade first
    shifted = [kept(high_res.roll((d, d), dims=(-2, -1)))[0] for d in (1, 3)]
    assert 1 > shifted[0] > shifted[1]


def test_drawn_in_lines_are_counted_at_their_density(cases):
    (case, *_) = [case for case in cases if case.ground == "flat"]
    # lines across the curves, 32 pixels apart: a walk in any direction meets 2 / π of 100 / 8 per 100 low-res pixels
    angle = math.radians(case.angle_deg + 90)
    distance = -math.sin(angle) * (torch.arange(256)[None, :] - 128) + math.cos(angle) * (
        torch.arange(256)[:, None] - 128
    )
    lines = ((distance.remainder(32) - 16).abs() < 2).float()
    spoilt = (case.high_res + 0.15 * lines - 0.3 * lines * (case.contrast > 0)).clamp(0, 1)
    (score,) = score_hairlines(spoilt[None], [case])
    assert score.false_lines == pytest.approx(2 / math.pi * 100 / 8, rel=0.2)


def test_contours_along_the_curves_are_false_lines(cases):
    for case in cases:
        if case.ground == "flat":
            blurred = resize_bicubic(resize_bicubic(case.high_res, 128, 128), 256, 256)
            oversharp = case.high_res + 2.5 * (
                case.high_res - resize_bicubic(resize_bicubic(blurred, 64, 64), 256, 256)
            )
            (score,) = score_hairlines(oversharp[None], [case])
            assert score.contrast_kept > 1
            assert score.false_lines > 1


def test_blur_invents_no_lines(cases):
    blurred = resize_bicubic(resize_bicubic(originals(cases), 64, 64), 256, 256).clamp(0, 1)
    assert all(score.false_lines < 0.1 for score in score_hairlines(blurred, cases))


def test_values_between_pixels_are_linear():
    luma = torch.arange(12.0).view(3, 4)
    points = torch.tensor([[0.5, 0.5], [1.0, 0.5], [2.5, 2.0], [3.5, 2.5]])
    torch.testing.assert_close(sample(luma, points), torch.tensor([0.0, 0.5, 8.0, 11.0]))


def test_outputs_of_another_size_are_refused(cases):
    with pytest.raises(ConfigError, match="one output for each hairline picture, of the same size"):
        score_hairlines(torch.zeros(len(cases), 3, 128, 128), cases)
