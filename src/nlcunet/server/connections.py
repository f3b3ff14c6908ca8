"""Connections: only so many at a time, and only for those whose headers come."""

import asyncio
import json
import logging
import sys
from contextlib import suppress
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from nlcunet.server.logs import log

HEADER_SECONDS = 10.0
"""From the first byte of a request, or the begin of its connection, to the last byte of its headers."""

BACKLOG = 128
"""Connections that wait to be accepted, and that may be accepted in one go."""

FILES_FOR_EACH = 3
"""Open files of a connection: itself, the upload, and the form that it comes in."""

OTHER_FILES = 128
"""Of models, the queue, the work at hand."""


class LimitedConnection(H11Protocol):
    """One connection of a client, of ``most`` that there may be."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        most: int,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._most = most
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it where there are as many as there may be."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.write(_refusal(self._most))
            transport.close()
            return
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; while headers are not whole, their time runs."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_header()
        else:
            self._stop_waiting()

    def send_400_response(self, msg: str) -> None:
        """Tell of a request that is none, in the form of all other errors."""
        self.transport.write(_answer("400 Bad Request", "bad_request", msg))
        self.transport.close()

    def _await_header(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def connections_within(asked: int) -> int:
    """As many connections as are asked for, or as the open files that this process may have allow.

    Without room for one more file a server can accept no connection, and event loops tell so many thousand times.
    """
    if sys.platform == "win32":
        return asked
    import resource

    beside = OTHER_FILES + BACKLOG
    needed = beside + FILES_FOR_EACH * asked
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < needed:
        with suppress(OSError, ValueError):  # what may not be raised stays as it is
            most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return asked
    possible = max(1, (soft - beside) // FILES_FOR_EACH)
    log(
        "fewer connections than asked for", logging.WARNING, connections=possible, open_files=soft, raise_it="ulimit -n"
    )
    return possible


def _refusal(most: int) -> bytes:
    """The answer to a connection too many, before anything is read from it."""
    detail = f"at most {most} connections at a time: try again in a moment"
    return _answer("503 Service Unavailable\r\nRetry-After: 1", "too_many_connections", detail)


def _answer(status: str, code: str, detail: str) -> bytes:
    """An error where there is no request that an application could answer."""
    body = json.dumps({"error": code, "detail": detail}).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
