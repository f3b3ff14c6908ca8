"""One request over HTTP: proxies, redirects, ranges, and what an answer or a failure means for the next attempt.

The standard library is enough here. A client such as httpx would be one more dependency for people who never download,
and resuming, retrying and checking would still have to be written on top.
"""

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nlcunet.errors import DataError
from nlcunet.version import __version__

USER_AGENT = f"nlcunet/{__version__}"
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class TryAgainError(DataError):
    """Something that may pass: a stalled or broken connection, a busy server.

    Attributes:
        wait_s: How long the server asked to wait; ``None`` if it did not.
    """

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class StartOverError(TryAgainError):
    """What is there of the file cannot be continued."""


class WrongAddressError(DataError):
    """This address will not give the file; another may."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """What a server says before it sends the file."""

    start: int
    """Position in the file of the first byte that it sends."""
    total_bytes: int | None
    """Length of the whole file, if told."""
    validator: str | None
    """What names this very version of the file: a strong ETag, or else the time of its last change."""
    body: http.client.HTTPResponse
    """To be read and closed."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to the web only, and never from HTTPS down to HTTP."""

    def redirect_request(  # noqa: PLR0917 - as urllib calls it
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Any:
        """The next request, as the standard library makes it."""
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in {"http", "https"} or (before == "https" and after == "http"):
            raise WrongAddressError(f"{req.full_url}: redirects to {newurl}, which is not as safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(
    url: str,
    *,
    start: int = 0,
    validator: str | None = None,
    silence_s: float = 30.0,
    proxies: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """Ask for a file, or for its rest.

    Args:
        url: ``http`` or ``https``.
        start: First byte that is wanted.
        validator: With it, a server whose file has changed sends the whole instead of the rest (``If-Range``).
        silence_s: Give up after so long without a connection or without a byte.
        proxies: By scheme; by default what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say.

    Raises:
        TryAgainError: It may work later.
        StartOverError: The rest cannot be had.
        WrongAddressError: It will not work at this address.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise WrongAddressError(f"{url}: the address must start with http:// or https://")
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})  # noqa: S310 - checked above
    if start:
        request.add_header("Range", f"bytes={start}-")
        if validator is not None:
            request.add_header("If-Range", validator)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(None if proxies is None else dict(proxies)), _SafeRedirects()
    )
    try:
        return _read_answer(url, start, opener.open(request, timeout=silence_s))
    except urllib.error.HTTPError as error:
        with error:
            raise _meaning_of_status(url, error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise meaning_of(url, error) from error


def _read_answer(url: str, start: int, body: http.client.HTTPResponse) -> HttpAnswer:
    """The head of an answer, checked; the body is closed if it will not do."""
    try:
        _check_kind(url, body)
        if body.status == http.client.PARTIAL_CONTENT:
            return HttpAnswer(
                start=start, total_bytes=_check_range(url, start, body), validator=_validator(body), body=body
            )
        length = body.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        return HttpAnswer(start=0, total_bytes=total, validator=_validator(body), body=body)
    except BaseException:
        body.close()
        raise


def _check_kind(url: str, body: http.client.HTTPResponse) -> None:
    """Refuse what is not the file itself."""
    if body.headers.get_content_type() == "text/html":
        raise WrongAddressError(f"{url}: sends a web page instead of the file (a login, or an error?)")
    if body.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise WrongAddressError(f"{url}: sends the file encoded as {body.headers['Content-Encoding']}")


def _check_range(url: str, start: int, body: http.client.HTTPResponse) -> int | None:
    """The length of the whole file, if told, when it is the wanted rest that comes."""
    found = _CONTENT_RANGE.fullmatch(body.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != start:
        raise StartOverError(f"{url}: sends another part than asked for")
    return None if found[3] == "*" else int(found[3])


def _validator(body: http.client.HTTPResponse) -> str | None:
    """A strong ETag or the last change; a weak ETag says too little to continue a file (RFC 9110, 13.1.5)."""
    etag = body.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else body.headers.get("Last-Modified")


def _meaning_of_status(url: str, error: urllib.error.HTTPError) -> DataError:
    """What a refusal means for the next attempt."""
    told = f"{url}: HTTP {error.code} {error.reason}".rstrip()
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        return StartOverError(told)
    if error.code in _TEMPORARY:
        wait = error.headers.get("Retry-After", "")
        return TryAgainError(told, float(wait) if wait.isdecimal() else None)
    return WrongAddressError(told)


def meaning_of(url: str, error: Exception) -> DataError:
    """What a failed connection means for the next attempt."""
    if isinstance(error, DataError):
        return error
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = "behind a proxy that inspects, SSL_CERT_FILE must name its certificates"
        return WrongAddressError(f"{url}: its certificate is not valid ({cause.verify_message}); {advice}")
    if isinstance(cause, TimeoutError):
        return TryAgainError(f"{url}: the connection stalled")
    if isinstance(cause, (OSError, http.client.HTTPException)):
        name = type(cause).__name__
        if name == "gaierror":
            return WrongAddressError(f"{url}: no such host is known, or there is no network")
        return TryAgainError(f"{url}: {str(cause) or name}")
    return WrongAddressError(f"{url}: {cause}")
