"""The file of the queue: opened by one server, of a version that it knows, whole, and readable by nobody else."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from nlcunet.errors import ConfigError
from nlcunet.files.atomic import set_permissions

VERSION = 1
"""Of the tables; kept in the file as ``user_version``. Files of 0 were made before versions were counted."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, request_id TEXT NOT NULL, name TEXT NOT NULL, "order" TEXT NOT NULL,
    state TEXT NOT NULL, created REAL NOT NULL, started REAL, finished REAL, expires REAL, attempts INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, output_width INTEGER NOT NULL, output_height INTEGER NOT NULL,
    output_format TEXT NOT NULL, network_pixels INTEGER NOT NULL, bytes INTEGER NOT NULL,
    seconds REAL, model TEXT, notes TEXT, error TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, created);
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, state, started);
"""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def open_database(path: Path) -> sqlite3.Connection:
    """The database of a server's jobs; its file is made if it is not there.

    Raises:
        ConfigError: another server uses it, it is damaged, of another version, or cannot be opened.
    """
    try:
        _keep_private(path)
        database = sqlite3.connect(path, timeout=1.0, check_same_thread=False, isolation_level=None)
        try:
            _prepare(database, path)
        except BaseException:
            database.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(f"{path} must be {_remedy(error)}") from error
    return database


def _keep_private(path: Path) -> None:
    """A file that only this user reads; SQLite gives the files beside it the same permissions."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for each in (path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))):
        set_permissions(each, 0o600)


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    """Take the database for this process, look at it, and make its tables."""
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA locking_mode = EXCLUSIVE")  # a folder serves one server
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise ConfigError(f"{path} must be {_whole(found)}")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if not _is_known(database, version):
        raise ConfigError(
            f"{path} must be a queue of version {VERSION}: got version {version}, or tables of something else; "
            "serve it with the nlcunet that made it, or choose another --folder"
        )
    database.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")


def _is_known(database: sqlite3.Connection, version: int) -> bool:
    """Whether the tables are those of this version, or there are none yet."""
    tables = {row["name"] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        return version == 0
    return version in {0, VERSION} and tables == {"jobs"} and _columns(database) == _columns_of_schema()


def _columns(database: sqlite3.Connection) -> list[str]:
    return [row[1] for row in database.execute("PRAGMA table_info(jobs)")]


def _columns_of_schema() -> list[str]:
    example = sqlite3.connect(":memory:")
    try:
        example.executescript(SCHEMA)
        return _columns(example)
    finally:
        example.close()


def _remedy(error: Exception) -> str:
    """What a database must be, why it is not, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest tells where it happened
    if code in _BUSY:
        return f"a queue that no other server uses: {error}; end that server, or choose another --folder"
    if code in _DAMAGED:
        return _whole(str(error))
    return f"a file that can be written: {error}; make room, set its permissions, or choose another --folder"


def _whole(problem: str) -> str:
    reason = " ".join(problem.split())[:200]
    return f"a whole queue: got a damaged file ({reason}); move it away to begin with none, or choose another --folder"
