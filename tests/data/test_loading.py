import pytest
import torch

from nlcunet.data import loading
from nlcunet.data.crops import CropSettings, turn
from nlcunet.data.loading import AcceleratorPairs, Share, gather_patches, make_source, walk_of
from nlcunet.data.pairs import PairSettings
from nlcunet.data.photographs import Photographs
from nlcunet.data.pools import FilePool, MemoryPool, PhotographFiles, Pools
from nlcunet.degradations.presets import find_preset
from nlcunet.errors import ConfigError, DataError
from nlcunet.imaging.files import Picture, write_picture

CPU = torch.device("cpu")


def pictures(count=4, seed=0, size=(72, 80)):
    generator = torch.Generator().manual_seed(seed)
    sizes = [(size[0] + 4 * index, size[1] - 2 * index) for index in range(count)]
    return tuple(torch.randint(256, (*s, 3), generator=generator, dtype=torch.uint8) for s in sizes)


def photographs(count=4, seed=0, size=(72, 80)):
    return holding(*pictures(count, seed, size))


def holding(*chosen):
    """Photographs of any sizes; the shape checker would have all of them be of one size."""
    made = Photographs(pictures=chosen[:1], names=tuple(f"{i}.png" for i in range(len(chosen))), licence="", skipped=())
    object.__setattr__(made, "pictures", chosen)
    return made


def settings(degradation="isotropic", scale=2, kind="random", patch_px=16, **changes):
    return PairSettings(
        preset=find_preset(degradation, scale), seed=3, patch_px=patch_px, crops=CropSettings(kind=kind), **changes
    )


def source(chosen=None, batch=4, **options):
    return make_source(
        options.pop("photographs", photographs()), chosen or settings(), device=CPU, batch=batch, **options
    )


def assert_equal(first, second):
    assert torch.equal(first.low_res, second.low_res)
    assert torch.equal(first.high_res, second.high_res)


@pytest.mark.parametrize("degradation", ["isotropic", "anisotropic", "diverse"])
@pytest.mark.parametrize("kind", ["central", "random", "detail"])
@pytest.mark.parametrize("scale", [2, 4])
def test_pairs_have_the_promised_form(degradation, kind, scale):
    pairs = source(settings(degradation, scale, kind)).pairs(0)
    assert pairs.low_res.shape == (4, 3, 16, 16)
    assert pairs.high_res.shape == (4, 3, 16 * scale, 16 * scale)
    for pixels in (pairs.low_res, pairs.high_res):
        assert pixels.dtype == torch.float32
        assert 0 <= pixels.min() <= pixels.max() <= 1


def test_high_resolution_patches_are_pieces_of_the_photographs():
    photograph = photographs(1).pictures[0]
    patches = (source(photographs=photographs(1), batch=8).pairs(2).high_res * 255).round().byte()
    windows = photograph.unfold(0, 32, 1).unfold(1, 32, 1)  # rows, columns, 3, 32, 32
    turned = {turn(patch.permute(1, 2, 0), o).numpy().tobytes() for patch in patches[:2] for o in range(8)}
    found = {
        windows[r, c].permute(1, 2, 0).contiguous().numpy().tobytes()
        for r in range(windows.shape[0])
        for c in range(windows.shape[1])
    }
    assert len(turned & found) == 2


def test_a_step_is_the_same_whenever_it_is_asked_for():
    first = source()
    in_order = [first.pairs(step) for step in range(4)]
    assert_equal(source().pairs(3), in_order[3])
    assert_equal(first.pairs(1), in_order[1])
    assert not torch.equal(in_order[0].high_res, in_order[1].high_res)


