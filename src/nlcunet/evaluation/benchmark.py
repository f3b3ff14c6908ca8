"""Benchmark runs: models × a folder of originals × a protocol → one result for each pair."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError, DataError, ImageError
from nlcunet.evaluation.originals import read_original
from nlcunet.evaluation.protocols import Protocol
from nlcunet.inference.bands import blend_tiles
from nlcunet.inference.padding import pad_to_multiple
from nlcunet.inference.tile_runner import TileRunner
from nlcunet.inference.tiles import Span, plan_tiles
from nlcunet.metrics.psnr import psnr_rgb, psnr_y
from nlcunet.metrics.ssim import ssim_y
from nlcunet.models.weights import LoadedModel

Enlarge: TypeAlias = Callable[[Float[Tensor, "batch 3 height width"]], Float[Tensor, "batch 3 new_height new_width"]]
"""Takes float32 RGB in [0, 1] on the CPU to the same at `scale` times the size; clamping is left to the metrics."""

BATCH_PIXELS = 2**18
"""Low-resolution pixels that run through a network at once; more would not be faster."""

PAIR_PIXELS = 2**22
"""High-resolution pixels that are degraded and measured at once; in float64 they take about 1 GB."""


@dataclass(frozen=True, kw_only=True)
class PairResult:
    """How well one model did on one pair."""

    model: str
    """Name of the model."""
    image: str
    """File name of the original."""
    kernel_index: int
    """Number of the kernel within the protocol, from 0."""
    sigma_px: float
    """Strength of the blur in high-resolution pixels; of ellipses the geometric mean of both axes."""
    psnr_y: float
    """PSNR of the luma, dB."""
    ssim_y: float
    """SSIM of the luma."""
    psnr_rgb: float
    """PSNR of all channels, dB."""
    low_res_sha256: str
    """Checksum of the input's 8-bit pixels (row by row, RGB), to tell whether two runs saw the same pair."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkRun:
    """A whole run."""

    protocol: Protocol
    """How the pairs were made and measured."""
    models: tuple[str, ...]
    """Names of the models, in the order of the table."""
    results: tuple[PairResult, ...]
    """One for each model and pair."""
    skipped: tuple[str, ...]
    """Files that could not be measured, each with the reason."""
    seconds: dict[str, float]
    """Time that each model took for all its pictures, without making inputs and measuring."""


