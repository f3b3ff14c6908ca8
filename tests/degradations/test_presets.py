"""Presets: the published ranges, and that drawing stays inside them."""

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.degradations.presets import PRESETS, draw_record, find_preset, fixed_records
from nlcunet.degradations.record import SEED_LIMIT, DegradationRecord, record_kernel
from nlcunet.errors import ConfigError


def draw_many(name, scale, count=300):
    generator = torch.Generator().manual_seed(7)
    return [draw_record(find_preset(name, scale), generator) for _ in range(count)]


@pytest.mark.parametrize(("scale", "largest"), [(2, 2.0), (3, 3.0), (4, 4.0)])
def test_setting_1_fills_its_range_of_sigmas(scale, largest):
    records = draw_many("isotropic", scale)
    sigmas = [record.sigma_px for record in records]
    assert 0.2 <= min(sigmas) < 0.2 + 0.02 * largest
    assert 0.98 * largest < max(sigmas) <= largest
    assert {record.kernel_size_px for record in records} == {21}


@pytest.mark.parametrize(("scale", "size"), [(2, 11), (3, 21), (4, 31)])
def test_setting_2_fills_its_ranges(scale, size):
    records = draw_many("anisotropic", scale)
    for axis in ("sigma_x_px", "sigma_y_px"):
        values = [getattr(record, axis) for record in records]
        assert 0.6 <= min(values) < 0.7
        assert 4.9 < max(values) <= 5.0
    assert min(record.angle_rad for record in records) < -0.95 * math.pi
    assert max(record.angle_rad for record in records) > 0.95 * math.pi
    assert {(record.kernel_size_px, record.kernel_noise) for record in records} == {(size, 0.25)}


def test_diverse_pictures_come_clean_noisy_compressed_and_both():
    kinds = [(record.noise_std_8bit > 0, record.jpeg_quality is not None) for record in draw_many("diverse", 4)]
    assert all(60 <= kinds.count(kind) <= 90 for kind in [(a, b) for a in (False, True) for b in (False, True)])


def test_diverse_qualities_and_noise_fill_their_ranges():
    records = draw_many("diverse", 2, 2000)
    qualities = {record.jpeg_quality for record in records} - {None}
    assert qualities == set(range(30, 96))
    assert 24 < max(record.noise_std_8bit for record in records) <= 25


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_gaussian8_is_eight_fixed_records(scale):
    records = fixed_records(find_preset("gaussian8", scale))
    assert len(records) == 8
    assert {draw.sigma_px for draw in draw_many("gaussian8", scale)} == {record.sigma_px for record in records}


@pytest.mark.parametrize(("name", "scale"), [(name, scale) for name in PRESETS for scale in PRESETS[name]])
def test_every_drawn_record_survives_json(name, scale):
    for record in draw_many(name, scale, 20):
        restored = DegradationRecord.from_dict(json.loads(json.dumps(record.to_dict())))
        assert restored == record
        assert torch.equal(record_kernel(restored), record_kernel(record))


@given(seed=st.integers(0, 2**32))
def test_the_same_seed_draws_the_same_record(seed):
    preset = find_preset("diverse", 4)
    first, second = (draw_record(preset, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert first == second


def test_turning_noise_off_leaves_the_kernels_as_they_were():
    preset = find_preset("diverse", 4)
    quiet = replace(preset, noise_probability=0.0, jpeg_probability=0.0)
    a, b = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    assert [draw_record(preset, a).sigma_px for _ in range(9)] == [draw_record(quiet, b).sigma_px for _ in range(9)]


def test_sigma_of_an_ellipse_is_the_geometric_mean():
    record = DegradationRecord(scale=4, kernel="anisotropic", kernel_size_px=9, sigma_x_px=1.0, sigma_y_px=4.0)
    assert record.sigma_px == 2.0


def test_unknown_names_and_random_presets_are_refused():
    with pytest.raises(ConfigError, match=r"must be one of bicubic, gaussian8.*: got 'fog'"):
        find_preset("fog", 4)
    with pytest.raises(ConfigError, match="one of 2, 3, 4 for isotropic: got 5"):
        find_preset("isotropic", 5)
    with pytest.raises(ConfigError, match="a list of kernels, not a range"):
        fixed_records(find_preset("isotropic", 4))
    with pytest.raises(ConfigError, match="no random noise or JPEG"):
        fixed_records(find_preset("diverse", 4))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("scale", 0, "scale must be at least 1: got 0"),
        ("kernel", "disc", "kernel must be one of .*'disc'"),
        ("noise", "salt", "noise must be one of .*'salt'"),
        ("noise_std_8bit", -1.0, "at least 0: got -1"),
        ("jpeg_chroma", "4:1:1", "jpeg_chroma must be one of"),
        ("jpeg_quality", 0, "jpeg_quality must be 1 to 100"),
        ("seed", SEED_LIMIT, "seed must be"),
        ("colour", "red", "unknown colour"),
    ],
)
def test_impossible_records_are_refused(field, value, message):
    with pytest.raises(ConfigError, match=message):
        DegradationRecord.from_dict({"scale": 4, field: value})


def test_a_record_without_scale_is_refused():
    with pytest.raises(ConfigError, match="got no scale"):
        DegradationRecord.from_dict({})
