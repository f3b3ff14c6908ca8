"""The upscaler: a network, a device, and everything between a picture of any kind and the same kind, larger.

The picture stays in its own samples in main memory; only tiles go to the device, and bands of finished rows come back.
Grey pictures pass through the network as three equal channels and stay grey. Alpha passes through it as a grey picture
of its own, with the colour beside it continued under the transparent parts.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import torch
from torch import Tensor

from nlcunet.errors import ConfigError, DeviceError
from nlcunet.imaging.alpha import bleed_colour_under_alpha
from nlcunet.imaging.float_range import FloatRange, float_range_of
from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, Picture
from nlcunet.imaging.pixel_sources import PictureSource, PixelSource
from nlcunet.inference.engines.engine import Engine
from nlcunet.inference.engines.torch import TorchEngine
from nlcunet.inference.enlarging import Chosen, Enlarger, choice_facts_of
from nlcunet.inference.planning import Work, automatic_tile, plan_work
from nlcunet.inference.quality import find_quality
from nlcunet.inference.settings import EngineOptions, EngineSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.tiling.network_pass import FinishedRows, NetworkPass, all_blocks, finished_rows, join_blocks
from nlcunet.inference.tiling.tile_runner import TileRunner
from nlcunet.inference.tiling.tile_samples import dtype_between, without_needless_channels
from nlcunet.inference.tiling.tiles import round_up
from nlcunet.models.weights import LoadedModel, WeightsHeader, weights_checksum
from nlcunet.runtime import (
    choose_device,
    choose_dtype,
    free_memory_bytes,
    free_system_memory_bytes,
    thread_limit,
)

if TYPE_CHECKING:
    from nlcunet.inference.engines.exported import ExportedEngine

CALIBRATION_TILE = 128
"""Side of the tile that the speed is measured on."""

BICUBIC_BEHIND = "{} works at a picture's own size; the rest of the enlargement is bicubic."
"""What is told where a network of ×1 is to enlarge."""

UNCHANGED = WeightsHeader(name="", architecture="", config={}, scale=1)
"""In the place of a network, where a picture is resampled only."""


class Upscaler(Enlarger):
    """Enlarges pictures with one network on one device.

    The same picture with the same settings gives the same result on a CPU. The network is moved to the device and set
    to evaluation mode; none of torch's global settings are left changed.

    Args:
        model: the network and its description; or an exported one, which has its device and precision.
        settings: device, precision, tile, overlap, threads and quality; what concerns the weights was done before.
        shared: an engine that runs this model already, for several upscalers; it has its device and precision.
        shrink_to: share of both sides that every picture is resampled to before the network sees it; the result has
            the size asked for all the same.
        options: fields of the settings by their names, which come before those in ``settings``.

    Raises:
        DeviceError: there is no such device.
        ConfigError: another argument is not possible.
    """

    def __init__(
        self,
        model: "LoadedModel | ExportedEngine",
        settings: EngineSettings | None = None,
        *,
        shared: Engine | None = None,
        shrink_to: float | None = None,
        **options: Unpack[EngineOptions],
    ) -> None:
        settings = replace(settings or EngineSettings(), **options)
        tile, overlap, threads, engine = settings.tile, settings.overlap, settings.threads, shared
        quality = find_quality(settings.quality)
        self.overlap = quality.overlap(model.header) if overlap is None else overlap
        if tile != "auto" and (isinstance(tile, bool) or not isinstance(tile, int) or tile < 1):
            raise ConfigError(f"tile must be auto or a number of pixels of at least 1: got {tile!r}")
        if overlap is not None and overlap < 0:
            raise ConfigError(f"overlap must be at least 0 pixels: got {overlap}")
        if threads is not None and threads < 1:
            raise ConfigError(f"threads must be at least 1: got {threads}")
        self._model = model
        self.header: WeightsHeader = model.header
        if engine is not None:
            self.device, self.dtype = engine.device, getattr(torch, engine.precisions[0])
        elif isinstance(model, LoadedModel):
            self.device = choose_device(settings.device)
            engine = TorchEngine(model, self.device, choose_dtype(settings.precision, self.device))
            self.dtype = getattr(torch, taken := engine.precisions[0])
            if settings.precision not in {"auto", taken}:
                warnings.warn(f"{model.header.name} does not bear {settings.precision}: {taken} is used", stacklevel=2)
        else:
            engine, self.device = model, model.device
            self.dtype = torch.float32  # what tiles are planned for; engines that take less do no harm
        self.tile: int | Literal["auto"] = tile
        self.threads = threads
        self.quality = settings.quality
        self.shrink_to = shrink_to
        self.engine: Engine = engine
        if quality.self_ensemble:
            from nlcunet.inference.engines.self_ensemble import SelfEnsemble

            self.engine = SelfEnsemble(engine)
        self._run_tile = TileRunner(self.engine, self.overlap)

    def __repr__(self) -> str:
        return f"<Upscaler {self.header.name}: {self.engine.name}, {self.device}, {self.engine.precisions[0]}>"

    def plan(self, height: int, width: int, request: SizeRequest, *, tile: int | None = None) -> Work:
        """The passes and tiles for a picture of this size; an automatic tile is chosen by the memory that is free now.

        Args:
            height: rows of the picture.
            width: columns of the picture.
            request: the size of the result.
            tile: a tile side to take instead, as an earlier plan had it.

        Raises:
            ConfigError: the size asked for is not possible.
        """
        if tile is not None:
            return plan_work(
                height, width, request, self.header, tile=tile, overlap=self.overlap, shrink_to=self.shrink_to
            )
        if self.tile == "auto":
            free = free_memory_bytes(self.device) // self.tiles_at_once
            tile = automatic_tile(free, self.header, self.device, self.dtype)
        else:
            tile = self.tile
        tile = min(tile, self._run_tile.largest_side or tile)
        return plan_work(height, width, request, self.header, tile=tile, overlap=self.overlap, shrink_to=self.shrink_to)

    def stream(
        self, picture: Picture, work: Work, on_tile: Callable[[], None] = lambda: None
    ) -> Iterator[FinishedRows]:
        """The enlarged picture as bands of finished rows, from top to bottom, in the samples of ``picture``.

        Only the last pass streams: with more than one, the pictures between are held whole, in 16 bits or float32.

        Args:
            picture: what to enlarge.
            work: what ``plan`` gave for its size.
            on_tile: called after every tile.

        Raises:
            ImageError: floating point pixels are not finite.
            DeviceError: memory ran out for the smallest tile.
        """
        channels, values = picture.pixels.shape[2], float_range_of(picture)
        for rows in finished_rows(self._last_pass(picture, values, work, on_tile)):
            pixels = np.broadcast_to(values.from_unit(rows.pixels), (*rows.pixels.shape[:2], channels))
            alpha = rows.alpha
            if picture.alpha is not None and alpha is None:
                alpha = np.full(pixels.shape[:2], picture.alpha[0, 0], picture.alpha.dtype)
            yield FinishedRows(rows.first_row, pixels, alpha)

    def begin_pass(
        self,
        source: PixelSource,
        work: Work,
        index: int,
        *,
        dtype: np.dtype,
        on_tile: Callable[[], None],
        tiles_ahead: int = 0,
    ) -> NetworkPass:
        """One of the passes of ``work`` over a source, not yet begun; see ``NetworkPass``."""
        if not work.passes[index].enlarges:
            return NetworkPass(
                source,
                work.passes[index],
                work.tilings[index],
                UNCHANGED,
                lambda tile: tile,
                dtype=dtype,
                on_tile=on_tile,
                tiles_ahead=tiles_ahead,
            )
        threads, limit = self._thread_count, self.tiles_at_once
        at_once = work.at_once(index, limit)
        return NetworkPass(
            source,
            work.passes[index],
            work.tilings[index],
            self.header,
            self._run if at_once == 1 else self._run_tile,
            dtype=dtype,
            on_tile=on_tile,
            tiles_ahead=tiles_ahead,
            tiles_at_once=at_once,
            threads_per_tile=max(1, threads // at_once),
        )

    def memory_bytes(self, work: Work, bands: int, sample_bytes: int, *, is_streamed: bool = False) -> int:
        """Main memory at the peak of an enlargement, estimated; on a CPU the network's, too.

        Args:
            work: what ``plan`` gave.
            bands: of the picture, alpha counted.
            sample_bytes: 1, 2 or 4.
            is_streamed: whether the picture goes from disk to disk.
        """
        at_once = self.tiles_at_once
        memory = work.streamed_bytes(bands, sample_bytes) if is_streamed else work.picture_bytes(bands, sample_bytes)
        if self.device.type == "cpu":
            memory += work.network_bytes(self.header, self.dtype, at_once)
        return memory

    @property
    def tiles_at_once(self) -> int:
        """In how many tiles at a time, at most, the engine works; on a CPU each needs a thread of its own."""
        limit = self.engine.tiles_at_once
        return min(limit, self._thread_count) if self.device.type == "cpu" else limit

    @property
    def _thread_count(self) -> int:
        return self.threads or torch.get_num_threads()

    def _last_pass(self, picture: Picture, values: FloatRange, work: Work, on_tile: Callable[[], None]) -> NetworkPass:
        """The last pass over a picture in [0, 1], not yet begun; those before it are done, their results held whole."""
        current = without_needless_channels(picture)
        if current.pixels.dtype == np.float32:
            current = replace(current, pixels=values.to_unit(current.pixels))
        if current.alpha is not None:
            current = replace(current, pixels=bleed_colour_under_alpha(current.pixels, current.alpha))
        last = len(work.passes) - 1
        for index, step in enumerate(work.passes[:-1]):
            between = dtype_between(picture.pixels.dtype)
            source = PictureSource(current)
            blocks = all_blocks(self.begin_pass(source, work, index, dtype=between, on_tile=on_tile))
            size = (step.target_height, step.target_width)
            current = join_blocks(blocks, *size, source.channels, has_alpha=source.has_alpha, dtype=between)
        return self.begin_pass(PictureSource(current), work, last, dtype=picture.pixels.dtype, on_tile=on_tile)

    def upscale_picture(self, picture: Picture, work: Work, on_tile: Callable[[], None] = lambda: None) -> Picture:
        """The enlarged picture as a whole, with the metadata of ``picture``; arguments as for ``stream``.

        Raises:
            ImageError: floating point pixels are not finite.
            DeviceError: the memory is too small for the result or for the smallest tile.
        """
        values = float_range_of(picture)
        channels, has_alpha = picture.pixels.shape[2], picture.alpha is not None
        needed, size = self.memory_bytes(work, channels + has_alpha, picture.pixels.dtype.itemsize), work.size
        free = free_system_memory_bytes()
        if needed > free:
            raise DeviceError(
                f"the memory must hold the result of {work.width}×{work.height} pixels and what leads to it, "
                f"{needed / 2**30:.1f} GiB: got {free / 2**30:.1f} GiB free; ask for less, or close other programs"
            )
        last = self._last_pass(picture, values, work, on_tile)
        result = join_blocks(all_blocks(last), *size, channels, has_alpha=last.source.has_alpha, dtype=last.dtype)
        alpha = result.alpha
        if picture.alpha is not None and alpha is None:
            alpha = np.full(size, picture.alpha[0, 0], picture.alpha.dtype)
        notes = (*picture.notes, *values.notes)
        return replace(picture, pixels=values.from_unit(result.pixels), alpha=alpha, notes=notes)

    def for_picture(
        self,
        source: Path | bytes | Picture,  # noqa: ARG002
        request: SizeRequest,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,  # noqa: ARG002
        decoded: Picture | None = None,  # noqa: ARG002
    ) -> Chosen:
        """This very upscaler, whatever the picture."""
        is_enlarged_otherwise = self.header.scale == 1 and not request.is_default and request.scale != 1
        return Chosen(self, (BICUBIC_BEHIND.format(self.header.name),) if is_enlarged_otherwise else ())

    def for_size(self, request: SizeRequest) -> "Upscaler":  # noqa: ARG002
        """Likewise."""
        return self

    def shrinking(self, shrink_to: float | None) -> "Upscaler":
        """The same upscaler but for the size that pictures are resampled to first; engine and network are shared."""
        other = copy(self)
        other.shrink_to = shrink_to
        return other

    def choice_facts(self, request: SizeRequest) -> dict[str, Any]:
        """Name and checksum of the weights, the scale asked for or else theirs, and the quality."""
        weights = self._weights_checksum()
        return choice_facts_of(self.header.name, weights, self.header.scale, self.quality, request)

    def fingerprint(self) -> dict[str, Any]:
        """What a result depends on beside picture, size and tile, as plain values: network, weights, quality."""
        return {
            "header": self.header.model_dump(mode="json"),
            "weights": self._weights_checksum(),
            "engine": self.engine.name,
            "device": self.device.type,
            "precision": self.engine.precisions[0],
            "overlap": self.overlap,
            "self_ensemble": find_quality(self.quality).self_ensemble,
        }

    def _weights_checksum(self) -> str:
        model = self._model
        return weights_checksum(model) if isinstance(model, LoadedModel) else model.facts.weights_sha256

    def measure_seconds_per_pixel(self) -> float:
        """Time of the network per low-resolution pixel on a tile of noise, for estimates; takes about a second."""
        side = round_up(max(CALIBRATION_TILE, self.header.min_size), self.header.size_multiple)
        tile = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        self._run(tile)  # the first run also sets things up
        start = time.perf_counter()
        self._run(tile)
        return (time.perf_counter() - start) / side**2

    def _run(self, tile: Tensor) -> Tensor:
        with thread_limit(self.threads):
            return self._run_tile(tile)
