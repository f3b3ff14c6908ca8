"""What holds for every request, before anything looks at it: hosts, origins, size, time, an id, a line in the log."""

import re
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nlcunet.server.logs import REQUEST_ID, log
from nlcunet.server.metrics import Metrics
from nlcunet.server.refusals import RefusedError

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
QUIET_ROUTES = frozenset(
    {"/healthz", "/readyz", "/metrics", "/page/jobs", "/page/jobs/{job_id}/{side}/{level}/{column}/{row}"}
)
"""Asked every few seconds, by machines and by the page; counted, but not logged."""

_WORDS = {416: ("wrong_range", "the range must lie within the file")}
"""What errors are called that a library tells by their number alone."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

API_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard:
    """Wraps the whole application.

    Args:
        app: what answers.
        metrics: where requests are counted.
        hosts: names by which the server may be called, ports aside; ``*`` for any.
        origins: web sites beside the server's own whose pages may send requests.
        max_bytes: of a request's body.
        max_seconds: from the first to the last byte of it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        hosts: Iterable[str],
        origins: Iterable[str],
        max_bytes: int,
        max_seconds: float,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts, self._origins = frozenset(hosts), frozenset(origins)
        self._max_bytes, self._max_seconds = max_bytes, max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        asked = headers.get("x-request-id", "")
        request_id = asked if _REQUEST_ID.fullmatch(asked) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        REQUEST_ID.set(request_id)
        start, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        told = _errors_in_json(answer)

        try:
            refusal = self._refuse(scope, headers)
            if refusal is not None:
                self._metrics.refusals.labels(refusal.code).inc()
                await refuse(refusal)(scope, receive, told)
            else:
                await self._app(scope, self._limited(receive, headers), told)
        except ClientDisconnect:
            status = 499  # nginx' word for a client that has gone; nobody reads an answer
        finally:
            self._count(scope, status, time.perf_counter() - start)

    def _refuse(self, scope: Scope, headers: dict[str, str]) -> RefusedError | None:
        """Why a request is not even looked at, if so."""
        host = headers.get("host", "")
        if "*" not in self._hosts and _without_port(host) not in self._hosts:
            return RefusedError(421, "wrong_host", "this server does not answer to that name: see --allow-host")
        origin = headers.get("origin")
        is_own = origin is None or origin in self._origins or origin.lower() == f"{scope['scheme']}://{host}".lower()
        if scope["method"] not in READING_METHODS and not is_own:
            return RefusedError(
                403,
                "wrong_origin",
                "pages of other web sites may not use this server: see --allow-origin, and --proxy behind HTTPS",
            )
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_bytes:
            return RefusedError(
                413, "too_large", f"a request must have at most {self._max_bytes:,} bytes: got {length}"
            )
        return None

    def _limited(self, receive: Receive, headers: dict[str, str]) -> Receive:
        """The body, as long as it keeps to its limits."""
        if headers.get("content-length") == "0" or not ({"content-length", "transfer-encoding"} & headers.keys()):
            return receive
        received, deadline, is_whole = 0, anyio.current_time() + self._max_seconds, False

        async def receive_limited() -> Message:
            nonlocal received, is_whole
            if is_whole:
                return await receive()
            with anyio.CancelScope(deadline=deadline):
                message = await receive()
                if message["type"] == "http.request":
                    received += len(message.get("body", b""))
                    is_whole = not message.get("more_body", False)
                    if received > self._max_bytes:
                        raise RefusedError(413, "too_large", f"a request must have at most {self._max_bytes:,} bytes")
                return message
            raise RefusedError(408, "too_slow", f"a request must arrive within {self._max_seconds:g} s")

        return receive_limited

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count and log an answer; by route, as paths with ids in them would be without number."""
        route: Any = scope.get("route")
        path = getattr(route, "path", None) or "other"
        self._metrics.requests.labels(scope["method"] if scope["method"].isalpha() else "other", path, status).inc()
        self._metrics.request_seconds.labels(path).observe(seconds)
        if path not in QUIET_ROUTES:
            log("answered", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4))


def refuse(refusal: RefusedError) -> JSONResponse:
    """The answer to a request that is not served."""
    headers = dict(API_HEADERS)
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(max(1, min(3600, round(refusal.retry_after))))
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": refusal.code, "detail": str(refusal)}, refusal.status, headers)


def _errors_in_json(send: Send) -> Send:
    """Errors that a library tells in plain text, such as those of ranges, in the form of all others."""
    held: Message | None = None
    text = bytearray()

    async def send_in_json(message: Message) -> None:
        nonlocal held
        if message["type"] == "http.response.start" and message["status"] >= 400:
            headers = {name.lower(): value for name, value in message["headers"]}
            if headers.get(b"content-type", b"").startswith(b"text/plain"):
                held = message
                return
        if held is None:
            await send(message)
            return
        text.extend(message.get("body", b""))
        if message.get("more_body", False):
            return
        status = held["status"]
        code, detail = _WORDS.get(status, ("bad_request", HTTPStatus(status).phrase.lower()))
        answer = refuse(RefusedError(status, code, text.decode("utf-8", "replace") or detail))
        kept = [pair for pair in held["headers"] if pair[0].lower() not in {b"content-type", b"content-length"}]
        own = [pair for pair in answer.raw_headers if pair[0] not in {name.lower() for name, _ in kept}]
        await send({**held, "headers": [*kept, *own]})
        await send({"type": "http.response.body", "body": answer.body})

    return send_in_json


def _without_port(host: str) -> str:
    with suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""
