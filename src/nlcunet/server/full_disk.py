"""A disk without room, whoever finds it: files, or SQLite, which has numbers of its own."""

import sqlite3

from nlcunet.files.atomic import is_disk_full
from nlcunet.server.refusals import RefusedError


def is_full(error: BaseException) -> bool:
    """Whether an error, or what it came from, says that the disk has no room left."""
    return is_disk_full(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def refuse_for_room(what: str) -> RefusedError:
    """The refusal of what the disk, or the quota, has no room for."""
    return RefusedError(503, "disk_full", f"there is no room on the disk for {what}", 60.0)