@pytest.mark.parametrize("degradation", ["isotropic", "anisotropic", "diverse"])
@pytest.mark.parametrize("placement", ["device", "workers"])
def test_processes_together_see_what_one_alone_sees(degradation, placement):
    chosen = settings(degradation)
    alone = source(chosen, batch=6, placement=placement)
    parts = [source(chosen, batch=6, rank=rank, num_ranks=3, placement=placement) for rank in range(3)]
    for step in (0, 1, 7):
        together = [part.pairs(step) for part in parts]
        whole = alone.pairs(step)
        assert torch.equal(torch.cat([pairs.low_res for pairs in together]), whole.low_res)
        assert torch.equal(torch.cat([pairs.high_res for pairs in together]), whole.high_res)


def test_larger_batches_hold_the_same_samples():
    small, large = source(batch=2), source(batch=6)
    assert torch.equal(torch.cat([small.pairs(step).low_res for step in range(3, 6)]), large.pairs(1).low_res)


@pytest.mark.parametrize("degradation", ["isotropic", "anisotropic", "diverse"])
@pytest.mark.parametrize("kind", ["central", "detail"])
def test_workers_give_the_same_samples(degradation, kind):
    chosen = settings(degradation, kind=kind)
    here, there = source(chosen), source(chosen, placement="workers")
    for step in (0, 1, 5, 2):
        assert_equal(here.pairs(step), there.pairs(step))


def test_a_process_of_its_own_gives_the_same_samples_at_any_step():
    here, there = source(), source(placement="workers", num_workers=1)
    for step in (4, 5, 6, 1, 2):
        assert_equal(here.pairs(step), there.pairs(step))
    there.close()
    with pytest.raises(ConfigError, match="a closed source has no pairs"):
        there.pairs(0)


