"""Where to cut tiles out of photographs, which of them to keep, and which photographs to hold back for validation.

Detail is measured as the PSNR of a bicubic round trip, half the size and back, on luma: what a picture loses there is
what super-resolution has to learn. Lower means more detail; a clear sky has 45 dB and more, foliage 25.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8

from nlcunet.errors import ConfigError
from nlcunet.imaging.colour import rgb_to_y_bt601_studio
from nlcunet.imaging.resize import resize_bicubic

TilePlacing: TypeAlias = Literal["detail", "central", "grid"]
Luma: TypeAlias = Float[np.ndarray, "height width"]

MAX_DETAIL_DB = 99.0
"""Of a picture that loses nothing, where the PSNR would be infinite."""
MAX_OVERLAP = 0.25
"""Tiles of one photograph share at most this part of their area."""
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A square of a photograph."""

    photograph: str
    left: int
    """Column of the left edge."""
    top: int
    """Row of the upper edge."""
    detail_db: float
    """PSNR of the round trip within the square, to two decimals."""


def luma_of(pixels: UInt8[np.ndarray, "height width 3"]) -> Luma:
    """Y of BT.601 in studio range, 16 to 235, float32; some rows at a time, so that large pictures fit."""
    rows = []
    for start in range(0, len(pixels), _ROWS_AT_ONCE):
        part = torch.from_numpy(np.ascontiguousarray(pixels[start : start + _ROWS_AT_ONCE]))
        rows.append(rgb_to_y_bt601_studio(part.permute(2, 0, 1).float() / 255.0)[0].numpy())
    luma: np.ndarray = np.concatenate(rows)
    return luma


def round_trip_error(luma: Luma) -> Float[np.ndarray, "even_height even_width"]:
    """Squared difference to the picture halved and doubled again; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in luma.shape)
    if min(height, width) < 2:
        raise ConfigError(f"detail is measured on at least 2 × 2 pixels: got {luma.shape[1]} × {luma.shape[0]}")
    image = torch.from_numpy(np.ascontiguousarray(luma[:height, :width]))
    error: np.ndarray = (image - resize_bicubic(resize_bicubic(image, height // 2, width // 2), height, width)).numpy()
    squared: np.ndarray = np.square(error)
    return squared


def error_to_db(mean_square: float) -> float:
    """PSNR in dB against the peak of 255; at most ``MAX_DETAIL_DB``."""
    return MAX_DETAIL_DB if mean_square <= 0 else min(MAX_DETAIL_DB, 10 * math.log10(255**2 / mean_square))


def detail_db(pixels: UInt8[np.ndarray, "height width 3"]) -> float:
    """Detail of a whole picture: lower means more.

    Raises:
        ConfigError: it has fewer than 2 × 2 pixels.
    """
    return error_to_db(float(round_trip_error(luma_of(pixels)).mean(dtype=np.float64)))


def place_tiles(
    pixels: UInt8[np.ndarray, "height width 3"], photograph: str, *, tile_px: int, place: TilePlacing, limit: int
) -> list[Tile]:
    """Candidate tiles of one photograph, most detail first; none if it is smaller than a tile.

    Args:
        pixels: the photograph.
        photograph: its name.
        tile_px: side of the tiles, even.
        place: ``detail`` takes the place with most detail, then the next that hardly overlaps it, and so on;
            ``central`` the one in the middle, as the paper does; ``grid`` all of a centred grid without gaps.
        limit: most tiles of one photograph.

    Raises:
        ConfigError: the side is odd or too small, or the placement unknown.
    """
    if tile_px < 16 or tile_px % 2:
        raise ConfigError(f"tiles must have an even side of at least 16 pixels: got {tile_px}; choose 512")
    if min(pixels.shape[:2]) < tile_px:
        return []
    error = round_trip_error(luma_of(pixels))
    tops, lefts = (_positions(side, tile_px, place) for side in error.shape)
    squares = _square_means(error, tile_px, tops, lefts)
    tiles = [
        Tile(photograph=photograph, left=left, top=top, detail_db=round(error_to_db(float(squares[row, column])), 2))
        for row, top in enumerate(tops)
        for column, left in enumerate(lefts)
    ]
    tiles.sort(key=lambda tile: (tile.detail_db, tile.top, tile.left))
    return _apart(tiles, tile_px, limit) if place == "detail" else tiles[:limit]


def best_of_each(tiles: Iterable[Tile], groups: Mapping[str, str], limit: int) -> list[Tile]:
    """At most so many tiles of each group of photographs, those with most detail, so that no scene dominates."""
    counts: Counter[str] = Counter()
    best = []
    for tile in sorted(tiles, key=lambda tile: (tile.detail_db, tile.photograph, tile.top, tile.left)):
        counts[groups[tile.photograph]] += 1
        if counts[groups[tile.photograph]] <= limit:
            best.append(tile)
    return best


def choose_tiles(
    candidates: Iterable[Tile], *, flat_db: float, keep_share: float | None, max_tiles: int | None
) -> tuple[list[Tile], int]:
    """The tiles with most detail over all photographs, in the order of photographs and rows, and how many were flat.

    Args:
        candidates: from all photographs.
        flat_db: tiles with less detail than this PSNR says are flat, and never kept.
        keep_share: share of the tiles that are not flat to keep; rounded up.
        max_tiles: or how many at most.

    Raises:
        ConfigError: both or neither of the two are given, or out of range.
    """
    if (keep_share is None) == (max_tiles is None):
        raise ConfigError("tiles are chosen either by a share or by a number: give one of --keep-share and --max-tiles")
    if keep_share is not None and not 0 < keep_share <= 1:
        raise ConfigError(f"the share of tiles to keep must lie above 0 and at most at 1: got {keep_share}")
    tiles = list(candidates)
    lively = sorted(
        (tile for tile in tiles if tile.detail_db <= flat_db),
        key=lambda tile: (tile.detail_db, tile.photograph, tile.top, tile.left),
    )
    number = max_tiles if keep_share is None else math.ceil(keep_share * len(lively))
    kept = sorted(lively[:number], key=lambda tile: (tile.photograph, tile.top, tile.left))
    return kept, len(tiles) - len(lively)


def hold_back(groups: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """Groups of photographs for validation: chosen by a hash of seed and name, so that most stay when others come.

    Args:
        groups: names; photographs of one group (one scene, or one photograph in several files) stay together.
        share: of all groups, rounded; at least one where it is above 0 and there are two groups.
        seed: another seed chooses others.

    Raises:
        ConfigError: the share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ConfigError(f"the share for validation must be at least 0 and below 1: got {share}")
    names = sorted(set(groups), key=lambda name: hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest())
    number = round(share * len(names))
    return frozenset(names[: max(number, 1) if share > 0 and len(names) > 1 else number])


