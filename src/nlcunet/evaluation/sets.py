"""Benchmark sets as a run sees them: pairs with their pixels, from a folder on disk or made on the fly."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError, DataError, ImageError
from nlcunet.evaluation.manifests import SetManifest, pixels_sha256, read_set_manifest
from nlcunet.evaluation.originals import read_original, to_tensor
from nlcunet.evaluation.protocols import Protocol, find_protocol
from nlcunet.evaluation.records import SetFacts
from nlcunet.evaluation.set_assembly import check_files, check_stems
from nlcunet.files.checksums import hash_file, hash_values
from nlcunet.imaging.files import read_picture

PAIR_PIXELS = 2**22
"""High-resolution pixels that are degraded and measured at once; in float64 they take about 1 GB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """One input, and what is known of it."""

    image: str
    kernel_index: int
    stem: str
    """Name of the pair, ``baby_k3``: that of files which belong to it."""
    record: DegradationRecord | None
    """What was done; none where others made the input."""
    low_res: Float[Tensor, "3 height width"]
    """RGB in [0, 1], float64, in steps of 1/255."""
    low_res_sha256: str
    file: Path | None


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedImage:
    """One original with all its pairs."""

    truth: Float[Tensor, "3 height width"]
    """RGB in [0, 1], float64."""
    file: Path | None
    pairs: tuple[Pair, ...]


PairKey: TypeAlias = tuple[str, int, str]
"""Image, number of the degradation, stem."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchmarkSet:
    """A set that has been checked and can be measured on."""

    facts: SetFacts
    protocol: Protocol
    """How it was made, and is measured."""
    content_sha256: str
    """Of everything that matters: equal for equal sets."""
    images: dict[str, tuple[PairKey, ...]]
    """Pairs by the name of the original."""
    sizes: dict[str, tuple[int, int]]
    """Height and width of each original, cropped."""
    load: Callable[[str], LoadedImage]
    files: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    """Original and input on disk, by the pair's name."""
    folder: Path | None = None
    """Where it lies; none where it is made on the fly."""
    skipped: tuple[str, ...] = ()
    """Files that cannot be measured, each with the reason."""

    @property
    def place(self) -> str:
        """Name of the folder that files of this set are kept in: its own folder's."""
        return self.facts.name if self.folder is None else self.folder.resolve().name


def open_set(folder: Path) -> BenchmarkSet:
    """A set on disk, every byte of it compared with its manifest.

    Raises:
        DataError: If it is no set, a file is missing or has changed, or it was made by another version of the protocol.
    """
    manifest = read_set_manifest(folder)
    told, scale = manifest.protocol, manifest.protocol.scale
    try:
        ours = find_protocol(told.name, scale, told.sigmas_px, seed=told.seed)
    except ConfigError as error:
        raise DataError(
            f"{folder} must follow a protocol of this version: {error}; update, or make it again"
        ) from error
    if ours != told:
        raise DataError(
            f"{folder} must follow the protocol of this version: it was made by {told.name} version {told.version}, "
            f"this is version {ours.version}; make it again"
        )
    check_files(folder, manifest)
    images: dict[str, tuple[PairKey, ...]] = {one.image: () for one in manifest.originals}
    for pair in manifest.pairs:
        images[pair.image] += ((pair.image, pair.kernel_index, pair.stem),)
    high_res = {one.image: folder / one.file for one in manifest.originals}
    return BenchmarkSet(
        facts=SetFacts(
            name=manifest.name,
            protocol=told.name,
            version=told.version,
            scale=scale,
            description=told.description(),
            images=len(manifest.originals),
            pairs=len(manifest.pairs),
            manifest_sha256=manifest.content_sha256,
        ),
        protocol=told,
        content_sha256=manifest.content_sha256,
        images=images,
        sizes={one.image: (one.height, one.width) for one in manifest.originals},
        load=lambda image: load_from_disk(folder, manifest, image),
        files={pair.stem: (high_res[pair.image], folder / pair.file) for pair in manifest.pairs},
        folder=folder,
    )


def load_from_disk(folder: Path, manifest: SetManifest, image: str) -> LoadedImage:
    """One original of a set on disk, with its pairs."""
    original = next(one for one in manifest.originals if one.image == image)
    pairs = []
    for one in manifest.pairs:
        if one.image == image:
            pixels = read_picture(folder / one.file).pixels
            if pixels_sha256(pixels) != one.pixels_sha256:
                raise DataError(
                    f"{folder / one.file} must have the pixels that its manifest lists: it decodes to others here; "
                    "make the set again"
                )
            pairs.append(
                Pair(
                    image=image,
                    kernel_index=one.kernel_index,
                    stem=one.stem,
                    record=one.degradation,
                    low_res=to_tensor(pixels)[0],
                    low_res_sha256=one.pixels_sha256,
                    file=folder / one.file,
                )
            )
    file = folder / original.file
    return LoadedImage(truth=to_tensor(read_picture(file).pixels)[0], file=file, pairs=tuple(pairs))


def set_on_the_fly(files: tuple[Path, ...], protocol: Protocol, name: str) -> BenchmarkSet:
    """A set of originals whose pairs are made when they are measured, and not kept; what cannot be used is named.

    Raises:
        ConfigError: If the protocol takes pairs as they are.
        DataError: If two originals have one name, or none can be measured.
    """
    check_stems(files)
    usable, skipped, sizes = {}, [], {}
    for path in files:
        try:
            height, width = read_original(path, protocol.scale).shape[-2:]
            sizes[path.name] = (height, width)
            usable[path.name] = path
        except (ImageError, DataError) as error:
            skipped.append(f"{path.name}: {error}")
    if not usable:
        raise DataError(f"at least one original must be readable: got none of {len(files)}; {'; '.join(skipped)}")
    images = {
        image: tuple((image, index, f"{path.stem}_k{index}") for index, _ in protocol.records(image))
        for image, path in usable.items()
    }
    content = {"protocol": asdict(protocol), "files": {image: hash_file(path) for image, path in usable.items()}}
    return BenchmarkSet(
        facts=SetFacts(
            name=name,
            protocol=protocol.name,
            version=protocol.version,
            scale=protocol.scale,
            description=protocol.description(),
            images=len(images),
            pairs=sum(len(pairs) for pairs in images.values()),
        ),
        protocol=protocol,
        content_sha256=hash_values(content),
        images=images,
        sizes=sizes,
        load=lambda image: load_on_the_fly(usable[image], protocol),
        skipped=tuple(skipped),
    )


def load_on_the_fly(path: Path, protocol: Protocol) -> LoadedImage:
    """One original, with its pairs made now."""
    original = read_original(path, protocol.scale)
    numbered = protocol.records(path.name)
    at_once = max(1, PAIR_PIXELS // original[0, 0].numel())
    pairs = []
    for first in range(0, len(numbered), at_once):
        chunk = numbered[first : first + at_once]
        low_res = apply_records(original.expand(len(chunk), -1, -1, -1), [record for _, record in chunk])
        for (index, record), picture in zip(chunk, low_res, strict=True):
            steps = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            pairs.append(
                Pair(
                    image=path.name,
                    kernel_index=index,
                    stem=f"{path.stem}_k{index}",
                    record=record,
                    low_res=picture,
                    low_res_sha256=pixels_sha256(steps),
                    file=None,
                )
            )
    return LoadedImage(truth=original[0], file=None, pairs=tuple(pairs))
