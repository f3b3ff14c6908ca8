"""The page at ``/``, beside REST: who may come in, and who is asked for a key first."""

from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from nlcunet.server.keys import Keys, Passes, read_secret
from nlcunet.server.page.routes import give_icon, make_routes
from nlcunet.server.page.shell import PAGE_HEADERS, find_facts, render_key_form, render_page
from nlcunet.server.page.visitors import find_visitor
from nlcunet.server.refusals import RefusedError
from nlcunet.server.service import Service


def add_page(app: FastAPI, service: Service, keys: Keys | None) -> None:
    """Add the page to an application that has REST already; without keys everybody is let in.

    Raises:
        ConfigError: the server's folder cannot be written.
    """
    passes = None if keys is None else Passes(keys, read_secret(service.settings.folder / "secret"))
    page = render_page(find_facts(service, asks_for_key=keys is not None))

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def enter(request: Request) -> HTMLResponse:
        try:
            find_visitor(request, passes)
        except RefusedError:
            is_wrong = "wrong-key" in parse_qs(request.url.query, keep_blank_values=True)
            return HTMLResponse(render_key_form(is_wrong=is_wrong), 401, PAGE_HEADERS)
        return HTMLResponse(page, headers=PAGE_HEADERS)

    app.get("/favicon.ico", include_in_schema=False)(give_icon)  # browsers ask for it before they have seen the page
    app.include_router(make_routes(service, passes))
