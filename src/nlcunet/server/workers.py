"""The work: takes jobs from the store, enlarges their pictures, and gives each its final state.

What is done with a picture is what ``nlcunet upscale`` does with a file, so the pixels are the same. Work ends between
two tiles when the job is cancelled, its time is up, or the server ends; then it goes back to the queue.
"""

import errno
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nlcunet.inference.batch import Record, run_jobs
from nlcunet.inference.jobs import FileJob
from nlcunet.inference.settings import BatchSettings
from nlcunet.server.folders import JobFolders
from nlcunet.server.logs import REQUEST_ID, log
from nlcunet.server.metrics import Metrics
from nlcunet.server.model_pool import ModelPool
from nlcunet.server.orders import State
from nlcunet.server.refusals import is_full
from nlcunet.server.settings import ServerSettings
from nlcunet.server.speed import Speed
from nlcunet.server.store import Job, JobStore, UnreadableJobError

MISTAKE = "the server made a mistake with this picture; see its log"
LONGEST_PAUSE_S = 5.0

PAUSE_AFTER_FAILURE_S = 5.0
"""Of a worker whose disk or queue has failed, before it goes on."""


Settled = TypeVar("Settled")


class _StopWork(BaseException):
    """Ends the work on a picture between two tiles; passes all that deals with errors of pictures."""


@dataclass
class RunningJob:
    """A job that is worked on."""

    job: Job
    deadline: float
    """On the clock of `time.monotonic`."""
    speed: Speed
    tiles_done: int = 0
    tiles: int = 0
    becomes: State | None = None
    """Set to end the work: cancelled, failed (its time is up), or queued again."""

    @property
    def progress(self) -> float:
        """Part of the tiles that are done, 0 to 1."""
        return self.tiles_done / self.tiles if self.tiles else 0.0

    def on_tile(self, done: int, tiles: int) -> None:
        """Note how far the work is, and end it if it shall end."""
        self.speed.add((done - self.tiles_done) / tiles * self.job.network_pixels)
        self.tiles_done, self.tiles = done, tiles
        if self.becomes is None and time.monotonic() > self.deadline:
            self.becomes = "failed"
        if self.becomes is not None and done < tiles:
            raise _StopWork


