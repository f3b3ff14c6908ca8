"""The examination of a folder: every picture measured and compared, and what was found wrong.

Pictures are decoded one at a time (per thread); what stays in memory of each is a fingerprint of half a kilobyte.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from nlcunet.data.checking.fingerprints import NUM_FEATURES, Match, best_earlier_matches, best_matches, fingerprint
from nlcunet.data.checking.measures import Measures, measure
from nlcunet.data.photographs import find_pictures, map_in_order, read_photograph, read_photograph_manifest
from nlcunet.data.shards import is_packed, list_shards, read_index
from nlcunet.errors import ConfigError, DataError, ImageError
from nlcunet.imaging.formats import PICTURE_SUFFIXES_IN_WORDS

Kind: TypeAlias = Literal[
    "unreadable", "too-small", "flat", "blurry", "noisy", "blocky", "duplicate", "near-duplicate", "leakage"
]

KINDS: dict[Kind, tuple[str, str]] = {
    "unreadable": ("cannot be decoded", "Fetch or export the file again, or remove it."),
    "too-small": ("smaller than one training patch", "Remove it, or train with smaller patches."),
    "flat": ("nothing to see at the finest three octaves", "Remove it: patches of it teach nothing."),
    "blurry": ("the finest octave is empty: enlarged, out of focus or smoothed", "Halve its size, or remove it."),
    "noisy": ("noise in the quietest tenth", "Halve its size, denoise it, or remove it."),
    "blocky": ("steps at the lines of JPEG's 8-pixel grid", "Fetch a better copy, halve its size, or remove it."),
    "duplicate": ("the same pixels as another picture", "Keep one of the two."),
    "near-duplicate": ("nearly another picture", "Look at both, and keep the better one."),
    "leakage": ("also in a benchmark", "Remove it: scores on that benchmark would not be honest."),
}
"""What each finding means, and what to do about it; in the order of the report."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on something counts as a finding."""

    min_px: int = 256
    """Shortest side: a patch of 64 pixels at ×4."""
    flat_db: float = 42.0
    """Structure above this PSNR is flat."""
    sharpness_db: float = -9.0
    """Sharpness below this is blurry; hardly any sharp photograph has less."""
    noise_std_8bit: float = 4.0
    """Noise above this is noisy."""
    blockiness: float = 1.05
    """Blockiness above this is blocky: about JPEG quality 75 and less."""
    similarity: float = 0.65
    """Fingerprints at least this similar are of one picture."""

    def __post_init__(self) -> None:
        """Refuse limits that would find everything or nothing (ConfigError)."""
        if self.min_px < 1 or not 0 < self.similarity <= 1:
            raise ConfigError(
                "pictures must have at least 1 pixel a side, and similarity must lie in 0 … 1: "
                f"got {self.min_px} and {self.similarity}"
            )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with one picture."""

    kind: Kind
    file: str
    """Path below the examined folder."""
    detail: str
    """The particulars, in words."""
    value: float | None = None
    limit: float | None = None
    other: Path | None = None
    """The other picture of a pair."""
    orientation: str = ""
    """How the other picture has to be turned to look like this one."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is remembered of a picture."""

    path: Path
    name: str
    """Path below its folder."""
    width: int
    height: int
    measures: Measures
    pixels_sha256: str
    """Of its decoded pixels."""
    features: Float[np.ndarray, "features"] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Examination:
    """All that was found."""

    folder: Path
    limits: Limits
    pictures: tuple[Seen, ...]
    """Those that could be read."""
    findings: tuple[Finding, ...]
    """In the order of ``KINDS``, then by file."""
    benchmarks: tuple[str, ...]
    """Names of the benchmark folders, with the number of their pictures."""

    @property
    def bad(self) -> frozenset[str]:
        """Files with at least one finding."""
        return frozenset(finding.file for finding in self.findings)


def find_examined(folder: Path, manifest: Path | None = None) -> list[Path]:
    """Picture files below a folder, or the tiles in its shards, or only those that a manifest names."""
    if manifest is not None:
        paths = sorted({folder / row["file"] for row in read_photograph_manifest(manifest)})
    elif folder.is_dir() and is_packed(folder):
        paths = [shard / name for shard in list_shards(folder) for name in read_index(shard)]
    else:
        paths = find_pictures(folder)
    if not paths:
        raise DataError(f"{folder} must hold pictures ({PICTURE_SUFFIXES_IN_WORDS}): found none")
    return paths


def examine(
    folder: Path,
    *,
    manifest: Path | None = None,
    benchmarks: Sequence[Path] = (),
    limits: Limits,
    threads: int = 2,
    on_picture: Callable[[int, int], None] = lambda _done, _total: None,
) -> Examination:
    """Measure and compare all pictures of a folder. What cannot be decoded is a finding, and stops nothing.

    Raises:
        DataError: a folder is missing or empty, or a benchmark picture cannot be read.
    """
    paths = find_examined(folder, manifest)
    references = [(root, path) for root in benchmarks for path in find_examined(root)]
    results = map_in_order(_look, [(folder, path) for path in paths] + references, threads)
    seen: list[Seen] = []
    findings: list[Finding] = []
    known: list[Seen] = []
    for number, result in enumerate(results, 1):
        on_picture(number, len(paths) + len(references))
        if number > len(paths):
            known.append(_must_be_readable(result))
        elif isinstance(result, Finding):
            findings.append(result)
        else:
            seen.append(result)
            findings += find_flaws(result, limits)
    findings += find_duplicates(seen, limits) + find_leakage(seen, known, limits)
    order = list(KINDS)
    findings.sort(key=lambda finding: (order.index(finding.kind), finding.file))
    counts = [f"{root.resolve().name} ({sum(owner == root for owner, _ in references)})" for root in benchmarks]
    return Examination(
        folder=folder, limits=limits, pictures=tuple(seen), findings=tuple(findings), benchmarks=tuple(counts)
    )


