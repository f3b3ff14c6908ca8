"""A server behind others: whose word about clients is taken, and below which path the world sees it."""

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from nlcunet.errors import ConfigError

FORWARDED = (b"forwarded", b"x-forwarded-", b"x-real-ip")
"""How the names of headers begin that speak for a proxy."""

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_WITH_PORT = re.compile(r"\[(?P<six>[^\]]+)\](:\d+)?|(?P<four>[\d.]+):\d+")


def read_root_path(text: str) -> str:
    """A path prefix as it stands before every address: ``/sr``; nothing for none.

    Raises:
        ConfigError: it is no path.
    """
    path = f"/{text.strip('/')}".rstrip("/")
    if not _PATH.fullmatch(path):
        raise ConfigError(f"--root-path must be a path such as /sr, of letters, digits and . _ ~ -: got {text!r}")
    return path


def read_networks(proxies: Iterable[str]) -> tuple[str, ...]:
    """Addresses of proxies, checked.

    Raises:
        ConfigError: one is neither an address nor a network.
    """
    for proxy in proxies:
        try:
            ip_network(proxy, strict=False)
        except ValueError as error:
            raise ConfigError(
                f"--proxy must be an address or a network such as 10.0.0.0/8: got {proxy!r}; names are not looked up"
            ) from error
    return tuple(proxies)


class BehindProxies:
    """Wraps the whole application: clients are who the known proxies say, and nobody else is believed.

    Args:
        app: what answers.
        proxies: addresses and networks of the proxies that are known.
        root_path: what the world puts before every path; proxies may pass it on or leave it out.
    """

    def __init__(self, app: ASGIApp, *, proxies: Iterable[str], root_path: str) -> None:
        self._app = app
        self._networks = tuple(ip_network(proxy, strict=False) for proxy in proxies)
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] in {"http", "websocket"}:
            scope = self._below_root(self._from_client(scope))
        await self._app(scope, receive, send)

    def _from_client(self, scope: Scope) -> Scope:
        """A request as its client sent it to the first known proxy; without what proxies have added."""
        told = [(name, value.decode("latin-1")) for name, value in scope["headers"] if name.startswith(FORWARDED)]
        if not told:
            return scope
        headers = [(name, value) for name, value in scope["headers"] if not name.startswith(FORWARDED)]
        scope = {**scope, "headers": headers, "state": dict(scope.get("state", {}))}
        peer = scope.get("client")
        if peer is None or not self._is_known(peer[0]):
            scope["state"]["has_unknown_proxy"] = True
            return scope
        lines = [value for name, value in told if name == b"x-forwarded-for"]
        hops = [_address(hop) for hop in ",".join(lines).split(",") if hop.strip()]
        senders = [hop for hop in hops if not self._is_known(hop)] or hops[:1] or [peer[0]]
        schemes = [value.strip().lower() for name, value in told if name == b"x-forwarded-proto"]
        scheme = schemes[-1] if schemes and schemes[-1] in {"http", "https"} else scope["scheme"]
        return {**scope, "client": (senders[-1], 0), "scheme": scheme}

    def _is_known(self, address: str) -> bool:
        try:
            number = ip_address(address)
        except ValueError:
            return False
        number = getattr(number, "ipv4_mapped", None) or number
        return any(number in network for network in self._networks)

    def _below_root(self, scope: Scope) -> Scope:
        """A request with the whole path."""
        root = self._root_path
        if not root:
            return scope
        scope = {**scope, "root_path": root}
        if scope["path"] == root or scope["path"].startswith(f"{root}/"):
            return scope
        raw_path = scope.get("raw_path")
        raw = {} if raw_path is None else {"raw_path": root.encode() + raw_path}
        return {**scope, **raw, "path": root + scope["path"]}


def has_unknown_proxy(connection: HTTPConnection) -> bool:
    """Whether a request speaks of a proxy that is not known, so that nobody can tell whose it is."""
    return bool(getattr(connection.state, "has_unknown_proxy", False))


def _address(hop: str) -> str:
    """An address without the port that some proxies add."""
    hop = hop.strip()
    found = _WITH_PORT.fullmatch(hop)
    return hop[:64] if found is None else found["six"] or found["four"]
