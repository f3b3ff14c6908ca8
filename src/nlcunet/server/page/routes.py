"""The addresses behind the page: pictures in, how they are doing, tiles to look at, results out.

They are for the page alone, may change with it, and are in no schema; programs use REST. Both lead to one queue.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePath
from typing import Annotated, Any
from urllib.parse import parse_qs, quote

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from nlcunet.errors import ImageError, ImageWriteError
from nlcunet.imaging.formats import FORMATS, sniff_format
from nlcunet.inference.jobs import suffix_for
from nlcunet.server.api import answer_picture, read_order, save_body
from nlcunet.server.facts import JobFacts
from nlcunet.server.guards import API_HEADERS
from nlcunet.server.intake import READERS, announced_bytes
from nlcunet.server.keys import Keys, Passes, read_secret
from nlcunet.server.page.readings import Trait, find_traits
from nlcunet.server.page.shell import FILES, PAGE_HEADERS, find_facts, render_key_form, render_page
from nlcunet.server.page.views import Side, View, find_thumbnail, make_tile, make_view
from nlcunet.server.page.visitors import find_visitor, forget_visitor, remember_visitor
from nlcunet.server.page.zips import Zip, ZipMember, unique_names
from nlcunet.server.refusals import RefusedError, is_full, refuse_for_room
from nlcunet.server.service import A_VIEW, Service
from nlcunet.server.store import Job

MOST_JOBS = 200
"""That are asked about, or packed, at a time."""

SMALL_BYTES = 65_536
"""Of all requests but those with a picture."""

MAKERS = 2
"""Views that are made at a time."""

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
CHECKED = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

JobIds = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=MOST_JOBS)]


class Question(BaseModel):
    """Jobs that a browser remembers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ids: JobIds


class JobsAnswer(BaseModel):
    """Those of them that there are, and whether one more picture would be taken now."""

    jobs: list[JobFacts]
    time: datetime
    refusal: str | None = None
    retry_after: float | None = None


class _SmallRoute(APIRoute):
    """An address to which nothing large is sent: bodies are read as a whole before anything looks at them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The same, for requests that tell a small length."""
        handle = super().get_route_handler()

        async def handle_small(request: Request) -> Response:
            length = request.headers.get("content-length", "")
            if request.method == "POST" and not (length.isdecimal() and int(length) <= SMALL_BYTES):
                raise RefusedError(413, "too_large", f"this request must have at most {SMALL_BYTES:,} bytes")
            return await handle(request)

        return handle_small


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


def make_routes(service: Service, passes: Passes | None) -> APIRouter:
    """All addresses below ``/page``."""
    router = APIRouter(prefix="/page", include_in_schema=False, route_class=_SmallRoute)

    def find_owner(request: Request) -> str:
        return find_visitor(request, passes)

    def find_job(job_id: str, owner: Annotated[str, Depends(find_owner)]) -> Job:
        return service.find(job_id, None if passes is None else owner)

    visitor, found = Annotated[str, Depends(find_owner)], Annotated[Job, Depends(find_job)]
    _add_jobs(router, service, visitor, found, has_keys=passes is not None)
    _add_views(router, service, found)
    _add_files(router)
    if passes is not None:
        _add_key(router, passes)
    both = APIRouter()
    both.include_router(router)
    both.include_router(_make_reception(service, visitor))
    return both


def _make_reception(service: Service, visitor: Any) -> APIRouter:
    router = APIRouter(prefix="/page", include_in_schema=False)
    takers = CapacityLimiter(READERS)  # as in REST

    @router.post("/pictures", status_code=202)
    async def receive(request: Request, owner: visitor) -> JobFacts:
        fields: dict[str, Any] = dict(request.query_params)
        name, order = fields.pop("name", "picture"), read_order(fields)
        with service.receiving() as (job_id, path):
            needed = announced_bytes(request.headers, service.settings.max_upload_bytes)
            await run_in_threadpool(service.reserve, job_id, owner, needed)
            await save_body(request.stream(), path)
            submit = partial(service.submit, job_id, name=name, order=order, owner=owner, keeps_input=True)
            job = await to_thread.run_sync(partial(submit, request_id=request.state.request_id), limiter=takers)
        return service.facts(job)

    return router


def _add_jobs(router: APIRouter, service: Service, visitor: Any, found: Any, *, has_keys: bool) -> None:

    @router.post("/look", status_code=204)
    async def look(request: Request, _owner: visitor) -> None:
        """Refuse a file by its first bytes, before all of it is sent."""
        try:
            sniff_format(await request.body())
        except ImageError as error:
            raise RefusedError(415, "not_a_picture", str(error)) from error

    @router.post("/jobs")
    def tell(question: Question, owner: visitor) -> JobsAnswer:
        jobs = _find_all(service, question.ids, owner if has_keys else None)
        answer = JobsAnswer(jobs=[service.facts(job) for job in jobs], time=datetime.now(UTC))
        try:
            service.check_room(owner)
        except RefusedError as refusal:
            return answer.model_copy(update={"refusal": str(refusal), "retry_after": refusal.retry_after})
        return answer

    @router.delete("/jobs/{job_id}")
    def discard(job: found) -> None:
        service.discard(job)

    @router.get("/jobs/{job_id}/result")
    def give_result(job: found) -> FileResponse:
        answer = answer_picture(service, job)
        answer.headers["Content-Disposition"] = _attachment(result_name(job))
        return answer

    @router.post("/zip")
    def give_all(ids: Annotated[JobIds, Form()], owner: visitor) -> StreamingResponse:
        jobs = _find_all(service, ids, owner if has_keys else None)
        packed = _pack(service, jobs)
        headers = {**API_HEADERS, "Content-Disposition": _attachment("nlcunet.zip")}
        headers["Content-Length"] = str(packed.length)
        return StreamingResponse(_send(packed), media_type="application/zip", headers=headers)


