"""DANv1: a restorer and a kernel estimator that correct each other over several loops, sharing weights over loops.

Paper: Luo et al., "Unfolding the Alternating Optimization for Blind Super Resolution", https://arxiv.org/abs/2010.02631.
The first loop restores as if there were no blur; then the estimator looks at the low-resolution picture beside the
restored one and answers with the kernel's code, and so on. Gradients do not pass from one to the other.

With ``DANv1Config()`` the network is the published one, weight for weight (``nlcunet.models.convert``). What differs:
the kernels' principal components are made here (see ``kernel_codes``); ``forward`` leaves out the last loop's estimate,
which no picture depends on; a one-step upsampler and a bicubic skip for small networks.

Shape legend: channels = width (restorer), 2 · estimator_width (estimator's blocks inside); code = code_length.
Any height and width.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.models.blind import BlindEstimate, KernelCodes
from nlcunet.models.blind_layers import LeakyChannelAttention, Upsampler, check_blind_config
from nlcunet.models.kernel_codes import KernelCoder, code_checks
from nlcunet.tensors import FeatureMap

NEGATIVE_SLOPE = 0.2
REDUCTION = 16


@dataclass(frozen=True, kw_only=True)
class DANv1Config:
    """Shape of a DANv1; the defaults are the published network at ×4 (4,329,511 parameters)."""

    scale: int = 4
    """Enlargement: 2, 3 or 4."""
    width: int = 64
    """Channels of the restorer."""
    blocks: int = 40
    """Blocks of the restorer."""
    estimator_width: int = 32
    """Channels of each of the estimator's two inputs."""
    estimator_blocks: int = 5
    """Blocks of the estimator."""
    loops: int = 4
    """How often restorer and estimator take turns."""
    kernel_size: int = 21
    """Side of the blur kernels in pixels, odd."""
    kernel_family: str = "isotropic"
    """Kernels whose principal components make the code: ``"isotropic"`` or ``"anisotropic"``."""
    code_length: int = 10
    """Numbers per kernel."""
    upsampler: str = "stepwise"
    """``"stepwise"``: as published; ``"direct"``: one 3×3 convolution to 3 · scale² channels and a pixel shuffle."""
    skip: str = "none"
    """``"none"``: as published; ``"bicubic"``: the input's bicubic enlargement is added, and training starts at it."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        counts = ("width", "blocks", "estimator_width", "estimator_blocks", "loops", "code_length")
        check_blind_config(self, counts, code_checks(self.kernel_size, self.kernel_family, self.code_length))


class ConditionalBlock(nn.Module):
    """Residual block that sees a condition beside its input: two 3×3 convolutions and channel attention."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels + condition, channels + condition, 3, padding=1)
        self.conv2 = nn.Conv2d(channels + condition, channels, 3, padding=1)
        self.channel_attention = LeakyChannelAttention(channels, reduction=REDUCTION, negative_slope=NEGATIVE_SLOPE)

    def forward(self, x: FeatureMap, condition: Float[Tensor, "batch condition height width"]) -> FeatureMap:
        """Refine ``x``; same shape out."""
        hidden = F.leaky_relu(self.conv1(torch.cat([x, condition.to(x)], dim=1)), NEGATIVE_SLOPE)
        refined: Tensor = x + self.channel_attention(self.conv2(hidden))
        return refined


class Restorer(nn.Module):
    """Enlarges a picture, given a code of its blur kernel."""

    def __init__(self, config: DANv1Config) -> None:
        super().__init__()
        width = config.width
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.ModuleList(ConditionalBlock(width, config.code_length) for _ in range(config.blocks))
        self.fusion = nn.Conv2d(width, width, 3, padding=1)
        self.upsampler = Upsampler(width, config.scale, config.upsampler, config.skip)

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"], code: KernelCodes
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge; the code stands beside every pixel."""
        x = self.head(low_res)
        condition = code[:, :, None, None].expand(-1, -1, *low_res.shape[2:])
        for block in self.body:
            x = block(x, condition)
        picture: Tensor = self.upsampler(self.fusion(x), low_res)
        return picture


class Estimator(nn.Module):
    """Estimates the code of the blur kernel from a picture and its enlargement."""

    def __init__(self, config: DANv1Config) -> None:
        super().__init__()
        width = config.estimator_width
        self.low_res_head = nn.Conv2d(3, width, 1)
        self.high_res_head = nn.Conv2d(3, width, 9, stride=config.scale, padding=4)
        self.body = nn.ModuleList(ConditionalBlock(width, width) for _ in range(config.estimator_blocks))
        self.tail = nn.Conv2d(width, config.code_length, 3, padding=1)

    def forward(
        self,
        low_res: Float[Tensor, "batch 3 height width"],
        high_res: Float[Tensor, "batch 3 high_height high_width"],
    ) -> KernelCodes:
        """One code per picture, float32."""
        x, condition = self.low_res_head(low_res), self.high_res_head(high_res)
        for block in self.body:
            x = block(x, condition)
        code: Tensor = self.tail(x).float().mean(dim=(2, 3))
        return code


class DANv1(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: DANv1Config) -> None:
        super().__init__()
        self.config = config
        self.restorer = Restorer(config)
        self.estimator = Estimator(config)
        self.coder = KernelCoder(
            size=config.kernel_size, length=config.code_length, family=config.kernel_family, scale=config.scale
        )

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge RGB pictures in [0, 1]; the result is not clamped."""
        code = self.coder.sharp(low_res.shape[0])
        for _ in range(self.config.loops - 1):
            code = self.estimator(low_res, self.restorer(low_res, code).detach()).detach()
        picture: Tensor = self.restorer(low_res, code)
        return picture

    def forward_with_kernels(self, low_res: Float[Tensor, "batch 3 height width"]) -> BlindEstimate:
        """Enlarge as ``forward`` does, and give the picture, code and kernel of every loop."""
        pictures, codes = [], [self.coder.sharp(low_res.shape[0])]
        for _ in range(self.config.loops):
            pictures.append(self.restorer(low_res, codes[-1].detach()))
            codes.append(self.estimator(low_res, pictures[-1].detach()))
        kernels = tuple(self.coder.decode(code) for code in codes[1:])
        return BlindEstimate(pictures=tuple(pictures), kernels=kernels, codes=tuple(codes[1:]))
