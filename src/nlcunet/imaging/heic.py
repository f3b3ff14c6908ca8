"""HEIC pictures (HEVC in HEIF), as phones write them.

libvips reads their headers, but mostly comes without a decoder for HEVC, which is patented. The extra ``heic`` brings
one of its own (libheif with libde265), used only where libvips has none.
"""

import functools
from base64 import b64decode
from importlib import import_module
from types import ModuleType
from typing import Any
from zlib import decompress

import numpy as np
import pyvips

from nlcunet.errors import UnreadableImageError, install_extra
from nlcunet.imaging.formats import FileBytes
from nlcunet.imaging.libvips import LIBVIPS_ERRORS, has_operation, libvips_says_nothing, samples_to_image

HEVC = "hevc"

_LIBRARY = "pillow_heif"  # its smaller sister pi_heif 1.4 ends the process on damaged files
_SMALLEST = (  # a grey picture of 16 × 16 pixels
    "eNpjYGCQSSupLMhIzUxmAILczDRDEDs3MzGNgYGxJje1JJEBAhQzUnKKoGyGgszkEgY0oJSZkw82xMWBgREIgYBxAYQGAjUgVs7MzEsD80CiokBO"
    "KhOUl1GWbAhi8hVkluTClfzJLCgqANJ3MguS84F0KVCZMyMzSGgCWJHcB4Y/f3/8YGDgZ04A6pBwYORh/P8fpIAZpIIZhOR2MTkkAiU1nRgZ0WQW"
    "KDSyTnu1btazB4oLDjQwMPA0gIRbkoCq2VwYDxYf7ATaIZycn1OUl5xTARTlZWADKmEQySwuSIV6zAGKNZJzEkEOE4C6HUz/////ApBmgtEg8YLM"
    "ikyQRmYODg4gJZFZkAsLY2CwsTYyMbO2ANl6uSmJoDBW0mBcL6woO+1HdDBnx2sdh50+EZqV4QqT8w5UrDdq79u7flYCAOgoXK4="
)


@functools.cache
def libvips_decodes_hevc() -> bool:
    """Whether the libvips at hand has a decoder, found out by decoding a picture."""
    if not has_operation("heifload"):
        return False
    try:
        with libvips_says_nothing():
            pyvips.Image.heifload_buffer(decompress(b64decode(_SMALLEST))).avg()
    except LIBVIPS_ERRORS:
        return False
    return True


@functools.cache
def _library() -> ModuleType | None:
    """The decoder of the extra ``heic``, if it is installed."""
    try:
        return import_module(_LIBRARY)
    except ImportError:
        return None


def is_hevc_readable() -> bool:
    """Whether HEIC pictures can be read here, by whichever decoder."""
    return libvips_decodes_hevc() or (has_operation("heifload") and _library() is not None)


def check_hevc(name: str) -> None:
    """Refuse a HEIC picture that cannot be read here.

    Raises:
        UnreadableImageError: There is no decoder.
    """
    if not is_hevc_readable():
        raise UnreadableImageError(
            f"{name} is a HEIC picture, whose coder HEVC this installation cannot read; "
            f"add it with: {install_extra('heic')}, or save the picture as JPEG or PNG"
        )


def decode_hevc(data: FileBytes, header: Any) -> Any:
    """The pixels by the decoder of the extra, upright, as libvips would give them.

    Raises:
        pyvips.Error: The file is damaged.
    """
    library = _library()
    if library is None:
        raise pyvips.Error("libheif", "there is no decoder for HEVC")
    try:
        decoded = library.open_heif(bytes(data), convert_hdr_to_8bit=False)
        samples = np.atleast_3d(np.array(decoded))  # a copy: its memory goes with it
    except (ValueError, RuntimeError, EOFError, OSError, SyntaxError) as error:
        raise pyvips.Error("libheif", str(error)) from error
    if samples.shape[2] < header.bands:  # grey, which libvips gives as RGB
        samples = np.repeat(samples[:, :, :1], header.bands, axis=2)
    image = samples_to_image(samples[:, :, : header.bands])
    if decoded.premultiplied_alpha:
        image = image.unpremultiply(max_alpha=np.iinfo(samples.dtype).max).rint().cast(image.format)
    return image
