"""JPEG of a whole batch on any device: what libjpeg does to pixels, in the same integers.

Compression followed by decoding is colour conversion, chroma averaging, the discrete cosine transform of 8×8 blocks,
division by the quantisation table with rounding, and all of it back; entropy coding loses nothing and is left out.
Every stage here is libjpeg's default one ("islow" transform, "fancy" upsampling; https://www.ijg.org), which works in
integers, so that the result is equal to a real file's, bit for bit, on every device, whatever else is in the batch.

Format: ITU-T T.81 (JPEG), annexes A and K. Not differentiable.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from nlcunet.degradations.steps import JpegChroma
from nlcunet.errors import ConfigError

LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantisation of luma at quality 50, ITU-T T.81 table K.1; rows are vertical frequencies."""

CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""Quantisation of chroma at quality 50, ITU-T T.81 table K.2."""

COSINES = (
    (8192, 8192, 8192, 8192, 8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260, -2260, -6437, -9633, -11363),
    (10703, 4433, -4433, -10703, -10703, -4433, 4433, 10703),
    (9633, -2259, -11362, -6436, 6436, 11362, 2259, -9633),
    (8192, -8192, -8192, 8192, 8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633, -9633, -2261, 11362, -6437),
    (4433, -10704, 10704, -4433, -4433, 10704, -10704, 4433),
    (2260, -6436, 9633, -11363, 11363, -9633, 6436, -2260),
)
"""√8 times the cosine transform times 2^13 as libjpeg's rounded constants make it (Loeffler, Ligtenberg and Moschytz,
ICASSP 1989): entries that are equal in theory differ by one where they are sums of differently rounded constants."""

COSINE_BITS = 13
PASS_BITS = 2
"""Fraction bits that are kept between the passes over rows and columns."""

MIN_FANCY_PX = 3
"""Chroma narrower than this is repeated, not interpolated, by libjpeg."""


def quantisation_tables(qualities: Sequence[int]) -> Int[Tensor, "batch 2 8 8"]:
    """Tables for luma and chroma at each quality, on libjpeg's scale; int32 on the CPU.

    Raises:
        ConfigError: If a quality is outside 1 to 100.
    """
    if not all(1 <= quality <= 100 for quality in qualities):
        raise ConfigError(f"JPEG quality must be 1 to 100: got {sorted(qualities)}")
    percent = torch.tensor([5000 // q if q < 50 else 200 - 2 * q for q in qualities], dtype=torch.int32)
    standard = torch.tensor((LUMA_TABLE, CHROMA_TABLE), dtype=torch.int32)
    return ((standard * percent.view(-1, 1, 1, 1) + 50) // 100).clamp(1, 255)


def compress_steps(
    images: Int[Tensor, "batch 3 height width"],
    tables: Int[Tensor, "batch 2 8 8"],
    *,
    chroma: JpegChroma = "4:2:0",
    ends: Int[Tensor, "batch 2"] | None = None,
) -> Int[Tensor, "batch 3 height width"]:
    """Pictures after one baseline JPEG compression each.

    Args:
        images: RGB in steps of 0 to 255, int32, any size.
        tables: Those of `quantisation_tables`, on the same device.
        chroma: Chroma subsampling of all of them.
        ends: Rows and columns of each picture, on the same device, where smaller pictures lie in one tensor with larger
            ones, their last row and column repeated: each becomes what it would alone. None where all are of one size.

    Returns:
        RGB in steps of 0 to 255.
    """
    height, width = images.shape[-2:]
    luma, colour = rgb_to_ycc(images)
    luma = quantise(luma[:, None], tables[:, :1])[:, 0]
    if chroma == "4:4:4":
        return ycc_to_rgb(luma, quantise(colour, tables[:, 1:]))
    halved = halve(colour)
    if ends is None:
        halved = quantise(halved, tables[:, 1:])[..., : (width + 1) // 2]
    else:
        rows, columns = ((ends + 1) // 2).unbind(1)
        # libjpeg repeats rows after the means are taken, but columns before.
        halved = quantise(repeat_from(halved, rows, 2), tables[:, 1:])[..., : (width + 1) // 2]
        halved = repeat_from(repeat_from(halved, rows, 2), columns, 3)
    return ycc_to_rgb(luma, double(halved)[..., :height, :width])


def rgb_to_ycc(
    rgb: Int[Tensor, "batch 3 height width"],
) -> tuple[Int[Tensor, "batch height width"], Int[Tensor, "batch 2 height width"]]:
    """Luma, and blue and red chroma (JFIF 1.02), all 0 to 255; weights in units of 2^-16, as in libjpeg."""
    red, green, blue = rgb.unbind(1)
    luma = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    middle = (128 << 16) + 32767
    blue_chroma = (-11059 * red - 21709 * green + 32768 * blue + middle) >> 16
    red_chroma = (32768 * red - 27439 * green - 5329 * blue + middle) >> 16
    return luma, torch.stack([blue_chroma, red_chroma], dim=1)


def ycc_to_rgb(
    luma: Int[Tensor, "batch height width"], chroma: Int[Tensor, "batch 2 height width"]
) -> Int[Tensor, "batch 3 height width"]:
    """The way back, clamped to 0 to 255."""
    blue, red = (chroma - 128).unbind(1)
    rgb = [
        luma + ((91881 * red + 32768) >> 16),
        luma + ((-22554 * blue - 46802 * red + 32768) >> 16),
        luma + ((116130 * blue + 32768) >> 16),
    ]
    return torch.stack(rgb, dim=1).clamp_(0, 255)


def halve(planes: Int[Tensor, "batch 2 height width"]) -> Int[Tensor, "batch 2 half_height half_width"]:
    """Means of 2×2 pixels; halves are rounded down and up in turn of columns.

    An odd last row is repeated, the last column until there are whole blocks, before the means are taken: what lies
    behind the edge decides how well the last block is kept.
    """
    planes = repeat_edges(planes, 2, 16)
    total = planes[..., ::2, ::2] + planes[..., 1::2, ::2] + planes[..., ::2, 1::2] + planes[..., 1::2, 1::2]
    bias = 1 + torch.arange(total.shape[-1], device=planes.device, dtype=planes.dtype) % 2
    return (total + bias) >> 2


def repeat_from(
    planes: Int[Tensor, "batch 2 height width"], ends: Int[Tensor, " batch"], axis: int
) -> Int[Tensor, "batch 2 height width"]:
    """Planes that from each picture's end on repeat its last row (axis 2) or column (axis 3)."""
    places = torch.arange(planes.shape[axis], device=planes.device)
    places = torch.minimum(places, ends[:, None] - 1)
    index = places[:, None, :, None] if axis == 2 else places[:, None, None, :]
    return planes.gather(axis, index.expand(planes.shape))


