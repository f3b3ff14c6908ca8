"""DANv2: DANv1's loops with dual paths, where the kernel multiplies the picture, and an estimator of whole kernels.

Paper: Luo et al., "End-to-end Alternating Optimization for Blind Super Resolution", https://arxiv.org/abs/2105.06878.
A path of the picture and a path of the condition run side by side; the condition is changed by every block, too. The
estimator's last layer is a softmax over the kernel's pixels. Gradients do not pass between restorer and estimator.

With ``DANv2Config()`` the network is the published one, weight for weight (``nlcunet.models.convert``). A group of
blocks answers with twice its last block's output: the published code means to add the group's input, but by then its
blocks have changed that input in place. It is kept, because published weights rest on it. What differs: the kernels'
principal components are made here (see ``kernel_codes``); ``forward`` leaves out the last loop's estimate, which no
picture depends on; a one-step upsampler and a bicubic skip for small networks.

Shape legend: channels = width (restorer), estimator_width (estimator); code = code_length. Any height and width.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.models.blind import BlindEstimate, KernelCodes, Kernels
from nlcunet.models.blind_layers import Upsampler, check_blind_config, leaky_pair
from nlcunet.models.kernel_codes import KernelCoder, code_checks
from nlcunet.tensors import FeatureMap

NEGATIVE_SLOPE = 0.2
Condition = Float[Tensor, "batch channels condition_height condition_width"]


@dataclass(frozen=True, kw_only=True)
class DANv2Config:
    """Shape of a DANv2; the defaults are the published network at ×4 (4,707,708 parameters)."""

    scale: int = 4
    """Enlargement: 2, 3 or 4."""
    width: int = 64
    """Channels of the restorer."""
    groups: int = 5
    """Groups of blocks in the restorer."""
    blocks: int = 10
    """Blocks per group."""
    estimator_width: int = 32
    """Channels of each of the estimator's two paths."""
    estimator_blocks: int = 5
    """Blocks of the estimator."""
    loops: int = 4
    """How often restorer and estimator take turns."""
    kernel_size: int = 21
    """Side of the blur kernels in pixels, odd."""
    kernel_family: str = "isotropic"
    """Kernels whose principal components make the code: ``"isotropic"`` or ``"anisotropic"``."""
    code_length: int = 10
    """Numbers per kernel that the restorer sees."""
    upsampler: str = "stepwise"
    """``"stepwise"``: as published; ``"direct"``: one 3×3 convolution to 3 · scale² channels and a pixel shuffle."""
    skip: str = "none"
    """``"none"``: as published; ``"bicubic"``: the input's bicubic enlargement is added, and training starts at it."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        counts = ("width", "groups", "blocks", "estimator_width", "estimator_blocks", "loops", "code_length")
        check_blind_config(self, counts, code_checks(self.kernel_size, self.kernel_family, self.code_length))


class DualPathBlock(nn.Module):
    """Two residual paths; what the picture's path adds is multiplied by what the condition's path adds."""

    def __init__(self, channels: int, condition_kernel_size: int) -> None:
        super().__init__()
        self.picture = leaky_pair(channels, 3, NEGATIVE_SLOPE)
        self.condition = leaky_pair(channels, condition_kernel_size, NEGATIVE_SLOPE)

    def forward(self, x: FeatureMap, condition: Condition) -> tuple[FeatureMap, Condition]:
        """Refine both; the condition is as large as ``x``, or one pixel."""
        added = self.condition(condition)
        return x + self.picture(x) * added, condition + added


class DualPathGroup(nn.Module):
    """Blocks in a row, and a factor 2 (see the module's docstring)."""

    def __init__(self, channels: int, condition_kernel_size: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DualPathBlock(channels, condition_kernel_size) for _ in range(blocks))

    def forward(self, x: FeatureMap, condition: Condition) -> tuple[FeatureMap, Condition]:
        """Refine both."""
        for block in self.blocks:
            x, condition = block(x, condition)
        return 2 * x, 2 * condition


class Restorer(nn.Module):
    """Enlarges a picture, given a code of its blur kernel."""

    def __init__(self, config: DANv2Config) -> None:
        super().__init__()
        width = config.width
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.code_head = nn.Conv2d(config.code_length, width, 1)
        self.groups = nn.ModuleList(DualPathGroup(width, 1, config.blocks) for _ in range(config.groups))
        self.fusion = nn.Conv2d(width, width, 3, padding=1)
        self.upsampler = Upsampler(width, config.scale, config.upsampler, config.skip)

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"], code: KernelCodes
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge; the code's path is one pixel large."""
        x, condition = self.head(low_res), self.code_head(code[:, :, None, None])
        for group in self.groups:
            x, condition = group(x, condition)
        picture: Tensor = self.upsampler(self.fusion(x), low_res)
        return picture


class Estimator(nn.Module):
    """Estimates the blur kernel from a picture and its enlargement."""

    def __init__(self, config: DANv2Config) -> None:
        super().__init__()
        width, scale = config.estimator_width, config.scale
        self.kernel_size = config.kernel_size
        self.low_res_head = nn.Conv2d(3, width, 5, padding=2)
        # Reaches two low-resolution pixels to every side, as the other head does.
        self.high_res_head = nn.Conv2d(3, width, 4 * scale + 1, stride=scale, padding=2 * scale)
        self.body = DualPathGroup(width, 3, config.estimator_blocks)
        self.tail = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.pixels = nn.Conv2d(2 * width, config.kernel_size**2, 1)

    def forward(
        self,
        low_res: Float[Tensor, "batch 3 height width"],
        high_res: Float[Tensor, "batch 3 high_height high_width"],
    ) -> Kernels:
        """One kernel per picture, float32, of positive values and sum 1."""
        x, _ = self.body(self.low_res_head(low_res), self.high_res_head(high_res))
        mean = self.tail(x).float().mean(dim=(2, 3), keepdim=True)
        logits: Tensor = self.pixels(mean).float().flatten(1)
        return logits.softmax(dim=1).view(-1, self.kernel_size, self.kernel_size)


class DANv2(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: DANv2Config) -> None:
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
            kernel = self.estimator(low_res, self.restorer(low_res, code).detach())
            code = self.coder.encode(kernel).detach()
        picture: Tensor = self.restorer(low_res, code)
        return picture

    def forward_with_kernels(self, low_res: Float[Tensor, "batch 3 height width"]) -> BlindEstimate:
        """Enlarge as ``forward`` does, and give the picture, kernel and code of every loop."""
        pictures, kernels, codes = [], [], [self.coder.sharp(low_res.shape[0])]
        for _ in range(self.config.loops):
            pictures.append(self.restorer(low_res, codes[-1].detach()))
            kernels.append(self.estimator(low_res, pictures[-1].detach()))
            codes.append(self.coder.encode(kernels[-1]))
        return BlindEstimate(pictures=tuple(pictures), kernels=tuple(kernels), codes=tuple(codes[1:]))
