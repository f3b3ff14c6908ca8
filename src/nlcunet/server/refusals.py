"""Why a server does not take or give something, with what HTTP calls it."""

import sqlite3

from nlcunet.errors import NlcunetError
from nlcunet.files.atomic import is_disk_full


class RefusedError(NlcunetError):
    """A request that is not served.

    Attributes:
        status: HTTP status.
        code: one word for programs.
        retry_after: seconds after which it may be served; nothing if never.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message.encode("utf-8", "replace").decode())  # forms can hold halves of characters
        self.status = status
        self.code = code
        self.retry_after = retry_after


def is_full(error: BaseException) -> bool:
    """Whether an error, or what it came from, says that the disk has no room left."""
    return is_disk_full(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def refuse_for_room(what: str) -> RefusedError:
    """The refusal of what the disk, or the quota, has no room for."""
    return RefusedError(503, "disk_full", f"there is no room on the disk for {what}", 60.0)
