"""Consistency: does an enlarged picture, degraded again, give the input that it was made from?

It needs no original. What an output invents above the input's resolution costs nothing;
what contradicts the input does.
The second input is not rounded to 8 bits: the rounding of the first one limits the measure to about 58.9 dB,
10 · log10(12 · 255²), on pictures without flat areas.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from nlcunet.metrics.planes import PEAK, check_same_shape
from nlcunet.metrics.psnr import psnr_of_planes
from nlcunet.tensors import round_to_8bit


def consistency(
    result: Float[Tensor, "*batch 3 height width"],
    low_res: Float[Tensor, "*batch 3 low_height low_width"],
    degrade: Callable[[Float[Tensor, "*batch 3 height width"]], Float[Tensor, "*batch 3 low_height low_width"]],
) -> Float[Tensor, "*batch"]:
    """PSNR on RGB between the input and what the output becomes by the same blur and downsampling.

    Args:
        result: RGB in [0, 1]; clamped and rounded to 8 bits here.
        low_res: The input that the result was made from, RGB in [0, 1].
        degrade: Blurs and shrinks as the input was, without noise, compression and rounding; is given float64.

    Returns:
        Decibels, float64, over whole pictures, borders included. Noise and compression of the input limit it: they are
        not repeated, and an output rightly does not reproduce them.

    Raises:
        ConfigError: If the degraded result is not of the input's size.
    """
    again = degrade(round_to_8bit(result.double()))
    check_same_shape(again, low_res)
    return psnr_of_planes(PEAK * again, PEAK * low_res.double())
