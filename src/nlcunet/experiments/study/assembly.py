"""Folders of pictures in, a study out: crops where systems differ, attention checks, files without telling names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from nlcunet.errors import ConfigError
from nlcunet.experiments.study.design import Check, Crop, Study
from nlcunet.experiments.study.folder import check_is_free, write_study
from nlcunet.experiments.study.pictures import Image, ImageFiles, match_files, read_image
from nlcunet.experiments.study.places import Place, choose_places
from nlcunet.experiments.study.sessions import draw_number
from nlcunet.files.checksums import hash_bytes
from nlcunet.imaging.files import Metadata, Picture, encode_picture, read_picture
from nlcunet.imaging.resize import resize_bicubic

SHRINK = 6
"""How many times smaller the degraded copy is made before it is enlarged again: well beyond the ×4 of the systems."""

JPEG_QUALITY = 10

MIN_DAMAGE_8BIT = 8.0
"""Root mean square difference, in steps of 255, below which a check might honestly be missed."""


def degrade_heavily(pixels: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """The picture shrunk, enlarged again and compressed until anybody sees it."""
    height, width = pixels.shape[:2]
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).to(torch.float32)
    small = resize_bicubic(image, max(1, height // SHRINK), max(1, width // SHRINK))
    large = resize_bicubic(small, height, width).round().clamp(0, 255).to(torch.uint8)
    picture = Picture(pixels=large.permute(1, 2, 0).contiguous().numpy())
    return np.asarray(read_picture(encode_picture(picture, file_format="jpeg", quality=JPEG_QUALITY)).pixels)


def measure_damage_8bit(
    pixels: UInt8[np.ndarray, "height width 3"], degraded: UInt8[np.ndarray, "height width 3"]
) -> float:
    """Root mean square difference in steps of 255."""
    return float(np.sqrt(np.square(pixels.astype(np.float64) - degraded).mean()))


COMPARISONS_PER_SESSION = 60
"""About as many as people answer with care in one sitting; what is asked for by default."""

DEFAULT_CHECKS = DEFAULT_REPEATS = 4
MIN_CROP_PX = 16


@dataclass(frozen=True, kw_only=True)
class Design:
    """What whoever asks decides."""

    title: str = "Comparing pictures"
    """What participants see on top."""
    consent: str = ""
    """A sentence below the standard ones that tell what is stored."""
    crop_px: int = 256
    """Side of the crops."""
    crops_per_image: int = 2
    """How many are cut from each image."""
    seed: int = 0
    """Decides on everything that is left to chance."""
    checks: int | None = None
    """Attention checks per session; ``None``: 4, where there are as many crops."""
    repeats: int | None = None
    """Comparisons asked twice; ``None``: 4, where that is at most half of them."""
    judgements_per_pair: int | None = None
    """Crops on which one participant compares a pair of systems; ``None``: for a session of about 60 comparisons."""
    shows_original: bool = False
    """Whether participants see the original."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the pictures are."""

    systems: Mapping[str, Path]
    """Name of a system → its folder."""
    original: Path | None = None
    """Folder of originals, for attention checks and to be shown."""
    low_res: Path | None = None
    """Folder of inputs, to be shown."""


@dataclass(frozen=True, kw_only=True)
class MadeStudy:
    """A study that was written."""

    study: Study
    """What it is."""
    notes: tuple[str, ...]
    """What is worth knowing about the pictures."""


