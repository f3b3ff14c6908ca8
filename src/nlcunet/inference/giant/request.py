"""Who is told of a giant picture, what became of it, and what room it takes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from nlcunet.imaging.picture import PictureHeader, TiffLayout
from nlcunet.inference.planning import Work


@dataclass(frozen=True, kw_only=True)
class GiantListener:
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
