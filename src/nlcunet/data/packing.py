"""From a folder of photographs to shards of chosen tiles: the work behind `nlcunet data pack`.

Two passes, one photograph at a time: the first measures all candidate tiles, the second encodes the chosen ones. The
result depends only on the pictures and the settings, byte for byte. Tiles that an earlier or interrupted run left in
the output are taken over as they are, so that packing again is cheap: encoding is most of the work.

Why tar files of lossless WebP: docs/data.md has the measurements.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

from nlcunet.data.pack_sources import PackSettings, PackSource, list_sources
from nlcunet.data.photographs import map_in_order, read_photograph, write_photograph_manifest
from nlcunet.data.shards import (
    MANIFEST_FILE,
    PACK_FILE,
    PACK_FORMAT,
    SHARD_SUFFIX,
    ShardMember,
    StoredTile,
    TileRecord,
    num_shard_bytes,
    read_index,
    read_member,
    read_pack_file,
    shard_bytes,
)
from nlcunet.data.tiling import (
    Tile,
    best_of_each,
    choose_tiles,
    count_licences,
    place_tiles,
)
from nlcunet.errors import ConfigError, DataError, ImageError
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.checksums import hash_bytes, hash_file
from nlcunet.imaging.files import Picture, encode_picture

ENCODINGS: dict[str, tuple[str, int | None]] = {
    "webp": ("webp", 100),
    "png": ("png", None),
    "avif": ("avif", 90),
    "keep": ("webp", 100),
}
"""Format and quality of tiles that are cut; 100 is lossless. ``keep`` takes files over that are one tile already."""

_SHARD_NAME = re.compile(r"[a-z0-9_]+-\d{4,}\.tar")
_MIB = 2**20

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told the stage (``measure`` or ``encode``) and how many of how many photographs are done."""


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """A shard in the list of a pack."""

    file: str
    split: str
    tiles: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PackResult:
    """What came of it."""

    shards: tuple[ShardEntry, ...]
    splits: dict[str, int]
    flat: int
    """Candidate tiles that were left out for want of detail."""
    reused: int
    """Tiles that were there already."""
    skipped: tuple[str, ...]
    """Photographs that could not be used, each with its reason."""


Known: TypeAlias = dict[tuple[object, ...], tuple[Path, ShardMember]]
"""Tiles of an earlier run, by everything that decides their bytes."""


def pack(
    folder: Path,
    output: Path,
    settings: PackSettings,
    *,
    manifest: Path | None = None,
    threads: int = 2,
    on_progress: Progress = lambda _stage, _done, _total: None,
) -> PackResult:
    """Cut, choose and store tiles.

    Args:
        folder: photographs, searched recursively without a manifest.
        output: folder for the shards: new, empty, or of an earlier run, whose shards are replaced.
        settings: what is cut, kept and written.
        manifest: CSV with the columns file and, if known, split, photo (files of one name there stay in one split),
            licence, holder, source.
        threads: decoders and encoders at work.
        on_progress: told how far it is.

    Raises:
        ConfigError: settings contradict each other, or the output holds something else.
        DataError: there is nothing to pack.
        ImageWriteError: a shard cannot be written.
    """
    sources = list_sources(folder, manifest, settings)
    known = _open_output(output, settings)
    tiles, hashes, skipped = _measure(sources, settings, threads, on_progress)
    groups = {source.name: source.group for source in sources}
    kept, num_flat = choose_tiles(
        best_of_each(tiles, groups, settings.per_photograph),
        flat_db=settings.flat_db,
        keep_share=settings.keep_share,
        max_tiles=settings.max_tiles,
    )
    if not kept:
        raise DataError(
            f"{folder} must hold a photograph with a tile of {settings.tile_px} pixels that is not flat: got "
            f"{num_flat} flat tiles and {len(skipped)} unusable files" + (f", such as {skipped[0]}" if skipped else "")
        )
    encoder = _Encoder(settings, kept, hashes, known)
    rows, shards = _write_shards(encoder, sources, output, threads, on_progress)
    skipped += encoder.failed
    result = PackResult(
        shards=tuple(shards),
        splits=dict(sorted(Counter(record.split for _, record in rows).items())),
        flat=num_flat,
        reused=len(encoder.reused),
        skipped=tuple(skipped),
    )
    _write_lists(output, settings, result, rows)
    _remove_old_shards(output, {shard.file for shard in shards})
    return result