class Workers:
    """Threads that work on the jobs of a store; ``on_end`` is called with the id of each job that has ended."""

    def __init__(
        self,
        settings: ServerSettings,
        store: JobStore,
        folders: JobFolders,
        pool: ModelPool,
        *,
        metrics: Metrics,
        speed: Speed,
        on_end: Callable[[str], None],
    ) -> None:
        self._settings, self._store, self._folders, self._pool = settings, store, folders, pool
        self._metrics, self._speed, self._on_end = metrics, speed, on_end
        self._wake = threading.Condition()
        self._is_ending = False
        self._threads = [
            threading.Thread(target=self._work, name=f"work-{number}", daemon=True)
            for number in range(settings.jobs_at_once)
        ]
        self.running: dict[str, RunningJob] = {}
        self._troubles: dict[str, str] = {}

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There is a new job."""
        with self._wake:
            self._wake.notify()

    def are_alive(self) -> bool:
        """Whether all of them are there."""
        return all(thread.is_alive() for thread in self._threads)

    def troubles(self) -> frozenset[str]:
        """Why workers pause now, if some do."""
        return frozenset(self._troubles.copy().values())

    def end(self) -> None:
        """Begin no more jobs."""
        with self._wake:
            self._is_ending = True
            self._wake.notify_all()

    def stop(self, grace_seconds: float) -> None:
        """End; jobs at work may finish within the grace time, then they are queued again."""
        self.end()
        deadline = time.monotonic() + grace_seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        for running in list(self.running.values()):
            running.becomes = running.becomes or "queued"
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def cancel(self, job_id: str) -> bool:
        """End the work on a job with the tile at hand; whether it is worked on."""
        running = self.running.get(job_id)
        if running is not None:
            running.becomes = "cancelled"
        return running is not None

    def end_job(
        self, job: Job, state: State, size_bytes: int = 0, *, record: Record | None = None, error: str | None = None
    ) -> bool:
        """Give a job its final state, count it and tell the log; whether it had none yet."""
        seconds = None if record is None else record.seconds
        has_ended = self._store.end(
            job.id,
            state,
            keep_seconds=self._settings.keep_seconds,
            size_bytes=size_bytes,
            seconds=seconds,
            model=None if record is None else record.model,
            notes=() if record is None else record.notes,
            error=error,
        )
        if has_ended:
            self._metrics.jobs.labels(state).inc()
            log(state, job=job.id, seconds=seconds, result_bytes=size_bytes, reason=error)
        return has_ended

    def _work(self) -> None:
        """What each thread does: one job after the other, whatever happens to one of them."""
        while not self._is_ending:
            try:
                if (job := self._next()) is not None:
                    self._work_on(job)
            except Exception as error:  # noqa: BLE001 - a worker must live on; the log has it all
                self._rest(error)

    def _rest(self, error: Exception) -> None:
        """Tell why no work can be done now, and pause."""
        me = threading.current_thread().name
        self._troubles[me] = "disk full" if is_full(error) else "work fails"
        log("a worker pauses", logging.ERROR, error=error, reason=self._troubles[me])
        with self._wake:
            self._wake.wait_for(lambda: self._is_ending, PAUSE_AFTER_FAILURE_S)
        del self._troubles[me]

    def _work_on(self, job: Job) -> None:
        """Give one job its final state, or back to the queue if the disk is full."""
        REQUEST_ID.set(job.request_id)
        deadline = time.monotonic() + self._settings.max_job_seconds
        running = self.running[job.id] = RunningJob(job, deadline, self._speed)
        try:
            with self._speed.working():
                self._do(job, running)
        except sqlite3.Error:
            raise  # the queue's fault, not the picture's
        except Exception as error:
            if is_full(error):
                running.becomes = running.becomes or "queued"
                self._stopped(job, running.becomes)
                raise
            log("failed unexpectedly", logging.ERROR, error=error, job=job.id)
            self._fail(job, MISTAKE)
        finally:
            del self.running[job.id]
            if running.becomes != "queued":
                self._on_end(job.id)
            self.wake()  # a job may have waited for this one to end
            REQUEST_ID.set(None)

    def _next(self) -> Job | None:
        """The next job, waited for; nothing at the end."""
        with self._wake:
            while not self._is_ending:
                try:
                    if (job := self._store.take()) is not None:
                        return job
                except UnreadableJobError as unreadable:
                    self._fail(unreadable.job, str(unreadable))
                    self._on_end(unreadable.job.id)
                    continue
                self._wake.wait(LONGEST_PAUSE_S)
        return None

    def _settle(self, write: Callable[[], Settled]) -> Settled:
        """Write down what became of a job: again and again, for as long as the queue cannot be written.

        Raises:
            sqlite3.Error: it cannot be written, and the server ends; the next start goes on with the job.
        """
        while True:
            try:
                return write()
            except sqlite3.Error as error:
                if self._is_ending:
                    raise
                self._rest(error)

    def _fail(self, job: Job, reason: str) -> None:
        self._settle(lambda: self.end_job(job, "failed", error=reason))
        self._folders.remove(job.id)

    def _do(self, job: Job, running: RunningJob) -> None:
        """Enlarge a job's picture, and give it its final state."""
        try:
            record = self._enlarge(job, running)
        except _StopWork:
            self._stopped(job, running.becomes)
            return
        if record.is_disk_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if record.status in {"done", "skipped"}:  # skipped: an earlier process had written the result
            self._folders.remove_input(job.id)
            size_bytes = self._folders.size_bytes(job.id)
            is_wanted = self._settle(lambda: self.end_job(job, "done", size_bytes, record=record))
            if not is_wanted:  # cancelled just before the work began
                self._folders.remove(job.id)
                return
            self._metrics.job_seconds.observe(record.seconds or 0.0)
            self._metrics.pixels_in.inc(job.width * job.height)
            self._metrics.pixels_out.inc(job.output_width * job.output_height)
            return
        if record.traceback is not None:
            log("failed unexpectedly", logging.ERROR, job=job.id, traceback=record.traceback)
        told = self._folders.without_paths(record.error or "", job.id, job.name)
        self._fail(job, told if record.traceback is None else MISTAKE)

    def _enlarge(self, job: Job, running: RunningJob) -> Record:
        order = job.order
        settings = BatchSettings(
            request=order.size(),
            quality=order.file_quality,
            strip_metadata=order.strip_metadata,
            max_pixels=self._settings.max_pixels,
        )
        work = FileJob(
            source=self._folders.input(job.id),
            target=self._folders.result(job.id, job.output_format),
            file_format=job.output_format,
        )
        with self._pool.upscaler(order) as upscaler:
            (record,) = run_jobs([work], upscaler, settings, progress=running.on_tile)
        return record

    def _stopped(self, job: Job, state: State | None) -> None:
        if state == "queued":
            self._settle(lambda: self._store.hand_back(job.id))
            log("handed back", job=job.id)
            return
        if state == "cancelled":
            self._settle(lambda: self.end_job(job, "cancelled"))
            self._folders.remove(job.id)
            return
        limit = self._settings.max_job_seconds
        self._fail(job, f"the work on a picture must take at most {limit:g} s here; ask for less")
