"""What a picture file holds once it is decoded: pixels, alpha and what travels beside them; and how one is laid out."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from nlcunet.errors import ImageError, ImageWriteError

PIXEL_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
"""Sample types of a picture: 8 bit, 16 bit, and floating point with a nominal range of [0, 1]."""

DEFAULT_MAX_PIXELS = 500_000_000
"""Larger pictures are refused unless asked for: 1.5 GB at 8 bits, more than any camera makes."""

TIFF_COMPRESSIONS = ("deflate", "lzw", "none")
"""How the tiles of a TIFF may be packed, the smallest first."""


@dataclass(frozen=True, kw_only=True)
class TiffLayout:
    """How a TIFF is laid out; other formats take no notice.

    Attributes:
        compression: one of ``TIFF_COMPRESSIONS``.
        pyramid: whether halved copies of the picture follow it, down to a single tile.

    Raises:
        ImageWriteError: there is no such compression.
    """

    compression: str = "deflate"
    pyramid: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be written."""
        if self.compression not in TIFF_COMPRESSIONS:
            raise ImageWriteError(
                f"the compression of a TIFF must be one of {', '.join(TIFF_COMPRESSIONS)}: got {self.compression!r}"
            )


def full_scale(dtype: np.dtype) -> float:
    """The sample value that stands for 1: white, or opaque."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


@dataclass(frozen=True)
class Metadata:
    r"""Everything in a file that is not pixels. Nothing in here knows the file format it came from.

    Attributes:
        icc_profile: The colour profile that the pixels are encoded in; ``None`` means sRGB.
        exif: An EXIF block from its TIFF header on (``II*\0`` or ``MM\0*``), without the ``Exif\0\0`` prefix.
        xmp: An XMP packet, UTF-8.
        iptc: IPTC-IIM records, without Photoshop's resource blocks around them.
        dots_per_inch: Horizontal and vertical resolution.
        texts: Keyword and text of each remark, such as a title, an author or a prompt.
        size_px: Columns and rows of the upright picture that the rest describes; where there is none, it is for the
            pixels that it travels with. Writing scales by it what counts pixels.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dots_per_inch: tuple[float, float] | None = None
    texts: tuple[tuple[str, str], ...] = ()
    size_px: tuple[int, int] | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture, the right way up.

    Attributes:
        pixels: Height × width × 1 (grey) or 3 (RGB), as encoded in the file (sRGB, or ``metadata.icc_profile``);
            uint8 0..255, uint16 0..65535, or float32 with a nominal range of [0, 1].
        alpha: Height × width coverage of the same type, not multiplied into the pixels; ``None`` if opaque by nature.
        metadata: Profile, EXIF, XMP, IPTC and resolution.
        source_format: Name of the file format it was read from, such as ``png``; empty if made in memory.
        notes: What reading changed, one sentence each.
    """

    pixels: Shaped[np.ndarray, "height width channels"]
    alpha: Shaped[np.ndarray, "height width"] | None = None
    metadata: Metadata = field(default_factory=Metadata)
    source_format: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels, alpha = self.pixels, self.alpha
        if pixels.ndim != 3 or pixels.shape[2] not in {1, 3} or 0 in pixels.shape or pixels.dtype not in PIXEL_TYPES:
            raise ImageError(
                "pixels must be height × width × 1 or 3 of uint8, uint16 or float32: "
                f"got shape {pixels.shape} of {pixels.dtype}; convert them first"
            )
        if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
            raise ImageError(
                f"alpha must be height × width of the pixels' type ({pixels.shape[:2]} of {pixels.dtype}): "
                f"got shape {alpha.shape} of {alpha.dtype}; convert it first"
            )

    def __repr__(self) -> str:
        kind = f"{'grey' if self.pixels.shape[2] == 1 else 'RGB'}{'' if self.alpha is None else ' with alpha'}"
        return f"<Picture {self.width}×{self.height}, {kind}, {self.pixels.dtype}>"

    def save(
        self,
        target: Path | str,
        *,
        file_format: str | None = None,
        quality: int | None = None,
        strip_metadata: bool = False,
    ) -> tuple[str, ...]:
        """Write it to a file; the same as ``nlcunet.write_picture``, which says what each argument means."""
        from nlcunet.imaging.files import write_picture  # which needs libvips, as pixels in memory do not

        return write_picture(self, target, file_format=file_format, quality=quality, strip_metadata=strip_metadata)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])


@dataclass(frozen=True)
class PictureHeader:
    """What a file says about its picture before any pixel is decoded.

    Attributes:
        width: Columns, after the orientation tag is applied.
        height: Rows, after the orientation tag is applied.
        channels: 1 for grey, 3 for everything else: what :class:`Picture` will hold, also for CMYK files.
        has_alpha: Whether the picture comes with an alpha channel.
        bit_depth: Bits per sample of the pixels as read: 8, 16 or 32 (floating point).
        format: Name of the file format, such as ``png``.
    """

    width: int
    height: int
    channels: int
    has_alpha: bool
    bit_depth: int
    format: str
