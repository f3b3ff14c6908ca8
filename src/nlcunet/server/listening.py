"""An address, taken before anything is promised."""

import socket

from nlcunet.errors import ConfigError


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
