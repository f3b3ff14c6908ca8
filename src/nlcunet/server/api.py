"""REST: a picture in, a picture out; or a job, to be asked for later."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from nlcunet.models.weights import WeightsHeader
from nlcunet.server.facts import JobFacts
from nlcunet.server.guards import API_HEADERS
from nlcunet.server.intake import CURL, READERS, announced_bytes, refuse_text
from nlcunet.server.keys import Keys
from nlcunet.server.orders import FINAL, Order
from nlcunet.server.proxies import has_unknown_proxy
from nlcunet.server.refusals import RefusedError
from nlcunet.server.schema import BINARY, LONGEST_WAIT_S, order_parameters, problems_of, upscale_body
from nlcunet.server.service import Service
from nlcunet.server.store import Job

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 64


class ModelFacts(BaseModel):
    """A model on offer."""

    name: str
    scale: int
    parameters: int
    licence: str
    degradation: str | None = Field(description="Blur that it undoes.")
    is_default: bool
    scores: dict[str, dict[str, float]]


class Health(BaseModel):
    """Whether a server can work."""

    status: str
    problems: tuple[str, ...] = ()


def make_api(service: Service, keys: Keys | None) -> APIRouter:
    """All addresses below ``/v1``, and those for machines that watch the server."""
    router = APIRouter()

    def find_owner(request: Request) -> str:
        return _owner(request, keys)

    client = Annotated[str, Depends(find_owner)]
    add_upscale(router, service, client)
    add_jobs(router, service, client, has_keys=keys is not None)
    add_watching(router, service)

    @router.get("/v1/models", summary="Models on offer", tags=["models"], responses=problems_of(401))
    def list_models(_owner: client) -> list[ModelFacts]:
        """All models, with the scores that their headers state."""
        return [_model_facts(header, service.pool.default_model) for header in service.pool.headers.values()]

    return router


def add_upscale(router: APIRouter, service: Service, client: Any) -> None:
    """``POST /v1/upscale``."""
    takers = CapacityLimiter(READERS)  # who waits for a header takes no thread from other answers

    @router.post(
        "/v1/upscale",
        summary="Enlarge a picture",
        tags=["upscale"],
        response_model=None,
        openapi_extra={"requestBody": upscale_body(), "parameters": order_parameters()},
        responses={
            200: {"description": "The enlarged picture.", "content": {"image/*": {"schema": BINARY}}},
            202: {"description": "It takes longer: a job to ask for.", "model": JobFacts},
            **problems_of(400, 401, 403, 408, 409, 413, 415, 421, 422, 429, 503),
        },
    )
    async def upscale(request: Request, owner: client) -> Response:
        """Send a picture as a form's `file`, or as the whole body, and get it back enlarged.

        When it is not ready after `wait` seconds, the answer is 202 with a job: ask at `links.self`, fetch the picture
        at `links.result`. With `wait=0` the answer is always a job. When the client goes while it waits, the work is
        cancelled. What was answered with 202 is done even if the server is restarted meanwhile.
        """
        with service.receiving() as (job_id, path):
            needed = announced_bytes(request.headers, service.settings.max_upload_bytes)
            await run_in_threadpool(service.reserve, job_id, owner, needed)
            name, fields = await _receive(request, path)
            wait = _wait_of(fields.pop("wait", None), service.settings.wait_seconds)
            order = read_order(fields)
            submit = partial(service.submit, job_id, name=name, order=order, owner=owner)
            job = await to_thread.run_sync(partial(submit, request_id=request.state.request_id), limiter=takers)
        if wait > 0:
            await _wait_for(request, service, job, wait)
            job = await run_in_threadpool(service.find, job.id)
        if job.state == "failed":
            raise RefusedError(422, "failed", job.error or "it failed")
        if job.state == "cancelled":
            raise RefusedError(409, "cancelled", "the job was cancelled")
        return answer_picture(service, job) if job.state == "done" else _accepted(service, job)


def add_jobs(router: APIRouter, service: Service, client: Any, *, has_keys: bool) -> None:
    """``/v1/jobs``."""

    async def find(job_id: str, owner: str) -> Job:
        return await run_in_threadpool(service.find, job_id, owner if has_keys else None)

    @router.get("/v1/jobs", summary="Your latest jobs", tags=["jobs"], responses=problems_of(401, 403))
    def list_jobs(request: Request, owner: client) -> list[JobFacts]:
        """At most 100, newest first; without API keys those sent from your address."""
        if not has_keys and has_unknown_proxy(request):
            raise RefusedError(
                403, "unknown_proxy", "jobs behind a proxy can only be listed if the server was started with --proxy"
            )
        return [_linked(service, job) for job in service.jobs_of(owner)]

    @router.get("/v1/jobs/{job_id}", summary="How a job is doing", tags=["jobs"], responses=problems_of(401, 404))
    async def tell_job(job_id: str, owner: client) -> JobFacts:
        return _linked(service, await find(job_id, owner))

    @router.get(
        "/v1/jobs/{job_id}/result",
        summary="The enlarged picture",
        tags=["jobs"],
        response_class=FileResponse,
        responses={
            200: {"description": "The picture.", "content": {"image/*": {"schema": BINARY}}},
            **problems_of(401, 404, 409, 410),
        },
    )
    async def give_result(job_id: str, owner: client) -> Response:
        return answer_picture(service, await find(job_id, owner))

    @router.delete(
        "/v1/jobs/{job_id}",
        summary="Cancel a job, or delete its result",
        tags=["jobs"],
        responses=problems_of(401, 404),
    )
    async def discard(job_id: str, owner: client) -> JobFacts:
        """Work that has begun ends with the tile at hand; until then the job is still `running`."""
        job = await find(job_id, owner)
        await run_in_threadpool(service.discard, job)
        return _linked(service, await find(job_id, owner))


def add_watching(router: APIRouter, service: Service) -> None:
    """What machines ask that watch a server; without a key, and without anything about pictures."""

    @router.get(
        "/healthz",
        summary="Do all parts of the process live?",
        tags=["watching"],
        responses={503: {"description": "It must be started anew.", "model": Health}},
    )
    async def health(response: Response) -> Health:
        problems = service.dead_parts()
        response.status_code = 503 if problems else 200
        return Health(status="broken" if problems else "ok", problems=problems)

    @router.get(
        "/readyz",
        summary="Can it take a picture now?",
        tags=["watching"],
        responses={503: {"description": "Not now.", "model": Health}},
    )
    def ready(response: Response) -> Health:
        problems = service.problems()
        response.status_code = 503 if problems else 200
        return Health(status="not ready" if problems else "ready", problems=problems)

    @router.get("/metrics", summary="Counters for Prometheus", tags=["watching"], response_class=PlainTextResponse)
    def metrics() -> Response:
        return PlainTextResponse(service.measure(), media_type="text/plain; version=0.0.4")


def _owner(request: Request, keys: Keys | None) -> str:
    """Who sends a request: the name of its key; without keys, its address."""
    if keys is None:
        return f"address {request.client.host if request.client else 'unknown'}"
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    owner = keys.owner(key) if key else None
    if owner is None:
        raise RefusedError(401, "no_key", "an API key is needed: Authorization: Bearer KEY")
    return f"key {owner}"


async def _receive(request: Request, path: Path) -> tuple[str, dict[str, Any]]:
    """Save the picture of a request; its name, and the fields of the order, of form and query."""
    fields: dict[str, Any] = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        await save_body(request.stream(), path)
        if not path.stat().st_size:  # whatever its kind is called: curl and urllib call every body a form
            raise RefusedError(422, "no_picture", "send a picture as the field 'file' of a form, or as the whole body")
        with path.open("rb") as file:
            refuse_text(file.read(HEAD_BYTES))
        return fields.pop("name", "picture"), fields
    try:
        return await _receive_form(request, path, fields)
    except HTTPException as error:  # the form's own limits
        told = f"{str(error.detail).rstrip('.')}; send one picture as a file, not as text: curl does it with {CURL}"
        raise RefusedError(400, "bad_request", told) from error
    except UnicodeError as error:
        raise RefusedError(
            400, "bad_request", "a form must be in UTF-8: it could not be read in its charset"
        ) from error


async def _receive_form(request: Request, path: Path, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The same for a form, whose fields go before those of the query."""
    async with request.form(max_files=1, max_fields=32, max_part_size=4096) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise RefusedError(
                422,
                "no_picture",
                f"the form must have a file in its field 'file', not text such as base64: curl sends it with {CURL}",
            )
        fields |= {key: value for key, value in form.multi_items() if key != "file"}
        await save_body(_chunks(upload), path)
        return upload.filename or "picture", fields


