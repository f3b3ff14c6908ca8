"""The discriminator of the adversarial stage: a U-Net with spectral norm that judges every pixel.

Paper: "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data",
https://arxiv.org/abs/2107.10833, section 3.4; spectral norm: https://arxiv.org/abs/1802.05957.

Spectral norm divides a weight by its largest singular value, found by power iteration. Its two vectors are buffers
(``…._u`` and ``…._v``), part of the state dict. Each forward in train mode does one iteration, so two forwards per
step (real, then generated pictures) do two; in evaluation mode nothing changes. The iteration depends on the weights
alone, not on pictures: with the state dict restored, training goes on bit for bit, and in distributed training all
replicas hold the same vectors, whether buffers are sent around or not. Backward works on copies, so
several forwards may precede it.

Shape legend: channels = width at full resolution, 2 · width, 4 · width, 8 · width at 1/2, 1/4, 1/8.
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from nlcunet.errors import ConfigError
from nlcunet.tensors import FeatureMap

SIZE_MULTIPLE = 8
NEGATIVE_SLOPE = 0.2

Features: TypeAlias = tuple[Float[Tensor, "batch _ _ _"], Float[Tensor, "batch _ _ _"], Float[Tensor, "batch _ _ _"]]
"""Feature maps at full, half and quarter resolution."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Shape of a ``UNetDiscriminator``; the defaults are Real-ESRGAN's (4,376,897 parameters)."""

    width: int = 64
    """Channels at full resolution."""
    skip_connections: bool = True
    """Add the encoder's features to the decoder's at equal resolution."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.width < 1:
            raise ConfigError(f"the discriminator's width must be ≥ 1: got {self.width}")


class SpectralConv(nn.Conv2d):
    """A convolution whose normalised weight is made in float32 even under autocast.

    In bfloat16 the power iteration would stall some per cent off, and differ between devices.
    """

    def forward(
        self, x: Float[Tensor, "batch in_channels in_height in_width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Convolve."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def make_spectral_conv(in_channels: int, channels: int, kernel: int, stride: int = 1) -> nn.Module:
    """A convolution without bias, under spectral norm."""
    return spectral_norm(SpectralConv(in_channels, channels, kernel, stride, padding=1, bias=False))


class UNetDiscriminator(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.down1 = make_spectral_conv(width, 2 * width, 4, stride=2)
        self.down2 = make_spectral_conv(2 * width, 4 * width, 4, stride=2)
        self.down3 = make_spectral_conv(4 * width, 8 * width, 4, stride=2)
        self.up1 = make_spectral_conv(8 * width, 4 * width, 3)
        self.up2 = make_spectral_conv(4 * width, 2 * width, 3)
        self.up3 = make_spectral_conv(2 * width, width, 3)
        self.refine1 = make_spectral_conv(width, width, 3)
        self.refine2 = make_spectral_conv(width, width, 3)
        self.tail = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1 height width"]:
        """Logits, positive where a pixel seems to be of a real photograph.

        Args:
            pictures: RGB in [0, 1], values outside are allowed; sides in multiples of 8.

        Raises:
            ConfigError: a side is no multiple of 8.
        """
        return self.judge(self.features(pictures))

    def features(self, pictures: Float[Tensor, "batch 3 height width"]) -> Features:
        """What the first layers see, at full, half and quarter resolution; arguments and errors as of ``forward``."""
        _check_size(pictures.shape[2], pictures.shape[3])
        full = _activate(self.head(pictures))
        half = _activate(self.down1(full))
        return full, half, _activate(self.down2(half))

    def judge(self, features: Features) -> Float[Tensor, "batch 1 _ _"]:
        """Logits from what ``features`` gave."""
        full, half, quarter = features
        x = _activate(self.down3(quarter))
        for up, skip in ((self.up1, quarter), (self.up2, half), (self.up3, full)):
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = _activate(up(x))
            if self.config.skip_connections:
                x = x + skip
        x = _activate(self.refine2(_activate(self.refine1(x))))
        logits: Tensor = self.tail(x)
        return logits


def _activate(x: FeatureMap) -> FeatureMap:
    return F.leaky_relu(x, NEGATIVE_SLOPE)


def _check_size(height: int, width: int) -> None:
    if min(height, width) < SIZE_MULTIPLE or height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise ConfigError(
            f"pictures for the discriminator must have sides in multiples of {SIZE_MULTIPLE}: got {height}×{width}; "
            "choose patch_px so that patch_px · scale is one"
        )
