"""The bicubic skip: what an NLCUnet adds its detail to. PyTorch's bicubic enlargement (a = −0.75), clamped."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.models.fused_convolution import can_compute_only, convolve

CUBIC = -0.75
"""As in the authors' code, which leaves it to PyTorch; MATLAB and Pillow take −0.5."""

EXACT_SCALES = (2, 4)
"""Where positions are exact in float32. PyTorch steps in thirds with rounding, and its numbers are to be kept."""

REACH = 2


def bicubic_skip(
    low_res: Float[Tensor, "batch 3 height width"], scale: int
) -> Float[Tensor, "batch 3 high_height high_width"]:
    """Enlarge RGB pictures in [0, 1] and clamp.

    On a CPU all pixels of the result that lie in one of the picture's come from the same 5 × 5 neighbours: a
    convolution to scale² channels, and a shuffle; four times as fast as interpolating. In training, too, where the
    picture itself needs no gradient; in float32 even where the network computes in bfloat16.
    """
    if scale in EXACT_SCALES and can_compute_only(low_res):
        padded = F.pad(low_res, (REACH,) * 4, mode="replicate")
        return F.pixel_shuffle(convolve(padded, PHASE_KERNELS[scale], groups=3), scale).clamp_(0.0, 1.0)
    if scale in EXACT_SCALES and _is_given_in_training(low_res):
        with torch.autocast("cpu", enabled=False):
            padded = F.pad(low_res, (REACH,) * 4, mode="replicate")
            return F.pixel_shuffle(F.conv2d(padded, PHASE_KERNELS[scale], groups=3), scale).clamp(0.0, 1.0)
    return F.interpolate(low_res, scale_factor=scale, mode="bicubic").clamp(0.0, 1.0)


def _is_given_in_training(x: Tensor) -> bool:
    """Whether gradients are wanted, on a CPU, but none of ``x`` itself."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.compiler.is_exporting():
        return False
    return torch.is_grad_enabled() and not x.requires_grad


def _phase_kernels(scale: int) -> Float[Tensor, "three_phases 1 5 5"]:
    """For each channel the kernel of every position within a pixel, row by row."""
    taps = torch.zeros(scale, 2 * REACH + 1, dtype=torch.float64)
    for phase in range(scale):
        position = (phase + 0.5) / scale - 0.5
        for tap in range(-REACH, REACH + 1):
            taps[phase, tap + REACH] = _cubic(abs(position - tap))
    kernels = torch.einsum("pi,qj->pqij", taps, taps).reshape(scale * scale, 1, *[2 * REACH + 1] * 2)
    with torch.inference_mode(mode=False):
        return kernels.repeat(3, 1, 1, 1).float()


def _cubic(distance: float) -> float:
    if distance <= 1:
        return ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    if distance < 2:
        return ((distance - 5) * distance + 8) * distance * CUBIC - 4 * CUBIC
    return 0.0


PHASE_KERNELS = {scale: _phase_kernels(scale) for scale in EXACT_SCALES}
"""Made once, when this is imported: a compiler takes them as they are, instead of following how they are made."""
