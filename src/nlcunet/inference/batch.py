"""Many pictures, one after the other: finished ones are skipped, bad ones are told, the rest goes on."""

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any, Literal

import numpy as np

from nlcunet.errors import ConfigError, ImageTooLargeError, ImageWriteError, NlcunetError, explain_out_of_memory
from nlcunet.files.atomic import is_disk_full
from nlcunet.imaging.encoding import check_range
from nlcunet.imaging.files import (
    OpenedPicture,
    PictureHeader,
    encode_picture,
    read_header,
    writable_formats,
    write_picture,
)
from nlcunet.imaging.float_range import float_range_of
from nlcunet.imaging.formats import FORMATS
from nlcunet.imaging.picture import Picture, TiffLayout
from nlcunet.imaging.row_encoding import STREAMED_FORMATS
from nlcunet.inference.enlarging import Enlarger, Progress
from nlcunet.inference.giant.enlargement import upscale_giant
from nlcunet.inference.giant.request import GiantListener
from nlcunet.inference.jobs import PIPE, FileJob
from nlcunet.inference.planning import Work
from nlcunet.inference.results import EarlierResult, ResultFiles
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import AUTOMATIC
from nlcunet.runtime import is_out_of_memory

GIANT_PIXELS = 64_000_000
"""Results from this size on go from disk to disk: 200 MB at 8 bits, and several times that with bands and the encoder;
below, one file written at once is simpler, and a minute of work is all that an interruption costs."""

Status = Literal["done", "skipped", "failed", "planned"]


HUGE_PIXELS = 100_000_000
"""From here on a result is worth a word before it is made, where no size was asked for."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What became of one picture.

    Attributes:
        input: name of the input, ``-`` for standard input.
        output: name of the result, ``-`` for standard output.
        status: ``done``, ``skipped`` (the result was there), ``failed`` or ``planned`` (a dry run).
        width: columns of the input; nothing if it was not looked at.
        height: rows of the input.
        output_width: columns of the result.
        output_height: rows of the result.
        model: name of the weights, with the strength where two are mixed, ``4x-NLCUnet-S-GAN@0.40``; nothing where no
            network is needed; ``auto`` where they are yet to be chosen.
        quality: ``fast``, ``balanced`` or ``best``.
        tiles: tiles of all passes.
        memory_bytes: main memory at the peak, estimated; on a CPU the network's, too.
        seconds: time taken; for a dry run the estimate.
        notes: what was changed on the way, a sentence each.
        error: why it failed.
        traceback: where, for errors that nobody foresaw.
        is_disk_full: whether it failed because the disk has no room left, so that it may work another time.
        is_store_down: whether it failed because a store did not answer, however often it was asked.
    """

    input: str
    output: str
    status: Status
    width: int | None = None
    height: int | None = None
    output_width: int | None = None
    output_height: int | None = None
    model: str | None = None
    quality: str | None = None
    tiles: int | None = None
    memory_bytes: int | None = None
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    traceback: str | None = None
    is_disk_full: bool = False
    is_store_down: bool = False

    def as_json(self) -> dict[str, Any]:
        """The record as plain values, without what only programs in the same process need."""
        values = asdict(self)
        del values["traceback"], values["is_disk_full"], values["is_store_down"]
        return values | {"notes": list(self.notes)}


def run_jobs(
    jobs: Iterable[FileJob],
    upscaler: Enlarger,
    settings: BatchSettings,
    *,
    on_start: Callable[[FileJob], None] = lambda _job: None,
    progress: Progress | None = None,
    listener: GiantListener | None = None,
    results: ResultFiles | None = None,
) -> Iterator[Record]:
    """Enlarge one picture after the other; a record each, also of those that fail."""
    results = results or ResultFiles()
    listener = replace(listener or GiantListener(), tiles=progress or (lambda *_: None))
    for job in jobs:
        on_start(job)
        yield _guarded(job, lambda job: _run(job, upscaler, settings, listener, results))


def plan_batch(
    jobs: Iterable[FileJob],
    upscaler: Enlarger,
    settings: BatchSettings,
    seconds_per_pixel: float,
    results: ResultFiles | None = None,
) -> Iterator[Record]:
    """What ``run_jobs`` would do, told from the headers of the files; nothing is enlarged or written."""
    results = results or ResultFiles()
    for job in jobs:
        yield _guarded(job, lambda job: _preview(job, upscaler, settings, seconds_per_pixel, results))


