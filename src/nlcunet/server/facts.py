"""What a client is told about its job."""

from dataclasses import fields
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from nlcunet.server.orders import Order, State
from nlcunet.server.store import Job


class JobFacts(BaseModel):
    """A job, as its client sees it."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: State
    name: str = Field(description="The picture's name, as it was sent.")
    order: Order
    created: str = Field(description="When it was accepted, ISO 8601.")
    started: str | None = None
    finished: str | None = None
    expires: str | None = Field(default=None, description="Until when the result can be fetched.")
    width: int = Field(description="Columns of the picture that came in.")
    height: int
    output_width: int
    output_height: int
    output_format: str
    progress: float = Field(description="Part of the tiles that are done, 0 to 1.")
    tiles: int | None = Field(default=None, description="All tiles, while the work goes on.")
    tiles_done: int | None = Field(default=None, description="Those of them that are done.")
    seconds_left: float | None = Field(default=None, description="Estimated, with the jobs before it.")
    seconds: float | None = Field(default=None, description="What the work took.")
    model: str | None = Field(default=None, description="Weights that made the result.")
    notes: tuple[str, ...] = Field(default=(), description="What was changed on the way.")
    error: str | None = Field(default=None, description="Why it failed.")
    links: dict[str, str] = Field(default_factory=dict)


def facts_of(
    job: Job, *, progress: float, seconds_left: float | None, tiles: tuple[int, int] | None = None
) -> JobFacts:
    """What a client may know of a job; ``tiles`` are those done and all of them."""
    told = {field.name: getattr(job, field.name) for field in fields(job) if field.name in JobFacts.model_fields}
    times = {"created": job.created, "started": job.started, "finished": job.finished, "expires": job.expires}
    told |= {name: None if seconds is None else _iso(seconds) for name, seconds in times.items()}
    done, total = tiles or (None, None)
    return JobFacts(
        **told | {"seconds": None if job.seconds is None else round(job.seconds, 3)},
        progress=round(progress, 4),
        tiles=total,
        tiles_done=done,
        seconds_left=None if seconds_left is None else round(seconds_left, 1),
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
