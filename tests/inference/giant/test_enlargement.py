"""Giant pictures: the same pixels as in memory, little memory whatever the size, and no work done twice."""

import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nlcunet.errors import ConfigError, ImageError, ImageWriteError
from nlcunet.imaging.files import Metadata, Picture, PictureHeader, read_picture, write_picture
from nlcunet.imaging.picture import TiffLayout
from nlcunet.imaging.pixel_sources import PictureSource
from nlcunet.inference.batch import check_giant, is_giant
from nlcunet.inference.giant import enlargement as giant
from nlcunet.inference.giant.bleeding import BleedingSource
from nlcunet.inference.giant.enlargement import upscale_giant
from nlcunet.inference.giant.part_folder import PartFolder
from nlcunet.inference.giant.request import GiantListener, disk_bytes
from nlcunet.inference.loading import load
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.tiling.network_pass import all_blocks
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import LoadedModel


def settings(scale: float | None = None, **others: Any) -> BatchSettings:
    return BatchSettings(request=SizeRequest(scale=scale), max_pixels=10**8, **others)


def make(height: int = 110, width: int = 70, channels: int = 3, dtype: str = "uint8", seed: int = 0) -> Picture:
    generator = np.random.default_rng(seed)
    values = generator.random((height, width, channels), dtype=np.float32)
    pixels = values if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)
    return Picture(pixels=pixels, metadata=Metadata(dots_per_inch=(300.0, 300.0)))


def small_tiles(model: str = "bicubic-x2") -> Upscaler:
    return load(model, tile=32, device="cpu", threads=1)


@pytest.mark.parametrize(
    ("scale", "channels", "dtype"),
    [(2, 3, "uint8"), (2, 3, "uint16"), (2, 3, "float32"), (1.3, 3, "uint8"), (3.5, 1, "uint8"), (3.5, 3, "float32")],
)
def test_from_disk_to_disk_gives_the_pixels_that_memory_gives(
    tmp_path: Path, scale: float, channels: int, dtype: str
) -> None:
    picture = make(channels=channels, dtype=dtype)
    write_picture(picture, tmp_path / "in.tif")
    report = upscale_giant(tmp_path / "in.tif", tmp_path / "out.tif", small_tiles(), settings(scale))
    expected = small_tiles().upscale(picture, scale)
    result = read_picture(tmp_path / "out.tif")
    assert np.array_equal(result.pixels, expected.pixels)
    assert result.metadata.dots_per_inch == (300.0, 300.0)
    assert report.resumed_tiles == 0
    assert {path.name for path in tmp_path.iterdir()} == {"in.tif", "out.tif"}


def test_equal_channels_and_flat_alpha_come_back(tmp_path: Path) -> None:
    grey = make(channels=1).pixels
    picture = Picture(pixels=grey.repeat(3, axis=2), alpha=np.full(grey.shape[:2], 99, np.uint8))
    write_picture(picture, tmp_path / "in.png")
    tiles = []
    upscale_giant(
        tmp_path / "in.png",
        tmp_path / "out.png",
        small_tiles(),
        settings(),
        GiantListener(tiles=lambda *now: tiles.append(now)),
    )
    result, expected = read_picture(tmp_path / "out.png"), small_tiles().upscale(picture)
    assert np.array_equal(result.pixels, expected.pixels)
    assert result.alpha is not None
    assert np.array_equal(result.alpha, expected.alpha)
    assert tiles == [(number, len(tiles)) for number in range(1, len(tiles) + 1)]


def make_with_alpha() -> Picture:
    rows, columns = np.mgrid[0:180, 0:260]
    alpha = (np.sin(rows / 40) * np.cos(columns / 35) * 700).clip(0, 255).astype(np.uint8)
    return Picture(pixels=make(180, 260).pixels, alpha=alpha)


def test_alpha_is_the_same_and_colour_under_it_as_far_as_one_sees(tmp_path: Path) -> None:
    picture = make_with_alpha()
    write_picture(picture, tmp_path / "in.png")
    upscaler = load("bicubic-x2", tile=128, device="cpu")
    upscale_giant(tmp_path / "in.png", tmp_path / "out.png", upscaler, settings())
    result, expected = read_picture(tmp_path / "out.png"), upscaler.upscale(picture)
    assert result.alpha is not None
    assert np.array_equal(result.alpha, expected.alpha)
    seen = np.abs(result.pixels.astype(int) - expected.pixels) * (result.alpha[:, :, None] / 255)
    assert seen.max() < 0.5


