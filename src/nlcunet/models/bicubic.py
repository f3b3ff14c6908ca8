"""Bicubic enlargement as a network without weights: the yardstick in every table.

The arithmetic is that of ``nlcunet.imaging.resize`` (MATLAB's imresize).
"""

from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.imaging.resize import resize_bicubic


class Bicubic(nn.Module):
    """Enlarge by ``scale`` with a cubic kernel (a = −0.5)."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge; the result may leave [0, 1] beside edges."""
        height, width = low_res.shape[-2:]
        return resize_bicubic(low_res, height * self.scale, width * self.scale)
