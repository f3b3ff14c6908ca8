"""Shards: plain tar files of tiles that are read where they lie, without unpacking.

The layout is WebDataset's (https://github.com/webdataset/webdataset): two members per tile, ``KEY.webp`` with its
pixels and ``KEY.json`` with what it is (:class:`TileRecord`), so that every shard explains itself and other loaders
read it too. Nothing in a shard depends on the clock, the user or the machine: equal tiles make equal bytes.

A tile is named by a path through the tar file, ``FOLDER/train-0000.tar/KEY.webp``. :func:`read_tile` opens it by its
position in the file and checks its SHA-256; the list of members is read once per shard and kept.
"""

import json
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from nlcunet.errors import DataError
from nlcunet.files.checksums import hash_bytes
from nlcunet.imaging.formats import PICTURE_SUFFIXES

SHARD_SUFFIX = ".tar"
PACK_FILE = "pack.json"
"""Beside the shards: settings, list of shards with their SHA-256, and whether packing came to its end."""
MANIFEST_FILE = "manifest.csv"
"""Beside the shards: one row per tile."""
PACK_FORMAT = "nlcunet pack 1"

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass(frozen=True, kw_only=True)
class TileRecord:
    """What a tile is and where it comes from."""

    photograph: str
    """Path of the photograph below the folder that was packed, with forward slashes."""
    source_sha256: str
    """Of the photograph's file."""
    left: int
    """Column of the tile's left edge in the photograph."""
    top: int
    """Row of its upper edge."""
    width: int
    height: int
    detail_db: float
    """PSNR of halving and doubling it, on luma; lower means more detail."""
    split: str
    """train, valid, …"""
    licence: str
    """Empty if unknown."""
    holder: str
    """Who holds the rights; empty if unknown."""
    source: str
    """Where the photograph comes from; empty if unknown."""
    encoding: str
    sha256: str
    """Of the member with its pixels."""


@dataclass(frozen=True, kw_only=True)
class StoredTile:
    """A tile as it stands in a shard."""

    key: str
    """Name of its members up to the first dot."""
    suffix: str
    """File name ending of its pixels, as ``.webp``."""
    data: bytes
    """Its pixels, encoded."""
    record: TileRecord

    def members(self) -> tuple[tuple[str, bytes], ...]:
        """Names and contents of its two members."""
        text = json.dumps(asdict(self.record), ensure_ascii=False, sort_keys=True)
        return (f"{self.key}{self.suffix}", self.data), (f"{self.key}.json", text.encode())

    def num_bytes(self) -> int:
        """Room that it takes in a shard."""
        return sum(_BLOCK + _padded(len(content)) for _, content in self.members())


@dataclass(frozen=True, kw_only=True)
class ShardMember:
    """Where a picture lies in a shard."""

    name: str
    """As the shard has it."""
    offset: int
    size: int
    record: TileRecord | None
    """What it is; nothing in tar files that others made."""


def shard_bytes(tiles: Iterable[StoredTile]) -> bytes:
    """A whole shard. Names must be ASCII of at most 100 characters."""
    parts = []
    for tile in tiles:
        for name, content in tile.members():
            header = tarfile.TarInfo(name)  # owner, group and time are 0
            header.size = len(content)
            parts += [header.tobuf(tarfile.USTAR_FORMAT), content, bytes(_padded(len(content)) - len(content))]
    return b"".join([*parts, _END])


def num_shard_bytes(tiles: Iterable[StoredTile]) -> int:
    """Size of the shard that these tiles would make."""
    return sum(tile.num_bytes() for tile in tiles) + len(_END)


def read_index(shard: Path) -> dict[str, ShardMember]:
    """The pictures in a shard by their member names, in order.

    Raises:
        DataError: the file is missing, no tar file, cut off or damaged; the message names the last tile before it.
    """
    try:
        status = shard.stat()
    except OSError as error:
        raise DataError(
            f"the shard {shard} must be a file that can be read: {error.strerror}; fetch it again"
        ) from error
    return _index_of(shard, status.st_mtime_ns, status.st_size)


def is_tile_path(path: Path) -> bool:
    """Whether a path leads into a shard."""
    return any(folder.suffix == SHARD_SUFFIX and folder.is_file() for folder in path.parents)


def read_tile(path: Path) -> bytes:
    """A tile by its path through the shard, as ``train-0000.tar/KEY.webp``.

    Raises:
        DataError: the shard or the tile is damaged or missing; the message names both.
    """
    shard = next((folder for folder in path.parents if folder.suffix == SHARD_SUFFIX), path.parent)
    member = read_index(shard).get(path.relative_to(shard).as_posix())
    if member is None:
        raise DataError(f"the shard {shard} must hold the tile {path.name}: found none; pack or fetch it again")
    return read_member(shard, member)


