"""What networks that estimate the blur kernel have in common: the estimate, and how to ask for it."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float
from torch import Tensor

Kernels: TypeAlias = Float[Tensor, "batch size size"]
"""Blur kernels, rows downwards and columns to the right, in pixels of the picture that was blurred."""
KernelCodes: TypeAlias = Float[Tensor, "batch code"]
"""Kernels as a few numbers each (see ``nlcunet.models.kernel_codes``)."""


@dataclass(frozen=True, kw_only=True)
class BlindEstimate:
    """Pictures and blur kernels of every loop of a network, first loop first; what its losses compare."""

    pictures: tuple[Float[Tensor, "batch 3 high_height high_width"], ...]
    """Enlarged pictures, not clamped; the last is what ``forward`` answers."""
    kernels: tuple[Kernels, ...]
    """Estimated kernels, float32. DAN: of the high-resolution picture, sum about 1. DCLS: of the low-resolution
    picture (what blurs the plain downsampled picture into the one that was given), sum 1."""
    codes: tuple[KernelCodes, ...] = ()
    """DAN: the kernels as codes, float32; empty for DCLS, which has none."""

    @property
    def picture(self) -> Float[Tensor, "batch 3 high_height high_width"]:
        """The last loop's picture."""
        return self.pictures[-1]

    @property
    def kernel(self) -> Kernels:
        """The last loop's kernel."""
        return self.kernels[-1]


@runtime_checkable
class BlindNetwork(Protocol):
    """A network that can also say which blur it saw: DANv1, DANv2, DCLS."""

    def forward_with_kernels(self, low_res: Float[Tensor, "batch 3 height width"]) -> BlindEstimate:
        """Enlarge as ``forward`` does, and give the pictures and kernels of every loop."""
        ...
