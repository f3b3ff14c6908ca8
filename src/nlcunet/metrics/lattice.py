"""How much of a lattice an enlargement has: errors that depend on a pixel's place in its block of scale × scale.

Networks that end in a pixel shuffle make the ``scale²`` pixels of a block from different channels. Where these
disagree, flat places get a pattern with the period of the shuffle, as adversarial training likes to make. Without a
lattice the error has the same mean in every place of a block, over any window that is not tiny.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.metrics.planes import check_same_shape

WINDOW_PX = 8
"""Side of the windows, in low-resolution pixels."""


def phase_deviation(
    result: Float[Tensor, "batch 3 height width"],
    original: Float[Tensor, "batch 3 original_height original_width"],
    *,
    scale: int,
    window_px: int = WINDOW_PX,
) -> Float[Tensor, " batch"]:
    """Mean absolute difference between the phases' local mean errors and their common mean; differentiable.

    Args:
        result: RGB in [0, 1], sides divisible by the scale.
        original: The true picture.
        scale: Side of the blocks: the enlargement.
        window_px: Side of the windows over which errors are averaged, in low-resolution pixels; smaller pictures are
            one window.

    Returns:
        One number for each picture: 0 without a lattice, in units of the pixels' range.

    Raises:
        ConfigError: If shapes differ.
    """
    check_same_shape(result, original)
    phases = F.pixel_unshuffle(result - original, scale)  # batch, 3 · scale², low height, low width
    window = [min(window_px, side) for side in phases.shape[2:]]
    means = F.avg_pool2d(phases, window)
    means = means.view(len(means), 3, scale * scale, -1)
    return (means - means.mean(dim=2, keepdim=True)).abs().mean(dim=(1, 2, 3))
