"""The queue and the results: accepts pictures, has them enlarged, keeps what came out for a while.

REST and the web page are two doors to this one object; it knows nothing of HTTP but the numbers in refusals.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nlcunet.errors import ConfigError, ImageTooLargeError, NlcunetError
from nlcunet.imaging.files import PictureHeader, writable_formats
from nlcunet.imaging.formats import FORMATS
from nlcunet.inference.planning import Work
from nlcunet.server.facts import JobFacts, facts_of
from nlcunet.server.folders import JobFolders
from nlcunet.server.intake import Arrivals, HeaderReader, clean_name, largest_file, refusal_of
from nlcunet.server.logs import log
from nlcunet.server.metrics import Metrics
from nlcunet.server.model_pool import ModelPool
from nlcunet.server.orders import FINAL, Order
from nlcunet.server.refusals import RefusedError, is_full, refuse_for_room
from nlcunet.server.settings import ServerSettings
from nlcunet.server.speed import Speed
from nlcunet.server.store import Job, JobStore
from nlcunet.server.watchers import Callback, Watchers
from nlcunet.server.workers import Workers

CLEANING_SECONDS = 20.0
"""Between two looks at what has expired."""

A_VIEW = "a view of this picture"
"""What a full disk has no room for, in the words of a refusal."""


class Service:
    """All that a server does but for HTTP.

    Raises:
        ConfigError: its folder cannot be used, or another server uses it.
        WeightsError: a model on offer is not there.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.pool = ModelPool(settings, self.metrics.count_batch)
        self.is_ending = False
        self._folders = JobFolders(settings.folder)
        self._store = JobStore(settings.folder / "jobs.sqlite")
        self._speed = Speed()
        self._watchers = Watchers()
        self._headers, self._arrivals = HeaderReader(), Arrivals()
        self._workers = Workers(
            settings,
            self._store,
            self._folders,
            self.pool,
            metrics=self.metrics,
            speed=self._speed,
            on_end=self._watchers.call,
        )
        self._accepting, self._making = threading.Lock(), threading.Lock()
        self._ended = threading.Event()
        self._cleaner = threading.Thread(target=self._clean, name="clean", daemon=True)
        self.metrics.disk_quota_bytes.set(settings.quota_bytes)

    def start(self) -> None:
        """Go on with what was accepted before, and begin to work."""
        again, fatal = self._store.recover(self.settings.keep_seconds)
        if again or fatal:
            log("recovered", queued_again=again, given_up=list(fatal))
        self._folders.remove_strangers(self._store.with_files())
        self._workers.start()
        self._cleaner.start()

    def end_accepting(self) -> None:
        """Take and begin no more jobs; whoever waits for one is told to ask later. Takes no time."""
        self.is_ending = True
        self._watchers.call_all()

    def stop(self) -> None:
        """End: what is being worked on may finish within the grace time, else it is queued again."""
        self.end_accepting()
        self._ended.set()
        self._workers.stop(self.settings.grace_seconds)
        if self._cleaner.ident is not None:
            self._cleaner.join()
        self._headers.close()
        self.pool.close()
        self._store.close()

    # accepting

    @contextmanager
    def receiving(self) -> Iterator[tuple[str, Path]]:
        """A new job's id, and a file to receive its picture in, which is gone afterwards unless it was submitted."""
        job_id = secrets.token_urlsafe(16)
        try:
            yield job_id, self._folders.incoming(job_id)
        finally:
            self._folders.refuse(job_id)
            self._arrivals.forget(job_id)

    def reserve(self, job_id: str, owner: str, needed_bytes: int) -> None:
        """Keep room on the disk for a picture that is about to be received, until it is submitted or gone.

        Raises:
            RefusedError: there is none, or what ``check_room`` refuses.
        """
        with self._accepting:
            self.check_room(owner, needed_bytes)
            self._arrivals.expect(job_id, owner, needed_bytes)

    def check_room(self, owner: str, needed_bytes: int = 0) -> None:
        """Refuse early what would be refused in the end.

        Raises:
            RefusedError: the server is ending, the queue or the disk is full, or this client has many jobs waiting.
        """
        limits = self.settings
        if self.is_ending:
            raise RefusedError(503, "ending", "the server is ending: try again in a minute", 60.0)
        if (own := self._store.count("queued", owner) + self._arrivals.count(owner)) >= limits.max_waiting_per_client:
            most = limits.max_waiting_per_client
            raise RefusedError(429, "too_many_jobs", f"at most {most} of your pictures may wait", self._next_turn(own))
        if (waiting := self._store.count("queued")) >= limits.max_waiting:
            message = f"at most {limits.max_waiting} pictures may wait: the queue is full"
            raise RefusedError(503, "queue_full", message, self._next_turn(waiting))
        is_over_quota = self.bytes_used() + needed_bytes >= limits.quota_bytes
        if is_over_quota or self._folders.free_bytes() <= needed_bytes:
            raise refuse_for_room("this result: ask for less, delete results, or wait")

    def bytes_used(self) -> int:
        """Disk space of uploads and results, of uploads under way, too."""
        return self._store.bytes_used() + self._arrivals.total_bytes()

    def _next_turn(self, waiting: int) -> float:
        """About how long until one of those that wait is begun."""
        return self._speed.seconds(self._store.pixels_before()) / max(1, waiting)

    def submit(
        self, job_id: str, *, name: str, order: Order, owner: str, request_id: str, keeps_input: bool = False
    ) -> Job:
        """Accept the picture that was received; from now on it will be enlarged, whatever happens.

        Raises:
            RefusedError: it is no picture, too large, not possible as ordered, or there is no room.
        """
        path, name = self._folders.incoming(job_id), clean_name(name)
        try:
            header = self._headers.read(path)
            file_format = order.format or (header.format if header.format in writable_formats() else "png")
            work = self._plan(header, order, file_format)
        except NlcunetError as error:
            raise refusal_of(error, str(error).replace(str(path), name).replace(path.name, name)) from error
        job = Job(
            id=job_id,
            owner=owner,
            request_id=request_id,
            name=name,
            order=order,
            created=time.time(),
            width=header.width,
            height=header.height,
            output_width=work.width,
            output_height=work.height,
            output_format=file_format,
            network_pixels=work.network_pixels * (2 if header.has_alpha else 1),
            bytes=path.stat().st_size + largest_file(header, work),
        )
        with self._accepting:
            self._arrivals.forget(job_id)
            self.check_room(owner, job.bytes)
            try:
                self._folders.accept(job_id, keeps_input=keeps_input)
                self._store.add(job)
            except BaseException:
                self._folders.remove(job_id)
                raise
        self.metrics.accepted.inc()
        log("accepted", job=job_id, width=job.width, height=job.height, format=header.format)
        self._workers.wake()
        return job

    def _plan(self, header: PictureHeader, order: Order, file_format: str) -> Work:
        """The work that an order means."""
        limits = self.settings
        if header.width * header.height > limits.max_pixels:
            raise ImageTooLargeError(
                f"a picture must have at most {limits.max_pixels:,} pixels here: got {header.width}×{header.height}"
            )
        with self.pool.upscaler(order) as upscaler:
            work = upscaler.for_size(order.size()).plan(header.height, header.width, order.size())
        if work.width * work.height > limits.max_output_pixels:
            raise ImageTooLargeError(
                f"a result must have at most {limits.max_output_pixels:,} pixels here: it would have "
                f"{work.width}×{work.height}; ask for less"
            )
        longest = FORMATS[file_format].max_side_px
        if max(work.width, work.height) > longest:
            raise ConfigError(
                f"a side of a {file_format} picture must be at most {longest} pixels: the result would be "
                f"{work.width}×{work.height}; ask for less, or for another format"
            )
        return work

    # asking

    def find(self, job_id: str, owner: str | None = None) -> Job:
        """A job, if it is this client's, or anybody's where no client is named.

        Raises:
            RefusedError: there is none.
        """
        job = self._store.find(job_id)
        if job is None or (owner is not None and job.owner != owner):
            raise RefusedError(404, "no_such_job", "there is no such job")
        return job

    def jobs_of(self, owner: str) -> list[Job]:
        """A client's latest jobs, newest first, at most 100."""
        return self._store.jobs_of(owner)

    def facts(self, job: Job) -> JobFacts:
        """What its client may know of a job."""
        running = self._workers.running.get(job.id)
        progress = 0.0 if running is None else running.progress
        left = None
        if job.state not in FINAL:
            before = self._store.pixels_before(job) - progress * job.network_pixels
            left = max(0.0, self._speed.seconds(before))
        return facts_of(
            job,
            progress=1.0 if job.state == "done" else progress,
            seconds_left=left,
            tiles=(running.tiles_done, running.tiles) if running is not None and running.tiles else None,
        )

    def result(self, job: Job) -> Path:
        """The file of a finished job.

        Raises:
            RefusedError: it is not finished, failed, or its result has expired.
        """
        if job.state not in FINAL:
            left = self.facts(job).seconds_left or 1.0
            raise RefusedError(409, "not_ready", f"the picture is not ready: the job is {job.state}", left)
        if job.state != "done":
            raise RefusedError(409, "no_result", f"there is no picture: {job.error or 'the job was cancelled'}")
        path = self._folders.result(job.id, job.output_format)
        if not path.is_file():
            raise RefusedError(410, "expired", "the result has been deleted: send the picture again")
        return path

    def picture(self, job: Job) -> Path:
        """The file that came in, as long as it is kept.

        Raises:
            RefusedError: it is not there any more.
        """
        path = self._folders.input(job.id)
        if not path.is_file():
            raise RefusedError(410, "expired", "the picture has been deleted: send it again")
        return path

    def aside(self, job: Job, name: str, make: Callable[[Path], None]) -> Path:
        """A file made from a job's picture or result when first asked for, one at a time; it goes when they go.

        Raises:
            RefusedError: there is no room on the disk, or the job's files are gone.
        """
        path = self._folders.aside(job.id, name)
        if path.is_file():
            return path
        with self._making:
            try:
                if not path.is_file():
                    self._make(job, path, make)
            except OSError as error:
                if is_full(error):
                    raise refuse_for_room(A_VIEW) from error
                raise RefusedError(410, "expired", "the picture has been deleted: send it again") from error
        return path

    def _make(self, job: Job, path: Path, make: Callable[[Path], None]) -> None:
        """Write a file whole or not at all, and count it."""
        if self.bytes_used() >= self.settings.quota_bytes:
            raise refuse_for_room(A_VIEW)
        part = path.with_name(f"{path.name}.part")
        try:
            make(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._store.add_bytes(job.id, path.stat().st_size)

    def watch(self, job_id: str, callback: Callback) -> None:
        """Call once when a job has ended, from any thread; at once if it has, or if the server ends."""
        self._watchers.add(job_id, callback)
        job = self._store.find(job_id)
        if job is None or job.state in FINAL or self.is_ending:
            self._watchers.call(job_id)

    def discard(self, job: Job) -> None:
        """Cancel a job, or delete the files of one that has ended."""
        if self._workers.cancel(job.id):
            return
        if self._workers.end_job(job, "cancelled"):
            self._watchers.call(job.id)
        self._folders.remove(job.id)
        self._store.files_gone(job.id)

    def problems(self) -> tuple[str, ...]:
        """Why the server cannot take a job now; nothing if it can."""
        found = {
            "ending": self.is_ending,
            "disk full": not self._folders.free_bytes(),
            "disk quota used up": self.bytes_used() >= self.settings.quota_bytes,
            "queue full": self._store.count("queued") >= self.settings.max_waiting,
        }
        told = dict.fromkeys((*self.dead_parts(), *sorted(self._workers.troubles())))
        return tuple(told | {problem: None for problem, is_so in found.items() if is_so})

    def dead_parts(self) -> tuple[str, ...]:
        """What of the server has ended although it should not have; only a new start helps then."""
        found = {"a worker has ended": self._workers.are_alive(), "the cleaner has ended": self._cleaner.is_alive()}
        return () if self.is_ending else tuple(problem for problem, is_alive in found.items() if not is_alive)

    def measure(self) -> bytes:
        """Metrics, up to date, as Prometheus wants them."""
        self.metrics.waiting.set(self._store.count("queued"))
        self.metrics.running.set(len(self._workers.running))
        self.metrics.disk_bytes.set(self.bytes_used())
        return self.metrics.text()

    def remove_expired(self) -> None:
        """Remove the files of jobs whose time is over, and forget jobs whose files went long ago."""
        now = time.time()
        for job_id in self._store.expired(now):
            self._folders.remove(job_id)
            self._store.files_gone(job_id)
        self._store.forget(now)

    def _clean(self) -> None:
        while not self._ended.wait(CLEANING_SECONDS):
            try:
                self.remove_expired()
            except Exception as error:  # noqa: BLE001 - the next look may do it; the log has it all
                log("cleaning failed", logging.ERROR, error=error)
