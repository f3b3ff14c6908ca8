"""Blur kernels as a few numbers: projections on the principal components of a family of kernels.

Source: the "dimensionality stretching" of SRMD, https://arxiv.org/abs/1712.06116, section 3.2, as in IKC and DAN.
The components are those of the kernels as they are, without subtracting a mean, so that coding and decoding are one
matrix and its transpose. The published matrices come from 30,000 kernels drawn at random; ours come from 512 kernels on
a fixed grid of sigmas (isotropic) or drawn from a fixed seed (anisotropic), and every component's sign is fixed by its
largest entry, so that the same settings give the same matrix. It is kept in the state dict: weights carry their own.

Shape legend: pixels = size · size of a kernel; code = numbers per kernel.
"""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.errors import ConfigError
from nlcunet.models.blind import KernelCodes, Kernels

FAMILIES = ("isotropic", "anisotropic")
SAMPLES = 512
"""Kernels that a matrix is made from. Ten components leave out 0.009 % of isotropic kernels of 21 px (root mean square,
×4), and 12.5 % of anisotropic ones; those of 8,192 kernels leave out 0.009 % and 12.2 %."""

MIN_SIGMA_PX = {"isotropic": 0.2, "anisotropic": 0.6}
"""Smallest sigma of the family, as published (setting 1 and 2 of the blind papers)."""
MAX_ANISOTROPIC_SIGMA_PX = 5.0
"""Largest sigma of anisotropic kernels at every scale, as published; of isotropic ones it is the scale."""


def code_checks(size: int, family: str, length: int) -> dict[str, bool]:
    """What must hold of a coder's arguments, by the messages for what does not."""
    return {
        f"kernel_size must be odd and ≥ 5: got {size}": size >= 5 and size % 2 == 1,
        f"kernel_family must be one of {FAMILIES}: got {family!r}": family in FAMILIES,
        f"code_length must be ≤ kernel_size²: got {length}": length <= size**2,
    }


class KernelCoder(nn.Module):
    """Kernels to codes and back.

    Args:
        size: side of the kernels in pixels, odd.
        length: numbers per code.
        family: ``"isotropic"`` or ``"anisotropic"``.
        scale: enlargement that the kernels belong to; larger scales have wider kernels.
    """

    matrix: Tensor

    def __init__(self, *, size: int, length: int, family: str, scale: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("matrix", make_matrix(size, length, family, scale).clone())

    def encode(self, kernels: Kernels) -> KernelCodes:
        """Codes of kernels, float32.

        Raises:
            ConfigError: the kernels have another size.
        """
        if kernels.shape[-1] != self.size:
            raise ConfigError(
                f"kernels must be {self.size} × {self.size} px: got {kernels.shape[-1]}; give the network the kernel "
                "size of its degradation"
            )
        with torch.autocast(kernels.device.type, enabled=False):  # ten numbers carry the whole kernel
            return kernels.float().flatten(1) @ self.matrix

    def decode(self, codes: KernelCodes) -> Kernels:
        """Kernels of codes, float32: the nearest in the space of the components; their sum is not exactly 1."""
        with torch.autocast(codes.device.type, enabled=False):
            return (codes.float() @ self.matrix.mT).view(-1, self.size, self.size)

    def sharp(self, batch: int) -> KernelCodes:
        """Codes of "no blur": the delta kernel, once per picture."""
        return self.matrix[self.size**2 // 2].expand(batch, -1)


@functools.cache
def make_matrix(size: int, length: int, family: str, scale: int) -> Float[Tensor, "pixels code"]:
    """The principal components of a family of kernels, most important first, as columns.

    Rounded to half precision, so that weights stored in half precision code exactly as in training; the columns stay
    orthonormal to about 1e-3.
    """
    kernels = _sample(size, family, scale).flatten(1)
    # By the small matrix of products between samples; float64 leaves the tenth component (1e-7 of the first) intact.
    _, mixtures = torch.linalg.eigh(kernels @ kernels.mT)
    components = kernels.mT @ mixtures.flip(1)[:, :length]
    components = components / components.norm(dim=0)
    largest = components.gather(0, components.abs().argmax(dim=0, keepdim=True))
    matrix: Tensor = components * largest.sign()
    return matrix.half().float()


def _sample(size: int, family: str, scale: int) -> Float[Tensor, "samples size size"]:
    """Kernels of the family, float64, each of sum 1."""
    if family == "isotropic":
        sigma_x_px = torch.linspace(MIN_SIGMA_PX[family], float(scale), SAMPLES, dtype=torch.float64)
        sigma_y_px, angle_rad = sigma_x_px, torch.zeros_like(sigma_x_px)
    else:
        uniform = torch.rand(3, SAMPLES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        lowest = MIN_SIGMA_PX[family]
        sigma_x_px, sigma_y_px = lowest + (MAX_ANISOTROPIC_SIGMA_PX - lowest) * uniform[:2]
        angle_rad = math.pi * uniform[2]
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    cosine, sine = angle_rad.cos()[:, None, None], angle_rad.sin()[:, None, None]
    along_x, along_y = cosine * axis + sine * axis[:, None], cosine * axis[:, None] - sine * axis
    exponent = (along_x / sigma_x_px[:, None, None]) ** 2 + (along_y / sigma_y_px[:, None, None]) ** 2
    kernels = torch.exp(-0.5 * exponent)
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)
