"""Images of any kind in, the same kind out: arrays, tensors, Pillow images, files, ``Picture``, and lists of them.

Pillow is never imported for its own sake: an image of it is proof that it is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nlcunet.errors import AnimatedImageError, ConfigError
from nlcunet.files.paths import expand_home
from nlcunet.imaging.float_range import FLOAT_TOLERANCE, FloatRange
from nlcunet.imaging.picture import Metadata, Picture

INFO_KEPT = ("icc_profile", "exif", "xmp", "dpi")
"""Entries of a Pillow image's ``info`` that are still true of the enlarged one."""


@dataclass(frozen=True)
class OpenedImage:
    """An image as pictures, and the way back.

    Attributes:
        pictures: one, or as many as the batch has.
        sources: what each was read from, which may tell more of it than its pixels do; else the picture itself.
        close: turns the enlarged pictures, in order, into the kind of image that was opened.
    """

    pictures: tuple[Picture, ...]
    sources: tuple[Path | bytes | Picture, ...]
    close: Callable[[Sequence[Picture]], Any]


def open_image(image: Any) -> OpenedImage:
    """Look at an image of any accepted kind as pictures; arrays are not copied.

    Raises:
        ConfigError: it is of another kind, or its shape, type or range is not accepted.
        ImageError: the file cannot be read, or a Pillow image has several frames.
    """
    if isinstance(image, Picture):
        return OpenedImage((image,), (image,), _only)
    if isinstance(image, str | Path | bytes):
        from nlcunet.imaging.files import read_picture  # pixels in memory need no decoders

        source = image if isinstance(image, bytes) else expand_home(image)
        return OpenedImage((read_picture(source),), (source,), _only)
    if isinstance(image, list | tuple):
        return _open_list(image)
    if isinstance(image, np.ndarray):
        return _open_array(image)
    if isinstance(image, Tensor):
        return _open_tensor(image)
    if type(image).__module__.partition(".")[0] == "PIL":
        return _open_pillow(image)
    raise ConfigError(
        "an image must be a NumPy array, a torch tensor, a Pillow image, a Picture, a path, the bytes of a file, or a "
        f"list of them: got {type(image).__name__}; convert it to one of them"
    )


def _only(pictures: Sequence[Picture]) -> Picture:
    return pictures[0]


def _open_list(images: Sequence[Any]) -> OpenedImage:
    if not images:
        raise ConfigError("a list of images must hold at least one: got none")
    opened = [open_image(image) for image in images]
    pictures = tuple(picture for each in opened for picture in each.pictures)
    sources = tuple(source for each in opened for source in each.sources)

    def close(results: Sequence[Picture]) -> list[Any]:
        left = iter(results)
        return [each.close(tuple(islice(left, len(each.pictures)))) for each in opened]

    return OpenedImage(pictures, sources, close)


def _open_array(array: np.ndarray) -> OpenedImage:
    """One array, or with four dimensions a batch of them."""
    if array.ndim == 4 and len(array):
        pictures = tuple(_array_to_picture(item) for item in array)
        return OpenedImage(
            pictures, pictures, lambda results: np.stack([_picture_to_array(each, array[0]) for each in results])
        )
    picture = _array_to_picture(array)
    return OpenedImage((picture,), (picture,), lambda results: _picture_to_array(results[0], array))