def whole_picture_enlarger(model: LoadedModel, device: torch.device) -> Enlarge:
    """A model that sees each picture whole: padded to the sizes that it takes, the padding cut off again.

    Args:
        model: Its network is moved to the device.
        device: Where to compute, in float32.

    Returns:
        The function to give to `run_benchmark`; it splits large batches.
    """
    network, header = model.network.to(device).eval(), model.header

    @torch.inference_mode()
    def enlarge(
        low_res: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 new_height new_width"]:
        height, width = low_res.shape[-2:]
        padded = pad_to_multiple(low_res, header.size_multiple, at_least=header.min_size)
        pieces = torch.split(padded, max(1, BATCH_PIXELS // (padded.shape[-2] * padded.shape[-1])))
        enlarged = torch.cat([network(piece.to(device)).float().cpu() for piece in pieces])
        return enlarged[..., : height * header.scale, : width * header.scale]

    return enlarge


def tiled_enlarger(model: LoadedModel, device: torch.device, tile: int) -> Enlarge:
    """A model that sees each picture in tiles, as pictures too large for the device's memory must be.

    Args:
        model: Its network is moved to the device.
        device: Where to compute, in float32.
        tile: Side of the tiles in low-resolution pixels.

    Returns:
        The function to give to `run_benchmark`.

    Raises:
        ConfigError: When called, if tiles of that side leave nothing between their overlaps.
    """
    network, header = model.network.to(device).eval(), model.header
    runner = TileRunner(network, header, device, torch.float32, header.tile_overlap)

    def enlarge_one(picture: Float[Tensor, "3 height width"]) -> Float[Tensor, "3 new_height new_width"]:
        height, width = picture.shape[-2:]
        multiple, min_size = header.size_multiple, header.min_size
        plan = plan_tiles(height, width, tile=tile, overlap=header.tile_overlap, multiple=multiple, min_size=min_size)

        def enlarge_tile(rows: Span, columns: Span) -> Float[Tensor, "3 new_height new_width"]:
            part = picture[:, rows.start : rows.stop, columns.start : columns.stop]
            return runner(pad_to_multiple(part, multiple, at_least=min_size))

        return torch.cat(list(blend_tiles(plan, header.scale, enlarge_tile)), dim=1)

    @torch.inference_mode()
    def enlarge(
        low_res: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 new_height new_width"]:
        return torch.stack([enlarge_one(picture) for picture in low_res])

    return enlarge


def run_benchmark(
    models: Mapping[str, Enlarge],
    files: Sequence[Path],
    protocol: Protocol,
    *,
    on_file_done: Callable[[Path], None] = lambda _: None,
) -> BenchmarkRun:
    """Measures every model on every pair that the protocol makes from the files.

    Args:
        models: By name, in the order of the table.
        files: The originals, such as `find_originals` gives them. Files that cannot be read or are too small are
            skipped, and named in the result.
        protocol: How to make and measure pairs.
        on_file_done: Called after each file, also after skipped ones.

    Returns:
        All results.

    Raises:
        ConfigError: If a model returns another size than `scale` times its input's.
        DataError: If not a single file could be measured.
    """
    results: list[PairResult] = []
    skipped: list[str] = []
    seconds = dict.fromkeys(models, 0.0)
    for path in files:
        try:
            original = read_original(path, protocol.scale)
            pairs = protocol.records(path.name)
            at_once = max(1, PAIR_PIXELS // original[0, 0].numel())
            for first in range(0, len(pairs), at_once):
                chunk = pairs[first : first + at_once]
                results += measure_pairs(models, path.name, original, chunk, protocol=protocol, seconds=seconds)
        except (ImageError, DataError) as error:
            skipped.append(f"{path.name}: {error}")
        on_file_done(path)
    if not results:
        raise DataError(f"at least one original must be readable: got none of {len(files)}; {'; '.join(skipped)}")
    return BenchmarkRun(
        protocol=protocol, models=tuple(models), results=tuple(results), skipped=tuple(skipped), seconds=seconds
    )


def measure_pairs(
    models: Mapping[str, Enlarge],
    image: str,
    original: Float[Tensor, "1 3 height width"],
    numbered: Sequence[tuple[int, DegradationRecord]],
    *,
    protocol: Protocol,
    seconds: dict[str, float],
) -> list[PairResult]:
    """Some pairs of one original, through all models; what each took is added to `seconds`.

    Raises:
        ConfigError: If a model returns a wrong size.
    """
    truth = original.expand(len(numbered), -1, -1, -1)
    low_res = apply_records(truth, [record for _, record in numbered])
    checksums = [pixels_sha256(picture) for picture in low_res]
    results = []
    for model, enlarge in models.items():
        start = time.perf_counter()
        enlarged = enlarge(low_res.float())
        seconds[model] += time.perf_counter() - start
        if enlarged.shape != truth.shape:
            raise ConfigError(
                f"a model must enlarge by the protocol's scale {protocol.scale}: {model} made "
                f"{tuple(enlarged.shape[-2:])} of {tuple(low_res.shape[-2:])}; choose a model of that scale"
            )
        scores = [metric(enlarged, truth, border=protocol.border_px).tolist() for metric in (psnr_y, ssim_y, psnr_rgb)]
        for (index, record), checksum, y, ssim, rgb in zip(numbered, checksums, *scores, strict=True):
            results.append(
                PairResult(
                    model=model,
                    image=image,
                    kernel_index=index,
                    sigma_px=record.sigma_px,
                    psnr_y=y,
                    ssim_y=ssim,
                    psnr_rgb=rgb,
                    low_res_sha256=checksum,
                )
            )
    return results


def pixels_sha256(image: Float[Tensor, "3 height width"]) -> str:
    """SHA-256 of a picture's 8-bit pixels, row by row, each R, G, B."""
    steps = (image * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    return hashlib.sha256(steps.numpy().tobytes()).hexdigest()
