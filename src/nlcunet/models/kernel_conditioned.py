"""NLCUnet that is told the blur kernel: the true one, or its own estimate. For experiments.

NLCUnet estimates no kernel. What it could gain from one at most shows when it is told the true one; what an estimator
brings, when it is told an estimate. Both networks here are an NLCUnet with the same modulation, and differ in where the
kernel comes from. No photograph comes with its kernel: the network that is told the true one is for measuring only.

*The kernel as numbers.* Three: the mean of its axes, and by how much it is longer along 0 and along 45 degrees, from
its second moments. They are all that a Gaussian is. The principal components of SRMD, IKC and DAN (``kernel_codes``)
are not used: most of their range tells apart kernels so narrow that the reduction hides them, wide kernels differ by a
few hundredths of it, and an estimator that learns them by L1 learns the former.

*Where it enters.* One kernel holds for the whole picture. Concatenated to the input as constant maps (SRMD,
https://arxiv.org/abs/1712.06116) it would be no more than a bias of the first convolution. Instead every channel before
every block is scaled and shifted by numbers made from the code, as by IKC's SFT layers
(https://arxiv.org/abs/1904.03377) but equal for all pixels: so each block can work in another way for another blur. The
last layer that makes these numbers starts at zero: at the start the network is the NLCUnet of the same seed, to the
last bit.

*The estimator.* Differences of neighbouring pixels, four convolutions on them without a bias, the logarithm of how
strongly each of their channels responds, two linear layers. Without a bias, contrast adds the same to all logarithms,
and a layer norm takes it away: what is left are ratios, in which blur shows. Gradients do not pass from the picture
into the estimate, as in DANv2 (https://arxiv.org/abs/2105.06878): so it stays an estimate of the kernel.

Shape legend: channels = those of the features before a block; code = CODE_LENGTH.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.models.blind import BlindEstimate, KernelCodes, Kernels
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.tensors import FeatureMap

SOURCES = ("estimated", "known")
ESTIMATOR_WIDTH = 32
MODULATION_WIDTH = 32
CODE_LENGTH = 3
LEAST_SIGMA_PX = 0.1
NEGATIVE_SLOPE = 0.2
STAGE_WIDTHS = (1, 2, 4, 2, 2, 2)
"""Channels of the stages of an NLCUnet, in its widths."""


@dataclass(frozen=True, kw_only=True)
class KernelConditionedConfig(NLCUnetConfig):
    """Shape of an NLCUnet, and what it is told of the kernel."""

    kernel: str = "estimated"
    """Where the kernel comes from: ``"estimated"`` by the network itself, or ``"known"``."""
    kernel_size: int = 31
    """Side of the kernels that it is told or says, in pixels, odd."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        checks = {
            f"kernel must be one of {SOURCES}: got {self.kernel!r}": self.kernel in SOURCES,
            f"kernel_size must be odd and ≥ 5: got {self.kernel_size}": self.kernel_size >= 5 and self.kernel_size % 2,
        }
        for message, is_met in checks.items():
            if not is_met:
                raise ConfigError(message)


def encode_kernels(kernels: Kernels, scale: int) -> KernelCodes:
    """Codes of kernels, float32: 0 for no blur, about 2 for the widest that networks are trained on.

    With axes of a and b pixels (standard deviations), the first at the angle t, they are (a + b, (a - b) cos 2t,
    (a - b) sin 2t) / scale.

    Args:
        kernels: of any shape, sum 1.
        scale: enlargement that they belong to.
    """
    axis = torch.arange(kernels.shape[-1], device=kernels.device) - kernels.shape[-1] // 2
    positions = torch.stack([axis.expand(len(axis), -1), axis[:, None].expand(-1, len(axis))]).double().flatten(1)
    weights = kernels.double().flatten(1)
    centred = positions - (weights @ positions.mT)[:, :, None]
    moments = torch.einsum("np,nip,njp->nij", weights, centred, centred)
    # The square root of a symmetric 2 × 2 matrix M: (M + sqrt(det M)) / sqrt(trace M + 2 sqrt(det M)).
    xx, yy, xy = moments[:, 0, 0], moments[:, 1, 1], moments[:, 0, 1]
    root = (xx * yy - xy**2).clamp(min=0).sqrt()
    width = (xx + yy + 2 * root).clamp(min=1e-12).sqrt()  # a + b
    return (torch.stack([width, (xx - yy) / width, 2 * xy / width], dim=1) / scale).float()


def decode_kernels(codes: KernelCodes, scale: int, size: int) -> Kernels:
    """The Gaussians of codes, float32, sum 1; none narrower than ``LEAST_SIGMA_PX``."""
    width, along_0, along_45 = (scale * codes.float()).unbind(dim=1)
    longer = torch.hypot(along_0, along_45)
    mean = torch.maximum(width, longer + 2 * LEAST_SIGMA_PX) / 2
    axis = torch.arange(size, device=codes.device) - size // 2
    x, y = axis[None, None, :], axis[None, :, None]
    # The inverse of the root is the root with its axes swapped, divided by their product.
    product = mean**2 - longer**2 / 4
    one, other, both = (
        value[:, None, None]
        for value in ((mean - along_0 / 2) / product, (mean + along_0 / 2) / product, -along_45 / 2 / product)
    )
    kernels: Tensor = (-0.5 * ((one * x + both * y) ** 2 + (both * x + other * y) ** 2)).exp()
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


