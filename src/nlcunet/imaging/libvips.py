"""libvips as this package knows it: what its errors say and whose they are, and samples as its pictures.

libvips collects its messages in one buffer per process. Where several threads read files and two of them fail, either
may find the other's message, both, or none. What succeeds writes none, so reading runs in parallel, and only a file
that failed is read again with nobody beside it: its message is then its own, the same on every run.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import pyvips
from jaxtyping import Shaped

from nlcunet.errors import ImageError

Result = TypeVar("Result")

LIBVIPS_ERRORS = (pyvips.Error, UnicodeDecodeError)
"""What a call of libvips may raise: pyvips stumbles where a message quotes bytes of the file that are no UTF-8."""

_BAND_FORMATS = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}
_INTERPRETATIONS = {"uint8": ("b-w", "srgb"), "uint16": ("grey16", "rgb16"), "float32": ("b-w", "scrgb")}


def has_operation(name: str) -> bool:
    """Whether the libvips at hand has an operation of this name."""
    return bool(pyvips.type_find("VipsOperation", name))


def reason_of(error: Exception) -> str:
    """The message of libvips in one line, without its notes on where it looked."""
    if isinstance(error, UnicodeDecodeError):
        pyvips.vips_lib.vips_error_clear()  # pyvips does so only after reading the message
        return "libvips cannot decode it"
    lines = dict.fromkeys(line.strip() for line in str(error).splitlines()[1:])
    return "; ".join(line for line in lines if line and "bad seek" not in line) or "libvips cannot decode it"


@contextmanager
def libvips_says_nothing() -> Iterator[None]:
    """Keep what libvips warns of out of every log, while something is tried out that may well fail."""
    logger = logging.getLogger(pyvips.__name__)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


class _Room:
    """Many may be inside together, or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Wait until nobody is alone inside."""
        with self._changed:
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until the room is empty, and keep others out meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside == 0)
            yield


_room = _Room()


def with_own_errors(read: Callable[[], Result]) -> Result:
    """The result of reading a file, or an error whose message comes from this file.

    Raises:
        ImageError: whatever ``read`` raises.
    """
    try:
        with _room.together():
            return read()
    except ImageError as error:
        if not isinstance(error.__cause__, LIBVIPS_ERRORS):
            raise
    with _room.alone():
        pyvips.vips_lib.vips_error_clear()
        return read()


def samples_to_image(samples: Shaped[np.ndarray, "height width bands"], icc_profile: bytes | None = None) -> Any:
    """Samples as libvips sees them, with the profile attached."""
    samples = np.ascontiguousarray(samples)
    height, width, bands = samples.shape
    image = pyvips.Image.new_from_memory(samples.data, width, height, bands, _BAND_FORMATS[samples.dtype.name])
    return interpreted(image, samples.dtype, icc_profile)


def interpreted(image: Any, dtype: np.dtype, icc_profile: bytes | None) -> Any:
    """An image that says what its samples mean, with the profile attached."""
    image = image.copy(interpretation=_INTERPRETATIONS[dtype.name][image.bands >= 3])
    if icc_profile is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc_profile)
    return image


def with_fields_of(header: Any, image: Any) -> Any:
    """A picture with everything that another one says of itself but its pixels."""
    image = image.copy(interpretation=header.interpretation)
    for name in ("icc-profile-data", "exif-data", "xmp-data"):
        if header.get_typeof(name):
            image.set_type(pyvips.GValue.blob_type, name, header.get(name))
    if header.get_typeof("bits-per-sample"):
        image.set_type(pyvips.GValue.gint_type, "bits-per-sample", header.get("bits-per-sample"))
    return image