def find_flaws(seen: Seen, limits: Limits) -> list[Finding]:
    """What is wrong with a picture by itself. A flat one is only called flat: there is nothing else to tell of it."""
    values = seen.measures
    side = min(seen.width, seen.height)

    def found(kind: Kind, detail: str, value: float, limit: float) -> Finding:
        return Finding(kind=kind, file=seen.name, detail=detail, value=value, limit=limit)

    small = [
        found(
            "too-small",
            f"{seen.width}×{seen.height}, a side must have {limits.min_px}",
            float(side),
            float(limits.min_px),
        )
        for _ in range(side < limits.min_px)
    ]
    if values.structure_db > limits.flat_db:
        detail = f"structure of {values.structure_db:.1f} dB, more than {limits.flat_db:g}"
        return [*small, found("flat", detail, values.structure_db, limits.flat_db)]
    flaws = []
    if values.sharpness_db < limits.sharpness_db:
        detail = f"sharpness {values.sharpness_db:.1f} dB, below {limits.sharpness_db:g}"
        flaws.append(found("blurry", detail, values.sharpness_db, limits.sharpness_db))
    if values.noise_std_8bit > limits.noise_std_8bit:
        detail = f"noise of {values.noise_std_8bit:.1f} steps of 255, above {limits.noise_std_8bit:g}"
        flaws.append(found("noisy", detail, values.noise_std_8bit, limits.noise_std_8bit))
    if values.blockiness > limits.blockiness:
        detail = f"blockiness {values.blockiness:.3f}, above {limits.blockiness:g}"
        flaws.append(found("blocky", detail, values.blockiness, limits.blockiness))
    return small + flaws


def find_duplicates(seen: Sequence[Seen], limits: Limits) -> list[Finding]:
    """Pictures that are the same as a larger one, or as one of the same size with an earlier name."""
    ordered = sorted(seen, key=lambda one: (-one.width * one.height, one.name))
    first: dict[str, Seen] = {}
    findings: list[Finding] = []
    different: list[Seen] = []
    for one in ordered:
        same = first.setdefault(one.pixels_sha256, one)
        if same is one:
            different.append(one)
        else:
            findings.append(
                Finding(
                    kind="duplicate", file=one.name, detail=f"the pixels of {same.name}", value=1.0, other=same.path
                )
            )
    for one, match in zip(different, best_earlier_matches(_stacked(different)), strict=True):
        if match is not None and match.similarity >= limits.similarity:
            findings.append(_pair("near-duplicate", one, different[match.index], match, limits))
    return findings


def find_leakage(seen: Sequence[Seen], references: Sequence[Seen], limits: Limits) -> list[Finding]:
    """Pictures that stand in a benchmark too."""
    return [
        _pair("leakage", one, references[match.index], match, limits)
        for one, match in zip(seen, best_matches(_stacked(seen), _stacked(references)), strict=True)
        if match is not None and match.similarity >= limits.similarity
    ]


def _pair(kind: Kind, one: Seen, other: Seen, match: Match, limits: Limits) -> Finding:
    name = other.name if kind == "near-duplicate" else f"{other.path.parent.name}/{other.path.name}"
    turned = "" if match.orientation == "as it is" else f", {match.orientation}"
    return Finding(
        kind=kind,
        file=one.name,
        detail=f"{name}{turned} (similarity {match.similarity:.2f})",
        value=round(match.similarity, 3),
        limit=limits.similarity,
        other=other.path,
        orientation=match.orientation,
    )


def _look(place: tuple[Path, Path]) -> Seen | Finding:
    """Decode and measure one picture, or tell why that cannot be done."""
    root, path = place
    name = path.relative_to(root).as_posix()
    try:
        pixels = read_photograph(path, None).numpy()
    except (ImageError, DataError) as error:
        return Finding(kind="unreadable", file=name, detail=str(error).replace(str(path), "").strip(": "))
    digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
    height, width = pixels.shape[:2]
    return Seen(
        path=path,
        name=name,
        width=width,
        height=height,
        measures=measure(pixels),
        pixels_sha256=digest,
        features=fingerprint(pixels),
    )


def _must_be_readable(result: Seen | Finding) -> Seen:
    """A picture of a benchmark; of one that cannot be read nothing can be said about leakage."""
    if isinstance(result, Finding):
        raise DataError(f"pictures of a benchmark must be readable: {result.file}: {result.detail}; leave it out")
    return result


def _stacked(seen: Sequence[Seen]) -> Float[np.ndarray, "pictures features"]:
    features: np.ndarray = np.stack([one.features for one in seen]) if seen else np.zeros((0, NUM_FEATURES), np.float32)
    return features
