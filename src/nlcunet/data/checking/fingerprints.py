"""Fingerprints by which a picture is known again after resizing, compression, mirroring and quarter turns.

A fingerprint is the low-frequency part of a discrete cosine transform of a small grey copy: each coefficient times its
frequency (natural pictures fall off as 1/f, so all count alike), cut off at the median so that a few strong ones do
not rule, scaled to unit length. The dot product of two is their similarity, 1.0 for equal pictures. Against signs alone
(the usual "perceptual hash") and difference hashes of the same length, this keeps more distance between strangers and
relatives; how much there is, docs/data.md tells. Mirrored and turned copies need no transform of their own: mirroring
changes the signs of odd frequencies, turning swaps the axes.

Search is a product of matrices, block by block: all pairs of 10,000 pictures in all eight positions take 3 s on one
core, with a bounded memory.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from nlcunet.data.checking.measures import full_range_luma
from nlcunet.imaging.resize import resize_bicubic

THUMBNAIL_PX = 48
FREQUENCIES = 12
_SHRINK_FIRST_PX = 4 * THUMBNAIL_PX
_ROWS = 1024

ORIENTATIONS = (
    "as it is", "mirrored", "upside down", "turned by 180°", "transposed", "turned clockwise", "turned anticlockwise",
    "transposed the other way",
)  # fmt: skip
"""The eight positions, in the order of :func:`turned`."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """The most similar picture."""

    index: int
    similarity: float
    """1.0 for equal pictures."""
    orientation: str
    """How that picture has to be turned to look like this one."""


def fingerprint(pixels: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, " features"]:
    """Of one picture; zeros if it is flat."""
    thumbnail = _thumbnail(pixels)
    basis = _cosines()
    spectrum = (basis @ thumbnail @ basis.T)[_low()] * _frequency()[_low()]
    size = np.abs(spectrum)
    if size.max() < 1.0:
        return np.zeros(len(spectrum), np.float32)
    limited = np.clip(spectrum, -np.median(size), np.median(size))
    features: np.ndarray = (limited / max(float(np.linalg.norm(limited)), 1e-9)).astype(np.float32)
    return features


def turned(fingerprints: Float[np.ndarray, "pictures features"]) -> Float[np.ndarray, "8 pictures features"]:
    """The fingerprints of the same pictures in the eight positions of :data:`ORIENTATIONS`."""
    rows, columns = np.nonzero(_low())
    number = np.zeros((FREQUENCIES, FREQUENCIES), np.int64)
    number[rows, columns] = np.arange(len(rows))
    swapped = fingerprints[:, number[columns, rows]]
    odd_columns, odd_rows = (-1.0) ** columns, (-1.0) ** rows
    views = [
        values * signs
        for values in (fingerprints, swapped)
        for signs in (np.ones_like(odd_columns), odd_columns, odd_rows, odd_columns * odd_rows)
    ]
    stacked: np.ndarray = np.stack(views).astype(np.float32)
    return stacked


def best_matches(
    queries: Float[np.ndarray, "queries features"], references: Float[np.ndarray, "references features"]
) -> list[Match | None]:
    """For each query the most similar reference in any of the eight positions; nothing without references."""
    return _search(queries, references, only_earlier=False)


def best_earlier_matches(pictures: Float[np.ndarray, "pictures features"]) -> list[Match | None]:
    """For each picture the most similar one before it; nothing for the first."""
    return _search(pictures, pictures, only_earlier=True)


def _search(
    queries: Float[np.ndarray, "queries features"],
    references: Float[np.ndarray, "references features"],
    *,
    only_earlier: bool,
) -> list[Match | None]:
    if not len(references) or not len(queries):
        return [None] * len(queries)
    views = turned(references)
    matches: list[Match | None] = []
    for start in range(0, len(queries), _ROWS):
        block = queries[start : start + _ROWS]
        best = np.full(len(block), -2.0, np.float32)
        where = np.zeros((2, len(block)), np.int64)
        for position, view in enumerate(views):
            for first in range(0, start + len(block) if only_earlier else len(references), 8 * _ROWS):
                similar = block @ view[first : first + 8 * _ROWS].T
                if only_earlier:
                    numbers = start + np.arange(len(block))[:, None]
                    similar[first + np.arange(similar.shape[1])[None, :] >= numbers] = -2.0
                index = similar.argmax(axis=1)
                value = similar[np.arange(len(block)), index]
                better = value > best
                best[better] = value[better]
                where[:, better] = np.stack([np.full_like(index, position), first + index])[:, better]
        for value, position, index in zip(best, *where, strict=True):
            found = Match(index=int(index), similarity=float(value), orientation=ORIENTATIONS[position])
            matches.append(found if value > -2.0 else None)
    return matches


def _thumbnail(pixels: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "rows columns"]:
    """A small square grey copy; large pictures are averaged down in strips before."""
    height, width = pixels.shape[:2]
    down, across = (max(1, side // _SHRINK_FIRST_PX) for side in (height, width))
    strip = 64 * down
    rows = []
    for start in range(0, height // down * down, strip):
        luma = full_range_luma(pixels[start : min(start + strip, height // down * down), : width // across * across])
        rows.append(luma.reshape(len(luma) // down, down, -1, across).mean(axis=(1, 3)))
    small = torch.from_numpy(np.concatenate(rows))
    thumbnail: np.ndarray = resize_bicubic(small, THUMBNAIL_PX, THUMBNAIL_PX).double().numpy()
    return thumbnail


def _cosines() -> Float[np.ndarray, "frequencies positions"]:
    """The lowest rows of the orthonormal DCT-II."""
    frequency = np.arange(FREQUENCIES)[:, None]
    basis = np.cos(np.pi * frequency * (np.arange(THUMBNAIL_PX) + 0.5) / THUMBNAIL_PX) * np.sqrt(2 / THUMBNAIL_PX)
    basis[0] /= np.sqrt(2)
    rows: np.ndarray = basis
    return rows


def _frequency() -> Float[np.ndarray, "frequencies frequencies"]:
    axis = np.arange(FREQUENCIES)
    distance: np.ndarray = np.hypot(axis[:, None], axis[None, :])
    return distance


def _low() -> np.ndarray:
    """Which coefficients belong to the fingerprint: a quarter disc without the mean, the same when axes are swapped."""
    frequency = _frequency()
    return (frequency > 0) & (frequency < FREQUENCIES)


NUM_FEATURES = int(_low().sum())
"""Numbers in a fingerprint."""
