"""What a batch tells: people on standard error, programs by JSON on standard output."""

import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from nlcunet.cli.terminal import open_screen
from nlcunet.inference.batch import Record
from nlcunet.inference.giant.request import GiantListener
from nlcunet.inference.jobs import PIPE, JobPlan
from nlcunet.inference.upscaler import Upscaler

STATUSES = ("done", "planned", "skipped", "failed")
"""In the order of the summary."""

SPEED_PERIOD_SECONDS = 600.0
"""The time left follows from the tiles of the last ten minutes: a tile alone may take one."""


class Follower:
    """The bar of a running batch; one unit is a picture, and tiles move it by fractions."""

    def __init__(self, bars: Progress, task: TaskID, total: int) -> None:
        self._bars = bars
        self._task = task
        self._total = total
        self._ended = 0
        self._show_number()

    def tile_done(self, done: int, total: int) -> None:
        """Move on within the picture at hand."""
        self._bars.update(self._task, completed=self._ended + done / total, tiles=f"tile {done} of {total}")

    def resume(self, done: int, total: int) -> None:
        """Begin within the picture at hand where an earlier run stopped; time left counts from here."""
        self._bars.reset(self._task, total=self._total)
        self._bars.update(self._task, completed=self._ended + done / total)

    def listener(self, note: Callable[[str], None]) -> GiantListener:
        """What is told of giant pictures, as parts of this bar; notes go elsewhere."""
        return GiantListener(tiles=self.tile_done, resumed=self.resume, note=note)

    def end_job(self) -> None:
        """Move on to the next picture, also where this one was skipped or failed."""
        self._ended += 1
        self._bars.update(self._task, completed=self._ended, tiles="")
        self._show_number()

    def _show_number(self) -> None:
        number = min(self._ended + 1, self._total)
        self._bars.update(self._task, description=f"picture {number:,} of {self._total:,}")


class Reporter:
    """Tells records as they come, and what failed at the end.

    Args:
        as_json: write one JSON record per line to standard output.
        is_verbose: tell settings, and where unforeseen errors arose.
        is_quiet: tell only what failed.
    """

    def __init__(self, *, as_json: bool, is_verbose: bool, is_quiet: bool = False) -> None:
        self.as_json = as_json
        self.is_verbose = is_verbose
        self._is_quiet = is_quiet
        self.screen = open_screen()
        self._failed: list[Record] = []
        self._kept_though_different = 0
        self._counts: Counter[str] = Counter()
        self._started = time.perf_counter()

    def start(self, upscaler: Upscaler, plan: JobPlan, *, is_automatic: bool) -> None:
        """Tell the settings, if asked to, and which inputs are left out."""
        if self.is_verbose:
            tile = f"at most {upscaler.tile}" if upscaler.tile != "auto" else "auto"
            engine, name = upscaler.engine, "weights by the picture" if is_automatic else upscaler.header.name
            self.screen.print(
                f"{name} in {engine.name} on {upscaler.device}, {engine.precisions[0]}, "
                f"tile {tile}, overlap {upscaler.overlap}, quality {upscaler.quality}; "
                f"{_plural(len(plan.jobs), 'picture')}"
            )
        if self._is_quiet:
            return
        for path in plan.left_out:
            self.screen.print(f"{path}: left out, it is the result of another input")
        if (passed_over := plan.passed_over_in_words()) is not None:
            self.screen.print(passed_over)

    @contextmanager
    def following(self, num_jobs: int) -> Iterator[Follower]:
        """A bar on a terminal while a batch runs, and warnings as lines of text."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[tiles]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        is_shown = self.screen.is_terminal and not self._is_quiet
        with (
            warnings.catch_warnings(),
            Progress(
                *columns,
                console=self.screen,
                transient=True,
                disable=not is_shown,
                speed_estimate_period=SPEED_PERIOD_SECONDS,
            ) as bars,
        ):
            warnings.simplefilter("default")
            warnings.showwarning = lambda message, *_: self.screen.print(f"warning: {message}")
            yield Follower(bars, bars.add_task("", total=num_jobs, tiles=""), num_jobs)

    def note(self, sentence: str) -> None:
        """Tell something at once."""
        if not self._is_quiet:
            self.screen.print(f"note: {sentence}")

    def tell(self, record: Record) -> None:
        """Tell what became of one picture."""
        self._counts[record.status] += 1
        if self.as_json:
            typer.echo(json.dumps(record.as_json()))
        if record.status == "failed" or not self._is_quiet:
            self.screen.print(_sentence(record))
            for note in () if self.as_json else record.notes:  # there they stand in the record
                self.screen.print(f"  note: {note}")
        if record.status == "skipped" and record.notes:
            self._kept_though_different += 1
        if record.status == "failed":
            self._failed.append(record)
        if record.traceback is not None and self.is_verbose:
            self.screen.print(record.traceback)

    def finish(self) -> bool:
        """Sum up, with all failures again, so that they do not scroll away; whether there were none."""
        if sum(self._counts.values()) > 1 and not self._is_quiet:
            counts = ", ".join(f"{self._counts[status]} {status}" for status in STATUSES if self._counts[status])
            self.screen.print(f"{counts} in {_duration(time.perf_counter() - self._started)}")
            for record in self._failed:
                self.screen.print(f"  {_sentence(record)}")
            if self._kept_though_different:
                results = _plural(self._kept_though_different, "result")
                self.screen.print(
                    f"  {results} kept that this command would now make differently; --overwrite makes them again"
                )
        return not self._failed

    def stop(self, total: int) -> None:
        """After Ctrl-C: what is done, and how to go on."""
        ready = self._counts["done"] + self._counts["skipped"]
        self.screen.print(
            f"stopped: {ready:,} of {_plural(total, 'picture')} ready; the same command goes on with the others"
        )


def _sentence(record: Record) -> str:
    source, target = _name(record.input), _name(record.output)
    sizes = f"{record.width}×{record.height} → {record.output_width}×{record.output_height}"
    match record.status:
        case "failed":
            return f"{source}: failed: {(record.error or '').removeprefix(f'{source} ').removeprefix(f'{source}: ')}"
        case "skipped":
            return f"{source}: skipped, {target} is there (--overwrite makes it again)"
        case "planned":
            memory, tiles = (record.memory_bytes or 0) / 2**20, _plural(record.tiles or 0, "tile")
            about = _duration(record.seconds or 0.0)
            return f"{source} → {target}: {sizes}, {tiles}, {memory:,.0f} MiB, about {about}"
        case "done":
            return f"{source} → {target}: {sizes} in {_duration(record.seconds or 0.0)}"


def _name(name: str) -> str:
    return "the pipe" if name == PIPE else name if "://" in name else str(Path(name))


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _duration(seconds: float) -> str:
    """A time for people: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
