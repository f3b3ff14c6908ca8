"""The study as a web page and a few addresses behind it. Nothing that is sent tells which system made a picture."""

import socket
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from nlcunet.errors import NlcunetError
from nlcunet.experiments.study.answers import Choice
from nlcunet.experiments.study.design import Crop, Study
from nlcunet.experiments.study.desk import Desk
from nlcunet.experiments.study.folder import PICTURES, study_id
from nlcunet.experiments.study.sessions import Trial, count_trials

LARGEST_REQUEST_BYTES = 10_000

PAGE_FILES = {"/": "index.html", "/study.css": "study.css", "/study.js": "study.js"}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The page loads nothing from elsewhere, and tells nobody where it is."""


class Joining(BaseModel):
    """Somebody who agrees to take part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    invitation: str | None = Field(default=None, max_length=64)


def make_app(folder: Path, study: Study, desk: Desk) -> FastAPI:
    """The web application of a study."""
    app = FastAPI(title=study.title, docs_url=None, redoc_url=None, openapi_url=None)
    _add_rules(app)
    _add_files(app, folder, study)
    about = {
        "study": study_id(folder),
        "title": study.title,
        "consent": study.consent,
        "question": study.question,
        "trials": count_trials(study),
        "is_open": desk.invited is None,
    }

    @app.get("/api/study")
    def tell_study() -> dict[str, Any]:
        return about

    @app.post("/api/participants", status_code=201)
    def join(joining: Joining) -> dict[str, Any]:
        participant = desk.join(joining.invitation)
        if participant is None:
            raise HTTPException(403, "this study is for invited participants: open the link of your invitation")
        return {"participant": participant, **_describe(desk, participant)}

    @app.get("/api/participants/{participant}")
    def tell_state(participant: str) -> dict[str, Any]:
        if not desk.is_known(participant):
            raise HTTPException(404, "there is no such participant")
        return _describe(desk, participant)

    @app.post("/api/answers", status_code=201)
    def answer(choice: Choice, response: Response) -> dict[str, Any]:
        reception = desk.receive(choice)
        if reception == "no such participant":
            raise HTTPException(404, "there is no such participant")
        if reception == "too early":
            raise HTTPException(409, f"trial {choice.trial} is not the one at hand")
        if reception == "known":
            response.status_code = 200
        return _describe(desk, choice.participant)

    return app


def _add_rules(app: FastAPI) -> None:
    """What holds for every answer of the server."""

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        length = request.headers.get("content-length", "0")
        if request.method == "POST" and not (length.isdigit() and 0 < int(length) <= LARGEST_REQUEST_BYTES):
            response: Response = JSONResponse({"detail": "a request must be short, and tell its length"}, 413)
        else:
            response = await call_next(request)
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.exception_handler(NlcunetError)
    def fail(_request: Request, error: NlcunetError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503)


def _add_files(app: FastAPI, folder: Path, study: Study) -> None:
    """The page, and the pictures of the study and no other file."""
    page = resources.files("nlcunet.experiments.study") / "page"
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
    for address, name in PAGE_FILES.items():
        content = (page / name).read_bytes()

        app.get(address)(_make_giver(content, kinds[Path(name).suffix]))
    known = study.files()

    @app.get("/pictures/{name}")
    def give_picture(name: Annotated[str, Field(max_length=80)]) -> FileResponse:
        if name not in known:
            raise HTTPException(404, "there is no such picture")
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return FileResponse(folder / PICTURES / name, media_type="image/png", headers=headers)


def _make_giver(content: bytes, media_type: str) -> Callable[[], Response]:
    """What answers with a file of the page."""

    def give() -> Response:
        return Response(content, media_type=media_type)

    return give


def _describe(desk: Desk, participant: str) -> dict[str, Any]:
    """Where somebody stands: how far, the trial at hand, and the one after it to be loaded ahead."""
    done, session = desk.count_answered(participant), desk.session(participant)
    shown = [_show(desk.study, session[number], number) for number in range(done, min(done + 2, len(session)))]
    return {
        "done": done,
        "total": len(session),
        "trial": shown[0] if shown else None,
        "next": shown[1] if len(shown) > 1 else None,
    }


def _show(study: Study, trial: Trial, number: int) -> dict[str, Any]:
    """What a participant gets to know of a trial; never its kind or its systems."""
    crop = study.crops[trial.crop]
    return {
        "trial": number,
        "left": f"/pictures/{trial.left_file}",
        "right": f"/pictures/{trial.right_file}",
        "width": crop.width,
        "height": crop.height,
        "references": _references(crop),
    }


def _references(crop: Crop) -> list[dict[str, Any]]:
    """What is shown above the two pictures."""
    shown = []
    if crop.low_res is not None:
        shown.append({"label": "Input", "picture": f"/pictures/{crop.low_res}"})
    if crop.original is not None:
        shown.append({"label": "Original", "picture": f"/pictures/{crop.original}"})
    return shown


def run_server(app: FastAPI, listener: socket.socket) -> None:
    """Answer requests until interrupted."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
