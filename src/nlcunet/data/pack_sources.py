"""What is packed: the settings, and the photographs of a folder with their splits."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from nlcunet.data.photographs import find_pictures, read_photograph_manifest
from nlcunet.data.tiling import TilePlacing, hold_back
from nlcunet.errors import ConfigError, DataError

Encoding: TypeAlias = Literal["webp", "png", "avif", "keep"]

_SPLIT_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class PackSettings:
    """What is cut, kept and written."""

    tile_px: int = 512
    """Side of the tiles, even."""
    place: TilePlacing = "detail"
    """Where tiles lie in a photograph; see :func:`nlcunet.data.tiling.place_tiles`."""
    keep_share: float | None = 0.5
    """Share of the tiles to keep, most detail first; nothing where a number is given."""
    max_tiles: int | None = None
    """Most tiles in all, instead of a share."""
    per_photograph: int = 4
    """Most tiles of one photograph, so that none dominates."""
    flat_db: float = 40.0
    """Tiles that lose less than this in the round trip are flat and never kept."""
    shard_mib: int = 40
    """Most MiB per shard, never exceeded."""
    encoding: Encoding = "webp"
    """How pixels are stored."""
    valid_share: float = 0.05
    """Share of photographs held back for validation, where the manifest names no splits."""
    seed: int = 0
    """Chooses which photographs are held back."""

    def __post_init__(self) -> None:
        """Refuse limits below 1 (ConfigError)."""
        if self.shard_mib < 1 or self.per_photograph < 1:
            raise ConfigError(
                "shards must hold at least 1 MiB and photographs give at least 1 tile: "
                f"got {self.shard_mib} and {self.per_photograph}"
            )


@dataclass(frozen=True, kw_only=True)
class PackSource:
    """A photograph to cut, and what is known about it."""

    path: Path
    name: str
    """Path below the folder, with forward slashes."""
    slug: str
    """The same in plain letters, unlike that of any other."""
    group: str
    """Name of the photograph or scene that it is part of; its own name where nothing else is known."""
    split: str
    """train, valid, …"""
    about: dict[str, str]
    """Licence, holder and source; empty where unknown."""


def list_sources(folder: Path, manifest: Path | None, settings: PackSettings) -> list[PackSource]:
    """The photographs to cut, by name, each with its split.

    Raises:
        ConfigError: a split has a name that no shard can have.
        DataError: the folder or manifest is missing, or there is no picture.
    """
    rows = [{"file": path.relative_to(folder).as_posix()} for path in find_pictures(folder)]
    if manifest is not None:
        rows = sorted(
            {row["file"]: row for row in read_photograph_manifest(manifest)}.values(), key=lambda row: row["file"]
        )
    if not rows:
        raise DataError(f"{folder} must hold pictures: found none; check the path")
    groups = [row.get("photo") or row.get("photograph") or row["file"] for row in rows]
    held_back = hold_back(groups, settings.valid_share, settings.seed)
    slugs = _slugs([row["file"] for row in rows])
    sources = []
    for row, group in zip(rows, groups, strict=True):
        split = row.get("split") or ("valid" if group in held_back else "train")
        if not _SPLIT_NAME.fullmatch(split):
            raise ConfigError(f"a split must be named in small letters, digits and _: got {split!r} for {row['file']}")
        about = {key: row.get(key) or "" for key in ("licence", "holder", "source")}
        name = row["file"]
        sources.append(
            PackSource(path=folder / name, name=name, slug=slugs[name], group=group, split=split, about=about)
        )
    return sources


def _slugs(names: list[str]) -> dict[str, str]:
    """A short plain name for each, without dots (WebDataset takes what follows one for the ending)."""
    slugs: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name.rpartition(".")[0] or name).strip("-")[-60:] or "picture"
        slug, number = plain, 1
        while slug in taken:
            number += 1
            slug = f"{plain}-{number}"
        taken.add(slug)
        slugs[name] = slug
    return slugs
