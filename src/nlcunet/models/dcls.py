"""DCLS: one kernel estimate, features deconvolved with it by constrained least squares, and two paths of features.

Paper: Luo et al., "Deep Constrained Least Squares for Blind Image Super-Resolution", CVPR 2022,
https://arxiv.org/abs/2202.07508. The estimator answers with a stack of small kernels, whose product is the kernel that
blurs the low-resolution picture (the "reformulated" kernel, see ``least_squares.reformulate_kernels``). The restorer
runs deconvolved and plain features side by side. Gradients do not pass from the restorer to the estimator.

With ``DCLSConfig()`` the network is the published one, weight for weight (``nlcunet.models.convert``). A group of
blocks answers with twice its last block's output: the published code means to add the group's input, but by then its
blocks have changed that input in place. It is kept, because published weights rest on it. What differs: the estimator
starts near "no blur", because deconvolution by a random kernel has no bounds; the kernel and the deconvolution are
computed in float32 under autocast; a one-step upsampler and a bicubic skip for small networks.

Shape legend: channels = width; plain = width / reduction; size = kernel_size. Any height and width from ``MIN_SIZE``.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.models.blind import BlindEstimate, Kernels
from nlcunet.models.blind_layers import LeakyChannelAttention, Upsampler, check_blind_config, leaky_pair
from nlcunet.models.least_squares import deconvolve
from nlcunet.tensors import FeatureMap

NEGATIVE_SLOPE = 0.1

MIN_SIZE = 7
"""Smallest height and width: the regulariser's three 3×3 convolutions have no padding."""

FILTER_SIZES = {11: (7, 3, 3, 1), 21: (11, 7, 5, 1), 31: (11, 9, 7, 5, 3)}
"""Sides of the small kernels whose product is a kernel of this size, as published."""


@dataclass(frozen=True, kw_only=True)
class DCLSConfig:
    """Shape of a DCLS; the defaults are the published network at ×4 for 21×21 kernels (13,626,187 parameters)."""

    scale: int = 4
    """Enlargement: 2, 3 or 4."""
    width: int = 64
    """Channels of the deconvolved path and of the estimator."""
    reduction: int = 4
    """So many times fewer channels in the plain path, in the deconvolution, and inside channel attention."""
    groups: int = 5
    """Groups of blocks."""
    blocks: int = 10
    """Blocks per group."""
    head_blocks: int = 3
    """Residual blocks before the paths part, and as many in the estimator."""
    kernel_size: int = 21
    """Side of the estimated kernel in pixels: 11, 21 or 31."""
    kernel_channels: int = 16
    """Channels between the small kernels."""
    code_length: int = 256
    """Numbers that the small kernels are made from."""
    upsampler: str = "stepwise"
    """``"stepwise"``: as published; ``"direct"``: one 3×3 convolution to 3 · scale² channels and a pixel shuffle."""
    skip: str = "none"
    """``"none"``: as published; ``"bicubic"``: the input's bicubic enlargement is added, and training starts at it."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        counts = ("width", "reduction", "groups", "blocks", "head_blocks", "kernel_channels", "code_length")
        own = {
            f"width must be at least reduction: got {self.width} and {self.reduction}": self.width >= self.reduction,
            f"kernel_size must be one of {tuple(FILTER_SIZES)}: got {self.kernel_size}": self.kernel_size
            in FILTER_SIZES,
        }
        check_blind_config(self, counts, own)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a leaky rectifier between them, and a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pair = leaky_pair(channels, 3, NEGATIVE_SLOPE)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Refine ``x``; same shape out."""
        refined: Tensor = x + self.pair(x)
        return refined


