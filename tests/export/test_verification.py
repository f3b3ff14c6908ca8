import numpy as np
import pytest
import torch

from nlcunet.errors import ExportError
from nlcunet.export.drawing import WatchedNetwork
from nlcunet.export.pictures import MOST_SIDE, read_pictures
from nlcunet.export.verification import BOUNDS, check_buckets, compare, cut_tiles
from nlcunet.imaging.files import Picture, write_picture


def test_the_network_itself_is_no_different(tiny):
    watched = WatchedNetwork(tiny)
    batches = cut_tiles(read_pictures(), (32, 64), tiny.header)
    with torch.inference_mode():
        parity = compare(tiny, watched, batches, BOUNDS["float32"])
    assert parity.tiles == 2 * 3 + 1
    assert parity.moved_tokens == 0
    assert parity.max_difference < 2e-6


@pytest.fixture
def seen(tiny):
    watched = WatchedNetwork(tiny)
    with torch.inference_mode():
        return watched.layers, list(watched(torch.rand(1, 3, 64, 64))[1:])


def test_right_buckets_pass(seen):
    check_buckets(*seen)


def test_one_token_in_another_bucket_is_found(seen):
    layers, (queries, codes, _) = seen
    codes = codes.clone()
    codes[0, 1, 100] = (codes[0, 1, 100] + 1) % 8
    with pytest.raises(ExportError, match="buckets: 1 of 512 tokens are in others"):
        check_buckets(layers, [queries, codes, codes.sort(dim=-1, stable=True).indices])


def test_a_token_between_two_buckets_may_be_in_either(seen):
    layers, (queries, _, _) = seen
    rotation = layers[0].rotations[:, 0, :4]
    # a query on which the first two projections of round 0 agree, and are the largest
    aim = torch.linalg.pinv(rotation.T) @ torch.tensor([1.0, 1.0, 0.1, -0.1])
    queries = queries.clone()
    queries[0, 5] = aim
    codes, _ = layers[0].sorter(queries, layers[0].rotations)
    for bucket in (0, 1):
        codes[0, 0, 5] = bucket
        check_buckets(layers, [queries, codes, codes.sort(dim=-1, stable=True).indices])


def test_an_order_that_is_not_stable_is_found(seen):
    layers, (queries, codes, order) = seen
    row, changed = codes[0, 0][order[0, 0]], order.clone()
    first = int((row[1:] == row[:-1]).nonzero()[0])  # two neighbours of one bucket change places
    changed[0, 0, [first, first + 1]] = order[0, 0, [first + 1, first]]
    with pytest.raises(ExportError, match="must sort as PyTorch does"):
        check_buckets(layers, [queries, codes, changed])


def test_another_size_is_refused(tiny):
    with pytest.raises(ExportError, match=r"must give \(1, 3, 16, 16\) for \(1, 3, 8, 8\)"):
        compare(tiny, lambda batch: (batch,), [torch.rand(1, 3, 8, 8)], BOUNDS["float32"])


def test_tiles_have_the_sizes_asked_for_in_multiples(tiny):
    sizes = [tuple(batch.shape) for batch in cut_tiles([torch.rand(3, 50, 90)], (30, 64), tiny.header)]
    assert sizes == [(2, 3, 28, 28), (1, 3, 28, 12), (2, 3, 48, 64), (1, 3, 48, 32), (1, 3, 4, 4)]


def test_pictures_too_small_to_verify_on_are_refused(tiny):
    with pytest.raises(ExportError, match="must be at least 4×4 pixels: found none"):
        cut_tiles([torch.rand(3, 3, 90)], (30,), tiny.header)


def test_the_photograph_inside_is_a_real_one():
    (picture,) = read_pictures()
    assert picture.shape == (3, 440, 320)
    neighbours = torch.corrcoef(torch.stack([picture[0, :, 1:].flatten(), picture[0, :, :-1].flatten()]))[0, 1]
    assert neighbours > 0.9


def test_a_folder_of_pictures_is_read_and_its_list_passed_over(tmp_path):
    write_picture(Picture(pixels=np.full((9, 8, 1), 51, np.uint8)), tmp_path / "grey.png")
    write_picture(Picture(pixels=np.full((600, 8, 3), 65535, np.uint16)), tmp_path / "long.png")
    (tmp_path / "list.txt").write_text("grey, long")
    grey, tall = read_pictures(tmp_path)
    assert torch.equal(grey, torch.full((3, 9, 8), 0.2))
    assert tall.shape == (3, MOST_SIDE, 8)
    assert torch.equal(tall, torch.ones_like(tall))


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ExportError, match="must hold pictures: found none"):
        read_pictures(tmp_path)
    with pytest.raises(ExportError, match="must lie in a folder: got"):
        read_pictures(tmp_path / "missing")