def test_windows_agree_on_colours_under_transparent_places() -> None:
    picture = make_with_alpha()
    source, place = BleedingSource(PictureSource(picture)), (slice(100, 150), slice(20, 120))
    window = source.read(*place)
    whole = source.read(slice(0, picture.height), slice(0, picture.width)).pixels[place]
    assert np.abs(window.pixels.astype(int) - whole).max() <= 1
    assert window.alpha is not None
    assert np.array_equal(window.pixels[window.alpha >= 8], picture.pixels[place][window.alpha >= 8])
    assert (window.pixels != picture.pixels[place]).any()


class LargestTensor(TorchDispatchMode):
    """Records the most elements that any tensor made inside has."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def largest_tensor(height: int, width: int) -> int:
    """Over a whole pass, but for the two threads beside it."""
    upscaler = small_tiles()
    work = upscaler.plan(height, width, SizeRequest())
    source = PictureSource(Picture(pixels=np.zeros((height, width, 3), np.uint8)))
    with LargestTensor() as record:
        for _ in all_blocks(upscaler.begin_pass(source, work, 0, dtype=source.dtype, on_tile=lambda: None)):
            pass
    return record.elements


def test_tensors_do_not_grow_with_the_picture() -> None:
    small = largest_tensor(70, 70)
    assert largest_tensor(280, 70) <= 1.2 * small
    fade = 3 * 8 * 2 * 280  # channels × rows × columns of the fade between two rows of tiles, at twice the resolution
    assert largest_tensor(70, 280) <= max(1.2 * small, fade)


def allocated_bytes(folder: Path, height: int, width: int) -> int:
    """Peak of what numpy and Python hold, from disk to disk."""
    write_picture(Picture(pixels=np.zeros((height, width, 3), np.uint8)), folder / "in.png")
    upscaler = load("bicubic-x2", tile=64, device="cpu")
    (folder / "out.jpg").unlink(missing_ok=True)
    tracemalloc.start()
    try:
        upscale_giant(folder / "in.png", folder / "out.jpg", upscaler, settings())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_from_disk_to_disk_does_not_grow_with_the_height(tmp_path: Path) -> None:
    allocated_bytes(tmp_path, 64, 96)  # what is imported and cached once
    low, high = (allocated_bytes(tmp_path, height, 96) for height in (240, 960))
    assert high <= 1.3 * low


class CountingSource(PictureSource):
    """Counts the pixels read."""

    def read(self, rows: slice, columns: slice) -> Picture:
        window = super().read(rows, columns)
        COUNTED.append(window.height * window.width)
        return window


COUNTED: list[int] = []


def test_pixels_read_and_computed_grow_with_the_picture_and_no_faster() -> None:
    upscaler = small_tiles()
    shares = []
    for side in (100, 200):
        work = upscaler.plan(side, side, SizeRequest())
        COUNTED.clear()
        source = CountingSource(Picture(pixels=np.zeros((side, side, 3), np.uint8)))
        for _ in all_blocks(upscaler.begin_pass(source, work, 0, dtype=source.dtype, on_tile=lambda: None)):
            pass
        assert max(COUNTED) <= 32 * 32
        shares.append(sum(COUNTED) / side**2)
    assert max(shares) / min(shares) < 1.15 / 0.85


@pytest.mark.parametrize("shape", [1, 4 / 3, 3 / 2, 16 / 9, 2, 3 / 4])
def test_the_work_per_pixel_is_the_same_from_a_quarter_to_eight_megapixels(shape: float) -> None:
    upscaler = load("4x-NLCUnet-S", tile=256, device="cpu")
    shares = []
    for megapixels in np.geomspace(0.25, 8, 40):
        width = round((megapixels * 1e6 * shape) ** 0.5)
        height = round(megapixels * 1e6 / width)
        shares.append(upscaler.plan(height, width, SizeRequest()).network_pixels / (height * width))
    middle = (min(shares) * max(shares)) ** 0.5
    assert 0.85 * middle <= min(shares)
    assert max(shares) <= 1.15 * middle


KILLED = """
import os, signal, sys, time
from pathlib import Path
from nlcunet.inference.giant.enlargement import upscale_giant
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.giant.part_folder import PartFolder
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.loading import load; from nlcunet.inference.upscaler import Upscaler

source, target, scale, tiles = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
run, done = Upscaler._run, [0]

def run_and_die(self, tile):
    done[0] += 1
    if done[0] > tiles:
        journal = target.with_name(f".{target.name}.nlcunet-part") / "journal.json"
        while '"tile_row": 0' in journal.read_text():  # written by another thread
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, tile)