def test_workers_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    source(placement="workers").pairs(0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", ["central", "random", "detail"])
@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_gathering_from_one_buffer_gives_the_same_samples_as_slices(kind, ratio):
    chosen = settings("diverse", kind=kind, drawn_ratio=ratio)
    drawn = photographs(3, seed=9, size=(50, 40)) if ratio else None
    slices = source(chosen, batch=8, drawn=drawn)
    pools = [MemoryPool(p, chosen.size_px, chosen.crops) if p else None for p in (photographs(), drawn)]
    gathered = AcceleratorPairs(*pools, chosen, Share(batch=8), CPU)
    for step in range(3):
        assert_equal(slices.pairs(step), gathered.pairs(step))
    assert gathered.nbytes == slices.nbytes
    gathered.close()


@pytest.mark.parametrize("orientation", range(8))
def test_walks_read_turned_squares(orientation):
    picture = pictures(1)[0]
    expected = turn(picture[5:17, 9:21], orientation)
    walk = walk_of(5 * picture.shape[1] + 9, picture.shape[1], 12, orientation)
    assert torch.equal(gather_patches(picture.view(-1, 3), torch.tensor([walk]), 12)[0], expected)


def test_drawn_pictures_come_at_their_ratio():
    black = holding(torch.zeros(64, 64, 3, dtype=torch.uint8))
    chosen = settings(drawn_ratio=0.25, patch_px=12)
    loader = source(chosen, batch=400, drawn=black)
    is_black = loader.pairs(0).high_res.flatten(1).amax(1) == 0
    assert is_black.float().mean().item() == pytest.approx(0.25, abs=4.5 * (0.25 * 0.75 / 400) ** 0.5)


def test_photographs_too_small_for_a_patch_are_left_out():
    mixed = holding(torch.full((20, 90, 3), 255, dtype=torch.uint8), *pictures(2))
    with pytest.warns(UserWarning, match="1 photographs are smaller than patches of 32 pixels"):
        loader = source(photographs=mixed)
    assert all((loader.pairs(step).high_res < 1).any((1, 2, 3)).all() for step in range(5))


def test_patches_may_grow_between_sources():
    for patch_px in (12, 16, 32):
        assert source(settings(patch_px=patch_px)).pairs(9).low_res.shape[-1] == patch_px


def files_in(folder, usable=3):
    paths = []
    for index, picture in enumerate(pictures(usable)):
        paths.append(folder / f"{index}.png")
        write_picture(Picture(pixels=picture.numpy()), paths[-1])
    return PhotographFiles(paths=tuple(paths), cache_pictures=2)


@pytest.mark.parametrize("kind", ["central", "random", "detail"])
def test_files_give_the_same_samples_as_photographs_in_memory(tmp_path, kind):
    chosen = settings(kind=kind)
    in_memory = source(chosen, photographs=photographs(3))
    from_files = source(chosen, photographs=files_in(tmp_path))
    assert from_files.placement == "workers"
    assert from_files.nbytes == 0
    for step in range(3):
        assert_equal(in_memory.pairs(step), from_files.pairs(step))


def test_only_the_latest_pictures_are_kept(tmp_path):
    pool = FilePool(files_in(tmp_path), 32, CropSettings())
    for number in (0, 1, 0, 2):
        pool.part(number)
    assert list(pool.kept) == [0, 2]


def test_unusable_files_hand_their_samples_on(tmp_path):
    files = files_in(tmp_path)
    files.paths[1].write_bytes(b"not a picture")
    pool = FilePool(files, 32, CropSettings())
    with pytest.warns(UserWarning, match=r"1\.png cannot be trained on"):
        part = pool.part(1)
    assert torch.equal(part.pixels, pool.part(2).pixels)
    assert torch.equal(pool.part(1).pixels, part.pixels)  # without a second warning


def test_no_usable_file_is_an_error(tmp_path):
    files = files_in(tmp_path, usable=1)
    files.paths[0].write_bytes(b"not a picture")
    pool = FilePool(files, 32, CropSettings())
    with pytest.warns(UserWarning, match="cannot be trained on"), pytest.raises(DataError, match="none is"):
        pool.part(0)
    with pytest.raises(DataError, match="at least one photograph"):
        FilePool(PhotographFiles(paths=()), 32, CropSettings())


def test_automatic_placement_asks_how_much_memory_is_free(monkeypatch):
    assert source().placement == "device"  # in main memory already
    accelerator = torch.device("meta")
    nbytes = source().nbytes
    assert nbytes == sum(picture.numel() for picture in pictures())
    for free, expected in ((2 * nbytes, "device"), (2 * nbytes - 2, "workers")):
        monkeypatch.setattr(loading, "free_memory_bytes", lambda _, free=free: free)
        made = make_source(photographs(), settings(), device=accelerator, batch=2)
        assert made.placement == expected
        assert made.nbytes == (nbytes if expected == "device" else 0)


def test_central_crops_keep_only_the_central_square():
    chosen = PairSettings(
        preset=find_preset("isotropic", 2), seed=0, patch_px=16, crops=CropSettings(kind="central", central_px=40)
    )
    assert source(chosen).nbytes == 4 * 40 * 40 * 3


def test_contradictions_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="positive multiple of the 3 processes: got 4"):
        source(batch=4, num_ranks=3)
    with pytest.raises(ConfigError, match="rank must lie in 0 … 1: got 2"):
        source(batch=4, rank=2, num_ranks=2)
    with pytest.raises(ConfigError, match=r"drawn_ratio of 0\.5 needs drawn pictures"):
        source(settings(drawn_ratio=0.5))
    with pytest.raises(ConfigError, match="loaded into memory for placement device"):
        source(photographs=files_in(tmp_path), placement="device")
    with pytest.raises(DataError, match="at least 400 pixels on both sides"):
        source(settings(patch_px=200))


def test_a_pool_of_drawn_pictures_is_used_only_for_drawn_samples():
    chosen = settings(drawn_ratio=1.0)
    pools = Pools(
        photographs=MemoryPool(photographs(), 32, chosen.crops),
        drawn=MemoryPool(photographs(1, seed=5), 32, chosen.crops),
    )
    only_drawn = source(settings(), photographs=photographs(1, seed=5))
    both = loading.MainMemoryPairs(pools, chosen, Share(batch=4), 0)
    assert torch.equal(both.pairs(0).high_res, only_drawn.pairs(0).high_res)
