"""Training ranges in the units of measured pictures, and where pictures lie."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.degradations.presets import PRESETS, find_preset
from nlcunet.inspection.blur import BlurEstimate
from nlcunet.inspection.jpeg_tables import JpegCompression
from nlcunet.inspection.ranges import (
    BLUR_TOLERANCE_PX,
    NOISE_TOLERANCE_8BIT,
    SHARP_TOLERANCE_PX,
    SHRUNK_SIGMA_PX,
    embedded_headers,
    fit_models,
    low_res_sigma_px,
    preset_range,
    training_range,
)
from nlcunet.models.weights import WeightsHeader


def blur(major, minor=None, angle=None):
    return BlurEstimate(major_sigma_px=major, minor_sigma_px=minor or major, angle_deg=angle, edge_points=100)


def jpeg(quality):
    return JpegCompression(quality=quality, is_standard=True, chroma=None, source="pixels")


def header(degradation, scale=4):
    return WeightsHeader(name="4x-Some", architecture="NLCUnet", config={}, scale=scale, degradation=degradation)


def fit(degradation="isotropic x4", *, sigma=None, noise=None, quality=None):
    return fit_models(sigma, noise, None if quality is None else jpeg(quality), [header(degradation)])[0]


def test_blur_before_shrinking_becomes_blur_after_it():
    assert low_res_sigma_px(0.0, 4) == SHRUNK_SIGMA_PX
    assert low_res_sigma_px(4.0, 4) == pytest.approx(math.hypot(1.0, SHRUNK_SIGMA_PX))
    assert low_res_sigma_px(2.0, 2) == low_res_sigma_px(4.0, 4)


def test_every_preset_has_a_range():
    for name, scales in PRESETS.items():
        for scale, preset in scales.items():
            known = preset_range(preset)
            assert (0.0 if name == "photo" else SHRUNK_SIGMA_PX) <= known.min_sigma_px <= known.max_sigma_px
            assert (known.max_noise_std_8bit > 0) == (name in {"diverse", "photo"})
            assert (known.min_jpeg_quality is not None) == (name in {"diverse", "photo"})
            assert known.is_round == (name not in {"anisotropic", "photo"})
            assert known.max_sigma_px < 1.5 or (name, scale) in {("anisotropic", 2), ("anisotropic", 3)}


def test_ranges_are_those_of_the_presets():
    known = preset_range(find_preset("gaussian8", 4))
    assert known.min_sigma_px == pytest.approx(low_res_sigma_px(1.8, 4))
    assert known.max_sigma_px == pytest.approx(low_res_sigma_px(3.2, 4))
    assert preset_range(find_preset("bicubic", 2)).max_sigma_px == SHRUNK_SIGMA_PX


def test_embedded_models_of_clean_pictures_have_a_range_without_noise():
    for each in (each for each in embedded_headers() if "-Photo" not in each.name):
        known = training_range(each)
        assert known is not None
        is_round = not each.name.endswith("-Anisotropic")
        assert known.is_round == is_round
        assert known.max_sigma_px == pytest.approx(low_res_sigma_px(1.0 if is_round else 1.25, 1))
        assert known.max_noise_std_8bit == 0.0


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_weights_for_photographs_have_a_range_with_noise_and_compression(scale):
    known = training_range(header(f"photo x{scale}", scale))
    assert (known.max_noise_std_8bit, known.min_jpeg_quality, known.is_round) == (25.0, 30, False)
    assert known.min_sigma_px < SHRUNK_SIGMA_PX < known.max_sigma_px


@pytest.mark.parametrize("words", ["", "real photographs", "isotropic x9"])
def test_what_names_no_preset_is_unknown(words):
    told = fit_models(blur(0.6), 1.0, None, [header(words, scale=9)])[0]
    assert told.range is None
    assert (told.blur, told.noise, told.jpeg) == ("unknown", "unknown", "unknown")
    assert told.is_inside is None


def test_a_clean_picture_of_fitting_blur_lies_inside():
    told = fit(sigma=blur(0.7), noise=0.4)
    assert (told.blur, told.noise, told.jpeg, told.is_inside) == ("inside", "inside", "inside", True)


def test_blur_lies_above_below_or_is_elongated():
    low, high = low_res_sigma_px(0.2, 4), low_res_sigma_px(4.0, 4)
    assert fit(sigma=blur(high + BLUR_TOLERANCE_PX + 0.01)).blur == "above"
    assert fit(sigma=blur(high + BLUR_TOLERANCE_PX - 0.01)).blur == "inside"
    assert fit(sigma=blur(low - SHARP_TOLERANCE_PX - 0.01)).blur == "below"
    assert fit(sigma=blur(low - SHARP_TOLERANCE_PX + 0.01)).blur == "inside"
    assert fit(sigma=blur(1.0, 0.5, 30.0)).blur == "elongated"
    assert fit("anisotropic x4", sigma=blur(1.0, 0.5, 30.0)).blur == "inside"


def test_unknown_measures_do_not_make_a_picture_lie_outside():
    assert fit().is_inside is True
    assert fit().blur == "unknown"
    assert fit(noise=9.0).is_inside is False


def test_noise_and_compression_count_by_what_was_trained():
    assert fit(noise=NOISE_TOLERANCE_8BIT + 0.1).noise == "above"
    assert fit("diverse x4", noise=25.0).noise == "inside"
    assert fit("diverse x4", noise=30.0).noise == "above"
    assert fit(quality=95).jpeg == "above"
    assert fit(quality=98).jpeg == "inside"
    assert fit("diverse x4", quality=30).jpeg == "inside"
    assert fit("diverse x4", quality=29).jpeg == "above"


@given(less=st.floats(0.0, 60.0), more=st.floats(0.0, 60.0), name=st.sampled_from(sorted(PRESETS)))
def test_more_noise_never_lies_further_inside(less, more, name):
    first, second = (fit(f"{name} x4", noise=value).noise for value in sorted((less, more)))
    assert not (first == "above" and second == "inside")
