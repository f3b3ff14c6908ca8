"""From pixels to the bytes of a file; what the format cannot hold is converted and told."""

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pyvips
from jaxtyping import Shaped, UInt8

from nlcunet.errors import ImageWriteError
from nlcunet.imaging.embedding import (
    COMMENT,
    embed_heif,
    embed_jpeg,
    embed_tiff,
    embed_webp,
    heif_placeholder,
)
from nlcunet.imaging.exif import directory_to_exif, exif_resolution, resolution_values, sized_metadata, with_prefix
from nlcunet.imaging.float_range import FloatRange
from nlcunet.imaging.formats import FORMATS, FileFormat, coder_arguments, writable_formats
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, reason_of, samples_to_image
from nlcunet.imaging.picture import Metadata, Picture, full_scale
from nlcunet.imaging.png import embed_png
from nlcunet.imaging.tiff_tags import Directory

Samples: TypeAlias = Shaped[np.ndarray, "height width bands"]
"""Colour bands, then alpha if there is one."""

_SPLICED = {"png", "jpeg", "webp", "tiff"}


def encode(picture: Picture, file_format: FileFormat, quality: int | None) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a file, and notes on what the format could not hold.

    Raises:
        ImageWriteError: The format cannot be written here, or not at this size.
    """
    height, width = picture.pixels.shape[:2]
    check_writable(file_format, height, width, quality)
    samples, metadata, notes = fit(picture, file_format)
    metadata, more = fit_metadata(metadata, (width, height), file_format, quality)
    image = samples_to_image(samples, metadata.icc_profile)
    try:
        data, lost = _save_with_metadata(image, file_format, quality, metadata)
    except LIBVIPS_ERRORS as error:
        raise ImageWriteError(
            f"{width} × {height} pixels must be written as {file_format.name}: "
            f"libvips failed ({reason_of(error)}); choose another format"
        ) from error
    return data, (*notes, *more, *lost)


def check_writable(file_format: FileFormat, height: int, width: int, quality: int | None) -> None:
    """Refuse what a format cannot hold, or cannot be written here.

    Raises:
        ImageWriteError: The format, the size or the quality is not possible.
    """
    if file_format.name not in writable_formats():
        raise ImageWriteError(
            f"the format must be one of {', '.join(writable_formats())}: got {file_format.name}, "
            "which this libvips cannot write; choose another"
        )
    if max(width, height) > file_format.max_side_px:
        fitting = [name for name in writable_formats() if FORMATS[name].max_side_px > max(width, height)]
        raise ImageWriteError(
            f"{file_format.name} must have sides of at most {file_format.max_side_px:,} pixels: "
            f"got {width} × {height}; write {' or '.join(fitting)}"
        )
    if quality is not None and not 1 <= quality <= 100:
        raise ImageWriteError(f"quality must be 1 to 100: got {quality}; choose 90 or more for photographs")


def check_range(values: FloatRange, file_format: FileFormat) -> None:
    """Refuse floating point samples that would become white or black.

    Raises:
        ImageWriteError: The format holds no floats, and they go far beyond [0, 1].
    """
    if not file_format.floats and not values.is_near_nominal:
        fitting = [name for name in writable_formats() if FORMATS[name].floats]
        raise ImageWriteError(
            f"{file_format.name} must have samples in [0, 1]: got floating point samples from {values.low:g} to "
            f"{values.high:g}, which would become white or black; write {' or '.join(fitting)}, or scale them first"
        )


def fit(picture: Picture, file_format: FileFormat) -> tuple[Samples, Metadata, tuple[str, ...]]:
    """Samples that the format can hold: colour bands, then alpha; notes tell what had to be converted."""
    pixels, alpha, metadata = picture.pixels, picture.alpha, picture.metadata
    name, notes = file_format.name, []
    if alpha is not None and not file_format.alpha:
        pixels, alpha = flatten_over_white(pixels, alpha), None
        notes.append(f"{name} has no transparency; the picture was laid over white.")
    samples = pixels if alpha is None else np.concatenate([pixels, alpha[:, :, None]], axis=2)
    samples, rounded = _fit_bits(samples, file_format)
    notes.extend(rounded)
    if pixels.shape[2] == 1 and not file_format.grey:
        samples, metadata = _grey_to_rgb(samples, metadata)
        notes.append(f"{name} has no grey here; the picture was written as RGB.")
    return np.ascontiguousarray(samples), metadata, tuple(notes)


def _fit_bits(samples: Samples, file_format: FileFormat) -> tuple[Samples, tuple[str, ...]]:
    """Samples with as many bits as the format holds."""
    name, notes = file_format.name, []
    if samples.dtype == np.float32 and not file_format.floats:
        if np.isnan(samples).any():
            notes.append(f"{name} has no floating point; samples that are no numbers became black.")
            samples = np.nan_to_num(samples)
        values = FloatRange(float(samples.min()), float(samples.max()))
        check_range(values, file_format)
        if not values.is_nominal:
            notes.append(f"{name} has no floating point; samples outside of [0, 1] were clipped.")
        samples = np.rint(samples.clip(0, 1) * np.float32(65_535)).astype(np.uint16)
        notes.append(f"{name} has no floating point; the samples were rounded to {file_format.max_bits} bits.")
        if file_format.max_bits == 8:
            samples = bits_16_to_8(samples)
    if samples.dtype != np.uint16 or file_format.max_bits == 16:
        return samples, tuple(notes)
    if not notes:
        notes.append(f"{name} holds {file_format.max_bits} bits; the samples were rounded from 16.")
    if file_format.max_bits == 8:
        return bits_16_to_8(samples), tuple(notes)
    top = 2**file_format.max_bits - 1  # libvips takes the upper bits and cuts the rest: round before
    rounded = (samples.astype(np.uint32) * top + 32_767) // 65_535
    return (rounded << (16 - file_format.max_bits)).astype(np.uint16), tuple(notes)


def bits_16_to_8(samples: Samples) -> UInt8[np.ndarray, "*sizes"]:
    """16 bit samples rounded to the nearest of 8 bits: 65535 becomes 255, and 257·n becomes n."""
    rounded: UInt8[np.ndarray, "*sizes"] = ((samples.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
    return rounded


def flatten_over_white(
    pixels: Shaped[np.ndarray, "height width channels"], alpha: Shaped[np.ndarray, "height width"]
) -> Shaped[np.ndarray, "height width channels"]:
    """Pixels as seen on white paper: ``pixels · alpha + white · (1 − alpha)``, in the file's own encoding."""
    white = full_scale(pixels.dtype)
    coverage = alpha[:, :, None].astype(np.float32) / np.float32(white)
    flat = pixels * coverage + np.float32(white) * (1 - coverage)
    rounded: Shaped[np.ndarray, "height width channels"] = flat if pixels.dtype == np.float32 else np.rint(flat)
    return rounded.astype(pixels.dtype)