class _Encoder:
    """Chosen tiles as they go into shards; remembers what failed and what was there already."""

    def __init__(self, settings: PackSettings, kept: list[Tile], hashes: dict[str, str], known: Known) -> None:
        self.settings, self.hashes, self.known = settings, hashes, known
        self.tiles: dict[str, list[Tile]] = {}
        for tile in kept:
            self.tiles.setdefault(tile.photograph, []).append(tile)
        self.failed: list[str] = []
        self.reused: list[str] = []

    def encode(self, source: PackSource) -> list[StoredTile] | str:
        """All chosen tiles of one photograph, or why there are none."""
        tiles = self.tiles[source.name]
        found = [self._reuse(source, tile) for tile in tiles]
        if all(found):
            self.reused += [tile.key for tile in found if tile is not None]
            return [tile for tile in found if tile is not None]
        try:
            pixels = read_photograph(source.path, None).numpy()
            return [self._cut(source, tile, pixels) for tile in tiles]
        except ImageError as error:
            return _reason(source, error)

    def keep(self, results: Iterable[list[StoredTile] | str]) -> Iterator[StoredTile]:
        """Tiles that fit into a shard, one after the other; the rest is noted."""
        limit = self.settings.shard_mib * _MIB
        for result in results:
            if isinstance(result, str):
                self.failed.append(result)
                continue
            for tile in result:
                size = num_shard_bytes([tile])
                if size <= limit:
                    yield tile
                    continue
                self.failed.append(
                    f"{tile.record.photograph}: a tile takes {size / _MIB:.1f} MiB, more than a shard of "
                    f"{self.settings.shard_mib} MiB; choose smaller tiles or larger shards"
                )

    def _record(self, source: PackSource, tile: Tile, data: bytes) -> TileRecord:
        side = self.settings.tile_px
        return TileRecord(
            photograph=source.name,
            source_sha256=self.hashes[source.name],
            left=tile.left,
            top=tile.top,
            width=side,
            height=side,
            detail_db=tile.detail_db,
            split=source.split,
            encoding=self.settings.encoding,
            sha256=hash_bytes(data),
            **source.about,
        )

    def _reuse(self, source: PackSource, tile: Tile) -> StoredTile | None:
        """The tile from an earlier run, if it is there and whole."""
        side = self.settings.tile_px
        identity = (source.name, self.hashes[source.name], tile.left, tile.top, side, side, self.settings.encoding)
        place = self.known.get(identity)
        if place is None:
            return None
        try:
            data = read_member(*place)
        except DataError:
            return None  # damaged, or replaced since: it is encoded again
        record = self._record(source, tile, data)
        return StoredTile(key=_key(source, tile), suffix=Path(place[1].name).suffix, data=data, record=record)

    def _cut(self, source: PackSource, tile: Tile, pixels: UInt8[np.ndarray, "height width 3"]) -> StoredTile:
        side = self.settings.tile_px
        if self.settings.encoding == "keep" and pixels.shape[:2] == (side, side):
            suffix, data = source.path.suffix.lower(), source.path.read_bytes()
        else:
            file_format, quality = ENCODINGS[self.settings.encoding]
            square = np.ascontiguousarray(pixels[tile.top : tile.top + side, tile.left : tile.left + side])
            suffix = f".{file_format}"
            data = encode_picture(Picture(pixels=square), file_format=file_format, quality=quality)
        return StoredTile(key=_key(source, tile), suffix=suffix, data=data, record=self._record(source, tile, data))


def _measure(
    sources: list[PackSource], settings: PackSettings, threads: int, on_progress: Progress
) -> tuple[list[Tile], dict[str, str], list[str]]:
    """Candidate tiles of all photographs, SHA-256 of their files, and what cannot be used."""

    def measure(source: PackSource) -> tuple[list[Tile], str] | str:
        try:
            pixels = read_photograph(source.path, None).numpy()
            digest = hash_file(source.path)
        except ImageError as error:
            return _reason(source, error)
        side = settings.tile_px
        tiles = place_tiles(pixels, source.name, tile_px=side, place=settings.place, limit=settings.per_photograph)
        if not tiles:
            return f"{source.name}: {pixels.shape[1]}×{pixels.shape[0]} pixels, smaller than a tile of {side}"
        return tiles, digest

    tiles: list[Tile] = []
    hashes: dict[str, str] = {}
    skipped: list[str] = []
    for number, (source, result) in enumerate(zip(sources, map_in_order(measure, sources, threads), strict=True), 1):
        on_progress("measure", number, len(sources))
        if isinstance(result, str):
            skipped.append(result)
        else:
            tiles += result[0]
            hashes[source.name] = result[1]
    return tiles, hashes, skipped


