from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nlcunet.errors import ConfigError, DeviceError, ImageError, WeightsError
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.inference import upscaler as upscaler_module
from nlcunet.inference.loading import load
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import LoadedModel, WeightsHeader, load_model


def whole(model: LoadedModel, picture: np.ndarray) -> np.ndarray:
    """What the network makes of a float picture without any tiling."""
    with torch.inference_mode():
        result: Tensor = model.network(torch.from_numpy(picture).permute(2, 0, 1)[None])
    return result[0].clamp(0, 1).permute(1, 2, 0).numpy()


def make_picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


@pytest.mark.parametrize("size", [(64, 64), (97, 131), (40, 300), (200, 33)])
def test_tiled_equals_whole_where_the_network_sees_less_than_the_overlap(
    make_local: Callable[..., LoadedModel], size: tuple[int, int]
) -> None:
    model, picture = make_local(), make_picture(*size)
    tiled = Upscaler(model, tile=32, overlap=8).upscale(picture)
    np.testing.assert_allclose(tiled, whole(model, picture), atol=2e-6)


def test_too_small_an_overlap_shows(make_local: Callable[..., LoadedModel]) -> None:
    model, picture = make_local(), make_picture(97, 131)
    tiled = Upscaler(model, tile=32, overlap=0).upscale(picture)
    assert np.abs(tiled - whole(model, picture)).max() > 1e-3


