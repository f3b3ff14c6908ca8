import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.data.tiling import (
    MAX_DETAIL_DB,
    MAX_OVERLAP,
    Tile,
    best_of_each,
    choose_tiles,
    count_licences,
    detail_db,
    hold_back,
    luma_of,
    place_tiles,
    round_trip_error,
)
from nlcunet.errors import ConfigError
from nlcunet.imaging.resize import resize_bicubic

RANDOM = np.random.default_rng(0)


def smooth_with_noise_in(height, width, box, strength=60):
    """A smooth ramp, with fine detail only within (top, left, height, width)."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = 60 + 80 * (rows / height + columns / width) / 2
    top, left, box_height, box_width = box
    part = np.random.default_rng(1).uniform(-strength, strength, (box_height, box_width))
    picture[top : top + box_height, left : left + box_width] += part
    return np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_luma_is_bt601_in_studio_range_also_across_blocks_of_rows():
    pixels = RANDOM.integers(0, 256, (1100, 8, 3), dtype=np.uint8)
    expected = 16 + pixels @ np.array([65.481, 128.553, 24.966]) / 255
    np.testing.assert_allclose(luma_of(pixels), expected, atol=1e-4)


def test_detail_is_the_psnr_of_halving_and_doubling():
    pixels = RANDOM.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    luma = torch.from_numpy(luma_of(pixels)).double()
    back = resize_bicubic(resize_bicubic(luma, 32, 40), 64, 80)
    expected = 10 * math.log10(255**2 / float((luma - back).square().mean()))
    assert detail_db(pixels) == pytest.approx(expected, abs=1e-3)


def test_detail_of_stripes_is_known_by_hand():
    # Stripes of one pixel vanish when halved: what is left is their mean, so the error is half their difference,
    # 219/2 steps of luma. PSNR = 20 log10(255 / 109.5).
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    error = round_trip_error(luma_of(stripes))[16:-16, 16:-16]
    assert np.sqrt(error.mean()) == pytest.approx(109.5, abs=0.01)


def test_flat_pictures_have_no_detail_at_all():
    assert detail_db(np.full((32, 33, 3), 70, dtype=np.uint8)) > 90
    assert detail_db(np.zeros((32, 32, 3), dtype=np.uint8)) <= MAX_DETAIL_DB
    with pytest.raises(ConfigError, match="2 × 2"):
        detail_db(np.zeros((1, 8, 3), dtype=np.uint8))


def test_the_first_tile_lies_where_the_detail_is():
    pixels = smooth_with_noise_in(200, 300, (120, 200, 64, 64))
    tile = place_tiles(pixels, "a", tile_px=64, place="detail", limit=1)[0]
    assert abs(tile.top - 120) <= 8
    assert abs(tile.left - 200) <= 8
    inside = pixels[tile.top : tile.top + 64, tile.left : tile.left + 64]
    assert tile.detail_db == pytest.approx(detail_db(inside), abs=0.5)  # but for the mirrored border


def test_central_tile_is_in_the_middle():
    tiles = place_tiles(smooth_with_noise_in(101, 200, (0, 0, 10, 10)), "a", tile_px=64, place="central", limit=9)
    assert [(tile.left, tile.top) for tile in tiles] == [(68, 18)]


@settings(max_examples=30, deadline=None)
@given(height=st.integers(32, 150), width=st.integers(32, 150))
def test_grid_covers_every_pixel_at_most_once_and_leaves_less_than_a_tile(height, width):
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    covered = np.zeros((height, width), dtype=int)
    for tile in place_tiles(pixels, "a", tile_px=32, place="grid", limit=99):
        covered[tile.top : tile.top + 32, tile.left : tile.left + 32] += 1
    assert covered.max() == 1
    assert covered.sum() == (height // 2 * 2 // 32) * (width // 2 * 2 // 32) * 32 * 32


@settings(max_examples=20, deadline=None)
@given(height=st.integers(32, 120), width=st.integers(32, 120), seed=st.integers(0, 99))
def test_tiles_of_one_photograph_lie_inside_it_and_hardly_overlap(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    tiles = place_tiles(pixels, "a", tile_px=32, place="detail", limit=5)
    assert 1 <= len(tiles) <= 5
    assert [tile.detail_db for tile in tiles] == sorted(tile.detail_db for tile in tiles)
    for number, tile in enumerate(tiles):
        assert 0 <= tile.left <= width - 32
        assert 0 <= tile.top <= height - 32
        for other in tiles[:number]:
            shared = max(0, 32 - abs(tile.left - other.left)) * max(0, 32 - abs(tile.top - other.top))
            assert shared <= MAX_OVERLAP * 32 * 32


def test_photographs_smaller_than_a_tile_give_none():
    assert place_tiles(np.zeros((63, 200, 3), dtype=np.uint8), "a", tile_px=64, place="detail", limit=1) == []
    with pytest.raises(ConfigError, match="even side"):
        place_tiles(np.zeros((63, 200, 3), dtype=np.uint8), "a", tile_px=33, place="detail", limit=1)


def tiles(*details):
    return [
        Tile(photograph=f"{number:02}", left=0, top=0, detail_db=float(detail)) for number, detail in enumerate(details)
    ]


def test_the_share_with_most_detail_is_kept_and_flat_ones_never():
    kept, flat = choose_tiles(tiles(30, 50, 25, 35, 28), flat_db=40.0, keep_share=0.5, max_tiles=None)
    assert [tile.detail_db for tile in kept] == [25, 28]
    assert kept == sorted(kept, key=lambda tile: tile.photograph)
    assert flat == 1
    kept, _ = choose_tiles(tiles(30, 50, 25, 35, 28), flat_db=40.0, keep_share=None, max_tiles=3)
    assert [tile.detail_db for tile in kept] == [30, 25, 28]
    assert len(choose_tiles(tiles(30, 50), flat_db=99.0, keep_share=1.0, max_tiles=None)[0]) == 2


@pytest.mark.parametrize(
    ("share", "number", "message"),
    [(None, None, "give one of"), (0.5, 3, "give one of"), (0.0, None, "above 0"), (1.5, None, "above 0")],
)
def test_impossible_choices_are_refused(share, number, message):
    with pytest.raises(ConfigError, match=message):
        choose_tiles(tiles(30), flat_db=40.0, keep_share=share, max_tiles=number)


def test_no_group_gives_more_than_its_limit():
    candidates = tiles(30, 20, 25, 22, 35)
    groups = {"00": "a", "01": "a", "02": "a", "03": "b", "04": "b"}
    assert [tile.photograph for tile in best_of_each(candidates, groups, 2)] == ["01", "03", "02", "04"]


@given(names=st.sets(st.text(min_size=1, max_size=5), max_size=40), share=st.floats(0, 0.9), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_held_back_groups_are_the_share_that_was_asked_for(names, share, seed):
    held = hold_back(names, share, seed)
    assert held <= names
    expected = round(share * len(names))
    assert len(held) == (max(1, expected) if share > 0 and len(names) > 1 else expected)
    assert held == hold_back(sorted(names, reverse=True), share, seed)


def test_another_seed_holds_back_others_and_a_new_photograph_changes_little():
    names = {f"photo{number}" for number in range(100)}
    assert hold_back(names, 0.2, 0) != hold_back(names, 0.2, 1)
    before, after = hold_back(names, 0.2, 0), hold_back(names | {"another"}, 0.2, 0)
    assert len(before & after) >= 19
    with pytest.raises(ConfigError, match="below 1"):
        hold_back(names, 1.0, 0)


def test_licences_are_counted():
    assert count_licences(["CC0", "", "CC0", "BSD"]) == "CC0 (2), unknown (1), BSD (1)"
