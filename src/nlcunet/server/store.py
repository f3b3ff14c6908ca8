"""Jobs in SQLite: what has been accepted is done, whatever happens to the process.

A job is written before it is confirmed to its client, and its state changes in one transaction. When the process dies,
jobs that it was working on are queued again. One that was being worked on at three deaths is suspected to be their
cause: it is worked on alone, and given up if the process dies then, too.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic import ValidationError

from nlcunet.errors import NlcunetError
from nlcunet.imaging.formats import FORMATS
from nlcunet.server.database import open_database
from nlcunet.server.orders import Order, State

MOST_DEATHS = 3
"""A job that was at work at so many deaths of the process is suspected, and worked on alone."""

FORGET_SECONDS = 7 * 24 * 3600.0
"""How long a job is remembered after its files are gone."""

NEXT = """
SELECT * FROM jobs WHERE state = 'queued'
ORDER BY (SELECT COUNT(*) FROM jobs AS other WHERE other.owner = jobs.owner AND other.state = 'running'),
    (SELECT COALESCE(MAX(started), 0) FROM jobs AS other WHERE other.owner = jobs.owner), created, rowid
LIMIT 1
"""
"""Clients take turns: first those with least at work, of them who was served longest ago; of theirs the oldest job."""


UNREADABLE: dict[str, object] = {"order": Order(), "output_format": "png"}
"""What stands in a job for what this version does not know."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to enlarge, or enlarged. Times are seconds since 1970."""

    id: str
    owner: str
    """Who may see it."""
    request_id: str
    """Of the request that brought it, for the log."""
    name: str
    """The picture's name, as its client called it."""
    order: Order
    state: State = "queued"
    created: float
    started: float | None = None
    finished: float | None = None
    expires: float | None = None
    attempts: int = 0
    width: int
    height: int
    output_width: int
    output_height: int
    output_format: str
    network_pixels: int
    """Low-resolution pixels that the network will see."""
    bytes: int
    seconds: float | None = None
    model: str | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None


class UnreadableJobError(NlcunetError):
    """A job in the queue that this version cannot read."""

    def __init__(self, job: Job) -> None:
        super().__init__(
            "another version of the server accepted this picture, and this one cannot read it: send it again"
        )
        self.job = job