class Estimator(nn.Module):
    """Estimates the reformulated blur kernel from the low-resolution picture."""

    def __init__(self, config: DCLSConfig) -> None:
        super().__init__()
        width, inner = config.width, config.kernel_channels
        self.kernel_size = config.kernel_size
        self.head = nn.Conv2d(3, width, 7, padding=3)
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(config.head_blocks)))
        self.tail = nn.Sequential(nn.Conv2d(width, width, 3), nn.LeakyReLU(NEGATIVE_SLOPE), nn.Conv2d(width, width, 3))
        self.code = nn.Conv2d(width, config.code_length, 1)
        sides = FILTER_SIZES[config.kernel_size]
        inputs, outputs = (3, *(inner,) * (len(sides) - 1)), (*(inner,) * (len(sides) - 1), 3)
        self.filter_shapes = tuple(
            (out, in_, side, side) for out, in_, side in zip(outputs, inputs, sides, strict=True)
        )
        self.filters = nn.ModuleList(_make_filter(config.code_length, shape) for shape in self.filter_shapes)

    def forward(self, low_res: Float[Tensor, "batch 3 height width"]) -> Kernels:
        """One kernel per picture, float32, of sum 1."""
        x = self.head(low_res)
        x = self.tail(x + self.body(x))
        with torch.autocast(low_res.device.type, enabled=False):  # errors of the small kernels would multiply
            code = self.code(x.float().mean(dim=(2, 3), keepdim=True)).flatten(1)
            return self._multiply([filters(code) for filters in self.filters])

    def _multiply(self, filters: list[Float[Tensor, "batch _"]]) -> Kernels:
        """The kernel that all small kernels in a row amount to, normalised."""
        batch = len(filters[0])
        # All pictures at once: each is a group of channels.
        kernels = filters[0].new_ones(1, 3 * batch, 1, 1)
        for position, (weights, (out, in_, side, _)) in enumerate(zip(filters, self.filter_shapes, strict=True)):
            padding = 0 if position else self.kernel_size - 1
            kernels = F.conv2d(kernels, weights.reshape(batch * out, in_, side, side), padding=padding, groups=batch)
        # A convolution layer correlates, so what it makes of a dot is its kernel turned by half a turn.
        kernels = kernels.view(batch, 3, self.kernel_size, self.kernel_size).mean(dim=1).flip((1, 2))
        return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def _make_filter(code_length: int, shape: tuple[int, int, int, int]) -> nn.Linear:
    """From the code to a small kernel; at first nearly a dot whatever the code, so that the product is one, too."""
    out, in_, side, _ = shape
    layer = nn.Linear(code_length, out * in_ * side * side)
    with torch.no_grad():
        layer.weight.mul_(0.1)
        layer.bias.zero_()
        layer.bias.view(shape)[:, :, side // 2, side // 2] = 1 / in_
    return layer


class FeatureDeconvolution(nn.Module):
    """Deconvolution of features by a kernel, with a regulariser predicted from them."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        reduced = channels // reduction
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.regulariser = nn.Sequential(
            nn.Conv2d(reduced, reduced, 3),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Conv2d(reduced, reduced, 3),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Conv2d(reduced, reduced, 3),
            nn.AdaptiveAvgPool2d(3),
            nn.Conv2d(reduced, reduced, 1),
        )
        self.expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: FeatureMap, kernels: Kernels) -> FeatureMap:
        """Deconvolve ``x``; same shape out."""
        with torch.autocast(x.device.type, enabled=False):
            reduced = self.reduce(x.float())
            regulariser = self.regulariser(reduced).exp()
            regulariser = regulariser - regulariser.mean(dim=(2, 3), keepdim=True)  # no hold on flat areas
            sharp = deconvolve(reduced, kernels[:, None], regulariser)
        expanded: Tensor = self.expand(sharp)
        return expanded


class DualPathBlock(nn.Module):
    """Two residual paths with channel attention; the deconvolved one sees both."""

    def __init__(self, channels: int, plain: int, reduction: int) -> None:
        super().__init__()
        self.deconvolved = leaky_pair(channels, 3, NEGATIVE_SLOPE)
        self.plain = leaky_pair(plain, 3, NEGATIVE_SLOPE)
        self.merge = nn.Sequential(nn.LeakyReLU(NEGATIVE_SLOPE), nn.Conv2d(channels + plain, channels, 3, padding=1))
        self.deconvolved_attention = LeakyChannelAttention(channels, reduction=reduction, negative_slope=0.0)
        self.plain_attention = LeakyChannelAttention(plain, reduction=reduction, negative_slope=0.0)

    def forward(
        self, x: FeatureMap, plain: Float[Tensor, "batch plain height width"]
    ) -> tuple[FeatureMap, Float[Tensor, "batch plain height width"]]:
        """Refine both."""
        added = self.plain(plain)
        merged = self.merge(torch.cat([self.deconvolved(x), added], dim=1))
        return x + self.deconvolved_attention(merged), plain + self.plain_attention(added)


class DualPathGroup(nn.Module):
    """Blocks in a row, and a factor 2 (see the module's docstring)."""

    def __init__(self, channels: int, plain: int, reduction: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DualPathBlock(channels, plain, reduction) for _ in range(blocks))

    def forward(
        self, x: FeatureMap, plain: Float[Tensor, "batch plain height width"]
    ) -> tuple[FeatureMap, Float[Tensor, "batch plain height width"]]:
        """Refine both."""
        for block in self.blocks:
            x, plain = block(x, plain)
        return 2 * x, 2 * plain


class Restorer(nn.Module):
    """Enlarges a picture, given its reformulated blur kernel."""

    def __init__(self, config: DCLSConfig) -> None:
        super().__init__()
        width, plain = config.width, config.width // config.reduction
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.features = nn.Sequential(*(ResidualBlock(width) for _ in range(config.head_blocks)))
        self.plain_head = nn.Conv2d(width, plain, 3, padding=1)
        self.deconvolution = FeatureDeconvolution(width, config.reduction)
        self.groups = nn.ModuleList(
            DualPathGroup(width, plain, config.reduction, config.blocks) for _ in range(config.groups)
        )
        self.fusion = nn.Conv2d(width + plain, width, 3, padding=1)
        self.upsampler = Upsampler(width, config.scale, config.upsampler, config.skip)

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"], kernels: Kernels
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge."""
        first = self.head(low_res)
        features = self.features(first)
        x, plain = self.deconvolution(features, kernels), self.plain_head(features)
        for group in self.groups:
            x, plain = group(x, plain)
        picture: Tensor = self.upsampler(first + self.fusion(torch.cat([plain, x], dim=1)), low_res)
        return picture


class DCLS(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: DCLSConfig) -> None:
        super().__init__()
        self.config = config
        self.estimator = Estimator(config)
        self.restorer = Restorer(config)

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge RGB pictures in [0, 1]; the result is not clamped."""
        picture: Tensor = self.restorer(low_res, self.estimator(low_res).detach())
        return picture

    def forward_with_kernels(self, low_res: Float[Tensor, "batch 3 height width"]) -> BlindEstimate:
        """Enlarge as ``forward`` does, and give the picture and the kernel of the low-resolution picture."""
        kernels = self.estimator(low_res)
        return BlindEstimate(pictures=(self.restorer(low_res, kernels.detach()),), kernels=(kernels,))