Upscaler._run = run_and_die
settings = BatchSettings(request=SizeRequest(scale=scale), max_pixels=10**8)
upscale_giant(source, target, load("bicubic-x2", tile=32, device="cpu", threads=1), settings)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize(("scale", "tiles"), [(2, 12), (3.5, 40)])
def test_a_killed_run_is_taken_up_at_its_finished_rows(tmp_path: Path, scale: float, tiles: int) -> None:
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    write_picture(make(), source)
    command = [sys.executable, "-c", KILLED, str(source), str(target), str(scale), str(tiles)]
    died = subprocess.run(command, check=False, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not target.exists()
    upscaler, told, resumed, notes = small_tiles(), [], [], []
    run = upscaler._run

    def count_tiles(tile: torch.Tensor) -> torch.Tensor:
        told.append(1)
        return run(tile)

    upscaler._run = count_tiles  # type: ignore[method-assign]
    listener = GiantListener(resumed=lambda *now: resumed.append(now), note=notes.append)
    report = upscale_giant(source, target, upscaler, settings(scale), listener)
    assert 0 < report.resumed_tiles <= tiles
    assert len(told) == report.work.tile_count - report.resumed_tiles
    assert resumed == [(report.resumed_tiles, report.work.tile_count)]
    assert notes[0].startswith("resuming at row")
    assert "tiles were done before" in report.notes[0]
    upscale_giant(source, tmp_path / "whole.png", small_tiles(), settings(scale))
    assert target.read_bytes() == (tmp_path / "whole.png").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"in.png", "out.png", "whole.png"}


