"""The server as a process: an address, signals, and an end that loses nothing."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from nlcunet.errors import ConfigError
from nlcunet.server.connections import BACKLOG, LimitedConnection, connections_within
from nlcunet.server.service import Service

KEEP_ALIVE_S = 15


class _Server(uvicorn.Server):
    """Tells the service of a signal at once, so that nobody is kept waiting for a picture until the end."""

    def __init__(self, config: uvicorn.Config, service: Service, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._on_listening = service, on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            self._on_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end."""
        self._service.end_accepting()
        super().handle_exit(sig, frame)


def run_server(app: FastAPI, listener: socket.socket, on_listening: Callable[[], None] = lambda: None) -> None:
    """Answer requests until a signal; then finish the work at hand or hand it back, and return."""
    service: Service = app.state.service
    connection = partial(LimitedConnection, most=connections_within(service.settings.max_connections))
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", connection),  # it is called as a class is
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the application knows its proxies
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(service.settings.grace_seconds) + 5,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=65_536,
    )
    _Server(config, service, on_listening).run(sockets=[listener])


def bind(host: str, port: int) -> socket.socket:
    """Listen at an address of this machine; port 0 takes any that is free.

    Raises:
        ConfigError: it is not this machine's, or in use.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"a server needs a free port of this machine: got {host}:{port}: {reason}; "
            "choose another --port, or 0 for any"
        ) from error
    # asyncio turns Nagle's algorithm off, which holds short answers back, only for sockets that name their protocol
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())