def count_licences(licences: Iterable[str]) -> str:
    """Licences with their counts, as ``CC0 (12), CC-BY-4.0 (3)``."""
    counts = Counter(licence or "unknown" for licence in licences)
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())


def _positions(side: int, tile_px: int, place: TilePlacing) -> list[int]:
    room = side - tile_px
    match place:
        case "central":
            return [room // 2]
        case "grid":
            return [room % tile_px // 2 + number * tile_px for number in range(side // tile_px)]
        case "detail":
            return sorted({*range(0, room + 1, max(2, tile_px // 8)), room})
    raise ConfigError(f"tiles must be placed by detail, central or grid: got {place!r}")


def _square_means(
    error: Float[np.ndarray, "height width"], tile_px: int, tops: list[int], lefts: list[int]
) -> Float[np.ndarray, "tops lefts"]:
    """Means over squares at all combinations of corners, by a table of sums (Crow 1984)."""
    sums = np.zeros((error.shape[0] + 1, error.shape[1] + 1))
    np.cumsum(error, axis=0, out=sums[1:, 1:])
    np.cumsum(sums, axis=1, out=sums)
    top, left = np.array(tops)[:, None], np.array(lefts)[None, :]
    bottom, right = top + tile_px, left + tile_px
    total: np.ndarray = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    means: np.ndarray = np.maximum(total, 0.0) / tile_px**2
    return means


def _apart(tiles: list[Tile], tile_px: int, limit: int) -> list[Tile]:
    """Tiles taken in order, each only if it hardly overlaps those before it."""
    taken: list[Tile] = []
    for tile in tiles:
        if len(taken) == limit:
            break
        if all(_overlap(tile, other, tile_px) <= MAX_OVERLAP for other in taken):
            taken.append(tile)
    return taken


def _overlap(tile: Tile, other: Tile, tile_px: int) -> float:
    width, height = tile_px - abs(tile.left - other.left), tile_px - abs(tile.top - other.top)
    return max(width, 0) * max(height, 0) / tile_px**2