def read_member(shard: Path, member: ShardMember) -> bytes:
    """The bytes of a member, checked against its record.

    Raises:
        DataError: they are not those that were packed.
    """
    try:
        with shard.open("rb") as file:
            file.seek(member.offset)
            data = file.read(member.size)
    except OSError as error:
        raise DataError(f"the shard {shard} must be a file that can be read: {error.strerror}") from error
    found = hash_bytes(data)
    if member.record is not None and found != member.record.sha256:
        raise DataError(
            f"the tile {member.name} in the shard {shard} must have the SHA-256 {member.record.sha256}: "
            f"got {found}; the shard is damaged: fetch it again, or pack it again"
        )
    return data


def is_packed(folder: Path) -> bool:
    """Whether a folder holds shards: its own list says so, or there are tar files and no loose files."""
    if (folder / PACK_FILE).is_file():
        return True
    names = [path for path in folder.iterdir() if path.suffix not in {".json", ".csv", ".md", ".txt"}]
    return bool(names) and all(path.suffix == SHARD_SUFFIX for path in names)


def list_tiles(folder: Path, split: str) -> tuple[list[Path], list[TileRecord | None]]:
    """Paths and records of the tiles of one split, shard after shard. Tiles without record belong to every split.

    Raises:
        DataError: a shard is missing or damaged, or packing was not finished.
    """
    paths: list[Path] = []
    records: list[TileRecord | None] = []
    for shard in list_shards(folder):
        for name, member in read_index(shard).items():
            if member.record is None or member.record.split == split:
                paths.append(shard / name)
                records.append(member.record)
    return paths, records


def list_shards(folder: Path) -> list[Path]:
    """The shards of a folder, in order.

    Raises:
        DataError: packing was not finished, or a listed shard is missing or of another size.
    """
    listed = read_pack_file(folder)
    if listed is None:
        return sorted(folder.glob(f"*{SHARD_SUFFIX}"))
    if not listed.get("complete"):
        raise DataError(f"{folder} must be packed to the end: packing was stopped; run `nlcunet data pack` again")
    for entry in listed["shards"]:
        shard = folder / entry["file"]
        size = shard.stat().st_size if shard.is_file() else None
        if size != entry["bytes"]:
            got = "no such file" if size is None else f"{size:,} bytes"
            raise DataError(f"the shard {shard} must have {entry['bytes']:,} bytes: got {got}; fetch it again")
    return [folder / entry["file"] for entry in listed["shards"]]


def read_pack_file(folder: Path) -> dict[str, Any] | None:
    """What is told about a packed folder; nothing where there is no list.

    Raises:
        DataError: the list cannot be read.
    """
    path = folder / PACK_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} must be the list of a packed folder: {error}; pack it again") from error
    if not isinstance(content, dict) or content.get("format") != PACK_FORMAT:
        raise DataError(f"{path} must be of the format '{PACK_FORMAT}': it is of another; pack the folder again")
    return content


@lru_cache(maxsize=4096)
def _index_of(shard: Path, _modified: int, num_bytes: int) -> dict[str, ShardMember]:
    """The index of a shard in the state that its time and size stand for."""
    pictures: dict[str, tuple[int, int]] = {}
    records: dict[str, TileRecord | None] = {}
    with shard.open("rb") as file:
        for name, offset, size in _walk(file, shard, num_bytes):
            path = PurePosixPath(name)
            if path.suffix.lower() in PICTURE_SUFFIXES:
                pictures[name] = (offset, size)
            elif path.suffix == ".json":
                file.seek(offset)
                records[_key_of(name)] = _record_of(file.read(size))
    return {
        name: ShardMember(name=name, offset=offset, size=size, record=records.get(_key_of(name)))
        for name, (offset, size) in pictures.items()
    }


def _walk(file: BinaryIO, shard: Path, num_bytes: int) -> Iterable[tuple[str, int, int]]:
    """Name, first byte and size of every regular member. Unlike ``tarfile``, it does not take damage for the end."""
    offset, last = 0, "the beginning"
    while True:
        file.seek(offset)
        try:
            header = tarfile.TarInfo.frombuf(file.read(_BLOCK), "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            if str(error) == "end of file header":
                return
            raise DataError(
                f"the shard {shard} must be a whole tar file: it is damaged or cut off after {last} (byte {offset:,}: "
                f"{error}); fetch it again, or pack it again"
            ) from error
        offset += _BLOCK
        if offset + header.size > num_bytes:
            raise DataError(
                f"the shard {shard} must be a whole tar file: it is cut off within {header.name} "
                f"({num_bytes:,} bytes); fetch it again, or pack it again"
            )
        if header.type in _REGULAR:
            yield header.name, offset, header.size
        offset, last = offset + _padded(header.size), header.name


def _key_of(name: str) -> str:
    """What the members of one sample have in common: all up to the first dot of the file name."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.partition(".")[0] or path.name))


def _record_of(content: bytes) -> TileRecord | None:
    try:
        values = json.loads(content)
    except ValueError:
        return None
    names = {field.name for field in fields(TileRecord)}
    return TileRecord(**values) if isinstance(values, dict) and set(values) == names else None


def _padded(size: int) -> int:
    """Bytes rounded up to whole blocks of the tar format."""
    return -(-size // _BLOCK) * _BLOCK
