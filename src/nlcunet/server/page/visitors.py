"""Who sits before the page: an address, or the holder of an API key that a cookie remembers."""

from fastapi import Request, Response

from nlcunet.server.keys import Keys
from nlcunet.server.refusals import RefusedError

COOKIE = "nlcunet-key"
COOKIE_SECONDS = 365 * 24 * 3600


def find_visitor(request: Request, keys: Keys | None) -> str:
    """The owner of what is sent from here: ``page ADDRESS``, or with keys ``key NAME``.

    Addresses only share limits. They show nothing: without keys a job is known by its id alone, and only the browser
    that sent the picture has that.

    Raises:
        RefusedError: a key is needed, and there is none or an unknown one.
    """
    if keys is None:
        return f"page {request.client.host if request.client else 'unknown'}"
    owner = keys.owner(request.cookies.get(COOKIE, ""))
    if owner is None:
        raise RefusedError(401, "no_key", "an API key is needed: load the page again to give one")
    return f"key {owner}"


def remember_key(request: Request, response: Response, key: str) -> None:
    """Have the browser send a key with every request to this server; no script can read it."""
    response.set_cookie(
        COOKIE,
        key,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path=_cookie_path(request),
    )


def forget_key(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", path=_cookie_path(request))


def _cookie_path(request: Request) -> str:
    """This server's paths alone: what else a proxy shows beside it is not to have the key."""
    return f"{request.scope.get('root_path', '')}/"