class KernelEstimator(nn.Module):
    """Estimates the code of the blur kernel from a picture."""

    def __init__(self) -> None:
        super().__init__()
        width = ESTIMATOR_WIDTH
        shapes = ((6, 5, 1), (width, 3, 2), (width, 3, 1), (width, 3, 2))
        self.layers = nn.ModuleList(
            nn.Conv2d(channels, width, side, stride, side // 2, bias=False) for channels, side, stride in shapes
        )
        features = len(shapes) * width
        self.head = nn.Sequential(
            nn.LayerNorm(features), nn.Linear(features, 2 * width), nn.GELU(), nn.Linear(2 * width, CODE_LENGTH)
        )

    def forward(self, low_res: Float[Tensor, "batch 3 height width"]) -> KernelCodes:
        """One code per picture, float32."""
        centre = low_res[..., :-1, :-1]
        x, strengths = torch.cat([low_res[..., :-1, 1:] - centre, low_res[..., 1:, :-1] - centre], dim=1), []
        for layer in self.layers:
            responses = layer(x)
            strengths.append((responses.float().var(dim=(2, 3), correction=0) + 1e-8).log())
            x = F.leaky_relu(responses, NEGATIVE_SLOPE)
        with torch.autocast(x.device.type, enabled=False):
            code: Tensor = self.head(torch.cat(strengths, dim=1))
        return code


class Modulation(nn.Module):
    """From a code to a factor and a summand for every channel before every block; both zero at the start.

    Args:
        channels: those before each block.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = channels
        self.hidden = nn.Linear(CODE_LENGTH, MODULATION_WIDTH)
        self.out = nn.Linear(MODULATION_WIDTH, 2 * sum(channels))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, code: KernelCodes) -> tuple[Float[Tensor, "batch two_channels 1 1"], ...]:
        """For each block its factors, then its summands, float32."""
        with torch.autocast(code.device.type, enabled=False):
            numbers: Tensor = self.out(F.gelu(self.hidden(code)))
        return torch.split(numbers[:, :, None, None], [2 * channels for channels in self.channels], dim=1)


class KernelConditioning(nn.Module):
    """An NLCUnet whose blocks see a code of the kernel.

    Args:
        config: shape of both.
    """

    def __init__(self, config: KernelConditionedConfig) -> None:
        super().__init__()
        shape = {field.name: getattr(config, field.name) for field in fields(NLCUnetConfig)}
        self.backbone = NLCUnet(NLCUnetConfig(**shape))  # first, so that it is the NLCUnet of the same seed
        widths = zip(STAGE_WIDTHS, config.depths, strict=True)
        channels = [width * config.width for width, depth in widths for _ in range(depth)]
        self.modulation = Modulation(tuple(channels))

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"], code: KernelCodes
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge RGB pictures in [0, 1] whose kernel is known as a code."""
        pieces = iter(self.modulation(code))

        def run(stage: nn.Sequential, x: FeatureMap) -> FeatureMap:
            for block in stage:
                factor, summand = next(pieces).to(x.dtype).chunk(2, dim=1)
                x = block(x + (x * factor + summand))
            return x

        return self.backbone.forward_by(run, low_res)


class EstimatingNLCUnet(nn.Module):
    """An NLCUnet that estimates the kernel and goes by its estimate.

    Args:
        config: shape of the network.
    """

    def __init__(self, config: KernelConditionedConfig) -> None:
        super().__init__()
        self.config = config
        self.conditioning = KernelConditioning(config)
        self.estimator = KernelEstimator()

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge RGB pictures in [0, 1]; the result is not clamped."""
        picture: Tensor = self.conditioning(low_res, self.estimator(low_res))
        return picture

    def forward_with_kernels(self, low_res: Float[Tensor, "batch 3 height width"]) -> BlindEstimate:
        """Enlarge as ``forward`` does, and give the kernel; no gradient passes from the picture to it."""
        code = self.estimator(low_res)
        picture = self.conditioning(low_res, code.detach())
        kernels = decode_kernels(code.detach(), self.config.scale, self.config.kernel_size)
        return BlindEstimate(pictures=(picture,), kernels=(kernels,), codes=(code,))


class NonBlindNLCUnet(nn.Module):
    """An NLCUnet that is given the true kernel of every picture.

    Args:
        config: shape of the network.
    """

    def __init__(self, config: KernelConditionedConfig) -> None:
        super().__init__()
        self.config = config
        self.conditioning = KernelConditioning(config)

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"], kernels: Kernels | None = None
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge RGB pictures in [0, 1], each with the kernel that blurred it; the result is not clamped.

        Raises:
            ConfigError: there are no kernels.
        """
        if kernels is None:
            raise ConfigError(NEEDS_KERNEL)
        picture: Tensor = self.conditioning(low_res, encode_kernels(kernels, self.config.scale))
        return picture

    def no_blur(self, batch: int) -> Kernels:
        """The kernel that changes nothing, once per picture; on the CPU."""
        return F.pad(torch.ones(batch, 1, 1), (self.config.kernel_size // 2,) * 4)


NEEDS_KERNEL = (
    "these weights must be given the true blur kernel of every picture, which no photograph comes with: they are for "
    "nlcunet experiment and nlcunet bench alone; choose other weights"
)
"""What is said where such a network is to enlarge a picture of which nothing is known."""


def check_needs_no_kernel(network: nn.Module) -> None:
    """Refuse a network that cannot enlarge a picture of which nothing is known.

    Raises:
        ConfigError: it must be given the kernel.
    """
    if isinstance(network, NonBlindNLCUnet):
        raise ConfigError(NEEDS_KERNEL)