def _grey_to_rgb(
    samples: Samples, metadata: Metadata
) -> tuple[Shaped[np.ndarray, "height width more_bands"], Metadata]:
    """Grey as RGB. A grey profile cannot describe RGB pixels, so its tone curve is turned into that of sRGB."""
    grey, alpha = samples[:, :, :1], samples[:, :, 1:]
    if metadata.icc_profile is not None:
        image = samples_to_image(np.ascontiguousarray(grey), metadata.icc_profile)
        grey = image.icc_transform("srgb", embedded=True, depth=8 * samples.itemsize, intent="relative").numpy()
        metadata = replace(metadata, icc_profile=None)
    rgb = grey if grey.shape[2] == 3 else np.repeat(grey, 3, axis=2)
    return np.concatenate([rgb, alpha], axis=2), metadata


def fit_metadata(
    metadata: Metadata, size: tuple[int, int], file_format: FileFormat, quality: int | None
) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata for an upright picture of this width and height, as far as the format can hold it.

    A resolution goes into EXIF where there is no other place for it.
    """
    notes: tuple[str, ...] = ()
    if metadata.exif is not None or metadata.xmp is not None:
        metadata, notes = sized_metadata(metadata, *size)
    if metadata.iptc is not None and not file_format.iptc:
        metadata = replace(metadata, iptc=None)
        notes += (f"{file_format.name} has no place for IPTC records; they were left out.",)
    if file_format.default_quality is None and quality is not None:
        notes += (f"The quality of {quality} has no meaning for {file_format.name}, which loses nothing.",)
    held = tuple(text for text in metadata.texts if holds_text(file_format, text[0]))
    if held != metadata.texts:
        lost = dict.fromkeys(keyword for keyword, _ in metadata.texts if not holds_text(file_format, keyword))
        notes += (f"{file_format.name} has no place for texts ({', '.join(lost)}); they were left out.",)
        metadata = replace(metadata, texts=held)
    resolution = metadata.dots_per_inch
    if file_format.name in {"png", "jpeg", "tiff"} or resolution is None:
        return metadata, notes
    if metadata.exif is None:
        exif = directory_to_exif(Directory(resolution_values(resolution)))
        return replace(metadata, exif=exif), notes
    if exif_resolution(metadata.exif) is None:
        notes += (f"{file_format.name} has no place for a resolution but EXIF, which has none; it was left out.",)
    return metadata, notes


def holds_text(file_format: FileFormat, keyword: str) -> bool:
    """Whether a format has a place for a text of this keyword."""
    return file_format.name == "png" or (file_format.name == "jpeg" and keyword == COMMENT)


def _save_with_metadata(
    image: Any, file_format: FileFormat, quality: int | None, metadata: Metadata
) -> tuple[bytes, tuple[str, ...]]:
    """Encoded pixels with all metadata in place, and notes on what did not fit."""
    name = file_format.name
    if name in _SPLICED:
        data = _save(image, file_format, quality, {})
        return _embed(data, name, metadata, image)
    blobs = {"exif": metadata.exif and with_prefix(metadata.exif), "xmp": metadata.xmp}
    if metadata.exif is None:
        return _save(image, file_format, quality, blobs), ()
    if file_format.compression:
        data = _save(image, file_format, quality, blobs | {"exif": heif_placeholder(metadata.exif)})
        embedded = embed_heif(data, metadata.exif)
        if embedded is not None:
            return embedded, ()
    rebuilt = f"{name}: libvips rebuilt the EXIF block, so that unusual tags may be lost."
    return _save(image, file_format, quality, blobs), (rebuilt,)


def _save(image: Any, file_format: FileFormat, quality: int | None, blobs: dict[str, bytes | None]) -> bytes:
    """Encode with libvips: pixels, profile and the given blobs."""
    arguments = saver_arguments(file_format, quality, image.format)
    for name, content in blobs.items():
        if content is not None:
            image = image.copy()
            image.set_type(pyvips.GValue.blob_type, f"{name}-data", content)
            arguments["keep"] += f":{name}"
    return bytes(getattr(image, f"{file_format.saver}_buffer")(**arguments))


def _embed(data: bytes, name: str, metadata: Metadata, image: Any) -> tuple[bytes, tuple[str, ...]]:
    """Place the metadata in a file that holds pixels and profile only."""
    if name == "jpeg":
        return embed_jpeg(data, metadata)
    if name == "png":
        return embed_png(data, metadata), ()
    if name == "tiff":
        return embed_tiff(data, metadata)
    if metadata.exif is None and metadata.xmp is None:
        return data, ()
    return embed_webp(data, metadata, (image.width, image.height), has_alpha=image.bands == 4), ()


def saver_arguments(file_format: FileFormat, quality: int | None, band_format: str) -> dict[str, Any]:
    """What libvips' saver is told: the profile is kept, and quality 100 is lossless where the format can."""
    arguments: dict[str, Any] = coder_arguments(file_format) | {"keep": "icc"}
    used = file_format.default_quality if quality is None else quality
    if used is not None:
        arguments |= {"lossless": True} if used == 100 and file_format.name != "jpeg" else {"Q": used}
    if file_format.name == "tiff":
        arguments |= {"compression": "deflate", "predictor": "float" if band_format == "float" else "horizontal"}
    elif file_format.name == "webp":
        arguments |= {"exact": True, "smart_subsample": True}
    elif file_format.compression:
        # effort 2 of 9: measured 16 times as fast as the default of 4 at the same size, for 0.25 dB
        arguments |= {"bitdepth": 8 if band_format == "uchar" else file_format.max_bits, "effort": 2}
    return arguments
