"""What a giant picture is, what is asked of it, who is told of it, and what became of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from nlcunet.errors import ConfigError
from nlcunet.imaging.picture import PictureHeader, TiffLayout
from nlcunet.imaging.row_encoding import STREAMED_FORMATS
from nlcunet.inference.planning import Work

GIANT_PIXELS = 64_000_000
"""Results from this size on go from disk to disk: 200 MB at 8 bits, and several times that with bands and the encoder;
below, one file written at once is simpler, and a minute of work is all that an interruption costs."""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who is told how far a giant picture is.

    Attributes:
        tiles: called with the tiles done and all tiles.
        resumed: called likewise, once, where an earlier run is taken up.
        status: called with a few words on the rows at hand.
        note: called at once with a sentence on what the user should know even if the work is stopped.
    """

    tiles: Callable[[int, int], None] = lambda *_: None
    resumed: Callable[[int, int], None] = lambda *_: None
    status: Callable[[str], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class GiantReport:
    """What became of a giant picture.

    Attributes:
        work: its passes and tiles.
        notes: what was changed on the way, a sentence each.
        resumed_tiles: tiles that an earlier run had done.
        seconds_waited_for_tiles: how long the network waited for tiles to be read.
        seconds_waited_for_writing: how long the network waited for blocks to be written; never for the encoder.
        seconds_of_encoder_alone: how long the encoder went on after the last tile.
    """

    work: Work
    notes: tuple[str, ...]
    resumed_tiles: int
    seconds_waited_for_tiles: float
    seconds_waited_for_writing: float
    seconds_of_encoder_alone: float


def is_giant(work: Work, file_format: str, layout: TiffLayout) -> bool:
    """Whether a result goes from disk to disk: it is large and its format can be written by rows, or is a pyramid."""
    return layout.pyramid or (work.height * work.width >= GIANT_PIXELS and file_format in STREAMED_FORMATS)


def disk_bytes(work: Work, header: PictureHeader, layout: TiffLayout) -> int:
    """Room on the disk at the peak: the decoded input, the rows of every pass, and a result that does not shrink."""
    sample_bytes, bands = header.bit_depth // 8, header.channels + header.has_alpha
    between = 4 if sample_bytes == 4 else 2
    pixels = [step.target_height * step.target_width for step in work.passes]
    result = pixels[-1] * sample_bytes * bands
    # smaller copies are a third of a picture, once in a temporary file and once in the result
    encoded = result * (5 / 3 if layout.pyramid else 1)
    raw = header.height * header.width * sample_bytes * bands + sum(pixels[:-1]) * between * bands + result
    return math.ceil(raw + encoded)


def check_giant(file_format: str, layout: TiffLayout, *, to_file: bool) -> None:
    """Refuse a pyramid where there can be none.

    Raises:
        ConfigError: it was asked for in another format than TIFF, or for a pipe.
    """
    if layout.pyramid and file_format != "tiff":
        raise ConfigError(f"a pyramid must be a TIFF: got {file_format}; add --format tiff")
    if layout.pyramid and not to_file:
        raise ConfigError("a pyramid must be written to a file: got standard output; name a file with -o")
