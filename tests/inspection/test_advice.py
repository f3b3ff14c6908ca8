"""Advice: which model, at which size, and what to warn of."""

import pytest

from nlcunet.inspection.advice import LARGE_RESULT_PIXELS, advise
from nlcunet.inspection.blur import BlurEstimate
from nlcunet.inspection.choice import QUIET_SIGMA_PX, Traces
from nlcunet.inspection.jpeg_tables import JpegCompression
from nlcunet.inspection.ranges import embedded_headers, fit_models, low_res_sigma_px
from nlcunet.models.weights import WeightsHeader

MEGAPIXEL = 1_000_000


def blur(major, minor=None, angle=None):
    return BlurEstimate(major_sigma_px=major, minor_sigma_px=minor or major, angle_deg=angle, edge_points=100)


def jpeg(quality):
    return JpegCompression(quality=quality, is_standard=True, chroma=None, source="pixels")


def header(name, degradation, fidelity=""):
    return WeightsHeader(
        name=name,
        architecture="NLCUnet",
        config={},
        scale=int(name[0]),
        degradation=degradation,
        fidelity_weights=fidelity,
    )


CLEAN = tuple(each for each in embedded_headers() if "-Photo" not in each.name)
"""What is embedded whatever else may come."""


def advice(sigma=None, noise=0.3, compression=None, *, pixels=MEGAPIXEL, headers=CLEAN):
    traces = Traces(blur=sigma, noise_std_8bit=noise, is_noisy=noise > 0.5, jpeg=compression)
    fits = fit_models(traces.blur, traces.noise_8bit, traces.jpeg, headers)
    return advise(traces, fits, headers, pixels=pixels)


def test_a_fitting_picture_gets_the_largest_scale_and_no_warning():
    given = advice(blur(0.6))
    assert (given.model, given.scale, given.shrink_to, given.warnings) == ("4x-NLCUnet-S", 4, None, ())
    assert "blur, noise and compression as in its training" in given.reason


@pytest.mark.parametrize(("megapixels", "scale"), [(1, 4), (6, 4), (7, 3), (11, 3), (12, 2), (25, 2), (200, 2)])
def test_large_pictures_get_a_smaller_scale(megapixels, scale):
    given = advice(blur(0.6), pixels=megapixels * MEGAPIXEL)
    assert given.scale == scale
    assert ("stays below" in given.reason) == (scale < 4)
    assert megapixels > 25 or megapixels * MEGAPIXEL * scale**2 <= LARGE_RESULT_PIXELS


def test_a_blurred_picture_is_shrunk_to_the_blur_of_the_training():
    given = advice(blur(2.0))
    assert given.shrink_to == pytest.approx(low_res_sigma_px(4.0, 4) / 2.0, abs=0.01)
    assert len(given.warnings) == 1
    assert "2.00 px" in given.warnings[0]


def test_a_very_noisy_picture_is_shrunk_unless_it_is_sharp():
    assert advice(blur(1.0), noise=20.0).shrink_to == pytest.approx(QUIET_SIGMA_PX, abs=0.01)
    assert advice(blur(1.0), noise=6.0).shrink_to is None
    assert advice(blur(0.5), noise=20.0).shrink_to is None
    assert advice(None, noise=20.0).shrink_to is None
    assert advice(blur(0.0), noise=20.0).shrink_to is None


def test_warnings_grow_with_noise_and_compression():
    assert "expect grain" in advice(noise=3.0).warnings[0]
    assert "little more than bicubic" in advice(noise=8.0).warnings[0]
    assert "JPEG's traces" in advice(compression=jpeg(92)).warnings[0]
    assert "little more than bicubic" in advice(compression=jpeg(60)).warnings[0]
    assert advice(compression=jpeg(98)).warnings == ()


def test_sharpness_and_direction_beyond_the_training_are_warned_of():
    assert "sharper than any" in advice(blur(0.0)).warnings[0]
    assert "at 40°" in advice(blur(1.1, 0.5, 40.0)).warnings[0]


def test_a_model_that_was_trained_on_such_pictures_is_preferred():
    headers = (header("4x-NLCUnet-S", "isotropic x4"), header("4x-NLCUnet-S-Photo", "photo x4"))
    assert advice(blur(0.6), noise=10.0, headers=headers).model == "4x-NLCUnet-S-Photo"
    assert advice(blur(0.6), noise=10.0, headers=headers).warnings == ()
    assert advice(blur(0.6), headers=headers).model == "4x-NLCUnet-S"


def test_weights_that_invent_detail_are_not_advised():
    headers = (header("4x-NLCUnet-S-GAN", "isotropic x4", "4x-NLCUnet-S"), header("2x-NLCUnet-S", "isotropic x2"))
    assert advice(blur(0.6), headers=headers).model == "2x-NLCUnet-S"
    assert advice(blur(0.6), headers=headers[:1]) is None
    assert advice(headers=()) is None


def test_of_models_without_known_training_nothing_is_claimed():
    given = advice(blur(9.0), noise=20.0, headers=(header("4x-NLCUnet-S", "real photographs"),))
    assert (given.model, given.shrink_to, given.warnings) == ("4x-NLCUnet-S", None, ())
    assert "nothing could be" in given.reason