def _add_views(router: APIRouter, service: Service, found: Any) -> None:
    makers = CapacityLimiter(MAKERS)  # who waits for a view takes no thread from others

    @router.get("/jobs/{job_id}/thumbnail")
    async def give_thumbnail(job: found) -> FileResponse:
        with _told():
            path = await to_thread.run_sync(find_thumbnail, service, job, limiter=makers)
        return FileResponse(path, media_type="image/jpeg", headers=FOREVER)

    @router.get("/jobs/{job_id}/view")
    async def tell_view(job: found) -> View:
        with _told():
            return await to_thread.run_sync(make_view, service, job, limiter=makers)

    @router.get("/jobs/{job_id}/reading")
    async def tell_reading(job: found) -> tuple[Trait, ...]:
        with _told():
            return await to_thread.run_sync(find_traits, service, job, limiter=makers)

    @router.get("/jobs/{job_id}/{side}/{level}/{column}/{row}")
    def give_tile(job: found, side: Side, level: int, column: int, row: int) -> Response:
        with _told():
            return Response(
                make_tile(service, job, side, (level, column, row)), headers=FOREVER, media_type="image/jpeg"
            )


def _add_files(router: APIRouter) -> None:
    files = {file.name: file.read_bytes() for file in FILES.iterdir() if PurePath(file.name).suffix in KINDS}

    @router.get("/files/{name}")
    def give_file(name: str) -> Response:
        if name not in files:
            raise RefusedError(404, "not_found", "there is nothing here")
        return Response(files[name], headers=CHECKED, media_type=KINDS[PurePath(name).suffix])


def give_icon() -> Response:
    """The icon of the page."""
    return Response((FILES / "icon.svg").read_bytes(), headers=CHECKED, media_type="image/svg+xml")


def _add_key(router: APIRouter, passes: Passes) -> None:
    """The form that asks for a key sends it here."""

    @router.post("/key")
    def enter(request: Request, key: Annotated[str, Form(max_length=200)] = "") -> Response:
        given = passes.exchange(key.strip())
        if given is None:
            return RedirectResponse("../?wrong-key", 303)
        response = RedirectResponse("../", 303)
        remember_visitor(request, response, given)
        return response

    @router.post("/leave")
    def leave(request: Request) -> Response:
        response = RedirectResponse("../", 303)
        forget_visitor(request, response)
        return response


def result_name(job: Job) -> str:
    """What a result is called, as ``nlcunet upscale`` calls one that lies beside its picture."""
    scale = max(1, round(job.output_width / job.width))
    stem = job.name.rpartition(".")[0] or job.name
    return f"{stem}{suffix_for(job.order.size(), scale)}{FORMATS[job.output_format].suffixes[0]}"


def _find_all(service: Service, ids: Sequence[str], owner: str | None) -> list[Job]:
    """Those jobs that there are, each once."""
    jobs = []
    for job_id in dict.fromkeys(ids):
        try:
            jobs.append(service.find(job_id, owner))
        except RefusedError:
            continue
    return jobs


def _pack(service: Service, jobs: Sequence[Job]) -> Zip:
    """A ZIP of all results that there are."""
    paths, names = [], []
    for job in jobs:
        try:
            paths.append(service.result(job))
        except RefusedError:
            continue
        names.append(result_name(job))
    if not paths:
        raise RefusedError(410, "expired", "there are no results to pack: they have been deleted")
    try:
        return Zip([ZipMember(name, path) for name, path in zip(unique_names(names), paths, strict=True)])
    except OSError as error:
        raise RefusedError(410, "expired", "a result has just been deleted: try again") from error


async def _send(packed: Zip) -> AsyncIterator[bytes]:
    try:
        async for chunk in iterate_in_threadpool(packed.chunks()):
            yield chunk
    finally:
        packed.close()


@contextmanager
def _told() -> Iterator[None]:
    """An error with a picture becomes a refusal."""
    try:
        yield
    except ImageWriteError as error:
        if is_full(error):
            raise refuse_for_room(A_VIEW) from error
        raise RefusedError(410, "expired", "the picture has been deleted: send it again") from error
    except ImageError as error:
        raise RefusedError(404, "no_view", str(error)) from error


def _attachment(name: str) -> str:
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
