"""Manifests: what a benchmark set on disk consists of, so that everybody can tell that theirs is the same.

A set is a folder::

    HR/baby.png       originals, RGB, cropped
    LR/baby_k3.png    inputs, one for each pair: name of the original, number of the degradation
    kernels.npz       blur kernels by the names of the inputs (``baby_k3``), float64, sum 1
    manifest.json     all of it by SHA-256, of files and of pixels

Pixels are equal wherever a set is made; files are equal as long as the same library compresses them.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.steps import Step
from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.protocols import Protocol
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.checksums import hash_bytes, hash_values

FORMAT = "nlcunet benchmark set"
FORMAT_VERSION = 1
MANIFEST, KERNELS, HIGH_RES, LOW_RES = "manifest.json", "kernels.npz", "HR", "LR"


@dataclass(frozen=True, kw_only=True)
class OriginalEntry:
    """One original."""

    image: str
    """File name of the original that it was made of."""
    original_sha256: str
    """Of that file."""
    file: str
    """The original in the set, ``HR/baby.png``."""
    sha256: str
    """Of the file in the set."""
    pixels_sha256: str
    """Of its pixels, row by row, RGB."""
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class PairEntry:
    """One pair."""

    image: str
    kernel_index: int
    file: str
    """The input, ``LR/baby_k3.png``."""
    sha256: str
    pixels_sha256: str
    degradation: DegradationRecord | None
    """What was done; null where others made the input."""

    @property
    def stem(self) -> str:
        """Name of the pair: the input's without its ending."""
        return PurePosixPath(self.file).stem


@dataclass(frozen=True, kw_only=True)
class SetManifest:
    """A whole set."""

    name: str
    """What the set is called, as ``Set5``."""
    protocol: Protocol
    package_version: str
    """Of the program that made it."""
    originals: tuple[OriginalEntry, ...]
    """In the order of their names."""
    pairs: tuple[PairEntry, ...]
    """In the order of originals and degradations."""
    kernels_sha256: str
    """Of ``kernels.npz``; empty where kernels are not known."""

    @property
    def content_sha256(self) -> str:
        """Of the name, the protocol, the pixels and the degradations: equal for equal sets.

        The program's version and the compression of files leave it alone.
        """
        content = {
            "protocol": asdict(self.protocol),
            "name": self.name,
            "originals": [(one.image, one.pixels_sha256) for one in self.originals],
            "pairs": [
                (one.image, one.kernel_index, one.pixels_sha256, one.degradation and told_fields(one.degradation))
                for one in self.pairs
            ],
        }
        return hash_values(content)


def told_fields(record: DegradationRecord) -> dict[str, Any]:
    """The fields of a record that say something: so that a field added later leaves old checksums as they are."""
    plain = DegradationRecord(scale=record.scale).to_dict()
    told = {name: value for name, value in record.to_dict().items() if name == "scale" or value != plain[name]}
    return {**told, "steps": [_told_step(step) for step in record.steps]} if record.steps else told


def _told_step(step: Step) -> dict[str, Any]:
    """The fields of a step that say something."""
    plain = {field.name: field.default for field in fields(step)}
    return {name: value for name, value in asdict(step).items() if name == "kind" or value != plain[name]}


def write_set_manifest(folder: Path, manifest: SetManifest) -> None:
    """Write a set's manifest, atomically; the same manifest gives the same bytes.

    Raises:
        ImageWriteError: If it cannot be written.
    """
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": manifest.name,
        "protocol": asdict(manifest.protocol),
        "description": manifest.protocol.description(),
        "package_version": manifest.package_version,
        "content_sha256": manifest.content_sha256,
        "kernels_sha256": manifest.kernels_sha256,
        "originals": [asdict(one) for one in manifest.originals],
        "pairs": [asdict(one) for one in manifest.pairs],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_file_atomically(folder / MANIFEST, text.encode())


def read_set_manifest(folder: Path) -> SetManifest:
    """The manifest of a set; its files are not looked at.

    Raises:
        DataError: If there is none, it is damaged, or of a later format.
    """
    path = folder / MANIFEST
    advice = "make the set with nlcunet bench make"
    if not path.is_file():
        raise DataError(f"a set must be a folder with a {MANIFEST}: found none in {folder}; {advice}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT or document["format_version"] != FORMAT_VERSION:
            raise DataError(
                f"{path} must be of format {FORMAT} {FORMAT_VERSION}: got {document['format']} "
                f"{document['format_version']}; make the set again, or use the program that made it"
            )
        manifest = SetManifest(
            name=str(document["name"]),
            protocol=_protocol_of(document["protocol"]),
            package_version=str(document["package_version"]),
            originals=tuple(OriginalEntry(**one) for one in document["originals"]),
            pairs=tuple(_pair_of(one) for one in document["pairs"]),
            kernels_sha256=str(document["kernels_sha256"]),
        )
        told = document["content_sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no valid manifest ({type(error).__name__}: {error}); make the set again") from error
    if manifest.content_sha256 != told:
        raise DataError(f"{path} must be as it was made: its checksum does not match; make the set again")
    for file in (*(one.file for one in manifest.originals), *(one.file for one in manifest.pairs)):
        if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise DataError(f"files of a set must lie inside it: {path} names {file}; make the set again")
    return manifest


def _protocol_of(values: dict[str, Any]) -> Protocol:
    return Protocol(**{**values, "sigmas_px": tuple(values["sigmas_px"])})


def _pair_of(values: dict[str, Any]) -> PairEntry:
    degradation = values["degradation"]
    try:
        record = None if degradation is None else DegradationRecord.from_dict(degradation)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return PairEntry(**{**values, "degradation": record})


def pixels_sha256(pixels: np.ndarray) -> str:
    """SHA-256 of pixels as they lie: row by row, each R, G, B; 16-bit ones with the low byte first."""
    return hash_bytes(np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"))).tobytes())
