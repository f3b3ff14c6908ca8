"""Weights by the picture: chosen, shared, and told; and pictures that are shrunk first."""

import numpy as np
import pytest
import torch

from nlcunet.errors import ConfigError, DeviceError
from nlcunet.imaging.files import Metadata, Picture, read_picture, write_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.inference.automatic import AutomaticUpscaler
from nlcunet.inference.batch import GIANT_PIXELS, run_jobs
from nlcunet.inference.jobs import FileJob
from nlcunet.inference.loading import load
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import LoadedModel, load_model

NAMES = ("2x-NLCUnet-S", "2x-NLCUnet-S-Photo")


@pytest.fixture
def opened():
    return []


@pytest.fixture
def automatic(tiny, opened):
    """Two families with the same small network."""
    headers = [
        tiny.header.model_copy(update={"name": name, "degradation": f"{words} x2"})
        for name, words in zip(NAMES, ("isotropic", "photo"), strict=True)
    ]

    def open_model(name):
        opened.append(name)
        header = next(header for header in headers if header.name == name)
        return Upscaler(LoadedModel(tiny.network, header), device="cpu", tile=32)

    return AutomaticUpscaler(headers, open_model)


@pytest.fixture
def smooth():
    """Soft waves of several directions: no noise, and edges that are no steps."""
    rows, columns = np.mgrid[0:60, 0:80] / 9
    waves = [np.sin(rows + columns), np.cos(rows - 0.5 * columns), np.sin(0.3 * rows * columns / 9)]
    return (127 + 100 * np.stack(waves, axis=2)).round().astype(np.uint8)


@pytest.fixture
def grainy(smooth):
    noise = np.random.default_rng(0).normal(0, 8, smooth.shape)
    return (smooth + noise).round().clip(0, 255).astype(np.uint8)


def test_each_picture_gets_its_weights_and_they_are_loaded_once(automatic, opened, smooth, grainy):
    assert opened == []
    notes = [automatic.upscale(Picture(pixels=pixels)).notes for pixels in (smooth, grainy, grainy, smooth)]
    assert opened == list(NAMES)
    assert (
        notes[0]
        == notes[3]
        == ("No noise, JPEG traces or sharpening: enlarged with 2x-NLCUnet-S, which was trained on clean pictures.",)
    )
    assert notes[1] == notes[2] == ("Some noise: enlarged with 2x-NLCUnet-S-Photo, which cleans it.",)


def test_arrays_and_batches_are_chosen_for_as_well(automatic, opened, smooth, grainy):
    assert automatic.upscale(grainy).shape == (120, 160, 3)
    both = torch.from_numpy(np.stack([smooth, grainy])).permute(0, 3, 1, 2)
    assert automatic.upscale(both, 3).shape == (2, 3, 180, 240)
    assert opened == ["2x-NLCUnet-S-Photo", "2x-NLCUnet-S"]


def test_a_file_tells_more_than_its_pixels(automatic, tmp_path, smooth):
    write_picture(Picture(pixels=smooth), tmp_path / "a.jpg", quality=60)
    assert "JPEG traces (about quality 60)" in automatic.upscale(tmp_path / "a.jpg").notes[0]


def test_records_tell_what_was_chosen(automatic, tmp_path, grainy):
    write_picture(Picture(pixels=grainy), tmp_path / "a.png")
    job = FileJob(source=tmp_path / "a.png", target=tmp_path / "b.png")
    (record,) = run_jobs([job], automatic, BatchSettings(request=SizeRequest()))
    assert (record.status, record.model) == ("done", "2x-NLCUnet-S-Photo")
    assert record.notes[0].startswith("Some noise: ")


