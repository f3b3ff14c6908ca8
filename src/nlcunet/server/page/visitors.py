"""Who sits before the page: an address, or the holder of an API key, known by a pass in a cookie."""

from fastapi import Request, Response

from nlcunet.server.keys import PASS_SECONDS, Passes
from nlcunet.server.refusals import RefusedError

COOKIE = "nlcunet-pass"


def find_visitor(request: Request, passes: Passes | None) -> str:
    """The owner of what is sent from here: ``page ADDRESS``, or with keys ``key NAME``.

    Addresses only share limits. They show nothing: without keys a job is known by its id alone, and only the browser
    that sent the picture has that.

    Raises:
        RefusedError: a key is needed, and there is none or an unknown one.
    """
    if passes is None:
        return f"page {request.client.host if request.client else 'unknown'}"
    owner = passes.owner(request.cookies.get(COOKIE, ""))
    if owner is None:
        raise RefusedError(401, "no_key", "an API key is needed: load the page again to give one")
    return f"key {owner}"


def remember_visitor(request: Request, response: Response, given: str) -> None:
    """Have the browser send a pass with every request to this server; no script can read it."""
    response.set_cookie(
        COOKIE,
        given,
        max_age=PASS_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path=_cookie_path(request),
    )


def forget_visitor(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", path=_cookie_path(request))


def _cookie_path(request: Request) -> str:
    """This server's paths alone: what else a proxy shows beside it is not to have the pass."""
    return f"{request.scope.get('root_path', '')}/"