async def _chunks(upload: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await upload.read(CHUNK_BYTES):
        yield chunk


async def save_body(chunks: AsyncIterator[bytes], path: Path) -> None:
    """Write what comes to a file."""
    async with await anyio.open_file(path, "wb") as file:
        async for chunk in chunks:
            await file.write(chunk)


def _wait_of(value: Any, default: float) -> float:
    """How long a client is ready to wait."""
    if value is None:
        return default
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT_S:
        raise RefusedError(
            422, "not_possible", f"wait must be 0 to {LONGEST_WAIT_S:g} seconds: got {str(value)[:40]!r}"
        )
    return seconds


def read_order(fields: Mapping[str, Any]) -> Order:
    """The order in the fields of a form or a query; empty ones are left out.

    Raises:
        RefusedError: it is not possible.
    """
    given = {name: value for name, value in fields.items() if value != ""}
    try:
        return Order.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'order'}: {one['msg']}" for one in error.errors()
        )
        raise RefusedError(422, "not_possible", problems[:500]) from error


async def _wait_for(request: Request, service: Service, job: Job, seconds: float) -> None:
    """Return when a job has ended or the time is over; a client that goes takes its job with it."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_end() -> None:
        loop.call_soon_threadsafe(ended.set)

    await run_in_threadpool(service.watch, job.id, on_end)
    deadline = loop.time() + seconds
    while not ended.is_set() and (left := deadline - loop.time()) > 0:
        try:
            await asyncio.wait_for(ended.wait(), min(left, 0.5))
        except TimeoutError:
            if await request.is_disconnected():
                await run_in_threadpool(service.discard, job)
                return


def answer_picture(service: Service, job: Job) -> FileResponse:
    """The result of a job."""
    path = service.result(job)
    stem = job.name.rpartition(".")[0] or job.name
    name = f"{stem}{path.suffix}"
    headers = {
        **API_HEADERS,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Nlcunet-Job": job.id,
        "Nlcunet-Model": job.model or "",
        "Nlcunet-Seconds": f"{job.seconds or 0.0:.3f}",
    }
    return FileResponse(path, media_type=f"image/{job.output_format}", headers=headers)


def _accepted(service: Service, job: Job) -> JSONResponse:
    """A job instead of a picture."""
    facts = _linked(service, job)
    after = max(1, min(60, round(facts.seconds_left or 1.0)))
    headers = {**API_HEADERS, "Location": facts.links["self"], "Retry-After": str(after)}
    return JSONResponse(facts.model_dump(mode="json"), 202, headers)


def _linked(service: Service, job: Job) -> JobFacts:
    """Facts with the addresses of job and result."""
    address = f"{service.settings.root_path}/v1/jobs/{job.id}"
    links = {"self": address}
    if job.state not in FINAL or job.state == "done":
        links["result"] = f"{address}/result"
    return service.facts(job).model_copy(update={"links": links})


def _model_facts(header: WeightsHeader, default: str) -> ModelFacts:
    return ModelFacts(
        name=header.name,
        scale=header.scale,
        parameters=header.parameters,
        licence=header.licence,
        degradation=header.degradation or None,
        is_default=header.name == default,
        scores={name: dict(values) for name, values in header.scores.items()},
    )
