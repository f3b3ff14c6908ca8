"""What a server allows and where it keeps things."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from nlcunet.models.weights import AUTOMATIC

MEBIBYTE = 2**20


class ServerSettings(BaseModel):
    """Limits and places; every field is an option of ``nlcunet serve``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    """Where jobs, uploads and results are kept."""
    models: tuple[str, ...] = ()
    """Names or files of the models on offer; by default all that are embedded."""
    default_model: str = AUTOMATIC
    """For jobs that name no model: one of those on offer, or ``auto``, which chooses by the picture."""
    device: str = "auto"
    precision: str = "auto"
    tile: Annotated[int, Field(ge=1)] | None = None
    """Longest side of a tile; by default fitted to the memory."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads for all jobs together; by default one for each core."""
    jobs_at_once: int = Field(default=2, ge=1, le=64)
    """Pictures that are worked on at a time; their tiles take turns."""
    models_at_once: int = Field(default=4, ge=1)
    """Models that are kept in memory."""

    max_upload_bytes: int = Field(default=100 * MEBIBYTE, ge=1)
    max_pixels: int = Field(default=50_000_000, ge=1)
    max_output_pixels: int = Field(default=400_000_000, ge=1)
    max_upload_seconds: float = Field(default=120.0, gt=0)
    """From the first to the last byte of a request."""
    max_job_seconds: float = Field(default=1800.0, gt=0)
    """Of work on one picture."""
    wait_seconds: float = Field(default=60.0, ge=0)
    """How long a request waits for its picture before it is given a job instead."""

    max_connections: int = Field(default=512, ge=1)
    """Of all clients at a time; fewer where the system allows fewer open files."""
    max_waiting: int = Field(default=64, ge=1)
    """Jobs that wait for their turn, of all clients."""
    max_waiting_per_client: int = Field(default=16, ge=1)
    quota_bytes: int = Field(default=10 * 1024 * MEBIBYTE, ge=1)
    """Disk space of uploads and results together."""
    keep_seconds: float = Field(default=24 * 3600.0, gt=0)
    """How long results can be fetched."""
    grace_seconds: float = Field(default=30.0, ge=0)
    """How long the work at hand may go on after the server was asked to end; then it is handed back to the queue."""

    keys_file: Path | None = None
    """Hashed API keys; without it, whoever reaches the server may use it."""
    allowed_origins: tuple[str, ...] = ()
    """Web sites whose pages may call the server from a browser, such as ``https://example.org``."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which the server may be called; by default those of this machine's loopback, and what it binds to."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed."""
    root_path: str = ""
    """What the world puts before every path, such as ``/sr``, where a proxy shows the server below a path."""
    has_page: bool = True
