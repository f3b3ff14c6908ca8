import numpy as np
import pytest
from doctor_pictures import enlarged, scene, with_noise

from nlcunet.data.checking.examination import Limits
from nlcunet.data.checking.measures import (
    WHITE_NOISE_LOST,
    blockiness,
    full_range_luma,
    measure,
    noise_std,
    octave_energies,
)
from nlcunet.data.tiling import detail_db
from nlcunet.imaging.lossy import jpeg_round_trip

SCENES = [scene(seed) for seed in range(4)]


def test_detail_is_that_of_tiles():
    assert measure(SCENES[0]).detail_db == pytest.approx(detail_db(SCENES[0]), abs=0.01)


def test_sharp_pictures_are_told_from_enlarged_ones():
    for clean in SCENES:
        assert measure(clean).sharpness_db > -7
        for factor, least in ((2, -14), (3, -16), (4, -18)):
            assert measure(enlarged(clean, factor)).sharpness_db < least


def test_noise_does_not_hide_that_a_picture_was_enlarged():
    for clean in SCENES:
        noisy = with_noise(enlarged(clean, 2), 3.0)
        assert measure(noisy).sharpness_db < -13


@pytest.mark.parametrize("std", [2.0, 5.0, 10.0])
def test_noise_is_estimated_within_a_tenth(std):
    grey = np.full((256, 256, 3), 128, dtype=np.uint8)
    assert noise_std(full_range_luma(with_noise(grey, std))) == pytest.approx(std, rel=0.1)
    for clean in SCENES:
        assert measure(with_noise(clean, std)).noise_std_8bit == pytest.approx(std, rel=0.15)


def test_clean_pictures_have_no_noise():
    assert max(measure(clean).noise_std_8bit for clean in SCENES) < 0.3


def test_clipped_areas_do_not_hide_noise():
    half_white = np.full((256, 256, 3), 128, dtype=np.uint8)
    half_white[:, 128:] = 255
    assert measure(with_noise(half_white, 6.0)).noise_std_8bit == pytest.approx(6.0, rel=0.15)


def test_the_part_of_noise_that_halving_takes_is_as_stated():
    noise = 128 + np.random.default_rng(0).normal(0, 10, (512, 512)).astype(np.float32)
    assert octave_energies(noise, 1)[0] / 100 == pytest.approx(WHITE_NOISE_LOST, abs=0.05)


@pytest.mark.parametrize("quality", [10, 30, 50, 70])
def test_blocks_are_found_at_every_phase_of_the_grid(quality):
    found = set()
    for index, clean in enumerate(SCENES * 2):
        cut = jpeg_round_trip(clean, quality)[index:, (3 * index) % 8 :]
        found.add(measure(cut).blockiness > Limits().blockiness)
    assert found == {True}


def test_blockiness_falls_with_quality():
    for clean in SCENES:
        values = [measure(jpeg_round_trip(clean, quality)).blockiness for quality in (10, 40, 80)]
        assert values == sorted(values, reverse=True)


def test_clean_and_enlarged_pictures_have_no_blocks():
    for clean in SCENES:
        for picture in (clean, clean[1:, 3:], enlarged(clean, 2), enlarged(clean, 4), with_noise(clean, 5.0)):
            assert measure(np.ascontiguousarray(picture)).blockiness < Limits().blockiness


def test_squares_of_eight_pixels_are_a_grid_and_randomness_is_none():
    levels = np.random.default_rng(0).uniform(90, 110, (16, 16))
    assert blockiness(np.kron(levels, np.ones((8, 8))).astype(np.float32)) > 10
    assert blockiness(np.random.default_rng(0).uniform(90, 110, (128, 128)).astype(np.float32)) < 1.05


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (8, 8), (15, 31), (33, 40)])
def test_the_smallest_pictures_are_measured_without_a_stumble(size):
    if min(size) < 2:
        size = (2, 2)
    values = measure(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert np.isfinite([values.detail_db, values.sharpness_db, values.noise_std_8bit, values.blockiness]).all()


def test_only_the_middle_of_a_large_picture_is_measured(monkeypatch):
    monkeypatch.setattr("nlcunet.data.checking.measures.MEASURED_PX", 128)
    picture = SCENES[0].copy()
    middle = np.ascontiguousarray(picture[32:160, 64:192])
    picture[:32] = 0
    assert measure(picture) == measure(middle)