def _write_shards(
    encoder: _Encoder, sources: list[PackSource], output: Path, threads: int, on_progress: Progress
) -> tuple[list[tuple[str, TileRecord]], list[ShardEntry]]:
    work = [source for source in sources if source.name in encoder.tiles]
    limit = encoder.settings.shard_mib * _MIB
    rows: list[tuple[str, TileRecord]] = []
    shards: list[ShardEntry] = []
    done = 0

    def told(results: Iterable[list[StoredTile] | str]) -> Iterator[list[StoredTile] | str]:
        nonlocal done
        for result in results:
            done += 1
            on_progress("encode", done, len(work))
            yield result

    for split in sorted({source.split for source in work}):
        results = told(map_in_order(encoder.encode, [source for source in work if source.split == split], threads))
        for number, content in enumerate(_fill(encoder.keep(results), limit)):
            shard = output / f"{split}-{number:04d}{SHARD_SUFFIX}"
            data = shard_bytes(content)
            _write_if_changed(shard, data)
            digest = hash_bytes(data)
            shards.append(ShardEntry(file=shard.name, split=split, tiles=len(content), bytes=len(data), sha256=digest))
            rows += [(f"{shard.name}/{tile.key}{tile.suffix}", tile.record) for tile in content]
    return rows, shards


def _fill(tiles: Iterable[StoredTile], limit: int) -> Iterator[list[StoredTile]]:
    """Tiles in their order, as many at a time as a shard of ``limit`` bytes holds."""
    content: list[StoredTile] = []
    size = 0
    for tile in tiles:
        if content and size + tile.num_bytes() > limit:
            yield content
            content = []
        size = size + tile.num_bytes() if content else num_shard_bytes([tile])
        content.append(tile)
    if content:
        yield content


def _open_output(output: Path, settings: PackSettings) -> Known:
    """Mark the folder as begun; tiles that are in it already."""
    if output.exists() and not output.is_dir():
        raise ConfigError(f"the output must be a folder: got the file {output}")
    output.mkdir(parents=True, exist_ok=True)
    before = read_pack_file(output)
    if before is None and any(output.iterdir()):
        raise ConfigError(
            f"the output must be empty or hold an earlier pack: {output} holds other files; choose another"
        )
    known: Known = {}
    for shard in sorted(path for path in output.iterdir() if _SHARD_NAME.fullmatch(path.name)):
        try:
            members = read_index(shard)
        except DataError:
            continue  # it is made again
        for member in members.values():
            if (record := member.record) is not None:
                corner = (record.left, record.top, record.width, record.height)
                identity = (record.photograph, record.source_sha256, *corner, record.encoding)
                known[identity] = (shard, member)
    begun = {"format": PACK_FORMAT, "complete": False, "settings": asdict(settings)}
    write_file_atomically(output / PACK_FILE, _json(begun))
    return known


def _write_lists(output: Path, settings: PackSettings, result: PackResult, rows: list[tuple[str, TileRecord]]) -> None:
    """The manifest, and the list of the pack, which says that it is complete."""
    names = [field.name for field in fields(TileRecord)]
    listed = ({"file": path, **asdict(record)} for path, record in rows)
    write_photograph_manifest(output / MANIFEST_FILE, ["file", *names], listed)
    content = {
        "format": PACK_FORMAT,
        "complete": True,
        "settings": asdict(settings),
        "splits": result.splits,
        "photographs": len({record.photograph for _, record in rows}),
        "licences": count_licences(record.licence for _, record in rows),
        "shards": [asdict(shard) for shard in result.shards],
        "skipped": result.skipped,
    }
    write_file_atomically(output / PACK_FILE, _json(content))


def _remove_old_shards(output: Path, current: set[str]) -> None:
    """Take away what an earlier run wrote and this one did not."""
    for path in output.iterdir():
        if _SHARD_NAME.fullmatch(path.name) and path.name not in current:
            path.unlink()


def _write_if_changed(path: Path, data: bytes) -> None:
    if not path.is_file() or path.stat().st_size != len(data) or path.read_bytes() != data:
        write_file_atomically(path, data)


def _key(source: PackSource, tile: Tile) -> str:
    return f"{source.slug}_{tile.left}_{tile.top}"


def _reason(source: PackSource, error: ImageError) -> str:
    """Why a photograph cannot be used, without the path of this machine."""
    text = str(error).replace(str(source.path), "").strip(": ")
    return f"{source.name}: {text}"


def _json(content: dict[str, object]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
