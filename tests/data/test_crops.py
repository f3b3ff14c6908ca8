import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.data.crops import CELL_PX, CropChoice, CropSettings, available_part, make_field, place_patch, turn
from nlcunet.errors import ConfigError, DataError

# Pixels that tell where they stand: red is the row, green the column.
ROWS, COLUMNS = torch.meshgrid(torch.arange(200), torch.arange(240), indexing="ij")
MAP = torch.stack([ROWS, COLUMNS, torch.zeros_like(ROWS)], dim=-1).to(torch.uint8)


def half_flat(height=200, width=240):
    """Grey on the left, noise on the right."""
    picture = torch.full((height, width, 3), 128, dtype=torch.uint8)
    noise = torch.randint(256, (height, width - width // 2, 1), generator=torch.Generator().manual_seed(0))
    picture[:, width // 2 :] = noise.to(torch.uint8)
    return picture


def corners(picture, size_px, settings, count=4000, seed=0):
    part = available_part(picture, size_px, settings)
    field = make_field(part, size_px, settings)
    numbers = np.random.default_rng(seed).random((count, 3))
    return torch.tensor(
        [place_patch(field, CropChoice(cell=c, row=r, column=k, orientation=0)) for c, r, k in numbers.tolist()]
    )


def test_central_crops_stay_in_the_central_square_and_reach_its_corners():
    settings = CropSettings(kind="central", central_px=64)
    part = available_part(MAP, 32, settings)
    assert part[0, 0, :2].tolist() == [(200 - 64) // 2, (240 - 64) // 2]
    assert part.shape == (64, 64, 3)
    found = corners(MAP, 32, settings)
    assert found.amin(0).tolist() == [0, 0]
    assert found.amax(0).tolist() == [32, 32]


def test_the_central_square_is_what_there_is_of_it_and_never_smaller_than_a_patch():
    assert available_part(MAP, 32, CropSettings(central_px=220)).shape == (200, 220, 3)
    assert available_part(MAP, 96, CropSettings(central_px=64)).shape == (96, 96, 3)


def test_the_default_is_the_papers_crop():
    assert CropSettings() == CropSettings(kind="central", central_px=512)


@pytest.mark.parametrize("kind", ["random", "detail"])
def test_free_crops_reach_the_whole_photograph(kind):
    found = corners(MAP, 32, CropSettings(kind=kind), count=8000)
    assert found.amin(0).tolist() == [0, 0]
    assert found.amax(0).tolist() == [200 - 32, 240 - 32]


@pytest.mark.parametrize("settings", [CropSettings(kind="random"), CropSettings(kind="detail", detail_power=0)])
def test_positions_are_even_without_weights(settings):
    found = corners(half_flat(), 32, settings, count=8000)
    for axis, positions in ((0, 169), (1, 209)):
        expected = torch.histc(torch.arange(positions).float(), 10, min=0, max=positions) / positions
        share = torch.histc(found[:, axis].float(), 10, min=0, max=positions) / 8000
        assert (share - expected).abs().max() < 4.5 * (0.1 * 0.9 / 8000) ** 0.5


def test_detail_attracts_crops_and_more_power_attracts_more():
    in_noise = [
        (corners(half_flat(), 32, CropSettings(kind="detail", detail_power=power))[:, 1] > 104).float().mean().item()
        for power in (0.0, 0.5, 1.0, 2.0)
    ]
    assert in_noise == sorted(in_noise)
    assert in_noise[0] == pytest.approx(0.5, abs=0.04)
    assert in_noise[2] > 0.85


def test_crops_fall_in_proportion_to_the_detail_under_them():
    picture = half_flat(512, 512)
    part_settings = CropSettings(kind="detail", detail_power=1)
    field = make_field(picture, 64, part_settings)
    shares = np.diff(field.cumulative.astype(float), prepend=0.0).reshape(29, 29)
    columns = shares[:-1, :-1].sum(0)
    # A patch wholly in noise sees the mean gradient of noise; one wholly in grey the floor of one step.
    noise = picture[:, 256:].float().mean(2)
    gradient = (noise[1:] - noise[:-1]).abs().mean() + (noise[:, 1:] - noise[:, :-1]).abs().mean()
    assert columns[20] / columns[2] == pytest.approx((gradient.item() + 1) / 1, rel=0.05)
    half_way = (256 - 32) // CELL_PX
    assert columns[half_way] / columns[20] == pytest.approx(0.5, rel=0.05)


def test_flat_places_stay_possible():
    found = corners(half_flat(), 32, CropSettings(kind="detail"), count=8000)
    assert (found[:, 1] < 80).any()


@given(
    sizes=st.tuples(st.integers(20, 90), st.integers(20, 90), st.integers(1, 20)),
    kind=st.sampled_from(["central", "random", "detail"]),
    numbers=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3),
    power=st.floats(0, 8),
)
def test_patches_never_leave_the_photograph(sizes, kind, numbers, power):
    height, width, size_px = sizes
    settings = CropSettings(kind=kind, central_px=32, detail_power=power)
    part = available_part(half_flat(height, width), size_px, settings)
    cell, row, column = numbers
    choice = CropChoice(cell=cell, row=row, column=column, orientation=0)
    top, left = place_patch(make_field(part, size_px, settings), choice)
    assert 0 <= top <= part.shape[0] - size_px
    assert 0 <= left <= part.shape[1] - size_px


@pytest.mark.parametrize("kind", ["central", "random", "detail"])
def test_largest_numbers_below_one_give_the_last_position(kind):
    settings = CropSettings(kind=kind, central_px=100)
    part = available_part(MAP, 32, settings)
    almost = float(np.nextafter(1.0, 0.0))
    choice = CropChoice(cell=almost, row=almost, column=almost, orientation=0)
    assert place_patch(make_field(part, 32, settings), choice) == (part.shape[0] - 32, part.shape[1] - 32)


def test_the_eight_orientations_are_all_different_and_lossless():
    patch = MAP[:8, :8]
    seen = {tuple(turn(patch, orientation).flatten().tolist()) for orientation in range(8)}
    assert len(seen) == 8
    assert all(sorted(pixels) == sorted(patch.flatten().tolist()) for pixels in seen)


def test_small_photographs_and_impossible_settings_are_refused():
    with pytest.raises(DataError, match=r"at least 201 pixels on both sides .* got 240×200"):
        available_part(MAP, 201, CropSettings())
    with pytest.raises(ConfigError, match="central_px must be at least 1: got 0"):
        CropSettings(central_px=0)
    with pytest.raises(ConfigError, match=r"detail_power must lie in 0 to 8: got -1"):
        CropSettings(detail_power=-1.0)
