"""Before and after, for a screen: made when first looked at, sent in tiles of what is seen."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from nlcunet.imaging.pyramid import TILE_PX, Level, make_thumbnail, read_levels, read_tile, write_pyramid
from nlcunet.server.service import Service
from nlcunet.server.store import Job

Side = Literal["before", "after", "plain"]
"""``plain`` is the picture before, enlarged by bicubic interpolation to the size after."""

THUMBNAIL_PX = 192


class Size(BaseModel):
    """Of a picture, or of one level of a view."""

    model_config = ConfigDict(frozen=True)

    width: int
    height: int


class View(BaseModel):
    """What a browser must know to ask for tiles."""

    model_config = ConfigDict(frozen=True)

    tile: int = TILE_PX
    before: tuple[Size, ...]
    after: tuple[Size, ...]
    plain: tuple[Size, ...]


def make_view(service: Service, job: Job) -> View:
    """All pictures of a finished job.

    Raises:
        RefusedError: it is not finished, or gone.
        ImageError: a picture cannot be shown.
    """
    before, after, plain = (read_levels(find_pyramid(service, job, side)) for side in ("before", "after", "plain"))
    return View(before=_sizes(before), after=_sizes(after), plain=_sizes(plain))


def find_pyramid(service: Service, job: Job, side: Side) -> Path:
    """All sizes of one of them, as a file."""
    limits = service.settings
    source = service.result(job) if side == "after" else service.picture(job)
    max_pixels = limits.max_output_pixels if side == "after" else limits.max_pixels
    size = read_levels(find_pyramid(service, job, "after"))[0] if side == "plain" else None

    def make(part: Path) -> None:
        write_pyramid(source, part, max_pixels=max_pixels, enlarged_to=size)

    return service.aside(job, f"{side}.view", make)


def make_tile(service: Service, job: Job, side: Side, place: tuple[int, int, int]) -> bytes:
    """One tile, by its level, column and row.

    Raises:
        RefusedError: the picture is not there.
        ImageError: there is no such tile.
    """
    return read_tile(find_pyramid(service, job, side), *place)


def find_thumbnail(service: Service, job: Job) -> Path:
    """A small picture of what came in, also while it waits.

    Raises:
        RefusedError: it is not there.
        ImageError: it cannot be shown.
    """
    source, max_pixels = service.picture(job), service.settings.max_pixels
    return service.aside(
        job,
        "thumbnail.jpg",
        lambda part: _write(part, make_thumbnail(source, THUMBNAIL_PX, max_pixels=max_pixels)),
    )


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _sizes(levels: tuple[Level, ...]) -> tuple[Size, ...]:
    return tuple(Size(width=level.width, height=level.height) for level in levels)
