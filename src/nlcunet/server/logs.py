"""One line of JSON for each thing that happens, with the request that it belongs to."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("nlcunet.server")

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request or the job that is worked on here."""

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        values: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if (request_id := REQUEST_ID.get()) is not None:
            values["request_id"] = request_id
        values |= {name: value for name, value in vars(record).items() if name not in STANDARD}
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, ensure_ascii=False, default=str)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send the server's lines and uvicorn's to standard error, and what is worth a warning of all other libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger().handlers = [handler]
    logging.captureWarnings(capture=True)
    for name in ("nlcunet.server", "uvicorn.error"):
        logging.getLogger(name).setLevel(level)
    for known in logging.Logger.manager.loggerDict.values():
        if isinstance(known, logging.Logger):
            known.handlers, known.propagate = [], True  # no library writes beside it in a form of its own


def log(event: str, level: int = logging.INFO, *, error: BaseException | None = None, **facts: object) -> None:
    """Note that something happened; ``error`` with the place where it arose."""
    LOGGER.log(level, event, exc_info=error, extra=facts)