def _guarded(job: FileJob, work: Callable[[FileJob], Record]) -> Record:
    """The record of a job, whatever happens in it; interrupts pass."""
    start = time.perf_counter()
    try:
        return work(job)
    except NlcunetError as error:
        return _failed(job, str(error), start, error)
    except BrokenPipeError:
        raise  # nobody reads the output any more: not this picture's fault
    except Exception as error:  # noqa: BLE001 - one bad file must not end the batch; it is told with its type
        if is_out_of_memory(error):
            return _failed(job, explain_out_of_memory(error), start, error)
        reason = f"unexpected {type(error).__name__}: {error}; -v shows where, please report it"
        return replace(_failed(job, reason, start, error), traceback=traceback.format_exc())


def _failed(job: FileJob, reason: str, start: float, error: Exception) -> Record:
    seconds = time.perf_counter() - start
    return replace(_record(job, "failed"), seconds=seconds, error=reason, is_disk_full=is_disk_full(error))


def _record(job: FileJob, status: Status) -> Record:
    source, target = (PIPE if path is None else str(path) for path in (job.source, job.target))
    return Record(input=source, output=target, status=status)


def _skipped(job: FileJob, finding: EarlierResult) -> Record:
    """The record of a result that is there; since files appear whole or not at all, it is complete."""
    return replace(_record(job, "skipped"), notes=finding.notes)


def _run(
    job: FileJob, upscaler: Enlarger, settings: BatchSettings, listener: GiantListener, results: ResultFiles
) -> Record:
    start = time.perf_counter()
    source = sys.stdin.buffer.read() if job.source is None else job.source
    finding = results.look(job.target, source, settings)
    if finding.is_finished:
        return _skipped(job, finding)
    opened = OpenedPicture(source)
    header = opened.header
    file_format = _target_format(job, header)
    _check_pixels(header, settings.max_pixels)
    check_giant(file_format, settings.layout, to_file=job.target is not None)
    planner, size = upscaler.for_size(settings.request), (header.height, header.width)
    work = planner.plan(*size, settings.request)
    _check_format_holds(file_format, work)
    if work.height * work.width >= HUGE_PIXELS and settings.request.is_default:
        listener.note(_huge(header, work))
    goes_by_disk = job.target is not None and is_giant(work, file_format, settings.layout)
    origin = None if job.target is None else results.origin_of(job.target, source, settings)
    if job.target is not None and goes_by_disk:
        results.prepare(job.target)
        del opened  # with the bytes of the file, which are read band by band here
        chosen = upscaler.for_sized(source, size, settings.request, max_pixels=settings.max_pixels)
        report = upscale_giant(source, job.target, chosen.upscaler, settings, listener)
        record = _described(_record(job, "done"), header, report.work, chosen.upscaler, is_streamed=True)
        notes = (*finding.notes, *chosen.notes, *report.notes, *results.keep(job.target, origin))
        return replace(record, seconds=time.perf_counter() - start, notes=notes)
    picture = opened.read(max_pixels=settings.max_pixels)
    if picture.pixels.dtype == np.float32:
        check_range(float_range_of(picture), FORMATS[file_format])
    if job.target is not None:
        results.prepare(job.target)
    chosen = upscaler.for_sized(source, size, settings.request, decoded=picture)
    one = chosen.upscaler
    if one is not planner:
        work = one.plan(*size, settings.request)
    done, total = count(1), work.tile_count

    def on_tile() -> None:
        listener.tiles(next(done), total)

    result = one.upscale_picture(picture, work, on_tile)
    notes = (*finding.notes, *chosen.notes, *result.notes)
    notes += _write(result, job, file_format, settings)
    if job.target is not None:
        notes += results.keep(job.target, origin)
    return replace(
        _described(_record(job, "done"), header, work, one),
        seconds=time.perf_counter() - start,
        notes=notes,
    )


