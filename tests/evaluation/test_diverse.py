"""The grid of degradations: every point once, the same for ever, and named so that people can read it."""

from collections import Counter

import pytest
import torch

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.words import name_parts
from nlcunet.evaluation.diverse import grid_changes, grid_records


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_grid_has_none_single_ones_and_pairs_each_once(scale):
    names = [name_parts(record) for record in grid_records(scale, "seed")]
    assert len(names) == len(set(names)) == len(grid_changes(scale)) == 71
    assert Counter(map(len, names)) == {0: 1, 1: 13, 2: 57}


def test_names_tell_what_was_done():
    record = DegradationRecord(
        scale=4,
        kernel="motion",
        kernel_size_px=21,
        length_px=8.0,
        downsampling="plain",
        noise_std_8bit=15.0,
        jpeg_quality=60,
    )
    assert name_parts(record) == ("motion 8", "plain", "noise 15", "JPEG 60")
    blur = DegradationRecord(scale=4, kernel="isotropic", kernel_size_px=21, sigma_x_px=1.8, sigma_y_px=1.8)
    assert name_parts(blur) == ("blur 1.80",)


def test_one_picture_moves_in_one_direction_and_noise_is_drawn_anew():
    records = grid_records(4, "a.png")
    assert len({record.angle_rad for record in records if record.kernel == "motion"}) == 1
    noisy = [record.seed for record in records if record.noise_std_8bit > 0]
    assert len(set(noisy)) == len(noisy)
    other = grid_records(4, "b.png")
    assert {r.angle_rad for r in records}.isdisjoint({r.angle_rad for r in other} - {0.0})


def test_the_grid_is_the_one_of_version_1():
    # Written down when version 1 was made: other numbers would be another protocol.
    records = grid_records(4, "diverse 1 x4 a.png")
    assert (
        round(records[1].angle_rad, 6),
        next(record.seed for record in records if record.noise_std_8bit > 0),
    ) == ANGLE_AND_SEED


ANGLE_AND_SEED = (0.966608, 111098778629866)


def test_every_point_can_be_made():
    image = torch.rand(1, 3, 48, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    records = grid_records(4, "a.png")
    low_res = apply_records(image.expand(len(records), -1, -1, -1), records)
    assert low_res.shape == (71, 3, 12, 12)
    assert len({picture.numpy().tobytes() for picture in low_res}) == 71
