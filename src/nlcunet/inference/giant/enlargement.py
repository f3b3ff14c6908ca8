"""Giant pictures: from disk to disk, a few tiles and rows in memory, to be taken up again after any interruption.

::

    file ─ decoded band by band ─► input.raw ─ tiles, read ahead ─► network ─ blocks ─► pass-0.raw ─ rows ─► target
           (one look at all pixels)                                   (more passes: from raw to raw)   (encoder)

Reading ahead, the network, writing and encoding each run in a thread of their own. The encoder follows the network at
its own speed, because rows wait for it on the disk.
"""

import errno
import os
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from nlcunet.errors import ImageWriteError
from nlcunet.files.atomic import flush_file, move_into_place
from nlcunet.files.checksums import hash_values
from nlcunet.imaging.encoding import check_range
from nlcunet.imaging.float_range import FloatRange, UnitSource, checked_range
from nlcunet.imaging.formats import format_for_suffix
from nlcunet.imaging.picture import Metadata, Picture
from nlcunet.imaging.pixel_sources import PixelSource, RawPixels, RawSource
from nlcunet.imaging.row_encoding import encode_rows
from nlcunet.imaging.spooling import SpooledPicture, spool_picture
from nlcunet.imaging.strip_source import RowPicture
from nlcunet.inference.giant.bleeding import BleedingSource
from nlcunet.inference.giant.part_folder import PartFolder, PassJournal
from nlcunet.inference.giant.request import GiantListener, GiantReport, disk_bytes
from nlcunet.inference.giant.row_pipeline import Background, BlockWriter, Checkpoint, RowGate
from nlcunet.inference.planning import Work
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.tiling.network_pass import NetworkPass
from nlcunet.inference.tiling.tile_samples import dtype_between
from nlcunet.inference.upscaler import Upscaler
from nlcunet.version import __version__

TILES_AHEAD = 2
"""Tiles that are read while another one is in the network."""


def upscale_giant(
    source: Path | bytes,
    target: Path,
    upscaler: Upscaler,
    settings: BatchSettings,
    listener: GiantListener | None = None,
) -> GiantReport:
    """Enlarge a picture file into another; an earlier run of the same that was interrupted is taken up.

    Args:
        source: a file, or the bytes of one.
        target: the file to write, whole or untouched; its ending says the format, one of ``STREAMED_FORMATS``.
            Unfinished rows lie in a folder beside it.
        upscaler: with what.
        settings: and how.
        listener: who is told how far it is.

    Raises:
        ImageError: the picture cannot be read, or the result not written.
        DeviceError: memory ran out for the smallest tile.
    """
    listener = listener or GiantListener()
    with PartFolder(target) as folder:
        spooled = spool_picture(
            source,
            folder.file("input.raw"),
            max_pixels=settings.max_pixels,
            on_rows=lambda done, rows: listener.status(f"reading, row {done:,} of {rows:,}"),
        )
        try:
            with spooled.raw:
                return _Enlargement(spooled, folder, upscaler, settings, listener).run()
        except OSError as error:
            raise ImageWriteError(
                f"unfinished rows must be kept on the disk while a picture is made: got {folder.path}: "
                f"{error.strerror or error}; check the disk, and run the same command again"
            ) from error


def _pass_file(index: int) -> str:
    """What the file with the samples of a pass is called."""
    return f"pass-{index}.raw"