def double(planes: Int[Tensor, "batch 2 height width"]) -> Int[Tensor, "batch 2 double_height double_width"]:
    """Twice the size by linear interpolation between pixel centres, weights 3/4 and 1/4 on each axis."""
    if planes.shape[-1] < MIN_FANCY_PX:
        return planes.repeat_interleave(2, -1).repeat_interleave(2, -2)
    above, below = planes[..., :1, :], planes[..., -1:, :]
    rows = torch.cat([above, planes, below], dim=-2)
    threefold = 3 * planes
    tall = torch.stack([threefold + rows[..., :-2, :], threefold + rows[..., 2:, :]], dim=-2).flatten(-3, -2)
    columns = torch.cat([tall[..., :1], tall, tall[..., -1:]], dim=-1)
    threefold = 3 * tall
    left, right = (threefold + columns[..., :-2] + 8) >> 4, (threefold + columns[..., 2:] + 7) >> 4
    return torch.stack([left, right], dim=-1).flatten(-2, -1)


def quantise(
    planes: Int[Tensor, "batch planes height width"], tables: Int[Tensor, "batch 1 8 8"]
) -> Int[Tensor, "batch planes height width"]:
    """Planes of 0 to 255 after their cosine coefficients were rounded to multiples of the table's entries."""
    batch, count, height, width = planes.shape
    padded = repeat_edges(planes, 8, 8)
    shape = (batch, count, padded.shape[2] // 8, 8, padded.shape[3] // 8, 8)
    blocks = padded.view(shape).transpose(3, 4).reshape(batch, -1, 8, 8) - 128
    cosines, back = cosine_tensors(planes.device)
    rows = transform(blocks, cosines, -1, COSINE_BITS - PASS_BITS)
    coefficients = transform(rows, cosines, -2, COSINE_BITS + PASS_BITS)
    divisor = 8 * tables  # the coefficients are 8 times those of the format
    levels = torch.div(coefficients.abs() + (divisor >> 1), divisor, rounding_mode="floor")
    restored = levels * coefficients.sign() * tables
    columns = transform(restored, back, -2, COSINE_BITS - PASS_BITS)
    blocks = (transform(columns, back, -1, COSINE_BITS + PASS_BITS + 3) + 128).clamp_(0, 255)
    blocks = blocks.view(*shape[:3], shape[4], 8, 8).transpose(3, 4)
    return blocks.reshape(padded.shape)[..., :height, :width]


def transform(
    blocks: Int[Tensor, "batch blocks 8 8"], matrix: Int[Tensor, "8 8"], axis: int, shift: int
) -> Int[Tensor, "batch blocks 8 8"]:
    """The matrix times every column (axis -2) or row (axis -1) of every block, divided by 2^shift and rounded."""
    total = torch.full_like(blocks, 1 << (shift - 1))
    for position in range(8):
        weights = matrix[:, position]
        total.addcmul_(blocks.narrow(axis, position, 1), weights if axis == -1 else weights[:, None])
    return total.bitwise_right_shift_(shift)


def repeat_edges(
    planes: Int[Tensor, "batch planes height width"], rows: int, columns: int
) -> Int[Tensor, "batch planes padded_height padded_width"]:
    """Planes whose last row and column are repeated until the sides divide by ``rows`` and ``columns``."""
    height, width = planes.shape[-2:]
    if height % rows == 0 and width % columns == 0:
        return planes.contiguous()
    # Padding by repetition exists for floating point only; 0 to 255 is exact there.
    return F.pad(planes.float(), (0, -width % columns, 0, -height % rows), mode="replicate").to(planes.dtype)


@lru_cache(maxsize=8)
def cosine_tensors(device: torch.device) -> tuple[Tensor, Tensor]:
    """The transform and its way back on a device, int32."""
    with torch.inference_mode(mode=False):
        cosines = torch.tensor(COSINES, dtype=torch.int32, device=device)
        return cosines, cosines.T.contiguous()