class JobStore:
    """The jobs of one server; may be used from any thread.

    Raises:
        ConfigError: it cannot be opened, or is no queue of this version.
    """

    def __init__(self, path: Path) -> None:
        self._guard = threading.RLock()
        self._database = open_database(path)

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # SQLite ends it by itself after some errors, a full disk for one
                    self._database.execute("ROLLBACK")
                raise

    def add(self, job: Job) -> None:
        """Accept a job; it is on the disk when this returns."""
        values = _to_row(job)
        names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" for _ in values)
        with self._transaction() as database:
            database.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608 - field names

    def take(self) -> Job | None:
        """The job whose turn it is, now running; nothing if none waits.

        Raises:
            UnreadableJobError: it is that job's turn, but this version cannot read it.
        """
        with self._transaction() as database:
            row = database.execute(NEXT).fetchone()
            if row is None:
                return None
            if not _is_readable(row):
                raise UnreadableJobError(_to_job(row))
            if not self._may_begin(row):
                return None
            database.execute(
                "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1 WHERE id = ?",
                (time.time(), row["id"]),
            )
            return _to_job(database.execute("SELECT * FROM jobs WHERE id = ?", (row["id"],)).fetchone())

    def _may_begin(self, row: sqlite3.Row) -> bool:
        """Whether the work at hand lets a job begin: a suspected one is worked on alone."""
        at_work = "SELECT COUNT(*), COALESCE(MAX(attempts), 0) FROM jobs WHERE state = 'running'"
        count, most_attempts = self._database.execute(at_work).fetchone()
        return bool(count == 0 or max(row["attempts"] + 1, most_attempts) <= MOST_DEATHS)

    def end(
        self,
        job_id: str,
        state: State,
        *,
        keep_seconds: float,
        size_bytes: int = 0,
        seconds: float | None = None,
        model: str | None = None,
        notes: tuple[str, ...] = (),
        error: str | None = None,
    ) -> bool:
        """Give a job its final state; whether it had none yet."""
        now = time.time()
        with self._transaction() as database:
            changed = database.execute(
                "UPDATE jobs SET state = ?, finished = ?, expires = ?, bytes = ?, seconds = ?, model = ?, notes = ?, "
                "error = ? WHERE id = ? AND state IN ('queued', 'running')",
                (state, now, now + keep_seconds, size_bytes, seconds, model, "\n".join(notes), error, job_id),
            )
            return changed.rowcount == 1

    def hand_back(self, job_id: str) -> None:
        """Queue a running job again, as if it had not been begun."""
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET state = 'queued', started = NULL, attempts = attempts - 1 "
                "WHERE id = ? AND state = 'running'",
                (job_id,),
            )

    def recover(self, keep_seconds: float) -> tuple[int, tuple[str, ...]]:
        """After the death of a process: queue again what it was working on.

        Returns:
            How many jobs are queued again, and the ids of those that are given up.
        """
        with self._transaction() as database:
            fatal = [
                row["id"]
                for row in database.execute(
                    "SELECT id FROM jobs WHERE state = 'running' AND attempts > ?", (MOST_DEATHS,)
                )
            ]
            for job_id in fatal:
                error = (
                    f"the server ended {MOST_DEATHS + 1} times while working on this picture, the last time on nothing "
                    "else; it is not tried again"
                )
                now = time.time()
                database.execute(
                    "UPDATE jobs SET state = 'failed', finished = ?, expires = ?, bytes = 0, error = ? WHERE id = ?",
                    (now, now + keep_seconds, error, job_id),
                )
            again = database.execute(
                "UPDATE jobs SET state = 'queued', started = NULL WHERE state = 'running'"
            ).rowcount
        return again, tuple(fatal)

    def find(self, job_id: str) -> Job | None:
        """The job of this id."""
        with self._guard:
            row = self._database.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else _to_job(row)

    def jobs_of(self, owner: str, limit: int = 100) -> list[Job]:
        """A client's jobs, newest first."""
        with self._guard:
            rows = self._database.execute(
                "SELECT * FROM jobs WHERE owner = ? ORDER BY created DESC, rowid DESC LIMIT ?", (owner, limit)
            ).fetchall()
        return [_to_job(row) for row in rows]

    def count(self, state: State, owner: str | None = None) -> int:
        """Jobs in a state, of one client or all."""
        return self._number(
            "SELECT COUNT(*) FROM jobs WHERE state = ? AND (? IS NULL OR owner = ?)", (state, owner, owner)
        )

    def bytes_used(self) -> int:
        """Disk space of all files of jobs."""
        return self._number("SELECT COALESCE(SUM(bytes), 0) FROM jobs", ())

    def pixels_before(self, job: Job | None = None) -> int:
        """Work that is running or waits, in pixels of the network; only what was accepted before a job."""
        created = time.time() if job is None else job.created
        return self._number(
            "SELECT COALESCE(SUM(network_pixels), 0) FROM jobs "
            "WHERE state = 'running' OR (state = 'queued' AND created <= ?)",
            (created,),
        )

    def expired(self, now: float) -> list[str]:
        """Jobs whose files shall go."""
        with self._guard:
            rows = self._database.execute(
                "SELECT id FROM jobs WHERE expires <= ? AND bytes > 0 ORDER BY expires", (now,)
            ).fetchall()
        return [row["id"] for row in rows]

    def add_bytes(self, job_id: str, size_bytes: int) -> None:
        """Note that a job's files take more."""
        with self._transaction() as database:
            database.execute("UPDATE jobs SET bytes = bytes + ? WHERE id = ?", (size_bytes, job_id))

    def files_gone(self, job_id: str) -> None:
        """Note that a job's files are removed."""
        with self._transaction() as database:
            database.execute("UPDATE jobs SET bytes = 0, expires = ? WHERE id = ?", (time.time(), job_id))

    def forget(self, now: float) -> None:
        """Remove jobs whose files went long ago."""
        with self._transaction() as database:
            database.execute("DELETE FROM jobs WHERE bytes = 0 AND expires <= ?", (now - FORGET_SECONDS,))

    def with_files(self) -> frozenset[str]:
        """All jobs that have files."""
        with self._guard:
            return frozenset(row["id"] for row in self._database.execute("SELECT id FROM jobs WHERE bytes > 0"))

    def _number(self, query: str, values: tuple[object, ...]) -> int:
        with self._guard:
            return int(self._database.execute(query, values).fetchone()[0])


def _to_row(job: Job) -> dict[str, object]:
    values = {field.name: getattr(job, field.name) for field in fields(job)}
    return values | {"order": job.order.model_dump_json(exclude_none=True), "notes": "\n".join(job.notes)}


def _is_readable(row: sqlite3.Row) -> bool:
    """Whether this version knows all that a job asks for; another may have written it."""
    try:
        Order.model_validate_json(row["order"])
    except ValidationError:
        return False
    return row["output_format"] in FORMATS


def _to_job(row: sqlite3.Row) -> Job:
    """A job; one that cannot be read has an empty order, so that it can be told and removed."""
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over values
    notes = tuple(line for line in (values["notes"] or "").split("\n") if line)
    readable = {"order": Order.model_validate_json(values["order"])} if _is_readable(row) else UNREADABLE
    return Job(**values | readable | {"notes": notes})