def make_nlcunet() -> LoadedModel:
    """A tiny NLCUnet with random weights, whose detail is about as strong as its bicubic skip."""
    attention = ("sparse", "none", "sparse", "none", "none", "none")
    network = NLCUnet(
        NLCUnetConfig(width=8, depths=(1,) * 6, attention=attention, num_hashes=1, scale=2, upsampler="direct")
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    header = WeightsHeader(
        name="tiny", architecture="NLCUnet", config={"width": 8}, scale=2, size_multiple=4, min_size=4
    )
    return LoadedModel(network.eval(), header)


def seam_score(model: LoadedModel, picture: np.ndarray, overlap: int) -> float:
    """How much larger the error of tiling jumps across the borders of tiles than between neighbours elsewhere."""
    upscaler = Upscaler(model, tile=64, overlap=overlap)
    jumps = np.abs(np.diff(upscaler.upscale(picture) - whole(model, picture), axis=1)).mean(axis=(0, 2))
    spans = upscaler.plan(*picture.shape[:2], SizeRequest()).tilings[0].columns.spans
    borders = [2 * span.core_start for span in spans[1:]]
    assert len(borders) >= 2
    return float(max(jumps[border - 2 : border + 2].max() for border in borders) / jumps.mean())


def test_borders_of_tiles_are_no_seams_in_nlcunet() -> None:
    rows, columns = np.mgrid[0:128, 0:192].astype(np.float32)
    smooth = 0.5 + 0.3 * np.sin(rows / 9) * np.cos(columns / 11)
    picture = np.stack([smooth, smooth[::-1], 1 - smooth], axis=2)
    model = make_nlcunet()
    assert seam_score(model, picture, overlap=16) < 1.5
    assert seam_score(model, picture, overlap=0) > 4  # so the score does see seams where there are some


@pytest.mark.parametrize("scale", [0.3, 1, 1.7, 2, 2.5, 3, 3.7, 8])
def test_the_result_has_exactly_the_size_asked_for(scale: float) -> None:
    result = load("bicubic-x2", tile=32).upscale(make_picture(45, 51), scale)
    assert result.shape == (int(np.floor(45 * scale + 0.5)), int(np.floor(51 * scale + 0.5)), 3)


def test_every_small_size_is_enlarged(make_local: Callable[..., LoadedModel]) -> None:
    upscaler = Upscaler(make_local(size_multiple=4, min_size=8), tile=16, overlap=4)
    for height in range(1, 12):
        for width in (1, 2, 3, 4, 5, 17, 31):
            assert upscaler.upscale(make_picture(height, width)).shape == (2 * height, 2 * width, 3)


@pytest.mark.parametrize("scale", [0.5, 1.5, 2.9])
def test_bands_are_resampled_as_the_whole_picture_is(scale: float) -> None:
    picture = make_picture(150, 70)
    height, width = round(150 * scale), round(70 * scale)
    tiled = load("bicubic-x2", tile=32, overlap=8).upscale(picture, width=width, height=height)
    planes = torch.from_numpy(picture).permute(2, 0, 1)
    planes = planes if scale < 1 else resize_bicubic(planes, 300, 140)  # made smaller, it needs no network
    expected = resize_bicubic(planes, height, width).clamp(0, 1).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(tiled, expected, atol=3e-6)


def test_the_same_picture_gives_the_same_result_twice(make_local: Callable[..., LoadedModel]) -> None:
    picture = make_picture(70, 90)
    first, second = (Upscaler(make_local(), tile=32, overlap=8).upscale(picture, 3.3) for _ in range(2))
    assert np.array_equal(first, second)


def test_sixteen_bits_keep_their_precision(make_repeat: Callable[..., LoadedModel]) -> None:
    picture = np.random.default_rng(0).integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    result = Upscaler(make_repeat(), tile=24, overlap=4).upscale(picture)
    assert result.dtype == np.uint16
    assert np.array_equal(result, picture.repeat(2, 0).repeat(2, 1))


def test_two_passes_round_no_finer_detail_away(make_repeat: Callable[..., LoadedModel]) -> None:
    picture = np.full((8, 8, 3), 1 / 3, np.float32)
    assert np.abs(Upscaler(make_repeat()).upscale(picture, 4) - 1 / 3).max() < 1e-6


def test_grey_stays_grey_in_one_channel_and_in_three(make_local: Callable[..., LoadedModel]) -> None:
    upscaler, grey = Upscaler(make_local(), tile=32, overlap=8), make_picture(40, 50, 1)
    one = upscaler.upscale(grey[:, :, 0])
    three = upscaler.upscale(np.repeat(grey, 3, axis=2))
    assert one.shape == (80, 100)
    assert all(np.array_equal(three[:, :, channel], one) for channel in range(3))


def make_cutout(dtype: type = np.uint8) -> np.ndarray:
    """A red disc; under its transparent surroundings the file says black."""
    rows, columns = np.mgrid[0:64, 0:64]
    is_inside = (rows - 32) ** 2 + (columns - 32) ** 2 < 20**2
    full = np.iinfo(dtype).max
    picture = np.zeros((64, 64, 4), dtype)
    picture[is_inside] = (full, 0, 0, full)
    return picture


def test_transparent_edges_get_no_fringe() -> None:
    result = load("bicubic-x4", tile=32).upscale(make_cutout())
    is_visible = result[:, :, 3] > 0
    assert result[is_visible][:, 0].min() >= 250  # black from under the edge would show here
    assert result[is_visible][:, 1:3].max() <= 5


def test_alpha_inside_and_outside_stays_exact(make_local: Callable[..., LoadedModel]) -> None:
    result = Upscaler(make_local(), tile=32, overlap=8).upscale(make_cutout())
    rows, columns = np.mgrid[0:128, 0:128]
    distance = np.hypot(rows - 64, columns - 64)
    assert (result[:, :, 3][distance < 32] == 255).all()
    assert (result[:, :, 3][distance > 48] == 0).all()
    assert result[:, :, 3].min() == 0
    assert len(np.unique(result[:, :, 3])) > 2  # the edge itself is enlarged, not repeated


class CountCalls(nn.Module):
    """Counts the tiles that reach the network."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.calls = 0

    def forward(self, low_res: Tensor) -> Tensor:
        self.calls += 1
        result: Tensor = self.inner(low_res)
        return result


@pytest.mark.parametrize("value", [0, 90, 255])
def test_alpha_that_is_the_same_everywhere_costs_nothing(make_local: Callable[..., LoadedModel], value: int) -> None:
    model = make_local()
    counter = CountCalls(model.network)
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 4), dtype=np.uint8)
    picture[:, :, 3] = value
    result = Upscaler(LoadedModel(counter, model.header)).upscale(picture)
    assert counter.calls == 1
    assert (result[:, :, 3] == value).all()


class LittleMemory(nn.Module):
    """Runs out of memory above a number of pixels."""

    def __init__(self, inner: nn.Module, limit: int, error: Exception) -> None:
        super().__init__()
        self.inner, self.limit, self.error = inner, limit, error
        self.seen: list[tuple[int, int]] = []

    def forward(self, low_res: Tensor) -> Tensor:
        self.seen.append((low_res.shape[-2], low_res.shape[-1]))
        if low_res.shape[-2] * low_res.shape[-1] > self.limit:
            raise self.error
        result: Tensor = self.inner(low_res)
        return result


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("[enforce fail] can't allocate memory"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_out_of_memory_halves_the_tile_and_loses_nothing(
    make_local: Callable[..., LoadedModel], error: Exception
) -> None:
    model, picture = make_local(size_multiple=4), make_picture(148, 172)
    little = LittleMemory(model.network, 40 * 40, error)
    upscaler = Upscaler(LoadedModel(little, model.header), tile=128, overlap=16)
    np.testing.assert_allclose(upscaler.upscale(picture), whole(model, picture), atol=2e-6)
    too_large = [size for size in little.seen if size[0] * size[1] > 40 * 40]
    assert len(too_large) == 2  # once whole, once halved; then it is known what fits
    little.seen.clear()
    upscaler.upscale(picture)
    assert max(max(size) for size in little.seen) <= 40


def test_memory_that_is_too_small_for_the_smallest_tile_is_told(make_local: Callable[..., LoadedModel]) -> None:
    model = make_local()
    little = LittleMemory(model.network, 10, torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(DeviceError, match=r"tile of 30×30 pixels: it ran out \(CUDA out of memory"):
        Upscaler(LoadedModel(little, model.header), tile=128).upscale(make_picture(200, 200))


def test_other_errors_of_the_network_are_not_taken_for_lack_of_memory(make_local: Callable[..., LoadedModel]) -> None:
    model = make_local()
    broken = LittleMemory(model.network, 10, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        Upscaler(LoadedModel(broken, model.header)).upscale(make_picture(20, 20))


def test_a_result_larger_than_the_memory_is_refused_before_it_is_begun(
    make_local: Callable[..., LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upscaler_module, "free_system_memory_bytes", lambda: 1_000_000)
    with pytest.raises(DeviceError, match="the memory must hold the result of 4000×4000 pixels"):
        Upscaler(make_local()).upscale(make_picture(20, 20), width=4000)


class Overflowing(nn.Module):
    """Gives NaN wherever a matrix product is done in float16."""

    def __init__(self, inner: nn.Module, *, always: bool = False) -> None:
        super().__init__()
        self.inner, self.always = inner, always

    def forward(self, low_res: Tensor) -> Tensor:
        result: Tensor = self.inner(low_res)
        return result * float("nan") if self.always or result.dtype == torch.float16 else result


def test_tiles_that_overflow_are_computed_again_and_told_once(make_local: Callable[..., LoadedModel]) -> None:
    model, picture = make_local(), make_picture(100, 60)
    overflowing = LoadedModel(Overflowing(model.network), model.header)
    with pytest.warns(RuntimeWarning, match="left the range of float16") as caught:
        result = Upscaler(overflowing, precision="float16", tile=32, overlap=8).upscale(picture)
    assert len(caught) == 1
    np.testing.assert_allclose(result, whole(model, picture), atol=0.02)


def test_a_network_that_overflows_in_float32_is_told(make_local: Callable[..., LoadedModel]) -> None:
    model = make_local()
    with pytest.raises(WeightsError, match="NaN even in float32"):
        Upscaler(LoadedModel(Overflowing(model.network, always=True), model.header)).upscale(make_picture(9, 9))


def test_bfloat16_is_close_to_float32(make_local: Callable[..., LoadedModel]) -> None:
    picture = make_picture(40, 40)
    exact, rounded = (Upscaler(make_local(), precision=p).upscale(picture) for p in ("float32", "bfloat16"))
    assert 0 < np.abs(exact - rounded).max() < 0.02


def test_progress_counts_every_tile_once(make_local: Callable[..., LoadedModel]) -> None:
    calls: list[tuple[int, int]] = []
    Upscaler(make_local(), tile=32, overlap=8).upscale(
        make_picture(50, 90), 8, progress=lambda done, total: calls.append((done, total))
    )
    total = calls[0][1]
    assert total > 10
    assert calls == [(index + 1, total) for index in range(total)]


def test_threads_are_as_before_afterwards(make_local: Callable[..., LoadedModel]) -> None:
    model = make_local()
    seen = []
    model.network.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    Upscaler(model, threads=before + 1).upscale(make_picture(9, 9))
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_bands_arrive_before_the_picture_is_finished(make_local: Callable[..., LoadedModel]) -> None:
    upscaler = Upscaler(make_local(), tile=32, overlap=8)
    picture = Picture(pixels=make_picture(200, 30))
    work, tiles = upscaler.plan(200, 30, SizeRequest()), []
    stream = upscaler.stream(picture, work, lambda: tiles.append(1))
    first = next(stream)
    assert (first.first_row, len(tiles)) == (0, 1)
    assert first.pixels.shape[0] < 64
    rows = [first, *stream]
    assert sum(band.pixels.shape[0] for band in rows) == 400
    assert len(tiles) == work.tile_count


@pytest.mark.parametrize(("low", "high"), [(201.0, 1004.0), (-1.0, 0.5), (3.0, 3.0)])
def test_floats_of_any_range_come_back_in_it_and_it_is_noted(
    make_repeat: Callable[..., LoadedModel], low: float, high: float
) -> None:
    upscaler = Upscaler(make_repeat(), tile=8, overlap=0)
    picture = Picture(pixels=np.linspace(low, high, 400, dtype=np.float32).reshape(20, 20, 1))
    expected = picture.pixels.repeat(2, 0).repeat(2, 1)
    result = upscaler.upscale(picture)
    np.testing.assert_allclose(result.pixels, expected, rtol=1e-6, atol=1e-6)
    bands = upscaler.stream(picture, upscaler.plan(20, 20, SizeRequest()))
    np.testing.assert_allclose(np.concatenate([band.pixels for band in bands]), expected, rtol=1e-6, atol=1e-6)
    assert result.notes == (f"floating point values ran from {low:g} to {high:g}: scaled for the network, and back",)


def test_marks_of_missing_heights_are_refused(make_repeat: Callable[..., LoadedModel]) -> None:
    picture = Picture(pixels=np.array([[[-3.4e38], [204.0]]], np.float32))
    with pytest.raises(ImageError, match="marks of missing data"):
        Upscaler(make_repeat()).upscale(picture)


def test_floats_that_are_not_finite_are_refused(make_repeat: Callable[..., LoadedModel]) -> None:
    picture = Picture(pixels=np.full((4, 4, 3), np.nan, np.float32))
    with pytest.raises(ImageError, match="must be finite"):
        Upscaler(make_repeat()).upscale(picture)


def test_a_path_gives_a_picture_with_its_metadata(make_repeat: Callable[..., LoadedModel], tmp_path: Path) -> None:
    path = tmp_path / "grün.png"
    write_picture(Picture(pixels=np.zeros((5, 6, 3), np.uint8)), path)
    by_path, by_text = (Upscaler(make_repeat()).upscale(name) for name in (path, str(path)))
    assert by_path.pixels.shape == by_text.pixels.shape == (10, 12, 3)
    assert by_path.source_format == "png"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tile": 0}, "tile must be auto or a number"),
        ({"overlap": -1}, "overlap must be at least 0"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(
    make_local: Callable[..., LoadedModel], arguments: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Upscaler(make_local(), **arguments)  # type: ignore[arg-type]


def test_the_embedded_bicubic_model_equals_the_resampling_it_is_made_of() -> None:
    picture = make_picture(100, 80)
    tiled = Upscaler(load_model("bicubic-x4"), tile=40).upscale(picture)
    planes = resize_bicubic(torch.from_numpy(picture).permute(2, 0, 1), 400, 320)
    np.testing.assert_allclose(tiled, planes.clamp(0, 1).permute(1, 2, 0).numpy(), atol=2e-6)