def _array_to_picture(array: np.ndarray) -> Picture:
    """(height, width[, 1 to 4]) of uint8, uint16 or floats; channel 2 or 4 is alpha."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in {1, 2, 3, 4} or 0 in array.shape:
        raise ConfigError(
            "an array must be (height, width) or ([batch,] height, width, 1 to 4) and not empty: "
            f"got {array.shape}; transpose or split it"
        )
    if array.dtype.kind == "f":
        samples = array.astype(np.float32, copy=False)
        samples = _without_overshoot(samples)
    elif array.dtype in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        samples = array
    else:
        raise ConfigError(f"pixels must be uint8, uint16, or floats in [0, 1]: got {array.dtype}; convert them")
    colours = 1 if samples.shape[2] <= 2 else 3
    return Picture(pixels=samples[:, :, :colours], alpha=samples[:, :, colours] if samples.shape[2] > colours else None)


def _without_overshoot(samples: np.ndarray) -> np.ndarray:
    """Floats clipped to [0, 1], which they may leave by as much as a sharpened photograph does."""
    values = FloatRange(float(samples.min()), float(samples.max()))
    if not (np.isfinite(values.low) and np.isfinite(values.high)):
        raise ConfigError("floating point pixels must be finite: got NaN or infinities; replace them, as by nan_to_num")
    if not values.is_near_nominal:
        is_signed = values.low >= -1.0 - FLOAT_TOLERANCE and values.high <= 1.0 + FLOAT_TOLERANCE
        remedy = "they seem to lie in [-1, 1]: give (image + 1) / 2" if is_signed else "divide by their full scale"
        raise ConfigError(f"floating point pixels must lie in [0, 1]: got {values.low:g} to {values.high:g}; {remedy}")
    return samples if values.is_nominal else samples.clip(0.0, 1.0)


def _picture_to_array(picture: Picture, like: np.ndarray) -> np.ndarray:
    if like.ndim == 2:
        return picture.pixels[:, :, 0].astype(like.dtype, copy=False)
    return _all_channels(picture).astype(like.dtype, copy=False)


def _all_channels(picture: Picture) -> np.ndarray:
    if picture.alpha is None:
        return picture.pixels
    return np.concatenate([picture.pixels, picture.alpha[:, :, None]], axis=2)


def _open_tensor(tensor: Tensor) -> OpenedImage:
    if tensor.ndim not in {3, 4} or tensor.shape[-3] not in {1, 2, 3, 4} or 0 in tensor.shape:
        raise ConfigError(
            "a tensor must be ([batch,] 1 to 4, height, width) and not empty: "
            f"got {tuple(tensor.shape)}; permute it so that channels come before height"
        )
    if not (tensor.is_floating_point() or tensor.dtype in {torch.uint8, torch.uint16}):
        raise ConfigError(f"pixels must be uint8, uint16, or floats in [0, 1]: got {tensor.dtype}; convert them")
    samples = tensor.detach().cpu()
    samples = samples.float() if tensor.is_floating_point() else samples
    batch = samples if tensor.ndim == 4 else samples[None]
    pictures = tuple(_array_to_picture(item.numpy().transpose(1, 2, 0)) for item in batch)

    def close(results: Sequence[Picture]) -> Tensor:
        items = [torch.from_numpy(_all_channels(result).transpose(2, 0, 1).copy()) for result in results]
        stacked = torch.stack(items) if tensor.ndim == 4 else items[0]
        return stacked.to(device=tensor.device, dtype=tensor.dtype)

    return OpenedImage(pictures, pictures, close)


def _resized_info(info: dict[Any, Any], before: tuple[int, int], after: tuple[int, int]) -> dict[str, bytes]:
    """EXIF and XMP of a Pillow image that was enlarged; the pixels are still as stored, and so is the orientation."""
    from nlcunet.imaging.exif import resized_metadata, with_prefix, without_prefix

    exif, xmp = info.get("exif"), info.get("xmp")
    metadata = Metadata(exif=without_prefix(exif) if exif else None, xmp=xmp or None, size_px=before)
    resized, _ = resized_metadata(metadata, *after)
    blocks = {"exif": resized.exif and with_prefix(resized.exif), "xmp": resized.xmp}
    return {key: block for key, block in blocks.items() if block is not None}


def _check_frames(image: Any) -> None:
    """Refuse an animated image: the others of its frames would vanish."""
    frames = getattr(image, "n_frames", 1)
    # the further pictures of a JPEG are previews and gain maps, as phones write them: no frames
    if frames > 1 and image.format != "MPO":
        raise AnimatedImageError(
            f"a Pillow image must hold one picture: got {frames} frames or pages; give image.copy() of each after seek"
        )


def _open_pillow(image: Any) -> OpenedImage:
    """A Pillow image; palettes and other colour spaces become grey or RGB, with alpha if they have transparency."""
    mode, info = image.mode, image.info
    _check_frames(image)
    if mode in {"I", "F"}:
        raise ConfigError(f"a Pillow image must hold 8 or 16 bits per channel: got mode {mode}; convert it to L or RGB")
    if mode.startswith("I;16"):
        if image.has_transparency_data:
            raise ConfigError(
                "a Pillow image of 16 bits must be opaque, since Pillow has no alpha of 16 bits: got mode I;16 with a "
                "transparent shade; give the path of its file, which keeps both"
            )
        array = np.asarray(image).astype(np.uint16)
    else:
        wanted = "L" if mode in {"1", "L"} else "LA" if mode in {"LA", "La"} else "RGB"
        if wanted != "LA" and image.has_transparency_data:
            wanted = "LA" if wanted == "L" else "RGBA"
        array = np.asarray(image if mode == wanted else image.convert(wanted))
        if wanted == "RGB" and mode in {"CMYK", "LAB"}:
            info = {key: value for key, value in info.items() if key != "icc_profile"}  # it describes other channels
    picture = _array_to_picture(array)

    def close(results: Sequence[Picture]) -> Any:
        samples = _picture_to_array(results[0], array)
        enlarged = import_module("PIL.Image").fromarray(samples)
        enlarged.info.update({key: info[key] for key in INFO_KEPT if key in info})
        enlarged.info.update(_resized_info(info, image.size, enlarged.size))
        return enlarged

    return OpenedImage((picture,), (picture,), close)