def _huge(header: PictureHeader, work: Work) -> str:
    """Before a result that nobody asked for in so many words."""
    before, after = (
        height * width / 1e6 for height, width in ((header.height, header.width), (work.height, work.width))
    )
    return (
        f"{before:.3g} megapixels become {after:.3g} ({work.width}×{work.height}), since no size was asked for; "
        "-s 2 or --long-edge 8000 make less of it"
    )


def _write(result: Picture, job: FileJob, file_format: str, settings: BatchSettings) -> tuple[str, ...]:
    """Write a result to its file or to standard output; notes on what the format could not hold."""
    quality, strip = settings.quality, settings.strip_metadata
    if job.target is not None:
        return write_picture(result, job.target, file_format=file_format, quality=quality, strip_metadata=strip)
    sys.stdout.buffer.write(encode_picture(result, file_format=file_format, quality=quality, strip_metadata=strip))
    sys.stdout.buffer.flush()
    return ()


def _preview(
    job: FileJob, upscaler: Enlarger, settings: BatchSettings, seconds_per_pixel: float, results: ResultFiles
) -> Record:
    source = sys.stdin.buffer.read() if job.source is None else job.source
    finding = results.look(job.target, source, settings)
    if finding.is_finished:
        return _skipped(job, finding)
    header = read_header(source)
    _check_pixels(header, settings.max_pixels)
    one = upscaler.for_size(settings.request)
    work = one.plan(header.height, header.width, settings.request)
    file_format = _target_format(job, header)
    _check_format_holds(file_format, work)
    check_giant(file_format, settings.layout, to_file=job.target is not None)
    layers = 2 if header.has_alpha else 1
    is_streamed = job.target is not None and is_giant(work, file_format, settings.layout)
    return replace(
        _described(_record(job, "planned"), header, work, one, is_streamed=is_streamed),
        model=None if not work.network_pixels else one.header.name if one is upscaler else AUTOMATIC,
        seconds=work.network_pixels * layers * seconds_per_pixel,
        notes=finding.notes,
    )


def _described(
    record: Record, header: PictureHeader, work: Work, upscaler: Upscaler, *, is_streamed: bool = False
) -> Record:
    bands, sample_bytes = header.channels + header.has_alpha, header.bit_depth // 8
    return replace(
        record,
        width=header.width,
        height=header.height,
        output_width=work.width,
        output_height=work.height,
        tiles=work.tile_count,
        memory_bytes=upscaler.memory_bytes(work, bands, sample_bytes, is_streamed=is_streamed),
        model=upscaler.header.name if work.network_pixels else None,
        quality=upscaler.quality,
    )


def _target_format(job: FileJob, header: PictureHeader) -> str:
    """The format to write: as asked, as the target's name says, or as the source is."""
    if job.file_format is not None:
        return job.file_format
    writable = writable_formats()
    if job.target is not None:
        return next(name for name in writable if job.target.suffix.lower() in FORMATS[name].suffixes)
    return header.format if header.format in writable else "png"


def _check_pixels(header: PictureHeader, max_pixels: int) -> None:
    if header.width * header.height > max_pixels:
        raise ImageTooLargeError(
            f"a picture must have at most {max_pixels:,} pixels: got {header.width}×{header.height}; "
            "raise the limit with --max-pixels if you trust the file"
        )


def _check_format_holds(file_format: str, work: Work) -> None:
    """Refuse before the work what could not be written after it."""
    longest = FORMATS[file_format].max_side_px
    if max(work.height, work.width) > longest:
        raise ImageWriteError(
            f"a side of a {file_format} picture must be at most {longest} pixels: the result would be "
            f"{work.width}×{work.height}; ask for less, or for --format png or tiff"
        )


def is_giant(work: Work, file_format: str, layout: TiffLayout) -> bool:
    """Whether a result goes from disk to disk: it is large and its format can be written by rows, or is a pyramid."""
    return layout.pyramid or (work.height * work.width >= GIANT_PIXELS and file_format in STREAMED_FORMATS)


def check_giant(file_format: str, layout: TiffLayout, *, to_file: bool) -> None:
    """Refuse a pyramid where there can be none."""
    if layout.pyramid and file_format != "tiff":
        raise ConfigError(f"a pyramid must be a TIFF: got {file_format}; add --format tiff")
    if layout.pyramid and not to_file:
        raise ConfigError("a pyramid must be written to a file: got standard output; name a file with -o")
