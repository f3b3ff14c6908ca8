"""What of Gradio can be reached from outside: the page, its scripts and styles. No uploads, no files, no calls.

All that Gradio does here happens in the browser, so its addresses for uploads, for files, for functions and for other
hosts' files are not needed, and nobody gets to them. The headers forbid the browser any request to another host.
"""

from importlib import resources
from urllib.parse import parse_qs

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nlcunet.server.guards import refuse
from nlcunet.server.keys import Passes
from nlcunet.server.page.visitors import find_visitor
from nlcunet.server.proxies import path_below_root
from nlcunet.server.refusals import RefusedError

OPEN_PATHS = frozenset({"/", "/theme.css", "/manifest.json"})
OPEN_FOLDERS = ("/assets/", "/static/")

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; "
        # Gradio's page has scripts in it, and makes functions of the code that its events carry
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' blob: data:; font-src 'self' data:; connect-src 'self'; manifest-src 'self'; frame-src 'self'; "
        "form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Gate:
    """Stands before Gradio's application.

    Args:
        app: Gradio's.
        passes: whoever has none is asked for a key instead.
    """

    def __init__(self, app: ASGIApp, passes: Passes | None) -> None:
        self._app, self._passes = app, passes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, ask for a key, or say that there is nothing."""
        if scope["type"] != "http":
            await refuse_socket(receive, send)
            return
        path = path_below_root(scope)
        is_open = path in OPEN_PATHS or (path.startswith(OPEN_FOLDERS) and ".." not in path)
        if not is_open or scope["method"] not in {"GET", "HEAD"}:
            await refuse(RefusedError(404, "not_found", "there is nothing here"))(scope, receive, send)
            return
        if path == "/":
            request = Request(scope)
            try:
                find_visitor(request, self._passes)
            except RefusedError:
                await key_form(is_wrong="wrong-key" in parse_qs(request.url.query, keep_blank_values=True))(
                    scope, receive, send
                )
                return
            scope = {**scope, "query_string": b""}  # Gradio would look for saved states that it names

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                headers.update(PAGE_HEADERS)
                if path == "/":
                    headers["Cache-Control"] = "no-store"
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, answer)


async def refuse_socket(receive: Receive, send: Send) -> None:
    """There are no web sockets here."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})


def key_form(*, is_wrong: bool) -> Response:
    """The page that asks for an API key; it works without scripts."""
    text = (resources.files("nlcunet.server.page") / "files" / "key.html").read_text(encoding="utf-8")
    text = text.replace("{hidden}", "" if is_wrong else "hidden")
    return Response(text, 401, {**PAGE_HEADERS, "Cache-Control": "no-store"}, media_type="text/html")