@dataclass
class _Parts:
    """What a study is put together from, image by image."""

    icc_profile: bytes | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    crops: list[Crop] = field(default_factory=list)
    checks: list[tuple[float, Check]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    small_images: list[str] = field(default_factory=list)

    def add(self, pixels: UInt8[np.ndarray, "height width 3"]) -> str:
        """Keep a picture under a name that tells nothing: the SHA-256 of its bytes."""
        picture = Picture(pixels=np.ascontiguousarray(pixels), metadata=Metadata(icc_profile=self.icc_profile))
        data = encode_picture(picture, file_format="png")
        name = f"{hash_bytes(data)}.png"
        self.files[name] = data
        return name


def make_study(
    folder: Path, sources: Sources, design: Design, on_image: Callable[[int, int], None] | None = None
) -> MadeStudy:
    """Cut crops, make checks and write a study.

    Args:
        folder: A new or empty folder.
        sources: Where the pictures are.
        design: What whoever asks decides.
        on_image: Called with the number of images done and to do.

    Raises:
        ConfigError: a setting is not possible, or the folder holds something.
        DataError: the pictures do not fit together.
        ImageError: a picture cannot be read, or none written.
    """
    _check_design(sources, design)
    check_is_free(folder)
    images = match_files(sources.systems, sources.original, sources.low_res)
    parts = _Parts()
    for number, files in enumerate(images, start=1):
        _add_image(parts, files, design)
        if on_image is not None:
            on_image(number, len(images))
    study = _put_together(parts, sources, design)
    files_needed = study.files()
    write_study(folder, study, {name: data for name, data in parts.files.items() if name in files_needed})
    if parts.small_images:
        names = ", ".join(parts.small_images[:3]) + (", …" if len(parts.small_images) > 3 else "")
        parts.notes.append(
            f"{len(parts.small_images)} of {len(images)} images have room for fewer than {design.crops_per_image} "
            f"crops of {design.crop_px} pixels: {names}"
        )
    return MadeStudy(study=study, notes=tuple(parts.notes))


def _check_design(sources: Sources, design: Design) -> None:
    """Refuse what cannot be.

    Raises:
        ConfigError: a name or number is not possible.
    """
    bad = [name for name in sources.systems if not re.fullmatch(r"[^\s|](?:[^|\n\r\t]{0,38}[^\s|])?", name)]
    if bad:
        raise ConfigError(f"the name of a system must be 1 … 40 characters without | and line breaks: got {bad[0]!r}")
    if design.shows_original and sources.original is None:
        raise ConfigError("the original can be shown only if it is there: give --original FOLDER as well")
    least = {
        "crop-px": MIN_CROP_PX,
        "crops-per-image": 1,
        "judgements-per-pair": 1,
        "checks": 0,
        "repeats": 0,
        "seed": 0,
    }
    for name, smallest in least.items():
        value = getattr(design, name.replace("-", "_"))
        if value is not None and value < smallest:
            raise ConfigError(f"{name} must be at least {smallest}: got {value}")


def _add_image(parts: _Parts, files: ImageFiles, design: Design) -> None:
    """Crops and possible checks of one image."""
    image = read_image(files)
    parts.notes += image.notes
    parts.icc_profile = image.icc_profile
    places = choose_places(
        image.systems,
        crop_px=design.crop_px,
        count=design.crops_per_image,
        grid_px=image.low_res_scale,
        seed=design.seed,
        name=image.stem,
    )
    if len(places) < design.crops_per_image:
        parts.small_images.append(image.stem)
    for place in places:
        number = len(parts.crops)
        parts.crops.append(_make_crop(parts, image, place, shows_original=design.shows_original))
        _add_check(parts, image, place, number, design)


def _make_crop(parts: _Parts, image: Image, place: Place, *, shows_original: bool) -> Crop:
    """One place cut out of everything that is shown."""
    scale = image.low_res_scale
    low_res = None
    if image.low_res is not None:
        rows = slice(place.top // scale, (place.top + place.height) // scale)
        columns = slice(place.left // scale, (place.left + place.width) // scale)
        low_res = parts.add(image.low_res[rows, columns])
    return Crop(
        image=image.stem,
        top=place.top,
        left=place.left,
        height=place.height,
        width=place.width,
        difference=place.difference,
        pictures={name: parts.add(_cut(pixels, place)) for name, pixels in image.systems.items()},
        original=parts.add(_cut(image.original, place)) if image.original is not None and shows_original else None,
        low_res=low_res,
        low_res_scale=scale,
    )


def _add_check(parts: _Parts, image: Image, place: Place, number: int, design: Design) -> None:
    """A possible attention check of a crop, and how plain it is."""
    source = image.original
    if source is None:
        names = sorted(image.systems)
        source = image.systems[names[draw_number(design.seed, "check of", number) % len(names)]]
    pixels = _cut(source, place)
    degraded = degrade_heavily(pixels)
    damage = measure_damage_8bit(pixels, degraded)
    if damage >= MIN_DAMAGE_8BIT:
        parts.checks.append((damage, Check(crop=number, better=parts.add(pixels), worse=parts.add(degraded))))


def _put_together(parts: _Parts, sources: Sources, design: Design) -> Study:
    """Numbers per session, and the study.

    Raises:
        ConfigError: more is asked for than the crops allow.
    """
    num_crops, systems = len(parts.crops), tuple(sources.systems)
    num_pairs = len(systems) * (len(systems) - 1) // 2
    judgements = design.judgements_per_pair or min(num_crops, max(1, COMPARISONS_PER_SESSION // num_pairs))
    if judgements > num_crops:
        raise ConfigError(
            f"judgements-per-pair must be at most the number of crops: got {judgements} for {num_crops} crops; "
            "raise --crops-per-image or give more images"
        )
    most_repeats = num_pairs * judgements // 2
    repeats = min(DEFAULT_REPEATS, most_repeats) if design.repeats is None else design.repeats
    if repeats > most_repeats:
        raise ConfigError(f"repeats must be at most half of the {num_pairs * judgements} comparisons: got {repeats}")
    checks = min(DEFAULT_CHECKS, num_crops) if design.checks is None else design.checks
    plainest = sorted(parts.checks, key=lambda item: -item[0])[:checks]
    if len(plainest) < checks:
        parts.notes.append(f"attention checks: {len(plainest)} of {checks}; other crops are too plain to show damage")
    return Study(
        title=design.title,
        consent=design.consent,
        seed=design.seed,
        systems=systems,
        crops=tuple(parts.crops),
        checks=tuple(check for _, check in plainest),
        repeats=repeats,
        judgements_per_pair=judgements,
    )


def _cut(pixels: UInt8[np.ndarray, "height width 3"], place: Place) -> UInt8[np.ndarray, "crop_height crop_width 3"]:
    """The rectangle of a picture."""
    return pixels[place.top : place.top + place.height, place.left : place.left + place.width]
