"""Which weights a picture gets, what it is shrunk to, and what is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.errors import ConfigError
from nlcunet.inspection.blur import BlurEstimate
from nlcunet.inspection.choice import Traces, choose, clean_model, has_family
from nlcunet.inspection.jpeg_tables import JpegCompression
from nlcunet.models.weights import WeightsHeader


def header(name):
    words = "photo" if name.endswith("-Photo") else "isotropic"
    scale = int(name[0])
    return WeightsHeader(name=name, architecture="NLCUnet", config={}, scale=scale, degradation=f"{words} x{scale}")


CLEAN = tuple(header(f"{scale}x-NLCUnet-S") for scale in (2, 3, 4))
BOTH = (*CLEAN, header("4x-NLCUnet-S-Photo"))


def traces(*, sigma=0.6, noise=0.0, quality=None):
    blur = (
        None
        if sigma is None
        else BlurEstimate(major_sigma_px=sigma, minor_sigma_px=sigma, angle_deg=None, edge_points=99)
    )
    jpeg = None if quality is None else JpegCompression(quality=quality, is_standard=True, chroma=None, source="pixels")
    return Traces(blur=blur, noise_std_8bit=noise, is_noisy=noise > 0, jpeg=jpeg)


@pytest.mark.parametrize(
    ("scale", "name"),
    [(None, "4x"), (0.5, "2x"), (2, "2x"), (2.0, "2x"), (2.1, "3x"), (3, "3x"), (3.5, "4x"), (4, "4x"), (9, "4x")],
)
def test_the_scale_is_the_smallest_that_reaches_what_is_asked(scale, name):
    others = (header("4x-NLCUnet-M"), header("4x-NLCUnet-S-GAN"))
    assert clean_model((*CLEAN, *others), scale) == f"{name}-NLCUnet-S"
    assert choose(traces(), (*BOTH, *others), scale).model == f"{name}-NLCUnet-S"


def test_a_scale_that_has_no_weights_takes_what_there_is():
    assert clean_model(CLEAN[2:], 2) == "4x-NLCUnet-S"
    assert clean_model(BOTH[3:], 2) == "4x-NLCUnet-S-Photo"


@pytest.mark.parametrize("damage", [{"noise": 3.0}, {"quality": 90}, {"sigma": 0.0}, {"noise": 9.0, "quality": 60}])
def test_damaged_pictures_get_the_weights_for_them_where_there_are_any(damage):
    assert choose(traces(**damage), BOTH, 4).model == "4x-NLCUnet-S-Photo"
    assert choose(traces(**damage), BOTH, 2).model == "4x-NLCUnet-S-Photo"
    assert choose(traces(**damage), CLEAN, None).model == "4x-NLCUnet-S"


@pytest.mark.parametrize("clean", [{}, {"quality": 98}, {"sigma": None}, {"sigma": 1.0}])
def test_clean_pictures_get_the_weights_for_them(clean):
    assert choose(traces(**clean), BOTH, 4).model == "4x-NLCUnet-S"


def test_texture_is_no_noise():
    texture = Traces(blur=None, noise_std_8bit=3.0, is_noisy=False, jpeg=None)
    assert texture.noise_8bit == 0.0
    assert choose(texture, BOTH, 4).model == "4x-NLCUnet-S"


def test_what_is_said_is_one_sentence():
    assert choose(traces(noise=6.0, quality=75), BOTH, 4).sentence == (
        "JPEG traces (about quality 75) and some noise: enlarged with 4x-NLCUnet-S-Photo, which cleans them."
    )
    assert choose(traces(), BOTH, 4).sentence == (
        "No noise, JPEG traces or sharpening: enlarged with 4x-NLCUnet-S, which was trained on clean pictures."
    )
    only_photo = BOTH[-1:]  # as where --strength or --denoise is named
    assert choose(traces(), only_photo, 4).sentence.endswith("-Photo, which was trained on clean pictures, too.")
    assert choose(traces(noise=6.0), CLEAN, 4).sentence == (
        "Some noise: enlarged with 4x-NLCUnet-S, which was not trained on so much: some of the noise will stay."
    )
    assert choose(traces(noise=2.0), BOTH, 4).sentence.endswith("-Photo, which cleans it.")
    assert choose(traces(sigma=0.0), BOTH, 4).sentence.endswith("-Photo, which was trained on such pictures.")
    assert "very much noise" in choose(traces(noise=60.0), BOTH, 4).sentence.lower()


def test_what_is_blurred_more_than_any_training_is_shrunk_first():
    choice = choose(traces(sigma=2.18), BOTH, 4)
    assert choice.shrink_to == pytest.approx(0.5, abs=0.011)
    assert choice.sentence == (
        f"Wide blur (about 2.2 px): shrunk to {choice.shrink_to:.0%} first, then enlarged with 4x-NLCUnet-S, "
        "whose result will be soft."
    )
    assert choose(traces(sigma=1.0), BOTH, 4).shrink_to is None


def test_what_is_far_noisier_than_any_training_is_shrunk_unless_it_is_sharp():
    assert choose(traces(sigma=1.0, noise=45.0), BOTH, 4).shrink_to == pytest.approx(0.7, abs=0.011)
    assert choose(traces(sigma=1.0, noise=30.0), BOTH, 4).shrink_to is None
    assert choose(traces(sigma=0.5, noise=45.0), BOTH, 4).shrink_to is None
    assert choose(traces(sigma=1.0, noise=20.0), CLEAN, 4).shrink_to == pytest.approx(0.7, abs=0.011)
    assert choose(traces(sigma=1.0, quality=5), BOTH, 4).shrink_to is None


def test_without_either_family_there_is_nothing_to_choose():
    assert not has_family((header("4x-Other"), header("4x-NLCUnet-S-GAN")))
    with pytest.raises(ConfigError, match="name a model"):
        choose(traces(), (header("4x-Other"),), 4)


@given(
    sigma=st.none() | st.floats(0, 9),
    noise=st.floats(0, 90),
    quality=st.none() | st.integers(1, 100),
    scale=st.none() | st.floats(0.1, 64),
)
def test_every_picture_gets_weights_that_are_there_and_a_sentence(sigma, noise, quality, scale):
    choice = choose(traces(sigma=sigma, noise=noise, quality=quality), BOTH, scale)
    assert choice.model in {each.name for each in BOTH}
    assert choice.shrink_to is None or 0 < choice.shrink_to < 1
    assert choice.model in choice.sentence
    assert choice.sentence.endswith(".")