def test_giant_pictures_are_chosen_for_as_well(automatic, tmp_path, grainy, monkeypatch):
    assert GIANT_PIXELS > 120 * 160
    write_picture(Picture(pixels=grainy), tmp_path / "a.png")
    write_picture(automatic.upscale(Picture(pixels=grainy)), tmp_path / "small.png")
    monkeypatch.setattr("nlcunet.inference.batch.GIANT_PIXELS", 1000)
    job = FileJob(source=tmp_path / "a.png", target=tmp_path / "b.png")
    (record,) = run_jobs([job], automatic, BatchSettings(request=SizeRequest()))
    assert (record.status, record.model) == ("done", "2x-NLCUnet-S-Photo")
    assert record.notes[0].startswith("Some noise: ")
    assert (read_picture(tmp_path / "b.png").pixels == read_picture(tmp_path / "small.png").pixels).all()


def test_a_named_model_is_never_overridden(tiny, grainy):
    one = Upscaler(tiny, device="cpu")
    assert one.for_picture(Picture(pixels=grainy), SizeRequest(), max_pixels=1).upscaler is one
    assert one.upscale(Picture(pixels=grainy)).notes == ()


def test_load_without_a_name_chooses(grainy):
    automatic = load(device="cpu", tile=32, threads=1)
    assert isinstance(automatic, AutomaticUpscaler)
    assert automatic.for_size(SizeRequest(scale=2)).header.name == "2x-NLCUnet-S"
    assert isinstance(load("2x-NLCUnet-S", device="cpu"), Upscaler)
    assert "noise" in automatic.upscale(Picture(pixels=grainy[:40, :40]), 2).notes[0]


def test_what_is_not_possible_is_told_when_it_is_loaded():
    with pytest.raises(DeviceError):
        load(device="cuda:99")
    with pytest.raises(ConfigError):
        load(quality="perfect")


# shrinking first


def test_shrinking_is_bicubic_and_the_size_is_that_asked_for(tiny):
    random = np.random.default_rng(1)
    picture = random.integers(0, 2**16, (41, 60, 3), dtype=np.uint16)
    one = Upscaler(tiny, device="cpu", tile=32)
    shrunk = one.shrinking(0.5)
    small = resize_bicubic(torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1), 20, 30)
    small = small.round().clamp(0, 65535).permute(1, 2, 0).numpy().astype(np.uint16)
    wanted = one.upscale(small, width=120, height=82).astype(int)
    assert (
        np.abs(shrunk.upscale(picture).astype(int) - wanted).max() <= 4
    )  # of 65535: bands are added up in another order
    assert shrunk.upscale(picture, 3.3).shape == (135, 198, 3)
    assert one.shrink_to is None


def test_shrinking_goes_from_disk_to_disk_as_well(tiny, tmp_path, monkeypatch):
    random = np.random.default_rng(1)
    picture = Picture(
        pixels=random.integers(0, 256, (70, 90, 3), dtype=np.uint8),
        alpha=random.integers(0, 256, (70, 90), dtype=np.uint8),
        metadata=Metadata(xmp=b"<x/>"),
    )
    write_picture(picture, tmp_path / "a.png")
    one = Upscaler(tiny, device="cpu", tile=32).shrinking(0.4)
    whole = one.upscale(tmp_path / "a.png")
    monkeypatch.setattr("nlcunet.inference.batch.GIANT_PIXELS", 1000)
    job = FileJob(source=tmp_path / "a.png", target=tmp_path / "b.png")
    (record,) = run_jobs([job], one, BatchSettings(request=SizeRequest()))
    assert record.status == "done", record.error
    result = read_picture(tmp_path / "b.png")
    assert result.pixels.shape == (140, 180, 3)
    opaque = whole.alpha > 0
    assert (result.alpha == whole.alpha).all()
    assert np.abs(result.pixels[opaque].astype(int) - whole.pixels[opaque].astype(int)).max() <= 1


def test_the_time_counts_the_pixels_that_the_network_sees():
    one = Upscaler(load_model("bicubic-x4"), device="cpu", tile=256)
    work = one.shrinking(0.7).plan(100, 200, SizeRequest())
    assert (work.height, work.width) == (400, 800)
    assert work.network_pixels == 70 * 140
    assert [step.enlarges for step in work.passes] == [False, True]
