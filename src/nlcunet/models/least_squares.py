"""Deconvolution by constrained least squares, and the kernels that it needs, in Fourier space.

Paper: Luo et al., "Deep Constrained Least Squares for Blind Image Super-Resolution" (DCLS), CVPR 2022,
https://arxiv.org/abs/2202.07508, sections 3.2 and 3.3. Everything here is float32, whatever autocast says: the
transforms know no 16-bit types, and the quotients have a large range.

What differs from the authors' code: real transforms, all channels at once; a floor below which a denominator cannot
fall, so that a frequency which the kernel erases and the regulariser does not guard stays finite.

Shape legend: size = side of a kernel, odd; padded_height, padded_width of what is transformed.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.models.blind import Kernels
from nlcunet.tensors import FeatureMap

DENOMINATOR_FLOOR = 1e-12
"""Far below what a denominator has in practice (about 1 at low frequencies): it never changes a sound result."""

NEGLIGIBLE_RANK = 40
NEGLIGIBLE_SHARE = 0.75
"""In a reformulated kernel counts what exceeds this share of its value of this rank, as in the authors' code."""


def kernel_spectrum(
    kernels: Float[Tensor, "batch channels size size"], height: int, width: int
) -> Complex[Tensor, "batch channels height half_width"]:
    """Real Fourier transform of kernels whose centre lies at the origin of a height × width picture."""
    size = kernels.shape[-1]
    padded = F.pad(kernels.float(), (0, width - size, 0, height - size))
    spectrum: Tensor = torch.fft.rfft2(padded.roll((-(size // 2), -(size // 2)), dims=(-2, -1)))
    return spectrum


def deconvolve(
    features: FeatureMap,
    kernels: Float[Tensor, "batch 1 size size"],
    regulariser: Float[Tensor, "batch channels small small"],
) -> FeatureMap:
    """Undo a blur: minimise |kernel ∗ x − features|² + |regulariser ∗ x|² over x.

    Args:
        features: what was blurred; its borders are continued by their last value, a kernel's width to every side.
        kernels: one per picture.
        regulariser: one filter per channel; where it is strong, x stays small.

    Returns:
        x, float32, as large as ``features``.
    """
    margin = kernels.shape[-1]
    with torch.autocast(features.device.type, enabled=False):
        padded = F.pad(features.float(), (margin,) * 4, mode="replicate")
        height, width = padded.shape[-2:]
        blur, guard = kernel_spectrum(kernels, height, width), kernel_spectrum(regulariser, height, width)
        denominator = (_power(blur) + _power(guard)).clamp_min(DENOMINATOR_FLOOR)
        spectrum = torch.fft.rfft2(padded) * blur.conj() / denominator
        sharp: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return sharp[..., margin : height - margin, margin : width - margin]


def reformulate_kernels(
    blurred: Float[Tensor, "batch 3 height width"], plain: Float[Tensor, "batch 3 height width"], size: int
) -> Kernels:
    """The kernels that blur one low-resolution picture into another: what DCLS's estimates are compared with.

    Args:
        blurred: the blurred picture, downsampled.
        plain: the same picture, downsampled without having been blurred.
        size: side of the kernels in pixels, odd, at most the pictures' sides.

    Returns:
        Kernels of values ≥ 0 and sum 1, float32. A pixel counts where the three colours agree, and where it is not
        negligible.

    Raises:
        ConfigError: the pictures are smaller than the kernels.
    """
    if min(plain.shape[-2:]) < size:
        raise ConfigError(
            f"pictures must be at least as large as their kernels, {size} px: got {plain.shape[-1]}×{plain.shape[-2]}; "
            "use larger patches"
        )
    half = size // 2
    with torch.autocast(plain.device.type, enabled=False):
        spectrum = torch.fft.rfft2(plain.float())
        quotient = torch.fft.rfft2(blurred.float()) * spectrum.conj() / _power(spectrum).clamp_min(DENOMINATOR_FLOOR)
        whole = torch.fft.irfft2(quotient, s=plain.shape[-2:]).roll((half, half), dims=(-2, -1))
    colours = whole[..., :size, :size]
    kernels = colours.mean(dim=1) * (colours.prod(dim=1) > 0)
    flat = kernels.flatten(1)
    rank = min(NEGLIGIBLE_RANK + 1, flat.shape[1])
    negligible = NEGLIGIBLE_SHARE * flat.kthvalue(flat.shape[1] - rank + 1, dim=1, keepdim=True).values
    flat = (flat - negligible).clamp(0.0, 1.0)
    centre = F.one_hot(torch.tensor(flat.shape[1] // 2, device=flat.device), flat.shape[1])
    flat = flat + 1e-20 * centre  # a picture without contrast has no kernel: then it is the delta
    normalised: Tensor = flat / flat.sum(dim=1, keepdim=True)
    return normalised.view(-1, size, size)


def _power(
    spectrum: Complex[Tensor, "batch channels height half_width"],
) -> Float[Tensor, "batch channels height half_width"]:
    return spectrum.real.square() + spectrum.imag.square()
