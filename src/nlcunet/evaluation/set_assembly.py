"""Benchmark sets made: from a folder of originals to inputs, kernels and a manifest on disk.

The same originals, protocol and seed give the same files. A folder that is not finished says so by its `PLAN`, which
is written first and goes last; making goes on where it was interrupted.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import record_kernel
from nlcunet.errors import DataError, ImageError
from nlcunet.evaluation.manifests import (
    HIGH_RES,
    KERNELS,
    LOW_RES,
    MANIFEST,
    OriginalEntry,
    PairEntry,
    SetManifest,
    pixels_sha256,
    read_set_manifest,
    write_set_manifest,
)
from nlcunet.evaluation.originals import find_originals, read_original, to_tensor
from nlcunet.evaluation.protocols import Protocol
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.checksums import hash_file
from nlcunet.imaging.files import read_picture, write_picture
from nlcunet.imaging.picture import Picture, full_scale
from nlcunet.version import __version__

PLAN = "unfinished.json"
"""In a set that is being made: what it is to become."""


def make_set(
    images: Path, protocol: Protocol, target: Path, name: str, *, on_file_done: Callable[[Path], None] = lambda _: None
) -> SetManifest:
    """Makes a set of all originals in a folder.

    Raises:
        DataError: If an original cannot be used, two have one name, or the target holds something else.
        ImageWriteError: If a file cannot be written.
    """
    files = find_originals(images)
    check_stems(files)
    plan = make_plan(name, protocol, files)
    if finished := open_target(target, plan):
        return finished
    originals: list[OriginalEntry] = []
    pairs: list[PairEntry] = []
    kernels: dict[str, np.ndarray] = {}
    for path in files:
        original = write_original(path, target, protocol.scale)
        truth = to_tensor(read_picture(target / original.file).pixels)
        originals.append(original)
        for index, record in protocol.records(path.name):
            file = f"{LOW_RES}/{path.stem}_k{index}.png"
            if not (target / file).is_file():
                save_png(apply_records(truth, [record])[0], target / file)
            pixels = read_picture(target / file).pixels
            pairs.append(
                PairEntry(
                    image=path.name,
                    kernel_index=index,
                    file=file,
                    sha256=hash_file(target / file),
                    pixels_sha256=pixels_sha256(pixels),
                    degradation=record,
                )
            )
            kernels[f"{path.stem}_k{index}"] = record_kernel(record).numpy()
        on_file_done(path)
    write_file_atomically(target / KERNELS, npz_bytes(kernels))
    return finish_set(target, name, protocol, originals, pairs)


def finish_set(
    target: Path, name: str, protocol: Protocol, originals: Iterable[OriginalEntry], pairs: Iterable[PairEntry]
) -> SetManifest:
    """Writes the manifest over a set whose other files are there, and takes away the plan."""
    kernels = target / KERNELS
    manifest = SetManifest(
        name=name,
        protocol=protocol,
        package_version=__version__,
        originals=tuple(originals),
        pairs=tuple(pairs),
        kernels_sha256=hash_file(kernels) if kernels.is_file() else "",
    )
    write_set_manifest(target, manifest)
    (target / PLAN).unlink(missing_ok=True)
    return manifest


def make_plan(name: str, protocol: Protocol, files: Iterable[Path]) -> dict[str, Any]:
    """What a set is to become: enough to tell it from every other."""
    plan = {"name": name, "protocol": asdict(protocol), "originals": {path.name: hash_file(path) for path in files}}
    return json.loads(json.dumps(plan))  # type: ignore[no-any-return]  # as it will be read back: lists, not tuples


def open_target(target: Path, plan: dict[str, Any]) -> SetManifest | None:
    """Gets a folder ready for a set.

    Returns:
        The manifest, if the set is there already.

    Raises:
        DataError: If the folder holds something else, or the finished set is damaged.
    """
    advice = "choose another folder, or delete this one"
    if target.exists() and not target.is_dir():
        raise DataError(f"the set must become a folder: {target} is a file; choose another name")
    if (target / MANIFEST).is_file():
        manifest = read_set_manifest(target)
        there = make_plan(manifest.name, manifest.protocol, ())
        there["originals"] = {one.image: one.original_sha256 for one in manifest.originals}
        if "inputs" in plan:
            there["inputs"] = {one.image: one.sha256 for one in manifest.pairs}
        if there != plan:
            raise DataError(f"the folder must be new, or hold this very set: {target} holds another set; {advice}")
        check_files(target, manifest)
        (target / PLAN).unlink(missing_ok=True)
        return manifest
    known = {PLAN, KERNELS, HIGH_RES, LOW_RES}
    found = sorted(path.name for path in target.iterdir()) if target.is_dir() else []
    # A part of a file that an interrupted write has left is ours as well.
    foreign = [one for one in found if one not in known and not one.endswith(".part")]
    if foreign or (found and PLAN not in found):
        what = ", ".join((foreign or found)[:3])
        raise DataError(f"the folder must be new or empty: {target} holds {what}; {advice}")
    try:
        if found and json.loads((target / PLAN).read_text(encoding="utf-8")) != plan:
            raise DataError(
                f"the folder must be new, or hold this very set: {target} holds another, unfinished one; {advice}"
            )
        for folder in (target, target / HIGH_RES, target / LOW_RES):
            folder.mkdir(parents=True, exist_ok=True)
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(f"the set must have a folder that can be written: {target}: {error}; {advice}") from error
    write_file_atomically(target / PLAN, (json.dumps(plan, indent=1, ensure_ascii=False) + "\n").encode())
    return None


def check_files(folder: Path, manifest: SetManifest) -> None:
    """Whether every file of a set is there, byte for byte.

    Raises:
        DataError: If one is missing or differs.
    """
    told = {one.file: one.sha256 for one in manifest.originals} | {one.file: one.sha256 for one in manifest.pairs}
    if manifest.kernels_sha256:
        told[KERNELS] = manifest.kernels_sha256
    for file, sha256 in told.items():
        path = folder / file
        if not path.is_file():
            raise DataError(
                f"a set must be whole: {path} is missing; copy the set again, or delete it and make it again"
            )
        if hash_file(path) != sha256:
            raise DataError(
                f"a set must be as it was made: {path} has changed (its SHA-256 is not the manifest's); "
                "copy the set again, or delete it and make it again"
            )


def check_stems(files: Iterable[Path]) -> None:
    """Refuses originals that would be one file in the set."""
    seen: dict[str, Path] = {}
    for path in files:
        other = seen.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise DataError(
                f"originals must have names of their own: {other.name} and {path.name} differ in their endings only; "
                "rename one, or take it out"
            )


def write_original(path: Path, target: Path, scale: int) -> OriginalEntry:
    """Puts an original into a set, as RGB and cropped, unless it is there already."""
    file = f"{HIGH_RES}/{path.stem}.png"
    if not (target / file).is_file():
        try:
            deep = read_picture(path).pixels.dtype != np.uint8
            save_png(read_original(path, scale)[0], target / file, deep=deep)
        except ImageError as error:
            raise DataError(f"every original must be readable: {error}; repair it, or take it out") from error
    pixels = read_picture(target / file).pixels
    return OriginalEntry(
        image=path.name,
        original_sha256=hash_file(path),
        file=file,
        sha256=hash_file(target / file),
        pixels_sha256=pixels_sha256(pixels),
        height=pixels.shape[0],
        width=pixels.shape[1],
    )


def save_png(image: Float[Tensor, "3 height width"], path: Path, *, deep: bool = False) -> None:
    """Writes RGB in [0, 1] with 8 bits, or 16 if deep.

    Raises:
        ImageWriteError: If it cannot be written.
    """
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    steps = (image.double().clamp(0, 1) * full_scale(dtype)).round().permute(1, 2, 0).cpu().numpy()
    write_picture(Picture(pixels=np.ascontiguousarray(steps.astype(dtype))), path)


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as a file for ``numpy.load``, with nothing in it that changes from run to run."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # its date is 1980-01-01
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(entry, content.getvalue(), compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