class Stop:
    """Raises an error at a tile."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.at = at
        self.error = error

    def __call__(self, done: int, _total: int) -> None:
        if done == self.at:
            raise self.error


def interrupt(folder: Path, at: int = 12, scale: float = 2, **others: Any) -> list[str]:
    """Ctrl-C at a tile; what was told."""
    notes: list[str] = []
    if not (folder / "in.png").exists():
        write_picture(make(), folder / "in.png")
    with pytest.raises(KeyboardInterrupt):
        upscale_giant(
            folder / "in.png",
            folder / "out.png",
            small_tiles(),
            settings(scale, **others),
            GiantListener(tiles=Stop(at, KeyboardInterrupt()), note=notes.append),
        )
    return notes


def test_an_interrupt_leaves_the_target_as_it_was_and_says_where_the_rows_are(tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(b"as it was")
    notes = interrupt(tmp_path)
    assert (tmp_path / "out.png").read_bytes() == b"as it was"
    part = tmp_path / ".out.png.nlcunet-part"
    assert notes == [f"finished rows stay in {part}; the same command goes on from them"]
    assert not (part / "encoded").exists()
    report = upscale_giant(tmp_path / "in.png", tmp_path / "out.png", small_tiles(), settings(2))
    assert report.resumed_tiles > 0
    assert not part.exists()


def test_an_interrupt_before_the_first_finished_rows_leaves_nothing(tmp_path: Path) -> None:
    assert interrupt(tmp_path, at=1) == []
    assert {path.name for path in tmp_path.iterdir()} == {"in.png"}


@pytest.mark.parametrize("change", ["pixels", "size", "model"])
def test_rows_of_other_pixels_or_settings_are_discarded_and_it_is_said(tmp_path: Path, change: str) -> None:
    interrupt(tmp_path)
    if change == "pixels":
        write_picture(make(seed=1), tmp_path / "in.png")
    upscaler = small_tiles("bicubic-x3" if change == "model" else "bicubic-x2")
    scale = 2.5 if change == "size" else 2
    report = upscale_giant(tmp_path / "in.png", tmp_path / "out.png", upscaler, settings(scale))
    assert report.resumed_tiles == 0
    assert any("rows of an earlier run were discarded" in note for note in report.notes)
    expected = upscaler.upscale(tmp_path / "in.png", scale)
    assert np.array_equal(read_picture(tmp_path / "out.png").pixels, expected.pixels)


def test_a_tile_chosen_by_the_memory_is_kept_when_a_run_is_taken_up(tmp_path: Path) -> None:
    interrupt(tmp_path)
    with PartFolder(tmp_path / "out.png") as folder:
        journal = folder.read_journal()
    assert journal is not None
    report = upscale_giant(tmp_path / "in.png", tmp_path / "out.png", load("bicubic-x2", device="cpu"), settings(2))
    assert report.resumed_tiles > 0
    assert report.work.tile == journal.tile == 32


def test_a_journal_that_makes_no_sense_begins_anew(tmp_path: Path) -> None:
    interrupt(tmp_path)
    (tmp_path / ".out.png.nlcunet-part/journal.json").write_text('{"fingerprint": 3')
    assert upscale_giant(tmp_path / "in.png", tmp_path / "out.png", small_tiles(), settings(2)).resumed_tiles == 0


def test_heights_from_disk_to_disk_are_those_that_memory_gives(tmp_path: Path) -> None:
    heights = Picture(pixels=make(channels=1, dtype="float32").pixels * 800 + 201)
    write_picture(heights, tmp_path / "in.tif")
    report = upscale_giant(tmp_path / "in.tif", tmp_path / "out.tif", small_tiles(), settings(3.5))
    result = read_picture(tmp_path / "out.tif").pixels
    assert np.array_equal(result, small_tiles().upscale(heights, 3.5).pixels)
    assert 201 <= result.min() < 205
    assert "scaled for the network, and back" in report.notes[0]
    with pytest.raises(ImageWriteError, match="would become white or black; write tiff"):
        upscale_giant(tmp_path / "in.tif", tmp_path / "out.png", small_tiles(), settings(2))


def test_pixels_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    picture = make(dtype="float32")
    picture.pixels[5, 5] = np.nan
    write_picture(picture, tmp_path / "in.tif")
    with pytest.raises(ImageError, match="must be finite"):
        upscale_giant(tmp_path / "in.tif", tmp_path / "out.tif", small_tiles(), settings())
    assert {path.name for path in tmp_path.iterdir()} == {"in.tif"}


def test_too_little_room_on_the_disk_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_picture(make(), tmp_path / "in.png")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    tiles: list[int] = []
    with pytest.raises(ImageWriteError, match=r"the disk must have room .* choose another disk with -o"):
        upscale_giant(
            tmp_path / "in.png",
            tmp_path / "out.png",
            small_tiles(),
            settings(),
            GiantListener(tiles=lambda done, _total: tiles.append(done)),
        )
    assert tiles == []
    assert {path.name for path in tmp_path.iterdir()} == {"in.png"}


def test_room_on_the_disk_is_counted_for_input_rows_and_result(make_repeat: Callable[..., LoadedModel]) -> None:
    upscaler = Upscaler(make_repeat(), tile=32)
    header = PictureHeader(height=100, width=100, channels=3, has_alpha=False, bit_depth=8, format="png")
    once, twice = (upscaler.plan(100, 100, SizeRequest(scale=scale)) for scale in (2, 4))
    assert disk_bytes(once, header, TiffLayout()) == 30_000 + 2 * 120_000
    assert disk_bytes(twice, header, TiffLayout()) == 30_000 + 2 * 120_000 + 2 * 480_000
    assert disk_bytes(once, header, TiffLayout(pyramid=True)) == 30_000 + 120_000 + 200_000


@pytest.mark.skipif(os.name != "posix", reason="files are locked on POSIX only")
def test_one_program_at_a_time_makes_a_target(tmp_path: Path) -> None:
    write_picture(make(), tmp_path / "in.png")
    with PartFolder(tmp_path / "out.png"), pytest.raises(ImageWriteError, match="another one is at it"):
        upscale_giant(tmp_path / "in.png", tmp_path / "out.png", small_tiles(), settings())


def test_an_encoder_that_fails_stops_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_others: Any) -> None:
        raise ImageWriteError("the disk is full")

    monkeypatch.setattr(giant, "encode_rows", fail)
    write_picture(make(), tmp_path / "in.png")
    tiles: list[int] = []
    with pytest.raises(ImageWriteError, match="the disk is full"):
        upscale_giant(
            tmp_path / "in.png",
            tmp_path / "out.png",
            small_tiles(),
            settings(),
            GiantListener(tiles=lambda done, _total: tiles.append(done)),
        )
    assert len(tiles) < small_tiles().plan(110, 70, SizeRequest()).tile_count
    assert not (tmp_path / "out.png").exists()


def test_only_large_results_of_formats_that_stream_are_giant() -> None:
    upscaler = load("bicubic-x4", device="cpu")
    small, large = (upscaler.plan(side, side, SizeRequest()) for side in (1999, 2000))
    assert not is_giant(small, "png", TiffLayout())
    assert is_giant(large, "png", TiffLayout())
    assert not is_giant(large, "webp", TiffLayout())
    assert is_giant(small, "tiff", TiffLayout(pyramid=True))


def test_a_pyramid_must_be_a_tiff_in_a_file() -> None:
    with pytest.raises(ConfigError, match="add --format tiff"):
        check_giant("png", TiffLayout(pyramid=True), to_file=True)
    with pytest.raises(ConfigError, match="name a file with -o"):
        check_giant("tiff", TiffLayout(pyramid=True), to_file=False)


def test_resampled_bands_of_wide_pictures_stay_low() -> None:
    upscaler = load("bicubic-x4", tile=256, device="cpu")
    for width in (2000, 20_000):
        for scale in (3, 4):
            rows = upscaler.plan(3000, width, SizeRequest(scale=scale)).tilings[0].rows.tile
            assert rows > 200 if scale == 4 or width == 2000 else rows * 4 * width * 4 * 12 <= 2**28