class _Enlargement:
    """One giant picture on its way from raw samples to the target."""

    def __init__(
        self,
        spooled: SpooledPicture,
        folder: PartFolder,
        upscaler: Upscaler,
        settings: BatchSettings,
        listener: GiantListener,
    ) -> None:
        self._spooled = spooled
        self._folder = folder
        self._upscaler = upscaler
        self._settings = settings
        self._listener = listener
        is_float = spooled.raw.dtype == np.float32
        self._values = checked_range(spooled.facts.low, spooled.facts.high) if is_float else FloatRange()
        self._format = format_for_suffix(folder.target.suffix)
        check_range(self._values, self._format)
        self._notes = [*spooled.notes, *self._values.notes]
        self._journal = self._take_up()
        self._work = self._plan(self._journal.tile)
        self._tiles_done, self._tile_numbers = 0, count(1)
        self._waited_for_tiles = self._waited_for_writing = self._encoder_alone = 0.0

    def run(self) -> GiantReport:
        """All passes, and the encoder beside the last."""
        self._check_room()
        resumed = self._finished_tiles(self._journal)
        self._tiles_done, self._tile_numbers = resumed, count(resumed + 1)
        if resumed:
            self._listener.resumed(resumed, self._work.tile_count)
            row = f"row {self._journal.finished_rows:,} of {self._current_height():,}"
            self._listener.note(f"resuming at {row}")
            self._notes.append(f"taken up at {row}; {resumed:,} of {self._work.tile_count:,} tiles were done before")
        try:
            notes = self._run_passes()
        except BaseException:
            if self._folder.keep_finished_rows():
                self._listener.note(f"finished rows stay in {self._folder.path}; the same command goes on from them")
            raise
        move_into_place(self._folder.file("encoded"), self._folder.target)
        self._folder.remove()
        return GiantReport(
            work=self._work,
            notes=(*self._notes, *notes),
            resumed_tiles=resumed,
            seconds_waited_for_tiles=self._waited_for_tiles,
            seconds_waited_for_writing=self._waited_for_writing,
            seconds_of_encoder_alone=self._encoder_alone,
        )

    def _plan(self, tile: int) -> Work:
        header = self._spooled.header
        return self._upscaler.plan(header.height, header.width, self._settings.request, tile=tile)

    def _take_up(self) -> PassJournal:
        """The journal of an earlier run of the same; otherwise a new one, and what was there goes."""
        header = self._spooled.header
        planned = self._upscaler.plan(header.height, header.width, self._settings.request)
        new = PassJournal(fingerprint=self._fingerprint(planned), tile=planned.tile)
        old = self._folder.read_journal()
        reason = self._reason_to_begin_anew(old, new)
        if old is not None and reason is None:
            return old
        if reason is not None:
            discarded = f"finished rows of an earlier run were discarded: {reason}"
            self._listener.note(discarded)
            self._notes.append(discarded)
        self._folder.clear(but=self._spooled.raw.path)
        return self._folder.write_journal(new)

    def _reason_to_begin_anew(self, old: PassJournal | None, new: PassJournal) -> str | None:
        """Why an earlier run is not taken up; nothing if it can be, or if there was none."""
        if old is None:
            return "their journal is damaged" if self._folder.has_journal() else None
        is_same_tile = old.tile == new.tile or self._upscaler.tile == "auto"
        if old.fingerprint != new.fingerprint or not is_same_tile:
            return "they are of another picture or other settings"
        tilings = self._plan(old.tile).tilings
        if old.pass_index < len(tilings):
            num_rows = len(tilings[old.pass_index].rows.spans)
            if old.tile_row > num_rows or (old.tile_row > 0 and old.state is None):
                return "their journal is damaged"
        elif old.pass_index > len(tilings):
            return "their journal is damaged"
        return self._folder.find_damage(old, self._sizes_of_samples(old))

    def _sizes_of_samples(self, journal: PassJournal) -> dict[str, int]:
        """Bytes of the files of samples that an earlier run must have left, by their names."""
        passes, source = self._plan(journal.tile).passes, self._spooled.needful()
        begun = passes[: journal.pass_index + (journal.tile_row > 0)]
        sizes = {}
        for index, step in enumerate(begun):
            dtype = self._spooled.raw.dtype if index + 1 == len(passes) else dtype_between(source.dtype)
            pixel_bytes = (source.channels + source.has_alpha) * np.dtype(dtype).itemsize
            sizes[_pass_file(index)] = step.target_height * step.target_width * pixel_bytes
        return sizes

    def _fingerprint(self, work: Work) -> str:
        """Of everything that the result's pixels depend on, but for the tile."""
        header, source = self._spooled.header, self._spooled.needful()
        facts = {
            "version": __version__,
            "checksum": self._spooled.facts.checksum,
            "source": [header.height, header.width, source.channels, source.has_alpha, str(source.dtype)],
            "orientation": self._spooled.orientation,
            "passes": [(step.target_height, step.target_width) for step in work.passes],
            "upscaler": self._upscaler.fingerprint(),
        }
        if self._settings.request.wrap != "none":
            facts["wrap"] = self._settings.request.wrap
        return hash_values(facts)

    def _finished_tiles(self, journal: PassJournal) -> int:
        before = sum(tiling.count for tiling in self._work.tilings[: journal.pass_index])
        if journal.pass_index == len(self._work.tilings):
            return before
        return before + journal.tile_row * len(self._work.tilings[journal.pass_index].columns.spans)

    def _current_height(self) -> int:
        return self._work.passes[min(self._journal.pass_index, len(self._work.passes) - 1)].target_height

    def _check_room(self) -> None:
        """Refuse before the work what the disk cannot hold."""
        needed = disk_bytes(self._work, self._spooled.header, self._settings.layout)
        free = shutil.disk_usage(self._folder.path).free + self._folder.num_bytes()
        if needed > free:
            raise ImageWriteError(
                f"the disk must have room for unfinished rows and the result of {self._work.width}×{self._work.height} "
                f"pixels, up to {needed / 1e9:.1f} GB: got {free / 1e9:.1f} GB free at {self._folder.target}; "
                "free some, or choose another disk with -o"
            ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _run_passes(self) -> tuple[str, ...]:
        source: PixelSource = UnitSource(self._spooled.needful(), self._values)
        last = len(self._work.passes) - 1
        with ExitStack() as opened:
            for index in range(last):
                raw = opened.enter_context(self._raw_of(index, source, dtype_between(source.dtype)))
                if index >= self._journal.pass_index:
                    self._run_pass(index, source, raw, RowGate())
                source = RawSource(raw, source.channels, source.has_alpha)
            return self._run_last(last, source)

    def _run_last(self, last: int, source: PixelSource) -> tuple[str, ...]:
        """The last pass with the encoder beside it; notes of the encoder."""
        gate = RowGate(self._journal.finished_rows if self._journal.pass_index >= last else 0)
        with self._raw_of(last, source, self._spooled.raw.dtype) as raw:
            encoder = Background(lambda: self._encode_last(source, gate))
            try:
                if self._journal.pass_index <= last:
                    self._run_pass(last, source, raw, gate, encoder)
                start = time.perf_counter()
                notes = encoder.wait()
                self._encoder_alone = time.perf_counter() - start
            finally:
                gate.stop()
                encoder.end()
        return notes

    def _raw_of(self, index: int, source: PixelSource, dtype: np.dtype) -> RawPixels:
        step = self._work.passes[index]
        bands = source.channels + source.has_alpha
        return RawPixels(
            self._folder.file(_pass_file(index)), step.target_height, step.target_width, bands, np.dtype(dtype)
        )

    def _run_pass(
        self,
        index: int,
        source: PixelSource,
        raw: RawPixels,
        gate: RowGate,
        encoder: "Background[tuple[str, ...]] | None" = None,
    ) -> None:
        visible = BleedingSource(source) if index == 0 and source.has_alpha else source
        network_pass = self._upscaler.begin_pass(
            visible, self._work, index, dtype=raw.dtype, on_tile=self._on_tile, tiles_ahead=TILES_AHEAD
        )
        state = self._folder.read_state(self._journal) if self._journal.pass_index == index else {}
        if state:
            network_pass.restore(state)
        writer = BlockWriter(raw)
        try:
            while not network_pass.is_finished:
                self._run_row(network_pass, writer, raw, gate)
                if encoder is not None:
                    encoder.check()
            writer.finish()
        finally:
            writer.stop()
            self._waited_for_tiles += network_pass.seconds_waited
            self._waited_for_writing += writer.seconds_waited
        is_last = index + 1 == len(self._work.passes)
        finished = self._journal.finished_rows if is_last else 0
        done = replace(self._journal, pass_index=index + 1, tile_row=0, finished_rows=finished, state=None)
        self._journal = self._folder.write_journal(done)

    def _run_row(self, network_pass: NetworkPass, writer: BlockWriter, raw: RawPixels, gate: RowGate) -> None:
        """One row of tiles, and its entry in the journal."""
        finished = self._journal.finished_rows
        for block in network_pass.run_row():
            writer.put(block)
            finished = max(finished, block.end_row)
        self._listener.status(f"row {finished:,} of {raw.height:,}")
        journal = replace(self._journal, tile_row=network_pass.next_row, finished_rows=finished, state=None)
        state = network_pass.state()
        self._journal = journal

        def save() -> None:
            flush_file(raw.path)
            self._folder.write_journal(journal, state)
            gate.open_to(finished)

        writer.put(Checkpoint(save))

    def _on_tile(self) -> None:
        self._tiles_done = next(self._tile_numbers)  # several tiles may end at a time
        self._listener.tiles(self._tiles_done, self._work.tile_count)

    def _encode_last(self, source: PixelSource, gate: RowGate) -> tuple[str, ...]:
        """Encode the rows of the last pass as they are finished; notes on what the format cannot hold."""
        with self._raw_of(len(self._work.passes) - 1, source, self._spooled.raw.dtype) as raw:
            return self._encode(RawSource(raw, source.channels, source.has_alpha), gate)

    def _encode(self, kept: RawSource, gate: RowGate) -> tuple[str, ...]:
        settings, header = self._settings, self._spooled.header
        metadata = self._spooled.metadata
        if settings.strip_metadata:
            metadata = Metadata(icc_profile=metadata.icc_profile)

        def read_rows(rows: slice) -> Picture:
            gate.wait_for(rows.stop)
            if self._tiles_done == self._work.tile_count:
                self._listener.status(f"writing, row {rows.stop:,} of {kept.height:,}")
            return self._as_asked(kept.read(rows, slice(0, kept.width)))

        picture = RowPicture(
            height=kept.height,
            width=kept.width,
            channels=header.channels,
            has_alpha=header.has_alpha,
            dtype=kept.dtype,
            metadata=metadata,
            values=self._values,
            read_rows=read_rows,
        )
        return encode_rows(
            picture,
            self._folder.file("encoded"),
            self._format,
            quality=settings.quality,
            layout=settings.layout,
        )

    def _as_asked(self, window: Picture) -> Picture:
        """Rows with the channels of the input: those that the network need not see are put back."""
        header, facts = self._spooled.header, self._spooled.facts
        pixels = self._values.from_unit(window.pixels)
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], header.channels))
        alpha = window.alpha
        if facts.flat_alpha is not None:
            alpha = np.full(pixels.shape[:2], facts.flat_alpha, pixels.dtype)
        return Picture(pixels=pixels, alpha=alpha)
