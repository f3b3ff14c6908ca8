"""The application: REST, the page, and the rules around both."""

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from nlcunet.server.api import make_api
from nlcunet.server.guards import LOOPBACK_HOSTS, Guard, refuse
from nlcunet.server.keys import Keys
from nlcunet.server.logs import log
from nlcunet.server.page import add_page
from nlcunet.server.proxies import BehindProxies
from nlcunet.server.reference import add_reference
from nlcunet.server.refusals import RefusedError, is_full, refuse_for_room
from nlcunet.server.service import Service
from nlcunet.server.settings import ServerSettings
from nlcunet.version import __version__

FORM_BYTES = 65_536
"""What a form takes around its picture."""


def make_app(settings: ServerSettings, *, host: str = "127.0.0.1") -> FastAPI:
    """The web application for a server that binds to ``host``; ``app.state.service`` works while the application runs.

    Raises:
        ConfigError: the folder cannot be used, or there are no keys in their file.
        WeightsError: a model on offer is not there.
    """
    keys = None if settings.keys_file is None else Keys(settings.keys_file)
    service = Service(settings)

    @asynccontextmanager
    async def live(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        log("started", models=list(service.pool.headers), folder=str(settings.folder))
        try:
            yield
        finally:
            await run_in_threadpool(service.stop)
            log("ended", waiting="kept for the next start")

    app = FastAPI(
        title="nlcunet",
        version=__version__,
        summary="Blind super-resolution of photographs.",
        lifespan=live,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.keys = service, keys
    app.include_router(make_api(service, keys))
    add_reference(app)
    _add_errors(app, service)
    if settings.has_page:
        add_page(app, service, keys)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "X-Api-Key", "Content-Type"],
            expose_headers=["Location", "Retry-After", "X-Request-Id", "Nlcunet-Job", "Nlcunet-Model"],
        )
    hosts = {*LOOPBACK_HOSTS, *settings.allowed_hosts} | ({host} if host not in {"0.0.0.0", "::"} else set())  # noqa: S104
    app.add_middleware(
        Guard,
        metrics=service.metrics,
        hosts=hosts,
        origins=settings.allowed_origins,
        max_bytes=settings.max_upload_bytes + FORM_BYTES,
        max_seconds=settings.max_upload_seconds,
    )
    app.add_middleware(BehindProxies, proxies=settings.proxies, root_path=settings.root_path)
    return app


def _add_errors(app: FastAPI, service: Service) -> None:
    """Answers to what goes wrong: a word and a sentence; no place in the code or on the disk."""

    @app.exception_handler(RefusedError)
    async def refused(_request: Request, refusal: RefusedError) -> Response:
        service.metrics.refusals.labels(refusal.code).inc()
        return refuse(refusal)

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> Response:
        status, told = error.status_code, str(error.detail)
        codes = {404: "not_found", 405: "wrong_method"}
        if status in codes:
            told = (
                f"this address does not take {request.method}: POST a picture to /v1/upscale; /docs lists all addresses"
            )
        return refuse(RefusedError(status, codes.get(status, "bad_request"), told))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return refuse(RefusedError(422, "not_possible", "; ".join(str(one["msg"]) for one in error.errors())))

    @app.exception_handler(sqlite3.Error)
    @app.exception_handler(OSError)
    async def disk(request: Request, error: Exception) -> Response:
        if not is_full(error):
            return await mistake(request, error)
        log("disk full", logging.ERROR, error=error)
        return await refused(request, refuse_for_room("this now: try again later"))

    @app.exception_handler(Exception)
    async def mistake(_request: Request, error: Exception) -> Response:
        log("mistake", logging.ERROR, error=error)
        return refuse(RefusedError(500, "mistake", "the server made a mistake; see its log"))
